/** How the driver is told where a database is, and who asks. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { messageOf, usage } from '../errors.ts'
import type { PoolOptions } from './postgres-pool.ts'
import { KEEP_ALIVE_MS } from './postgres-silence.ts'

export const CONNECT_MS = 5_000
export const STATEMENT_MS = 30_000

/** @throws USAGE */
export function clientConfig(options: PoolOptions): pg.ClientConfig {
  const url = parseUrl(options.url)
  const { passwordFile } = options
  if (passwordFile !== undefined && url.password !== '') {
    throw usage('the URL of the database has a password, and there is a file for it: give one')
  }
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) {
    const file = url.searchParams.get(name)
    if (file !== null && !existsSync(file)) {
      throw usage(`the URL of the database names a file that is not there: ${name}=${file}`)
    }
  }
  const timeout = options.statementTimeoutMs ?? STATEMENT_MS
  return {
    connectionString: options.url,
    application_name: 'cairn',
    connectionTimeoutMillis: options.connectTimeoutMs ?? CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    // Longer than the server's: an answer that does not come is a connection that is lost.
    ...(timeout === 0 ? {} : { query_timeout: timeout + CONNECT_MS }),
  }
}

/** The driver's client, which takes no password beside a URL, not even where the URL has none. */
export function clientOf({ passwordFile }: PoolOptions): typeof pg.Client {
  if (passwordFile === undefined) return pg.Client
  const password = (): Promise<string> => readPassword(passwordFile)
  return class extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config)
      Object.assign(this, { password })
    }
  }
}

async function readPassword(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    throw usage(`cannot read the password of the database: ${messageOf(error)}`, error)
  }
}

/** @throws USAGE, without the URL: there may be a password in it */
function parseUrl(text: string): URL {
  let url: URL | undefined
  try {
    url = new URL(text)
  } catch {
    url = undefined
  }
  if (/^postgres(ql)?:\/\/[^/?]*,/.test(text)) {
    throw usage(
      'the URL of the database names several hosts: name one, an address that leads to the primary',
    )
  }
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw usage('the database is not a URL such as postgres://user@host:5432/database')
  }
  return url
}

/** Host, database and schema, for messages. Never a password. @throws USAGE */
export function placeOf(options: PoolOptions): string {
  const url = parseUrl(options.url)
  const host = url.host === '' ? (url.searchParams.get('host') ?? 'localhost') : url.host
  return `${url.protocol}//${host}${url.pathname}, schema ${options.schema}`
}

/** @throws USAGE */
export function checkSchemaName(schema: string): void {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(schema) && !/^pg_/.test(schema)) return
  throw usage(
    `the database schema '${schema}' is not a name of 1 to 63 of a-z, 0-9 and _ that begins with a letter and not with pg_`,
  )
}
