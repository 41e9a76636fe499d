/**
 * The shared store: a log in one schema of a PostgreSQL database, for any number of servers.
 *
 * Leaves and their hashes are rows of `entry_runs`, in the order in which they were sequenced; tiles of level 1 and
 * above are runs of hashes as in the embedded store, added to and never rewritten. The tables and the functions that
 * write them are in postgres-migration-log.ts.
 */
import { join } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { HASH_SIZE, type LeafHash, type RootHash } from '../merkle/hash.ts'
import { type LeafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { checkCommit } from './commit-shape.ts'
import type { ObjectStore } from './object-port.ts'
import type { Commit, IdempotencyRecord, StoredHead, StoredPublication } from './port.ts'
import { inspectPostgres } from './postgres-inspect.ts'
import { beginTerm, writeHead, writePublication } from './postgres-leader.ts'
import type { PostgresConnection, PostgresPool } from './postgres-pool.ts'
import { migrateSchema } from './postgres-schema.ts'
import { idempotencyOf, sequenceBatch } from './postgres-sequence.ts'
import {
  checkArchiveWanted,
  checkIdentity,
  checkServer,
  type LogIdentity,
} from './postgres-settings.ts'
import {
  readBundle,
  readLeafHashes,
  readMark,
  readNext,
  readSequenced,
  readTile,
} from './postgres-tiles.ts'
import { byteaArray, int4Array, int8Array } from './postgres-types.ts'
import { watchChanges } from './postgres-watch.ts'
import type { Leadership, SharedLogStore } from './shared-port.ts'

const USED_TTL_MS = 10_000
const RECORDS_AT_ONCE = 1_000
/** What takes the database no time is not waited for longer than this, with so many bytes a millisecond on the way. */
const ANSWER_MS = 5_000
const BYTES_PER_MS = 1_000

export interface PostgresLogOptions {
  /** Stays open when the store is closed; whoever made it closes it. */
  readonly pool: PostgresPool
  /** Where tiles and bundles are that the database has let go of. */
  readonly archive?: ObjectStore | undefined
  /** Noted when the schema is new, and demanded from then on. */
  readonly identity?: LogIdentity
  /** Accepts a server that may lose what it acknowledged: fsync or full_page_writes is off. Default false. */
  readonly allowUnsafe?: boolean
  /** Nothing is to be added: what is said of its archive stays as it is. Default false. */
  readonly toRead?: boolean
}

/**
 * Opens the log of a pool's schema; brings the schema to the version of this program first.
 * @throws USAGE when the schema is of another log, the server is too old or unsafe, or an archive is needed;
 *   NEWER_FORMAT, FORBIDDEN, UNAVAILABLE, IO
 */
export async function openPostgresLogStore(options: PostgresLogOptions): Promise<SharedLogStore> {
  const { pool, archive, identity } = options
  await checkServer(pool, options.allowUnsafe ?? false)
  await migrateSchema(pool)
  if (identity !== undefined) await checkIdentity(pool, identity)
  await checkArchiveWanted(pool, archive !== undefined, options.toRead ?? false)
  return new PostgresLogStore(pool, archive)
}

class PostgresLogStore implements SharedLogStore {
  readonly #pool: PostgresPool
  readonly #archive: ObjectStore | undefined
  readonly #watch: ReturnType<typeof watchChanges>
  #committing = false
  #isClosed = false
  #used: { at: number; bytes: number } | undefined

  constructor(pool: PostgresPool, archive: ObjectStore | undefined) {
    this.#pool = pool
    this.#archive = archive
    this.#watch = watchChanges(pool)
  }

  async head(): Promise<StoredHead | undefined> {
    const [row] = await this.#prompt().query<HeadRow>(
      'read the head',
      'SELECT size, root, checkpoint FROM head',
    )
    return row && headOf(row)
  }

  async publication(): Promise<StoredPublication | undefined> {
    const [row] = await this.#prompt().query<
      HeadRow & { timestamp: number; signature: Uint8Array }
    >(
      'read the publication',
      'SELECT size, root, checkpoint, timestamp, signature FROM publication',
    )
    return row && { ...headOf(row), timestamp: row.timestamp, treeHeadSignature: row.signature }
  }

  async commit(commit: Commit): Promise<void> {
    if (this.#isClosed) throw new CairnError('STOPPED', 'the store is closed')
    if (this.#committing) throw new CairnError('CONFLICT', 'another commit is still being written')
    checkCommit(commit)
    this.#committing = true
    try {
      await this.#commit(commit)
    } finally {
      this.#committing = false
    }
  }

  async #commit(commit: Commit): Promise<void> {
    const { previousSize, head, bundles, leafHashes, idempotency } = commit
    for (const { key, request } of idempotency) checkIdempotency(key, request)
    await this.#pool.transaction('commit', async (connection) => {
      await connection.query('commit', 'SELECT commit_leaves($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
        previousSize,
        head.size,
        int8Array(bundles.map(({ bundle, offset }) => bundle * 256 + offset)),
        int4Array(bundles.map(({ count }) => count)),
        byteaArray(bundles.map(({ framed }) => framed)),
        leafHashes,
        byteaArray(idempotency.map(({ key }) => key)),
        byteaArray(idempotency.map(({ request }) => request)),
        idempotency.map(({ indices }) => `{${indices.join(',')}}`),
      ])
      await writeHead(connection, null, commit)
    })
  }

  async publish(publication: StoredPublication): Promise<void> {
    await writePublication(this.#db, null, publication)
  }

  async tile(level: number, tile: number): Promise<Uint8Array> {
    return readTile(this.#db, this.#archive, level, tile)
  }

  async bundle(bundle: number): Promise<Uint8Array> {
    return readBundle(this.#db, this.#archive, bundle)
  }

  async find(leafHashes: readonly LeafHash[]): Promise<(LeafIndex | undefined)[]> {
    const db = this.#db
    if (leafHashes.length === 0) return []
    const [row] = await db.query<{ found: (LeafIndex | null)[] }>(
      'look leaves up',
      'SELECT find_leaves($1) AS found',
      [join(leafHashes)],
      'find',
    )
    return (row?.found ?? []).map((index) => index ?? undefined)
  }

  async idempotency(key: Uint8Array): Promise<IdempotencyRecord | undefined> {
    return (await idempotencyOf(this.#db, [key]))[0]
  }

  async *idempotencyRecords(): AsyncGenerator<IdempotencyRecord> {
    let after = new Uint8Array()
    for (;;) {
      const rows: IdempotencyRecord[] = await this.#db.query(
        'read idempotency records',
        `SELECT key, request, indices FROM idempotency WHERE key > $1 ORDER BY key LIMIT ${RECORDS_AT_ONCE}`,
        [after],
      )
      yield* rows
      const last = rows.at(-1)
      if (last === undefined || rows.length < RECORDS_AT_ONCE) return
      after = last.key.slice()
    }
  }

  inspect(size: TreeSize, progress?: (keys: number) => void): AsyncIterable<string> {
    return inspectPostgres(this.#db, this, size, progress)
  }

  /** What the tables and indexes of the schema take, those of records too; how much is free the database does not say. */
  async usage(): Promise<{ readonly used: number; readonly free: number }> {
    const db = this.#db
    const now = performance.now()
    if (this.#used === undefined || now - this.#used.at > USED_TTL_MS) {
      const [row] = await db.query<{ bytes: number }>(
        'measure the database',
        `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes
         FROM pg_class AS c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'm')`,
      )
      this.#used = { at: now, bytes: row?.bytes ?? 0 }
    }
    return { used: this.#used.bytes, free: Number.POSITIVE_INFINITY }
  }

  async sequence(
    batch: Parameters<SharedLogStore['sequence']>[0],
  ): ReturnType<SharedLogStore['sequence']> {
    return sequenceBatch(this.#prompt(batch.framed.length), batch)
  }

  async sequencedSize(): Promise<TreeSize> {
    return treeSize(await readNext(this.#prompt()))
  }

  async sequenced(
    ...[from, limits]: Parameters<SharedLogStore['sequenced']>
  ): ReturnType<SharedLogStore['sequenced']> {
    return readSequenced(this.#prompt(limits.maxBytes), from, limits)
  }

  async leafHashes(from: TreeSize, to: TreeSize): Promise<Uint8Array> {
    return readLeafHashes(this.#prompt(HASH_SIZE * (to - from)), from, to)
  }

  async lead(candidate: Parameters<SharedLogStore['lead']>[0]): ReturnType<SharedLogStore['lead']> {
    return beginTerm(this.#prompt(), this.#db, candidate)
  }

  async leadership(): Promise<Leadership | undefined> {
    const [row] = await this.#prompt().query<Leadership>(
      'read who leads',
      'SELECT epoch, holder, url, expires > clock_timestamp() AS valid FROM leadership',
    )
    return row
  }

  async archive(): ReturnType<SharedLogStore['archive']> {
    return readMark(this.#db)
  }

  async now(): Promise<number> {
    const [row] = await this.#prompt().query<{ now: number }>(
      "read the database's clock",
      'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
    )
    if (row === undefined) throw new CairnError('IO', 'the database does not tell the time')
    return row.now
  }

  watch(onChange: Parameters<SharedLogStore['watch']>[0]): () => void {
    return this.#watch.add(onChange)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#watch.close()
  }

  /** For statements that take no time, with so many bytes to be sent or fetched. @throws STOPPED */
  #prompt(bytes = 0): PostgresConnection {
    if (this.#isClosed) throw new CairnError('STOPPED', 'the store is closed')
    return this.#pool.within(ANSWER_MS + bytes / BYTES_PER_MS)
  }

  /** @throws STOPPED */
  get #db(): PostgresConnection {
    if (this.#isClosed) throw new CairnError('STOPPED', 'the store is closed')
    return this.#pool
  }
}

interface HeadRow {
  readonly size: number
  readonly root: Uint8Array
  readonly checkpoint: Uint8Array
}

function headOf({ size, root, checkpoint }: HeadRow): StoredHead {
  return { size: treeSize(size), root: root as RootHash, checkpoint }
}

function checkIdempotency(key: Uint8Array, request: Uint8Array): void {
  if (key.length === 16 && request.length === HASH_SIZE) return
  throw new RangeError(`an idempotency record of ${key.length} and ${request.length} bytes`)
}
