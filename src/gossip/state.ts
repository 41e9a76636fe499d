/**
 * What is remembered of a sink, so that a restart neither sends again nor forgets a failure: one small JSON file a
 * sink, replaced as a whole and synced.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromBase64, fromUtf8, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { HASH_SIZE, type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'

const VERSION = 'cairn-gossip-state/v1'
/** A target may be an address that only the operator should know. */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

export interface SinkError {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly message: string
}

/** Times are milliseconds since 1970. */
export interface SinkState {
  readonly target: string
  /** Size of the last head that was sent; 0 before the first. */
  readonly lastSize: TreeSize
  readonly lastRoot?: RootHash
  readonly lastSuccess?: number
  /** What the sink got for the last head. */
  readonly lastReceipt?: string
  /** Kept after a success, until the next failure. */
  readonly lastError?: SinkError
  readonly attempts: number
  readonly failures: number
  /** Failures since the last success. */
  readonly failuresInARow: number
  /** No attempt before this time. */
  readonly retryAt?: number
}

/** Where the states of a log's sinks are kept. */
export interface StateStore {
  /** @throws MALFORMED when what is kept cannot be read, IO */
  read(sink: string): Promise<SinkState | undefined>
  /** Replaces the state of a sink, durably. @throws the file system's errors */
  write(sink: string, state: SinkState): Promise<void>
}

/** The state of a sink that was never sent to. */
export function freshState(target: string): SinkState {
  return { target, lastSize: treeSize(0), attempts: 0, failures: 0, failuresInARow: 0 }
}

/** States as files `<directory>/<sink>.json`. The directory is made when the first one is written. */
export function fileStates(directory: string): StateStore {
  const pathOf = (sink: string) => join(directory, `${sink}.json`)
  return {
    async read(sink) {
      let bytes: Uint8Array
      try {
        bytes = await readFile(pathOf(sink))
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw new CairnError('IO', `cannot read ${pathOf(sink)}: ${messageOf(cause)}`, { cause })
      }
      return parseState(bytes)
    },
    async write(sink, state) {
      await makeDirectory(directory, DIRECTORY_MODE)
      await durableWriteFile(pathOf(sink), formatState(state), FILE_MODE)
    },
  }
}

function formatState(state: SinkState): Uint8Array {
  const { lastRoot, ...rest } = state
  const stored = { version: VERSION, ...rest, ...(lastRoot && { lastRoot: toBase64(lastRoot) }) }
  return utf8(`${JSON.stringify(stored)}\n`)
}

/** @throws MALFORMED on anything that formatState would not write */
export function parseState(bytes: Uint8Array): SinkState {
  let value: unknown
  try {
    value = JSON.parse(fromUtf8(bytes))
  } catch (cause) {
    throw malformed('state of a sink is not JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || !('version' in value)) {
    throw malformed('state of a sink is not an object with a version')
  }
  if (value.version !== VERSION) throw malformed('state of a sink is of another version')
  const members = value as Readonly<Record<string, unknown>>
  const { lastRoot, lastError, target } = members
  const count = (name: string): number => {
    const number = members[name]
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number
    throw malformed(`${name} of a sink's state is not a number`)
  }
  const time = (name: string) => (members[name] === undefined ? {} : { [name]: count(name) })
  if (typeof target !== 'string') throw malformed('state of a sink has no target')
  return {
    target,
    lastSize: treeSize(count('lastSize')),
    ...(lastRoot !== undefined && { lastRoot: parseRoot(lastRoot) }),
    ...time('lastSuccess'),
    ...(typeof members.lastReceipt === 'string' && { lastReceipt: members.lastReceipt }),
    ...(lastError !== undefined && { lastError: parseError(lastError) }),
    attempts: count('attempts'),
    failures: count('failures'),
    failuresInARow: count('failuresInARow'),
    ...time('retryAt'),
  }
}

function parseRoot(value: unknown): RootHash {
  const hash = typeof value === 'string' ? fromBase64(value) : new Uint8Array()
  if (hash.length !== HASH_SIZE) throw malformed("lastRoot of a sink's state is not a root hash")
  return rootHash(hash)
}

function parseError(value: unknown): SinkError {
  const { at, message } = (value ?? {}) as { at?: unknown; message?: unknown }
  if (typeof at !== 'number' || typeof message !== 'string') {
    throw malformed("lastError of a sink's state has no time and message")
  }
  return { at, message }
}
