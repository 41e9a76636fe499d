/** Giving leaves their indices: a batch as the parameters of sequence_leaves(), and its answer as an outcome. */
import { join } from '../bytes.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, treeSize } from '../merkle/position.ts'
import type { IdempotencyRecord } from './port.ts'
import type { PostgresConnection } from './postgres-pool.ts'
import { byteaArray, int4Array } from './postgres-types.ts'
import type { SequenceBatch, SequenceOutcome } from './shared-port.ts'

const WHAT = 'sequence leaves'
const KEY_SIZE = 16

/**
 * @throws RangeError on a batch that contradicts itself; CONFLICT when its term is over; UNAVAILABLE, DISK_FULL, IO
 */
export async function sequenceBatch(
  db: PostgresConnection,
  batch: SequenceBatch,
): Promise<SequenceOutcome> {
  checkBatch(batch)
  const { requests } = batch
  const ends = [0]
  const places: number[] = []
  for (const request of requests) {
    for (const place of request.places) places.push(place)
    ends.push(places.length)
  }
  const [row] = await db.query<{
    previous: number | null
    size: number | null
    given: LeafIndex[] | null
  }>(
    WHAT,
    'SELECT * FROM sequence_leaves($1, $2, $3, $4, $5, $6, $7, $8, $9)',
    [
      batch.framed,
      batch.hashes,
      int4Array(batch.starts),
      batch.dedup,
      join(requests.map(({ key }) => key)),
      join(requests.map(({ request }) => request)),
      int4Array(ends),
      int4Array(places),
      batch.epoch ?? null,
    ],
    'sequence',
  )
  if (row?.previous == null || row.size == null) {
    const keys = requests.map(({ key }) => key)
    return { kind: 'replayed', records: await idempotencyOf(db, keys) }
  }
  const { previous, size, given } = row
  const indices =
    given ?? Array.from({ length: size - previous }, (_, i) => leafIndex(previous + i))
  return {
    kind: 'sequenced',
    indices,
    previousSize: treeSize(previous),
    size: treeSize(size),
  }
}

/** @throws RangeError naming what does not fit */
function checkBatch({ framed, starts, hashes, requests }: SequenceBatch): void {
  const count = hashes.length / HASH_SIZE
  const refuse = (what: string): never => {
    throw new RangeError(`a batch of ${count} leaves: ${what}`)
  }
  if (!Number.isInteger(count)) refuse(`${hashes.length} bytes of hashes`)
  if (starts.length !== count + 1) refuse(`${starts.length} numbers for where they begin and end`)
  let at = 0
  for (let i = 0; i < count; i++) {
    if (starts[i] !== at || at + 2 > framed.length)
      refuse(`leaf ${i} is not framed at ${starts[i]}`)
    at += 2 + framed[at]! * 256 + framed[at + 1]!
  }
  if (at !== framed.length || starts[count] !== at)
    refuse(`they end at ${at}, not ${starts[count]}`)
  for (const { key, request, places } of requests) {
    if (key.length !== KEY_SIZE) refuse(`an idempotency key of ${key.length} bytes`)
    if (request.length !== HASH_SIZE) refuse(`a request's digest of ${request.length} bytes`)
    const wrong = places.find((place) => !Number.isInteger(place) || place < 0 || place >= count)
    if (wrong !== undefined) refuse(`a request for the leaf ${wrong}`)
  }
}

/** What is known of these keys, in any order. */
export async function idempotencyOf(
  db: PostgresConnection,
  keys: readonly Uint8Array[],
): Promise<IdempotencyRecord[]> {
  return db.query<IdempotencyRecord>(
    'read idempotency records',
    'SELECT key, request, indices FROM idempotency WHERE key = ANY ($1::bytea[])',
    [byteaArray(keys)],
  )
}
