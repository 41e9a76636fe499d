/** All that a log on several servers takes, started here: PostgreSQL, object storage, and the servers. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseVkey, type VerifierKey } from '../../../src/formats/vkey.ts'
import { localSigner } from '../../../src/log/local-signer.ts'
import type { LogSigner } from '../../../src/log/signer.ts'
import { readKeys } from '../../../src/server/keys.ts'
import { CLI, freePort } from '../../support/cairn-process.ts'
import { type PostgresServer, startPostgres, withClient } from '../../support/postgres.ts'
import { type Archive, type ArchiveOptions, startArchive } from './archive.ts'
import { type Leaders, watchLeaders } from './leaders.ts'
import { type Member, newMember } from './member.ts'
import { layWire, type Wire } from './wire.ts'

export interface Stage {
  readonly members: readonly Member[]
  readonly leaders: Leaders
  readonly postgres: PostgresServer
  readonly archive: Archive
  /** File of the log's verifier keys. */
  readonly vkeyFile: string
  readonly keys: readonly VerifierKey[]
  readonly signer: LogSigner
  /** An empty folder. */
  readonly place: string
  /** What the servers were started with. */
  readonly flags: readonly string[]
  memberAt(url: string): Member | undefined
  /** What is between a server and the database, if it was asked for. */
  wireOf(member: Member): Wire | undefined
  /** The token of the administrator. */
  token(): Promise<string>
  /** How many leaves the database has given an index. */
  sequencedSize(): Promise<number>
  /** Who leads and what is under way, for whoever looks for the cause of something. */
  databaseState(): Promise<string>
  /** Ends the servers in an orderly way. */
  closeMembers(): Promise<void>
  close(): Promise<void>
}

export interface StageOptions {
  readonly servers: number
  readonly flags?: readonly string[]
  /** Puts something between each server and the database that can be cut. */
  readonly wires?: boolean
  /** Settings of PostgreSQL, beside fsync. */
  readonly settings?: Readonly<Record<string, string>>
  readonly archive?: ArchiveOptions
}

export const SCHEMA = 'cairn'
const ROLE = 'cairn_server'
/** One that does not start when all is well never will. */
const FIRST_STARTS = 2

const run = promisify(execFile)

export async function setStage(options: StageOptions): Promise<Stage> {
  const place = await mkdtemp(join(tmpdir(), 'cairn-cluster-'))
  const left: (() => Promise<unknown>)[] = [() => rm(place, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const undo of left.splice(0).reverse()) await undo()
  }
  try {
    const postgres = await startPostgres({ settings: { fsync: 'on', ...options.settings } })
    left.push(() => postgres.remove())
    const archive = await startArchive(place, options.archive ?? {})
    left.push(() => archive.close())
    const database = await makeDatabase(postgres.url)

    const original = join(place, 'keys')
    await run(process.execPath, [CLI, 'key', 'generate', '--data', original], withoutSettings())
    const opened = await readKeys({ directory: join(original, 'keys') })
    const signer = localSigner(opened!.keys)
    left.push(() => signer.close())

    const members: Member[] = []
    const wires = new Map<Member, Wire>()
    const flags = ['--open', ...archive.flags, ...(options.flags ?? [])]
    for (let i = 1; i <= options.servers; i++) {
      const data = join(place, `server-${i}`)
      await cp(original, data, { recursive: true })
      const port = await freePort()
      const wire = options.wires === true ? await layWire(postgres.port) : undefined
      if (wire !== undefined) left.push(() => wire.close())
      const way = wire === undefined ? database : throughPort(database, wire.port)
      const own = [...flags, '--database', way, '--advertise', `http://127.0.0.1:${port}`]
      const member = newMember({ name: `server ${i}`, data, port, flags: own })
      members.push(member)
      if (wire !== undefined) wires.set(member, wire)
    }
    const closeMembers = async (): Promise<void> => {
      await Promise.all(members.map((member) => member.close()))
    }
    left.push(closeMembers)
    const leaders = watchLeaders(postgres.url, SCHEMA)
    left.push(() => leaders.close())
    await Promise.all(members.map((member) => member.start(FIRST_STARTS)))

    const vkeyFile = join(members[0]!.data, 'log.vkey')
    const vkeys = (await readFile(vkeyFile, 'utf8')).trim().split('\n')
    return {
      members,
      leaders,
      postgres,
      archive,
      vkeyFile,
      keys: vkeys.map(parseVkey),
      signer,
      place,
      flags,
      wireOf: (member) => wires.get(member),
      async token() {
        for (const { data } of members) {
          const text = await readFile(join(data, 'admin.token'), 'utf8').catch(() => undefined)
          if (text !== undefined) return text.trim()
        }
        throw new Error('no server has the token of the administrator')
      },
      memberAt: (url) => members.find((member) => member.url === url),
      sequencedSize: () =>
        withClient(postgres.url, async (client) => {
          const { rows } = await client.query(`SELECT next FROM ${SCHEMA}.sequence`)
          return Number(rows[0]!.next)
        }),
      databaseState: () =>
        withClient(postgres.url, async (client) => {
          const { rows } = await client.query(`
            SELECT jsonb_build_object('now', clock_timestamp(), 'leadership', (SELECT to_jsonb(l) FROM ${SCHEMA}.leadership AS l),
              'head', (SELECT size FROM ${SCHEMA}.head), 'sequence', (SELECT next FROM ${SCHEMA}.sequence), 'under way', (
                SELECT jsonb_agg(jsonb_build_object('pid', pid, 'state', state, 'waits for', wait_event, 'blocked by',
                  pg_blocking_pids(pid), 'since', xact_start, 'statement', left(query, 120)))
                FROM pg_stat_activity WHERE usename = '${ROLE}' AND state <> 'idle')) AS state`)
          return JSON.stringify(rows[0]!.state, null, 2)
        }),
      closeMembers,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The same database, by another port. */
export function throughPort(url: string, port: number): string {
  const way = new URL(url)
  way.port = String(port)
  return way.href
}

/** The tables, and a role that can add to them and no more. Returns the URL with that role. */
async function makeDatabase(url: string): Promise<string> {
  const password = randomBytes(12).toString('hex')
  await withClient(url, (client) =>
    client.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${password}'`),
  )
  const place = ['--database', url, '--database-schema', SCHEMA]
  const args = [CLI, 'schema', ...place, '--grant', ROLE, '--archive']
  await run(process.execPath, args, withoutSettings())
  const own = new URL(url)
  own.username = ROLE
  own.password = password
  return own.href
}

/** Settings of this run are none of the commands'. */
export function withoutSettings(): { readonly env: NodeJS.ProcessEnv } {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('CAIRN_'))
  return { env: Object.fromEntries(kept) }
}
