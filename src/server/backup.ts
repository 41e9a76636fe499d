/** The parts of a backup, in their order, of a log at rest or of one that goes on meanwhile. */
import { fromUtf8, join, utf8 } from '../bytes.ts'
import { BACKUP_FORMAT, type BackupPart, PART_BYTES } from '../formats/backup.ts'
import { formatSavedLog, type SavedHead } from '../formats/backup-log.ts'
import { formatRow, formatUse } from '../formats/backup-rows.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { treeSize } from '../merkle/position.ts'
import type { HeadStore } from '../storage/heads-port.ts'
import type { IdempotencyRecord, StoredHead, StoredPublication } from '../storage/port.ts'
import type { VaultRow } from '../storage/vault-port.ts'
import { bundleWidth } from '../tiles/geometry.ts'
import type { TileSource } from '../tiles/source.ts'
import { readLogFile } from './log-files.ts'
import type { LogStorage } from './log-storage.ts'

/** What a backup is made of, all of it as it is when it is asked for. */
export interface BackupSource {
  readonly vkeys: readonly VerifierKey[]
  /** Taken before all else: whatever belongs to it is there by then. */
  heads(): Promise<{
    readonly head: StoredHead | undefined
    readonly publication: StoredPublication | undefined
    /** Whether what the signer remembers is no later. */
    readonly isNewest: boolean
  }>
  readonly source: TileSource
  readonly policy: Uint8Array | undefined
  tokens(): Promise<string | undefined>
  readonly kept: Pick<HeadStore, 'times' | 'read'> | undefined
  /** Paths below the data directory. */
  files(): Promise<readonly string[]>
  readonly directory: LogStorage['directory']
  /** Rows of the vault; payloads are asked for before keys, so that no payload lacks its key. */
  readonly vault:
    | { payloads(): AsyncIterable<VaultRow>; keys(): AsyncIterable<VaultRow> }
    | undefined
  idempotency(): AsyncIterable<IdempotencyRecord> | undefined
}

/** @throws what the storages throw; the signal's reason */
export async function* backupParts(
  from: BackupSource,
  signal?: AbortSignal,
): AsyncGenerator<BackupPart> {
  const { head, publication, isNewest } = await from.heads()
  const size = head?.size ?? 0
  yield { name: 'format', bytes: utf8(BACKUP_FORMAT) }
  yield {
    name: 'log.json',
    bytes: formatSavedLog({
      vkeys: from.vkeys.map(formatVkey),
      made: Date.now(),
      head: head && savedHead(head),
      publication: publication && { ...publication, ...savedHead(publication) },
      isNewest,
    }),
  }
  if (from.vault !== undefined) {
    yield* rowParts('payloads', from.vault.payloads(), signal)
    yield* rowParts('vault', from.vault.keys(), signal)
  }
  if (from.policy !== undefined) yield { name: 'policy', bytes: from.policy }
  const tokens = await from.tokens()
  if (tokens !== undefined) yield { name: 'tokens', bytes: utf8(tokens) }
  yield* keptHeads(from)
  for (const name of await from.files()) {
    const bytes = await readLogFile(from.directory, name)
    if (bytes !== undefined) yield { name: `files/${name}`, bytes }
  }
  yield* useParts(from, size)
  for (let first = 0; first < size; ) {
    signal?.throwIfAborted()
    const { bytes, next } = await entriesFrom(from.source, first, size)
    yield { name: `entries/${numbered(first)}`, bytes }
    first = next
  }
}

function savedHead({ size, root, checkpoint }: StoredHead): SavedHead {
  return { size, root, checkpoint: fromUtf8(checkpoint) }
}

/** Numbers in the order of names. */
function numbered(value: number): string {
  return String(value).padStart(16, '0')
}

async function* keptHeads({ kept }: BackupSource): AsyncGenerator<BackupPart> {
  for (const time of [...(kept?.times() ?? [])]) {
    // One that was given up meanwhile is not missed.
    const head = await kept?.read(time).catch(() => undefined)
    if (head === undefined) continue
    yield { name: `heads/${numbered(time)}`, bytes: utf8(head.checkpoint) }
  }
}

async function* rowParts(
  name: string,
  rows: AsyncIterable<VaultRow>,
  signal: AbortSignal | undefined,
): AsyncGenerator<BackupPart> {
  const formatted = (async function* () {
    for await (const row of rows) {
      signal?.throwIfAborted()
      yield formatRow(row)
    }
  })()
  yield* numberedParts(name, formatted)
}

/** Those of leaves beyond the head are left out. */
async function* useParts(from: BackupSource, size: number): AsyncGenerator<BackupPart> {
  const records = from.idempotency()
  if (records === undefined) return
  const formatted = (async function* () {
    for await (const record of records) {
      if (record.indices.every((index) => index < size)) yield formatUse(record)
    }
  })()
  yield* numberedParts('idempotency', formatted)
}

async function* numberedParts(
  name: string,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<BackupPart> {
  let some: Uint8Array[] = []
  let bytes = 0
  let number = 0
  for await (const piece of pieces) {
    some.push(piece)
    bytes += piece.length
    if (bytes < PART_BYTES) continue
    yield { name: `${name}/${numbered(number++)}`, bytes: join(some) }
    some = []
    bytes = 0
  }
  if (some.length > 0) yield { name: `${name}/${numbered(number)}`, bytes: join(some) }
}

const WIDTH = 256

/** Whole bundles, as many as go into a part. */
async function entriesFrom(
  source: TileSource,
  first: number,
  size: number,
): Promise<{ readonly bytes: Uint8Array; readonly next: number }> {
  const bundles: Uint8Array[] = []
  let bytes = 0
  let next = first
  while (next < size && bytes < PART_BYTES) {
    const bundle = Math.floor(next / WIDTH)
    const width = bundleWidth(bundle, treeSize(size))
    const framed = await source.bundle(bundle, width)
    bundles.push(framed)
    bytes += framed.length
    next += width
  }
  return { bytes: join(bundles), next }
}
