/** A log to audit, wherever it is: at an address, in a folder with a copy of it, or in the data directory of a cairn. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLogClient } from '../client/log-client.ts'
import type { Trust } from '../client/verdict.ts'
import { usage } from '../errors.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import type { TileSource } from '../tiles/source.ts'
import { note } from './command.ts'
import { directorySource } from './directory-source.ts'
import { isDataDirectory, openStoredLog } from './stored-log.ts'
import { printable } from './style.ts'
import { readTrust, type TrustFlags } from './trust.ts'

export interface TargetFlags extends TrustFlags {
  readonly token?: string
  /** Seconds that one answer of a log may take. */
  readonly timeout?: number
}

export interface Target {
  readonly source: TileSource
  readonly checkpoint: Uint8Array
  readonly trust: Trust
  close(): Promise<void>
}

const DEFAULT_TIMEOUT = 30
/** Milliseconds between two notes that a log keeps one waiting. */
const BETWEEN_NOTES = 5_000

/** @throws USAGE, IO, and what the store throws */
export async function openTarget(
  place: string,
  flags: TargetFlags,
  signal: AbortSignal,
): Promise<Target> {
  if (/^https?:\/\//.test(place)) return openAddress(place, flags, signal)
  const where = folderOf(place)
  for (const name of ['token', 'timeout'] as const) {
    if (flags[name] !== undefined) throw usage(`--${name} goes with the address of a log`)
  }
  if (isDataDirectory(where)) {
    const own = flags.policy === undefined && flags.vkey === undefined
    const trust = own
      ? { logKeys: await readVkeyFile(join(where, 'log.vkey')) }
      : await readTrust(flags)
    if (own) note(`using the log's own keys, from ${join(where, 'log.vkey')}`)
    return { ...(await openStoredLog(where)), trust }
  }
  const file = join(where, 'checkpoint')
  if (!existsSync(file)) {
    throw usage(
      existsSync(where)
        ? `${where} is neither a data directory of cairn nor a folder with a checkpoint file in it`
        : `${where} is neither an http(s) address nor an existing folder`,
    )
  }
  const trust = await readTrust(flags)
  const checkpoint = await readFileUpTo(file, MAX_NOTE_SIZE)
  return { source: directorySource(where), checkpoint, trust, async close() {} }
}

/** A folder may be named as the archive of a log is: `file:///srv/archive`. */
function folderOf(place: string): string {
  if (!place.startsWith('file://')) return place
  try {
    return fileURLToPath(place)
  } catch (error) {
    throw usage(`${place} names no folder of this machine; write file:///FOLDER`, error)
  }
}

async function openAddress(url: string, flags: TargetFlags, signal: AbortSignal): Promise<Target> {
  const trust = await readTrust(flags)
  const options = {
    url,
    ...(flags.token && { token: flags.token }),
    timeoutMs: (flags.timeout ?? DEFAULT_TIMEOUT) * 1000,
  }
  // A wrong address is said at once; later on, patience saves a long audit.
  const checkpoint = await createLogClient({ ...options, retries: 1 }).checkpoint({ signal })
  const client = createLogClient({
    ...options,
    onRetry: sparingly((reason) => note(`waiting: ${printable(reason)}`)),
  })
  return { source: client.tileSource({ signal }), checkpoint, trust, async close() {} }
}

/** Many requests fail at once when a log does. */
function sparingly(tell: (reason: string) => void): (reason: string) => void {
  let last = Number.NEGATIVE_INFINITY
  return (reason) => {
    const now = performance.now()
    if (now - last < BETWEEN_NOTES) return
    last = now
    tell(reason)
  }
}
