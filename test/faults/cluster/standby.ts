/** A PostgreSQL and its standby, with a way that leads to one or the other, as an address that moves does. */
import { execFile } from 'node:child_process'
import { chown, copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type PostgresServer, startPostgres, withClient } from '../../support/postgres.ts'
import { layWire, type Wire } from './wire.ts'

const DEBIAN = '/usr/lib/postgresql'
/** What it takes; the PostgreSQL that comes with npm has no pg_basebackup. */
const NEEDED = ['initdb', 'postgres', 'pg_basebackup']
const NOBODY = 65_534
const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
const PATIENCE_MS = 20_000

/** The folder of programs that can make a standby, or undefined. */
export async function standbyPrograms(): Promise<string | undefined> {
  const versions = await readdir(DEBIAN).catch(() => [])
  const folders = versions.map(Number).sort((a, b) => b - a)
  for (const version of folders) {
    const folder = join(DEBIAN, String(version), 'bin')
    const there = await readdir(folder).catch(() => [] as string[])
    if (version >= 15 && NEEDED.every((name) => there.includes(name))) return folder
  }
  return undefined
}

export interface Pair {
  /** Of the superuser, by the way that moves. */
  readonly url: string
  readonly way: Wire
  /** Between the two: what is cut here does not reach the standby. */
  readonly replication: Wire
  readonly primary: PostgresServer
  /** Ends the primary as a crash does, makes the standby the primary, and leads the way to it. */
  fail(): Promise<void>
  close(): Promise<void>
}

/** @param synchronous whether a commit waits for the standby */
export async function startPair(bin: string, synchronous: boolean): Promise<Pair> {
  const left: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const undo of left.splice(0).reverse()) await undo()
  }
  try {
    const primary = await startPostgres({ bin, settings: { shared_buffers: '32MB' } })
    left.push(() => primary.remove())
    const replication = await layWire(primary.port)
    left.push(() => replication.close())
    const directory = await mkdtemp(join(tmpdir(), 'cairn-standby-'))
    left.push(() => rm(directory, { recursive: true, force: true }))
    await mkdir(join(directory, 'data'), { mode: 0o700 })
    if (asNobody.uid !== undefined) {
      for (const path of [directory, join(directory, 'data')]) await chown(path, NOBODY, NOBODY)
    }
    await copyFile(join(primary.directory, 'password'), join(directory, 'password'))
    const from = new URL(primary.url)
    from.port = String(replication.port)
    // --write-recovery-conf: it is a standby of where it was copied from.
    const flags = ['-R', '-X', 'stream', '-c', 'fast', '--no-sync']
    const args = ['-D', join(directory, 'data'), '-d', from.href, ...flags]
    await promisify(execFile)(join(bin, 'pg_basebackup'), args, { ...asNobody, cwd: directory })
    const standby = await startPostgres({ bin, directory, settings: { shared_buffers: '32MB' } })
    left.push(() => standby.remove())
    if (synchronous) await waitFor(primary, standby)
    const way = await layWire(primary.port)
    left.push(() => way.close())
    const url = new URL(primary.url)
    url.port = String(way.port)
    return {
      url: url.href,
      way,
      replication,
      primary,
      async fail() {
        await primary.kill()
        await withClient(standby.url, (client) => client.query('SELECT pg_promote()'))
        way.lead(standby.port)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Has each commit wait for the standby, from when that is connected. */
async function waitFor(primary: PostgresServer, standby: PostgresServer): Promise<void> {
  await withClient(standby.url, (client) => client.query('SELECT 1'))
  await withClient(primary.url, async (client) => {
    await client.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
    await client.query('SELECT pg_reload_conf()')
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(20)) {
      const { rows } = await client.query(
        `SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`,
      )
      if (rows.length === 1) return
    }
    throw new Error('the standby does not connect')
  })
}
