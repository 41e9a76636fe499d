/**
 * Whether a data directory's log is in it or in a database. Started the other way, a second log would begin with the same
 * keys, and contradict the first. A store says the one, the lock of a server of a database the other; both are there
 * where that was tried before anything refused it, and then neither says anything.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { usage } from '../errors.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import { keyFiles } from './key-file.ts'

/** @throws USAGE when the log is in the directory */
export function assertKeptInDatabase(directory: DataDirectory): void {
  if (!hasStore(directory) || hasLock(directory)) return
  const { path } = directory
  throw usage(
    `${path} holds a log itself; cairn migrate --from ${path} --to NEW --to-database URL moves it into a database; for another log choose another directory`,
  )
}

/** @throws USAGE when the log is in a database */
export function assertKeptHere(directory: DataDirectory): void {
  if (hasStore(directory) || !hasLock(directory) || !hasKeys(directory)) return
  throw usage(
    `${directory.path} has the keys of a log that is in a database; say with --database which, as before: a second log with these keys would contradict it; for another log choose another directory`,
  )
}

/** That which LevelDB makes first. */
function hasStore({ store }: DataDirectory): boolean {
  return existsSync(join(store, 'CURRENT'))
}

function hasLock({ path }: DataDirectory): boolean {
  return existsSync(join(path, 'lock'))
}

function hasKeys({ keys }: DataDirectory): boolean {
  const { plain, encrypted } = keyFiles(keys, 'log')
  return existsSync(plain) || existsSync(encrypted)
}
