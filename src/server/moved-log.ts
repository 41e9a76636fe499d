/** A log that is to be copied elsewhere: a stopped one at a place of its own, or one at an address. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createLogClient } from '../client/log-client.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { localSigner } from '../log/local-signer.ts'
import { disagreement } from '../log/recover.ts'
import { openSignedState } from '../log/signed-state.ts'
import { storedTiles } from '../log/stored-tiles.ts'
import type { TreeSize } from '../merkle/position.ts'
import { directoryKind, markOf } from '../storage/data-directory.ts'
import type { IdempotencyRecord, StoredHead, StoredPublication } from '../storage/port.ts'
import type { TileSource } from '../tiles/source.ts'
import { keyFiles } from './key-file.ts'
import { readKeys } from './keys.ts'
import { defaultSignerState } from './log-parts.ts'
import { type LogPlace, type LogStorage, openStorage } from './log-storage.ts'
import { readVkeyFile } from './vkey-file.ts'

export interface MovedLog {
  /** Its own keys, Ed25519 first. */
  readonly vkeys: readonly VerifierKey[]
  /** The directory that its private keys are in. */
  readonly keys: string
  readonly source: TileSource
  /** The newest head, signed by these keys; undefined for a log that never had a leaf. */
  readonly head: StoredHead | undefined
  readonly publication: StoredPublication | undefined
  /** Whether the signer remembers no other head than this log has. */
  readonly isNewest: boolean
  readonly idempotency: AsyncIterable<IdempotencyRecord> | undefined
  /** Everything else; a log at an address shows nothing of it. */
  readonly storage: LogStorage | undefined
  /**
   * Says in its place that it goes on elsewhere, where nothing is added to it from then on. What an address shows is
   * somebody else's to mark.
   * @throws CONFLICT when there is more by now than was opened: nothing is marked then; FORBIDDEN, UNAVAILABLE, IO
   */
  markMoved(where: string): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a log that nobody runs.
 * @param movedTo where it may have been moved to already, by a move that is to be finished
 * @throws LOCKED while a server has it; USAGE when it was moved elsewhere; CORRUPT, NOT_FOUND, IO
 */
export async function openStoppedLog(place: LogPlace, movedTo: string): Promise<MovedLog> {
  const storage = await openStorage(place, { create: false, despite: ['moved'] })
  try {
    const { directory, log } = storage
    const moved = await storage.mark('moved')
    if (moved !== undefined && !moved.startsWith(`${movedText(resolve(movedTo))} `)) {
      throw usage(`the log in ${storage.place} ${moved}; copy it from there`)
    }
    const vkeys = await readVkeyFile(directory.vkeyFile)
    const head = await log.head()
    const publication = await log.publication()
    if (head !== undefined) mustBeSigned(head, vkeys, 'newest head')
    if (publication !== undefined) mustBeSigned(publication, vkeys, 'published head')
    mustHaveNoMore(storage, await storage.sequenced(), head)
    return {
      vkeys,
      keys: directory.keys,
      source: storedTiles(log),
      head,
      publication,
      isNewest: await isNewest(place, vkeys[0]!, head, storedTiles(log)),
      idempotency: log.idempotencyRecords?.(),
      storage,
      async markMoved(where) {
        // By an earlier run, which was cut off since.
        if (moved !== undefined) return
        const size = await storage.markMoved(movedMark(where), head)
        mustHaveNoMore(storage, size, head)
      },
      close: () => storage.close(),
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}

/** Whether a log was moved to a place already, to the end. @throws as openStorage */
export async function wasMoved(from: LogPlace, to: string): Promise<boolean> {
  const storage = await openStorage(from, { create: false, despite: ['moved'] })
  const moved = await storage.mark('moved').finally(() => storage.close())
  return (
    moved?.startsWith(`${movedText(resolve(to))} `) === true &&
    (await directoryKind(to)) === 'log' &&
    (await markOf(to, 'unfinished')) === undefined
  )
}

/** A server of a shared log may go on acknowledging leaves, though none leads. @throws CONFLICT */
function mustHaveNoMore(
  { place }: LogStorage,
  size: TreeSize | undefined,
  head: StoredHead | undefined,
): void {
  if (size === undefined || size === (head?.size ?? 0)) return
  throw new CairnError(
    'CONFLICT',
    `${place} has ${size} acknowledged leaves, of which ${head?.size ?? 0} are under its newest head: a server took them that is not stopped, or was not in good order; let one catch up, stop all of them, and run this again`,
  )
}

function movedText(where: string): string {
  return `was moved to ${where}`
}

/** What a place says of a log that goes on elsewhere from now on. */
export function movedMark(where: string): string {
  return `${movedText(where)} on ${new Date().toISOString().slice(0, 19)}Z`
}

/** The data directory that such a mark names. */
export function placeInMark(mark: string): string | undefined {
  return /^was moved to (.*) on \S+$/.exec(mark)?.[1]
}

export interface LogAtAddress {
  readonly url: string
  readonly token?: string | undefined
  /** The directory of its private keys. */
  readonly keys: string
  readonly passphrase?: string | undefined
  readonly onRetry?: (reason: string) => void
  readonly signal?: AbortSignal
}

/** Reads a log at an address as far as everyone can. @throws USAGE without its own keys; VERIFICATION_FAILED, IO */
export async function openLogAtAddress(from: LogAtAddress): Promise<MovedLog> {
  const { url, token, keys, passphrase, onRetry, signal } = from
  const vkeys = await ownVkeys(keys, passphrase)
  const client = createLogClient({ url, ...(token && { token }), ...(onRetry && { onRetry }) })
  const call = signal ? { signal } : {}
  const bytes = await client.checkpoint(call)
  const { checkpoint } = openCheckpoint(bytes, vkeys)
  return {
    vkeys,
    keys,
    source: client.tileSource(call),
    head: { size: checkpoint.size, root: checkpoint.root, checkpoint: bytes },
    publication: undefined,
    // What it has signed since, nobody else knows.
    isNewest: false,
    idempotency: undefined,
    storage: undefined,
    async markMoved() {},
    async close() {},
  }
}

async function ownVkeys(
  directory: string,
  passphrase: string | undefined,
): Promise<readonly VerifierKey[]> {
  const found = await readKeys({ directory, ...(passphrase === undefined ? {} : { passphrase }) })
  if (found === undefined) {
    throw usage(
      `there is no ${keyFiles(directory).plain}, nor one encrypted: a log goes on with its own keys only`,
    )
  }
  const signer = localSigner(found.keys)
  await signer.close()
  return [signer.ed25519, signer.mlDsa]
}

/** @throws CORRUPT when these keys have not signed a head, or something else than is stored beside it */
export function mustBeSigned(head: StoredHead, vkeys: readonly VerifierKey[], what: string): void {
  try {
    const { checkpoint } = openCheckpoint(head.checkpoint, vkeys)
    if (checkpoint.size === head.size && Buffer.compare(checkpoint.root, head.root) === 0) return
  } catch (cause) {
    const message = `the ${what} is not signed by this log's keys: ${messageOf(cause)}`
    throw new CairnError('CORRUPT', message, { cause })
  }
  throw new CairnError('CORRUPT', `the ${what} does not match its checkpoint; run cairn fsck`)
}

/** Where the signer's state of a place is. */
export function signerStateOf(place: LogPlace, ed25519: VerifierKey): string {
  return place.signerState ?? defaultSignerState(place.data, { ed25519 })
}

/** @throws CORRUPT when the signer remembers what this copy does not have */
async function isNewest(
  place: LogPlace,
  ed25519: VerifierKey,
  head: StoredHead | undefined,
  tiles: TileSource,
): Promise<boolean> {
  const file = signerStateOf(place, ed25519)
  if (!existsSync(file)) return false
  const state = await openSignedState(file, formatVkey(ed25519))
  try {
    const reason = await disagreement(state, head, tiles)
    if (reason === undefined) return state.last !== undefined
    throw new CairnError('CORRUPT', reason)
  } finally {
    await state.close()
  }
}

/** The files of keys in a directory that a log can use. */
export function keyFilesIn(directory: string): string[] {
  const { plain, encrypted } = keyFiles(directory)
  return [plain, encrypted, join(directory, 'vault.key')].filter((file) => existsSync(file))
}
