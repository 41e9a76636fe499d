/** Servers of a log in a database, each a process of its own, for tests of what goes wrong. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { cairn } from '../../cli/run.ts'
import { freePort, type ServeProcess, startServe } from '../../support/cairn-process.ts'
import { afterThisFile, afterThisTest } from '../../support/endings.ts'

const PATIENCE_MS = 30_000
export const ORIGIN = 'bad-input.example/log'

export interface Database {
  readonly url: string
  readonly schema: string
}

export interface Started extends ServeProcess {
  readonly data: string
}

export interface StartOptions {
  readonly data?: string
  readonly flags?: readonly string[]
  readonly clockMs?: number
}

export interface Servers {
  /** Removed with all that is in it when the file ends. */
  readonly place: string
  /** A directory with the keys of another log. */
  newKeys(origin: string): Promise<string>
  /** A data directory with the keys of the log, or others, and nothing in it yet. */
  newData(keys?: string): Promise<string>
  /** Starts a server of the log, which is ended with the test. */
  start(database: Database, options?: StartOptions): Promise<Started>
  /** What a server says that does not start. */
  refusal(database: Database, options?: StartOptions): Promise<string>
}

export async function newServers(): Promise<Servers> {
  const place = await mkdtemp(join(tmpdir(), 'cairn-servers-'))
  afterThisFile(() => rm(place, { recursive: true, force: true }))

  async function newKeys(origin: string): Promise<string> {
    const data = join(await mkdtemp(join(place, 'keys-')), 'log')
    const { code } = await cairn(['key', 'generate', '--data', data, '--origin', origin])
    expect(code).toBe(0)
    return data
  }

  const own = await newKeys(ORIGIN)

  async function newData(keys: string = own): Promise<string> {
    const data = join(await mkdtemp(join(place, 'server-')), 'log')
    await cp(keys, data, { recursive: true })
    return data
  }

  return {
    place,
    newKeys,
    newData,
    async start({ url, schema }, { data, flags = [], clockMs = 0 } = {}) {
      const directory = data ?? (await newData())
      const where = ['--open', '--database', url, '--database-schema', schema, '--lease', '1500']
      const all = [...where, ...flags]
      const server = await startServe(directory, await freePort(), all, { clockMs })
      afterThisTest(() => server.kill())
      return { ...server, data: directory }
    },
    async refusal({ url, schema }, { data, flags = [] } = {}) {
      const there = ['--data', data ?? (await newData()), '--port', String(await freePort())]
      const where = ['--database', url, '--database-schema', schema]
      const { code, stdout, stderr } = await cairn(['serve', ...there, ...where, ...flags])
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).not.toMatch(/\n {4}at /)
      return stderr
    },
  }
}

export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const found = await ask()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`never came true: ${what}`)
    await sleep(25)
  }
}

export function add({ url }: ServeProcess, leaf: string): Promise<Response> {
  return fetch(`${url}/add`, { method: 'POST', body: leaf })
}

/** Submits the leaves of these numbers, one after the other. */
export async function fill(server: ServeProcess, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) expect((await add(server, `leaf ${i}`)).status).toBe(200)
}

export async function publishedSize({ url }: ServeProcess): Promise<number> {
  const note = await (await fetch(`${url}/checkpoint`)).text()
  return Number(note.split('\n')[1])
}

export function publishedAt(server: ServeProcess, size: number): Promise<true> {
  return eventually(`a published head of ${size} leaves`, async () => {
    return (await publishedSize(server)) === size
  })
}
