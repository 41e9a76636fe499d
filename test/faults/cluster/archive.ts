/** The object storage of a run, and its absence for a while. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { openObjectDirectory } from '../../../src/storage/object-directory.ts'
import type { ObjectStore } from '../../../src/storage/object-port.ts'

export interface Archive {
  /** What it is, for people. */
  readonly name: string
  /** What servers are told of it. */
  readonly flags: readonly string[]
  /** As a reader sees it, also while it refuses the servers. */
  readonly store: ObjectStore
  /** Refuses all that servers ask of it, for so many milliseconds. */
  refuse(milliseconds: number): Promise<void>
  close(): Promise<void>
}

export async function startArchive(place: string, _directory: boolean): Promise<Archive> {
  return startDirectory(join(place, 'objects'))
}

/** As a mount that goes away, and comes back. */
async function startDirectory(directory: string): Promise<Archive> {
  await mkdir(directory)
  const store = await openObjectDirectory(directory)
  const away = `${directory}.away`
  return {
    name: `a directory (${directory})`,
    flags: ['--bucket', pathToFileURL(directory).href],
    store,
    async refuse(milliseconds) {
      await rename(directory, away)
      await writeFile(directory, '')
      await sleep(milliseconds)
      await rm(directory)
      await rename(away, directory)
    },
    close: () => store.close(),
  }
}
