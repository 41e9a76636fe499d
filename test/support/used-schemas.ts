/**
 * Schemas that tests are done with, for the next ones of this process: to make the tables of a log and to drop them takes
 * longer than most tests do. One is used again when its tables, triggers, functions and rights are as the migrations left
 * them; its tables begin with new files, and hold the rows that the migrations left.
 */
import pg from 'pg'
import { withClient } from './postgres.ts'

interface Migrated {
  readonly definitions: string
  /** The rows of a table, as JSON. */
  readonly rows: ReadonlyMap<string, string>
}

let migrated: Promise<Migrated> | undefined

const unused: string[] = []

const DEFINITIONS = `
  SELECT string_agg(line, E'\\n' ORDER BY line) AS text FROM (
    SELECT concat_ws(' ', relkind, relname, relpersistence, relacl, reloptions) AS line
      FROM pg_class WHERE relnamespace = $1::text::regnamespace
    UNION ALL SELECT concat_ws(' ', relname, attname, atttypid, attstorage, attnotnull, attisdropped, attacl)
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = $1::text::regnamespace
    UNION ALL SELECT concat_ws(' ', relname, tgname, tgenabled, tgtype)
      FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = $1::text::regnamespace
    UNION ALL SELECT concat_ws(' ', proname, md5(prosrc), proacl, translate(proconfig::text, '"\\\\', ''))
      FROM pg_proc WHERE pronamespace = $1::text::regnamespace
    UNION ALL SELECT concat_ws(' ', relname, conname, contype)
      FROM pg_constraint LEFT JOIN pg_class ON pg_class.oid = conrelid WHERE connamespace = $1::text::regnamespace
    UNION ALL SELECT concat_ws(' ', 'schema', nspacl) FROM pg_namespace WHERE nspname = $1::text
  ) AS lines`

async function definitionsOf(client: pg.Client, schema: string): Promise<string> {
  const { rows } = await client.query<{ text: string }>(DEFINITIONS, [schema])
  return rows[0]!.text.replaceAll(schema, 'schema')
}

/** The tables that have something in their files. */
async function writtenTables(client: pg.Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = $1::text::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0`,
    [schema],
  )
  return rows.map(({ name }) => pg.escapeIdentifier(name))
}

async function look(client: pg.Client, schema: string): Promise<Migrated> {
  const rows = new Map<string, string>()
  await client.query(`SET search_path = ${schema}`)
  for (const table of await writtenTables(client, schema)) {
    const found = await client.query<{ text: string }>(
      `SELECT json_agg(t)::text AS text FROM ${table} AS t`,
    )
    rows.set(table, found.rows[0]!.text)
  }
  return { definitions: await definitionsOf(client, schema), rows }
}

/** Looks at a schema that has just been migrated, once a process: what is used again has to be like it. */
export async function rememberMigrated(url: string, schema: string): Promise<void> {
  migrated ??= withClient(url, (client) => look(client, schema))
  await migrated
}

/** Gives a schema that was used a new name; false when there is none, or the name is taken. */
export async function takeUsed(url: string, name: string): Promise<boolean> {
  const used = unused.pop()
  if (used === undefined) return false
  // Functions keep the search path that they were made with.
  const renamed = `BEGIN; ALTER SCHEMA ${used} RENAME TO ${name};
    DO $$ DECLARE each record; BEGIN
      FOR each IN SELECT pg_proc.oid::regprocedure AS name, substr(setting, 13) AS path
          FROM pg_proc, unnest(proconfig) AS setting
          WHERE pronamespace = '${name}'::regnamespace AND setting LIKE 'search_path=%' LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s', each.name, replace(each.path, '${used}', '${name}'));
      END LOOP;
    END $$; COMMIT`
  return withClient(url, (client) => client.query(renamed)).then(
    () => true,
    () => {
      unused.push(used)
      return false
    },
  )
}

/** Empties a schema for the next test, or drops it. Nobody uses it any more. */
export async function giveBack(url: string, schema: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('SET lock_timeout = 1000; SET client_min_messages = warning')
    if (await isMadeNew(client, schema).catch(() => false)) unused.push(schema)
    // One that a test left in use goes with the server.
    else {
      await client.query(`ROLLBACK; DROP SCHEMA IF EXISTS ${schema} CASCADE`).catch(() => undefined)
    }
  })
}

async function isMadeNew(client: pg.Client, schema: string): Promise<boolean> {
  const like = await migrated
  if (like === undefined || (await definitionsOf(client, schema)) !== like.definitions) return false
  // Past the triggers that keep a log from being emptied.
  await client.query(
    `BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL search_path = ${schema}`,
  )
  const tables = await writtenTables(client, schema)
  if (tables.length > 0) await client.query(`TRUNCATE ${tables.join(', ')}`)
  for (const [table, rows] of like.rows) {
    await client.query(
      `INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`,
      [rows],
    )
  }
  await client.query('COMMIT')
  return true
}
