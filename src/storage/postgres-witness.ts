/**
 * The store of a witness in PostgreSQL. One process at a time: it holds an advisory lock on the connection that it
 * writes on, so that it cannot write without the lock; when that connection is lost, nothing is written any more. A
 * batch compares each head with what it was made from in any case.
 */
import type pg from 'pg'
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { rootHash } from '../merkle/hash.ts'
import { treeSize } from '../merkle/position.ts'
import { databaseFailure } from './postgres-failure.ts'
import { WITNESS_MIGRATIONS } from './postgres-migration-witness.ts'
import { openPool, type PoolOptions, type PostgresPool } from './postgres-pool.ts'
import { migrateSchema, schemaVersion } from './postgres-schema.ts'
import { type Statement, witnessStatements } from './postgres-witness-changes.ts'
import type {
  CosignedHead,
  StoredConflict,
  StoredCosignedHead,
  StoredLog,
  WitnessChange,
  WitnessStore,
} from './witness-port.ts'

/** With the hash of the schema's name, the lock of a witness. */
const LOCK = 0x7769_746e
const ROWS_AT_ONCE = 1_000

export interface PostgresWitnessStoreOptions extends Pick<PoolOptions, 'url' | 'schema'> {
  readonly passwordFile?: string
  /** Makes the tables when there are none. Default true. */
  readonly createIfMissing?: boolean
}

export interface PostgresWitness {
  readonly store: WitnessStore
  /** Binds it to a witness, by its vkey. @throws USAGE when it is another's */
  claim(vkey: string): Promise<void>
}

/**
 * Opens the store in a schema, which no other process may have open.
 * @throws LOCKED, NOT_FOUND, NEWER_FORMAT, USAGE when something else is in the schema; UNAVAILABLE, FORBIDDEN, IO
 */
export async function openPostgresWitnessStore({
  createIfMissing = true,
  ...options
}: PostgresWitnessStoreOptions): Promise<PostgresWitness> {
  const pool = openPool({ ...options, maxConnections: 4 })
  let guard: pg.Client | undefined
  try {
    await prepare(pool, createIfMissing)
    guard = await pool.dedicated()
    await lock(guard, pool)
    const store = new PostgresWitnessStore(pool, guard)
    return { store, claim: (vkey) => claim(pool, vkey) }
  } catch (error) {
    await guard?.end().catch(() => undefined)
    await pool.close()
    throw error
  }
}

async function prepare(pool: PostgresPool, createIfMissing: boolean): Promise<void> {
  const version = await schemaVersion(pool)
  if (version === 0 && !createIfMissing) {
    throw new CairnError('NOT_FOUND', `there is no witness in ${pool.place}`)
  }
  if (version > 0) {
    const [first] = await pool.query<{ name: string }>(
      'read the version of the schema',
      'SELECT name FROM migrations WHERE number = 1',
    )
    if (first?.name !== WITNESS_MIGRATIONS[0]!.name) {
      throw new CairnError(
        'USAGE',
        `${pool.place} holds a log, and no witness; choose another schema with database-schema`,
      )
    }
  }
  await migrateSchema(pool, WITNESS_MIGRATIONS)
}

async function lock(guard: pg.Client, pool: PostgresPool): Promise<void> {
  try {
    // A machine that is gone must not hold the lock for hours; a quiet one must not lose it.
    await guard.query(
      `SELECT set_config('idle_session_timeout', '0', false), set_config('tcp_keepalives_idle', '10', false),
              set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)`,
    )
    const { rows } = await guard.query('SELECT pg_try_advisory_lock($1, hashtext($2)) AS got', [
      LOCK,
      pool.schema,
    ])
    if (rows[0].got === true) return
  } catch (error) {
    throw databaseFailure('lock the store', error)
  }
  throw new CairnError(
    'LOCKED',
    `${pool.place} is in use by another witness; stop that one, or choose another schema`,
  )
}

async function claim(pool: PostgresPool, vkey: string): Promise<void> {
  const what = 'claim the store'
  await pool.execute(what, 'INSERT INTO owner (vkey) VALUES ($1) ON CONFLICT DO NOTHING', [vkey])
  const [owner] = await pool.query<{ vkey: string }>(what, 'SELECT vkey FROM owner')
  if (owner?.vkey === vkey) return
  throw new CairnError(
    'USAGE',
    `${pool.place} is the memory of another witness, ${owner?.vkey}; choose another schema`,
  )
}

class PostgresWitnessStore implements WitnessStore {
  readonly #pool: PostgresPool
  /** The connection with the lock. */
  readonly #guard: pg.Client
  /** The first failed write, or the loss of the lock: nothing may follow. */
  #failure: CairnError | undefined
  #closed = false
  /** The newest write: the next one compares with what it leaves behind. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(pool: PostgresPool, guard: pg.Client) {
    this.#pool = pool
    this.#guard = guard
    guard.on('end', () => {
      this.#failure ??= new CairnError(
        'UNAVAILABLE',
        'the connection that kept others from the witness’s database was lost',
      )
    })
  }

  async *logs(): AsyncGenerator<StoredLog> {
    for (let after: string | null = null; ; ) {
      const rows: LogRow[] = await this.#pool.query<LogRow>(
        'read the logs',
        `SELECT l.origin, l.vkeys, h.size, h.time, h.root
           FROM logs AS l LEFT JOIN heads AS h ON h.origin = l.origin
           WHERE $1::text IS NULL OR l.origin > $1 ORDER BY l.origin LIMIT ${ROWS_AT_ONCE}`,
        [after],
      )
      for (const { origin, vkeys, size, time, root } of rows) {
        const head =
          size === null || time === null || root === null ? undefined : headOf({ size, time, root })
        yield { origin, vkeys: vkeys === '' ? [] : vkeys.split('\n'), head }
      }
      if (rows.length < ROWS_AT_ONCE) return
      after = rows.at(-1)!.origin
    }
  }

  async head(origin: string): Promise<StoredCosignedHead | undefined> {
    const [row] = await this.#pool.query<HeadRow & { checkpoint: Uint8Array } & CosignaturesRow>(
      'read the head of a log',
      `SELECT h.size, h.time, h.root, h.checkpoint,
              c.size AS over_size, c.time AS over_time, c.root AS over_root, c.lines
         FROM heads AS h LEFT JOIN cosignatures AS c ON c.origin = h.origin
         WHERE h.origin = $1`,
      [origin],
    )
    if (row === undefined) return undefined
    const isOver =
      row.over_root !== null &&
      row.over_size === row.size &&
      row.over_time === row.time &&
      equal(row.over_root, row.root)
    return {
      ...headOf(row),
      checkpoint: row.checkpoint,
      cosignatures: isOver ? (row.lines ?? undefined) : undefined,
    }
  }

  write(changes: readonly WitnessChange[]): Promise<void> {
    const written = this.#writing.then(() => this.#write(changes))
    this.#writing = written.catch(() => undefined)
    return written
  }

  async *conflicts(origin?: string): AsyncGenerator<StoredConflict> {
    for (let after: ConflictRow | undefined; ; ) {
      const rows: ConflictRow[] = await this.#pool.query<ConflictRow>(
        'read the conflicts',
        `SELECT origin, id, kind, seen_at, cosigned, refused FROM conflicts
           WHERE ($1::text IS NULL OR origin = $1)
             AND ($2::text IS NULL OR (origin, id) > ($2, $3::bytea))
           ORDER BY origin, id LIMIT ${ROWS_AT_ONCE}`,
        [origin ?? null, after?.origin ?? null, after === undefined ? null : Buffer.from(after.id)],
      )
      for (const { seen_at, ...row } of rows) yield { ...row, seenAt: seen_at }
      if (rows.length < ROWS_AT_ONCE) return
      after = rows.at(-1)!
    }
  }

  async close(): Promise<void> {
    await this.#writing
    this.#closed = true
    await this.#guard.end().catch(() => undefined)
    await this.#pool.close()
  }

  async #write(changes: readonly WitnessChange[]): Promise<void> {
    if (this.#closed) throw new CairnError('STOPPED', 'the store is closed')
    if (this.#failure !== undefined) {
      throw new CairnError(
        'STOPPED',
        `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
        { cause: this.#failure },
      )
    }
    const statements = witnessStatements(changes)
    if (statements.length === 0) return
    const isDurable = changes.some(({ kind }) => kind !== 'keep-cosignatures')
    try {
      await this.#commit(statements, isDurable)
    } catch (error) {
      const failure = databaseFailure('write to the store', error)
      await this.#rollBack()
      const isRefusal = !(failure instanceof CairnError) || failure.code === 'CONFLICT'
      if (!isRefusal) this.#failure ??= failure
      throw failure
    }
  }

  async #commit(statements: readonly Statement[], isDurable: boolean): Promise<void> {
    const guard = this.#guard
    const [first] = statements
    if (statements.length === 1 && isDurable) {
      await guard.query(first!.text, first!.values)
      return
    }
    await guard.query('BEGIN')
    if (!isDurable) await guard.query('SET LOCAL synchronous_commit = off')
    for (const { text, values } of statements) await guard.query(text, values)
    await guard.query('COMMIT')
  }

  async #rollBack(): Promise<void> {
    try {
      await this.#guard.query('ROLLBACK')
    } catch (error) {
      // Whether the lock is still held is not known.
      this.#failure ??= new CairnError('UNAVAILABLE', 'the connection to the database was lost', {
        cause: error,
      })
    }
  }
}

interface HeadRow {
  readonly size: number
  readonly time: number
  readonly root: Uint8Array
}

interface LogRow {
  readonly origin: string
  readonly vkeys: string
  readonly size: number | null
  readonly time: number | null
  readonly root: Uint8Array | null
}

interface CosignaturesRow {
  readonly over_size: number | null
  readonly over_time: number | null
  readonly over_root: Uint8Array | null
  readonly lines: Uint8Array | null
}

interface ConflictRow extends Omit<StoredConflict, 'seenAt'> {
  readonly seen_at: number
}

function headOf({ size, time, root }: HeadRow): CosignedHead {
  return { size: treeSize(size), timestamp: time, root: rootHash(root) }
}
