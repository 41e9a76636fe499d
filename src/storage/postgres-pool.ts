/**
 * Connections to the PostgreSQL database of a log: one schema, one way to ask, one way to fail.
 *
 * Every connection is told what must hold whatever the server's or the role's defaults are: which schema, that a
 * commit is on stable storage before it is acknowledged, and how long anything may take. A transaction whose process
 * is paused holds its locks no longer than `idle_in_transaction_session_timeout`, so that others can go on. Neither end
 * waits for long for one that the network has cut off.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { CairnError } from '../errors.ts'
import {
  CONNECT_MS,
  checkSchemaName,
  clientConfig,
  clientOf,
  placeOf,
  STATEMENT_MS,
} from './postgres-client.ts'
import { databaseFailure, isStatementFailure } from './postgres-failure.ts'
import { KEEP_ALIVE_MS, ownSockets, type Silence, watchSilence } from './postgres-silence.ts'
import { TYPES } from './postgres-types.ts'

const SILENT_MS = 5_000
/** How long the server waits for the next statement of a transaction. */
const IDLE_IN_TRANSACTION_MS = 5_000
const KEEP_IDLE_MS = 60_000
/** How long the server keeps what nobody acknowledges, before it takes the other end to be gone. */
const UNACKNOWLEDGED_MS = 20_000
/** How long connections may take to part in good order. */
const PARTING_MS = 2_000

export interface PoolOptions {
  /** `postgres://user[:password]@host[:port]/database`, with libpq's parameters such as `?sslmode=verify-full`. */
  readonly url: string
  readonly schema: string
  /** The password is read from this file for each new connection, so that it can be changed. */
  readonly passwordFile?: string
  /** A role to act as (SET ROLE), of which the user is a member. */
  readonly role?: string
  /** Default 10. */
  readonly maxConnections?: number
  /** Milliseconds that a statement may take. Default 30,000; 0 for no limit. */
  readonly statementTimeoutMs?: number
  /** Milliseconds to wait for a connection. Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Milliseconds to wait for an answer before it is looked whether the database is still there. Default 5,000. */
  readonly silentMs?: number
  /** Told of connections that break while nothing is asked on them. */
  readonly onError?: (error: Error) => void
}

/** Asks one statement at a time. */
export interface PostgresConnection {
  /**
   * The rows of a statement. `what` is for messages: "cannot ${what}: …". A `name` has it prepared once a connection,
   * which is quicker; one name is for one text.
   */
  query<Row>(what: string, text: string, values?: readonly unknown[], name?: string): Promise<Row[]>
  /** How many rows a statement wrote. */
  execute(what: string, text: string, values?: readonly unknown[], name?: string): Promise<number>
}

/** Errors, of every method: UNAVAILABLE, DISK_FULL, FORBIDDEN, IO…, as databaseFailure() has them; STOPPED once closed. */
export interface PostgresPool extends PostgresConnection {
  readonly schema: string
  /** Host, database and schema, for messages. Never a password. */
  readonly place: string
  /**
   * All that `work` does in one transaction (READ COMMITTED), committed when it resolves, and rolled back when it
   * throws. When the commit itself meets UNAVAILABLE, it may have been made.
   */
  transaction<T>(what: string, work: (connection: PostgresConnection) => Promise<T>): Promise<T>
  /**
   * The same pool, for statements that take no time: an answer that does not come in so many milliseconds is not waited
   * for. UNAVAILABLE then, and the statement may have been carried out.
   */
  within(milliseconds: number): PostgresConnection
  /** A connection of one's own, with the same settings and not of the pool: to LISTEN. End it with `end()`. */
  dedicated(): Promise<pg.Client>
  close(): Promise<void>
}

/** Makes a pool; it connects when it is first asked. @throws USAGE */
export function openPool(options: PoolOptions): PostgresPool {
  const { schema } = options
  checkSchemaName(schema)
  const sockets = ownSockets()
  const config = { ...clientConfig(options), stream: sockets.make }
  const Client = clientOf(options)
  const pool = new pg.Pool({
    ...config,
    Client,
    max: options.maxConnections ?? 10,
    idleTimeoutMillis: KEEP_IDLE_MS,
    onConnect: (client) => settle(client, options),
  })
  const onError = options.onError ?? (() => undefined)
  pool.on('error', onError)
  // The pool hears of errors of idle connections only; one that breaks in use tells whoever uses it as well.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const silence: Silence = watchSilence({
    reach: () => reach(new Client({ ...config, query_timeout: CONNECT_MS })),
    silentMs: options.silentMs ?? SILENT_MS,
  })
  let closing: Promise<void> | undefined

  async function use<T>(what: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    if (closing !== undefined)
      throw new CairnError('STOPPED', `cannot ${what}: the store is closed`)
    let client: pg.PoolClient
    try {
      client = await pool.connect()
    } catch (error) {
      throw databaseFailure(what, error)
    }
    // The pool makes them of `Client`, though its types do not say so.
    const answered = silence.during(client as pg.PoolClient & pg.Client)
    try {
      const result = await work(client)
      client.release()
      return result
    } catch (error) {
      // Anything but a refusal may leave a statement running, or a transaction open.
      client.release(!(error instanceof Refused))
      throw databaseFailure(what, error instanceof Refused ? error.cause : error)
    } finally {
      answered()
    }
  }

  const asking = (limitMs?: number): PostgresConnection => ({
    query: async (what, text, values, name) =>
      (await use(what, (client) => alone(client, { text, values, name, limitMs }))).rows,
    execute: async (what, text, values, name) =>
      (await use(what, (client) => alone(client, { text, values, name, limitMs }))).rowCount ?? 0,
  })

  return {
    schema,
    place: placeOf(options),
    ...asking(),
    within: asking,
    transaction: (what, work) => use(what, (client) => inTransaction(client, what, work)),
    async dedicated() {
      const client = new Client(config)
      client.on('error', () => undefined)
      try {
        await client.connect()
        await settle(client, options)
        return client
      } catch (error) {
        await client.end().catch(() => undefined)
        throw databaseFailure('connect to the database', error)
      }
    },
    close() {
      closing ??= Promise.race([pool.end(), sleep(PARTING_MS, undefined, { ref: false })]).then(
        sockets.destroy,
      )
      return closing
    },
  }
}

/** Carries an error after which the connection is as good as before. */
class Refused extends Error {}

interface Statement {
  readonly text: string
  readonly values?: readonly unknown[] | undefined
  readonly name?: string | undefined
  /** Milliseconds to wait for the answer, if it is another time than for all. */
  readonly limitMs?: number | undefined
}

function ask(
  client: pg.ClientBase,
  { text, values = [], name, limitMs }: Statement,
): Promise<pg.QueryResult> {
  const query = {
    text,
    values: [...values],
    types: TYPES,
    ...(name !== undefined && { name }),
    ...(limitMs !== undefined && { query_timeout: Math.ceil(limitMs) }),
  }
  return client.query(query)
}

/** A statement outside of a transaction. */
async function alone(client: pg.ClientBase, statement: Statement): Promise<pg.QueryResult> {
  try {
    return await ask(client, statement)
  } catch (error) {
    throw isStatementFailure(error) ? new Refused('', { cause: error }) : error
  }
}

async function inTransaction<T>(
  client: pg.ClientBase,
  what: string,
  work: (connection: PostgresConnection) => Promise<T>,
): Promise<T> {
  const inside = async (...query: Parameters<PostgresConnection['query']>) => {
    const [doing, text, values, name] = query
    try {
      return await ask(client, { text, values, name })
    } catch (error) {
      throw databaseFailure(doing, error)
    }
  }
  await inside(what, 'BEGIN')
  let result: T
  try {
    result = await work({
      query: async (...query) => (await inside(...query)).rows,
      execute: async (...query) => (await inside(...query)).rowCount ?? 0,
    })
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => {
      throw cause
    })
    throw new Refused('', { cause })
  }
  await inside(what, 'COMMIT')
  return result
}

/** @throws when the database does not answer */
async function reach(client: pg.Client): Promise<void> {
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
  } finally {
    client.end().catch(() => undefined)
  }
}

/** What is so for every connection, in one statement. */
async function settle(client: pg.ClientBase, options: PoolOptions): Promise<void> {
  const timeout = options.statementTimeoutMs ?? STATEMENT_MS
  const role = options.role
  const limitMs = options.connectTimeoutMs ?? CONNECT_MS
  if (role !== undefined) {
    await ask(client, { text: `SET ROLE ${pg.escapeIdentifier(role)}`, limitMs })
  }
  await ask(client, {
    text: `SELECT set_config('search_path', $1, false),
            set_config('statement_timeout', $2, false),
            set_config('idle_in_transaction_session_timeout', $3, false),
            set_config('bytea_output', 'hex', false),
            set_config('tcp_keepalives_idle', $4, false),
            set_config('tcp_keepalives_interval', '5', false),
            set_config('tcp_keepalives_count', '3', false),
            set_config('tcp_user_timeout', $5, false),
            set_config('synchronous_commit', CASE current_setting('synchronous_commit')
              WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)`,
    values: [
      `${pg.escapeIdentifier(options.schema)}, pg_temp`,
      String(timeout),
      String(IDLE_IN_TRANSACTION_MS),
      String(KEEP_ALIVE_MS / 1_000),
      String(UNACKNOWLEDGED_MS),
    ],
    limitMs,
  })
}
