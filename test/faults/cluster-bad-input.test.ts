/** What servers of one log do when their database, their clocks or their directories are not what they should be. */
import { execFile } from 'node:child_process'
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { afterThisTest } from '../support/endings.ts'
import {
  type PostgresServer,
  startPostgres,
  testDatabase,
  withClient,
} from '../support/postgres.ts'
import {
  add,
  type Database,
  eventually,
  fill,
  newServers,
  publishedAt,
  publishedSize,
  type Servers,
  type Started,
} from './cluster/shared-servers.ts'

let servers: Servers
beforeAll(async () => {
  servers = await newServers()
})

describe('a database that was restored from an old backup', () => {
  async function ownDatabase(): Promise<{ postgres: PostgresServer; database: Database }> {
    const postgres = await startPostgres()
    afterThisTest(() => postgres.remove())
    return { postgres, database: { url: postgres.url, schema: 'cairn' } }
  }

  it('is written to by none of the servers that saw more, neither those that run nor those that start', async () => {
    const { postgres, database } = await ownDatabase()
    const all = [await servers.start(database), await servers.start(database)]
    await fill(all[0]!, 0, 5)
    for (const server of all) await publishedAt(server, 5)

    const [data, backup] = ['data', 'backup'].map((name) => join(postgres.directory, name))
    await postgres.stop()
    await promisify(execFile)('cp', ['-a', data!, backup!])
    await postgres.restart()
    await eventually('leaves are taken again', async () => (await add(all[1]!, 'more')).ok)
    await fill(all[0]!, 5, 9)
    for (const server of all) await publishedAt(server, 10)

    await postgres.stop()
    await rename(data!, `${data}.lost`)
    await rename(backup!, data!)
    await postgres.restart()
    const words = /rolled back|lost|smaller|older/
    for (const server of all) {
      const ready = await eventually('it is not ready', async () => {
        const answer = await fetch(`${server.url}/readyz`)
        return answer.status === 503 && answer.text()
      })
      expect(ready).toMatch(words)
      const refused = await add(server, `${Math.random()}`)
      expect(refused.status).toBe(503)
      expect(await refused.text()).toMatch(words)
      expect(await publishedSize(server)).toBe(10)
      await server.kill()
    }
    for (const { data } of all) {
      const again = await servers.start(database, { data })
      expect((await add(again, `${Math.random()}`)).status).toBe(503)
      const ready = await fetch(`${again.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.text()).toMatch(words)
    }
    const size = await withClient(postgres.url, async (client) => {
      const { rows } = await client.query('SELECT size FROM cairn.head')
      return Number(rows[0]!.size)
    })
    expect(size).toBe(5)
  }, 120_000)
})

describe('clocks', () => {
  it('of servers may be hours apart: time is the database’s, and never goes back', async () => {
    const HOUR_MS = 3_600_000
    const database = await testDatabase()
    const all = [
      await servers.start(database, { clockMs: 5 * HOUR_MS }),
      await servers.start(database, { clockMs: -5 * HOUR_MS }),
      await servers.start(database),
    ]
    const told = all.map(
      (server) => /"event":"clock-skew".*"milliseconds":(-?\d+)/.exec(server.output())?.[1],
    )
    expect(told.map((text) => text && Math.round(Number(text) / HOUR_MS))).toEqual([
      5,
      -5,
      undefined,
    ])
    const times: number[] = []
    const look = async (server: Started): Promise<void> => {
      const sth = await (await fetch(`${server.url}/ct/v1/get-sth`)).json()
      times.push((sth as { timestamp: number }).timestamp)
    }
    for (const [i, server] of all.entries()) {
      await fill(server, 3 * i, 3 * i + 3)
      await publishedAt(server, 3 * i + 3)
      await look(server)
    }
    // One after the other leads, whatever its clock says.
    for (let size = 9; all.length > 1; size++) {
      await all.shift()!.stop()
      await eventually('leaves are taken', async () => (await add(all[0]!, `leaf ${size}`)).ok)
      await publishedAt(all[0]!, size + 1)
      await look(all[0]!)
    }
    expect(times).toEqual([...times].sort((a, b) => a - b))
    for (const time of times) expect(Math.abs(time - Date.now())).toBeLessThan(60_000)
  }, 60_000)
})

describe('a server is not started', () => {
  it.each([
    [
      'with a wrong password',
      (url: URL) => (url.password = 'wrong-pass'),
      /password authentication/,
    ],
    ['on a database that is not there', (url: URL) => (url.pathname = '/nowhere'), /nowhere/],
    ['on a port where nothing listens', (url: URL) => (url.port = '9'), /ECONNREFUSED/],
  ])('%s, and no password is shown', async (_, change, words) => {
    const { url, schema } = await testDatabase()
    const wrong = new URL(url)
    change(wrong)
    const said = await servers.refusal({ url: wrong.href, schema })
    expect(said).toMatch(words)
    expect(said).not.toContain(wrong.password)
  })

  it('on the schema of another log', async () => {
    const database = await testDatabase()
    await servers.start(database)
    const data = await servers.newData(await servers.newKeys('other.example/log'))
    expect(await servers.refusal(database, { data })).toMatch(/bad-input\.example\/log/)
  })

  it('on a schema of a newer program', async () => {
    const database = await testDatabase()
    await (await servers.start(database)).stop()
    await withClient(database.url, (client) =>
      client.query(
        `INSERT INTO ${database.schema}.migrations (number, name) VALUES (999, 'later')`,
      ),
    )
    expect(await servers.refusal(database)).toMatch(/version 999, of a newer Cairn/)
  })

  it('in the directory of one that runs', async () => {
    const database = await testDatabase()
    const { data, url } = await servers.start(database)
    const before = await readFile(join(data, 'log.vkey'), 'utf8')
    expect(await servers.refusal(database, { data })).toMatch(
      /another process runs in .*a directory of its own/,
    )
    expect((await fetch(`${url}/add`, { method: 'POST', body: 'still here' })).status).toBe(200)
    expect(await readFile(join(data, 'log.vkey'), 'utf8')).toBe(before)
  })
})
