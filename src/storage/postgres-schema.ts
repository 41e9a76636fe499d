/**
 * The tables of a log: made, and brought from one version to the next, by numbered migrations. Each is one transaction
 * together with the note that it was made, and an advisory lock lets one process migrate at a time, so that a schema
 * is always at one whole version. A migration never changes once it was released.
 */
import pg from 'pg'
import { CairnError, usage } from '../errors.ts'
import { failureCode } from './postgres-failure.ts'
import { logMigration } from './postgres-migration-log.ts'
import { movedMigration } from './postgres-migration-moved.ts'
import { recordsMigration } from './postgres-migration-records.ts'
import { settingsMigration } from './postgres-migration-settings.ts'
import type { PostgresConnection, PostgresPool } from './postgres-pool.ts'

export interface Migration {
  readonly name: string
  /** Statements, run with the log's schema as the search path. */
  readonly sql: string
  /** What the role that a log runs as may do with the tables that are new, or what it may from now on. */
  readonly grants: Readonly<Record<string, string>>
}

/** The n-th takes a schema from version n-1 to n. New ones are added at the end. */
export const MIGRATIONS: readonly Migration[] = [
  settingsMigration,
  recordsMigration,
  logMigration,
  movedMigration,
]

/** Any constant; with the schema's name beside it. */
const LOCK = 0x6361_6972

/** The version a schema is at; 0 when there is none. @throws UNAVAILABLE, FORBIDDEN, IO */
export async function schemaVersion(
  pool: PostgresConnection & { schema: string },
): Promise<number> {
  const what = 'read the version of the schema'
  // Not to_regclass(): it may answer from a cache that is older than what another process has just made.
  const [known] = await pool.query(
    what,
    `SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = 'migrations'`,
    [pool.schema],
  )
  if (known === undefined) return 0
  const [row] = await pool.query<{ version: number }>(
    what,
    'SELECT coalesce(max(number), 0)::int AS version FROM migrations',
  )
  return row?.version ?? 0
}

/**
 * Brings the schema to the version of this program; there is nothing to do, and no privilege needed, when it is at it.
 * @throws NEWER_FORMAT when a newer program was here; FORBIDDEN when it is behind and the role may not change it;
 *   UNAVAILABLE, IO
 */
export async function migrateSchema(
  pool: PostgresPool,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<{ from: number; to: number }> {
  const to = migrations.length
  const from = checkVersion(pool, await schemaVersion(pool), to)
  if (from === to) return { from, to }
  try {
    for (let version = from; version < to; version++) await step(pool, migrations)
  } catch (error) {
    const cause = error instanceof CairnError ? error.cause : undefined
    if (failureCode(cause) !== '42501') throw error
    throw new CairnError(
      'FORBIDDEN',
      from === 0
        ? `${pool.place} has no tables yet, and this database role may not make them: start once as a role that may, or for a log run cairn schema as such a role`
        : `${pool.place} is at version ${from}, this program needs ${to}, and this database role may not change the schema: start once as the role that owns it, or for a log run cairn schema as that role`,
      { cause },
    )
  }
  return { from, to }
}

function checkVersion(pool: PostgresPool, version: number, newest: number): number {
  if (version <= newest) return version
  throw new CairnError(
    'NEWER_FORMAT',
    `${pool.place} is at version ${version}, of a newer Cairn; this one knows versions up to ${newest}`,
  )
}

/** Makes the next migration, unless another process was quicker. */
async function step(pool: PostgresPool, migrations: readonly Migration[]): Promise<void> {
  const name = pg.escapeIdentifier(pool.schema)
  await pool.transaction('migrate the schema', async (db) => {
    const what = 'migrate the schema'
    await db.execute(what, `SET LOCAL statement_timeout = 0`)
    await db.execute(what, 'SELECT pg_advisory_xact_lock($1, hashtext($2))', [LOCK, pool.schema])
    const version = await schemaVersion({ ...db, schema: pool.schema })
    const next = migrations[checkVersion(pool, version, migrations.length)]
    if (next === undefined) return
    if (version === 0) {
      const [there] = await db.query(what, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', [
        pool.schema,
      ])
      if (there === undefined) await db.execute(what, `CREATE SCHEMA ${name}`)
      await db.execute(what, CREATE_BOOKS)
    }
    await db.execute(`migrate the schema to version ${version + 1} (${next.name})`, next.sql)
    await db.execute(what, 'INSERT INTO migrations (number, name) VALUES ($1, $2)', [
      version + 1,
      next.name,
    ])
    for (const { role } of await db.query<{ role: string }>(what, 'SELECT role FROM roles')) {
      await grant(db, role, next.grants)
    }
  })
}

const CREATE_BOOKS = `
  CREATE TABLE migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp()
  );
  -- The roles that logs run as, so that tables of later versions are granted to them too.
  CREATE TABLE roles (role text PRIMARY KEY);
`

/**
 * Lets a role run a log in this schema: to read and to add, but not to change or delete what is append-only. For the
 * schema's owner to call; it counts for tables of later versions too.
 * @throws FORBIDDEN, NOT_FOUND when there is no such role, USAGE when it is the owner, UNAVAILABLE, IO
 */
export async function grantTo(
  pool: PostgresPool,
  role: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  const what = `grant the schema to ${role}`
  await pool.transaction(what, async (db) => {
    const [known] = await db.query(what, 'SELECT 1 FROM pg_roles WHERE rolname = $1', [role])
    if (known === undefined) throw new CairnError('NOT_FOUND', `there is no database role ${role}`)
    const [self] = await db.query(what, 'SELECT 1 WHERE $1 = current_user', [role])
    if (self !== undefined) {
      throw usage(
        `${role} owns the schema: a log is to run as a role that may do less, not as this`,
      )
    }
    const version = await schemaVersion({ ...db, schema: pool.schema })
    await db.execute(
      what,
      `GRANT USAGE ON SCHEMA ${pg.escapeIdentifier(pool.schema)} TO ${pg.escapeIdentifier(role)}`,
    )
    await grant(db, role, { migrations: 'SELECT', roles: 'SELECT' })
    for (const { grants } of migrations.slice(0, version)) await grant(db, role, grants)
    await db.execute(what, 'INSERT INTO roles VALUES ($1) ON CONFLICT DO NOTHING', [role])
  })
}

/** The last word on a table counts: what was granted before is taken back. */
async function grant(
  db: PostgresConnection,
  role: string,
  grants: Readonly<Record<string, string>>,
): Promise<void> {
  const name = pg.escapeIdentifier(role)
  for (const [table, privileges] of Object.entries(grants)) {
    const what = `grant ${table} to ${role}`
    await db.execute(what, `REVOKE ALL ON ${table} FROM ${name}`)
    await db.execute(what, `GRANT ${privileges} ON ${table} TO ${name}`)
  }
}
