/** What only the leader writes. Each is one statement, and looks for the term in the same transaction. */
import { TILE_WIDTH } from '../formats/tile.ts'
import type { TreeSize } from '../merkle/position.ts'
import { checkTiles } from './commit-shape.ts'
import type { StoredPublication } from './port.ts'
import type { PostgresConnection } from './postgres-pool.ts'
import { readMark } from './postgres-tiles.ts'
import { byteaArray, int4Array, int8Array } from './postgres-types.ts'
import type { Integration, LeaderStore } from './shared-port.ts'

/**
 * Begins a term, unless another server's lasts. What takes the database no time is asked of `prompt`, which does not
 * wait for long: a lease would run out meanwhile.
 */
export async function beginTerm(
  prompt: PostgresConnection,
  db: PostgresConnection,
  candidate: { readonly holder: string; readonly url: string; readonly leaseMs: number },
): Promise<LeaderStore | undefined> {
  const [row] = await prompt.query<{ epoch: number | null }>(
    'begin to lead',
    'SELECT begin_term($1, $2, $3) AS epoch',
    [candidate.holder, candidate.url, leaseOf(candidate.leaseMs)],
  )
  return row?.epoch == null ? undefined : leaderStore(prompt, db, row.epoch)
}

function leaseOf(milliseconds: number): number {
  if (milliseconds > 0 && Number.isFinite(milliseconds)) return Math.ceil(milliseconds)
  throw new RangeError(`expected a lease of some milliseconds, got ${milliseconds}`)
}

function leaderStore(
  prompt: PostgresConnection,
  db: PostgresConnection,
  epoch: number,
): LeaderStore {
  return {
    epoch,
    integrate: (integration) => writeHead(prompt, epoch, integration),
    publish: (publication) => writePublication(prompt, epoch, publication),
    archived: (size, release) => noteArchived(db, epoch, size, release),
    async renew(leaseMs) {
      const rows = await prompt.execute(
        'go on leading',
        `UPDATE leadership SET expires = clock_timestamp() + $2 * interval '1 ms'
         WHERE epoch = $1 AND expires > '-infinity'`,
        [epoch, leaseOf(leaseMs)],
      )
      return rows === 1
    },
    async resign() {
      await prompt.execute(
        'end leading',
        `WITH ended AS (
           UPDATE leadership SET expires = '-infinity' WHERE epoch = $1 RETURNING epoch
         ) SELECT tell_change('leadership') FROM ended`,
        [epoch],
      )
    },
  }
}

/**
 * Makes the tree grow, in the term of `epoch`, or of nobody in particular when that is null.
 * @throws CONFLICT, UNAVAILABLE, IO; RangeError on tiles that do not lead from one size to the next
 */
export async function writeHead(
  db: PostgresConnection,
  epoch: number | null,
  { previousSize, head, tiles }: Integration,
): Promise<void> {
  if (head.size < previousSize) {
    throw new RangeError(`commit from ${previousSize} to ${head.size}: the tree would shrink`)
  }
  const above = tiles.filter(({ level }) => level !== 0)
  checkTiles(previousSize, head.size, above, 1)
  await db.query(
    'store the head',
    'SELECT integrate($1, $2, $3, $4, $5, $6, $7, $8, $9)',
    [
      epoch,
      previousSize,
      head.size,
      head.root,
      head.checkpoint,
      int4Array(above.map(({ level }) => level)),
      int8Array(above.map(({ tile }) => tile)),
      int4Array(above.map(({ offset }) => offset)),
      byteaArray(above.map(({ hashes }) => hashes)),
    ],
    'integrate',
  )
}

/**
 * Replaces the publication, in the term of `epoch`, or of nobody in particular.
 * @throws CONFLICT, UNAVAILABLE, IO; RangeError beyond the head
 */
export async function writePublication(
  db: PostgresConnection,
  epoch: number | null,
  { size, root, checkpoint, timestamp, treeHeadSignature }: StoredPublication,
): Promise<void> {
  const [row] = await db.query<{ fits: boolean }>(
    'store the publication',
    'SELECT publish($1, $2, $3, $4, $5, $6) AS fits',
    [epoch, size, root, checkpoint, timestamp, treeHeadSignature],
    'publish',
  )
  if (row?.fits !== true) throw new RangeError(`a publication of ${size}, beyond the head`)
}

/** Leaves whose rows go in one transaction. */
const RELEASED_AT_ONCE = 256 * TILE_WIDTH

async function noteArchived(
  db: PostgresConnection,
  epoch: number,
  size: TreeSize,
  release: TreeSize,
): Promise<void> {
  if (release > size) {
    throw new RangeError(`cannot release ${release} of the ${size} entries that the archive has`)
  }
  let released: number = (await readMark(db)).released
  do {
    released = Math.max(released, Math.min(release, released + RELEASED_AT_ONCE))
    await db.query('note what the archive has', 'SELECT release_archived($1, $2, $3)', [
      epoch,
      size,
      released,
    ])
  } while (released < release)
}
