import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { openPool, type PoolOptions, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { byteaArray, int4Array, int8Array } from '../../src/storage/postgres-types.ts'
import { layWire } from '../faults/cluster/wire.ts'
import { freePort } from '../support/cairn-process.ts'
import { afterThisTest } from '../support/endings.ts'
import { databaseUrl, testDatabase, withClient } from '../support/postgres.ts'

async function opened(options: Partial<PoolOptions> = {}): Promise<PostgresPool> {
  const pool = openPool({ ...(await testDatabase()), ...options })
  afterThisTest(() => pool.close())
  return pool
}

const value = async <T>(pool: PostgresPool, sql: string, values: unknown[] = []): Promise<T> =>
  (await pool.query<{ v: T }>('ask', `SELECT ${sql} AS v`, values))[0]!.v

describe('a pool of connections', () => {
  it('carries bytes and whole numbers both ways', async () => {
    const pool = await opened()
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    const back = await value<Uint8Array>(pool, '$1::bytea', [bytes])
    expect(back.constructor).toBe(Uint8Array)
    expect(back).toEqual(bytes)
    expect(await value(pool, '$1::int8', [2 ** 53 - 1])).toBe(2 ** 53 - 1)
    await expect(value(pool, '9007199254740992::int8')).rejects.toMatchObject({ code: 'CORRUPT' })
    const many = [0, -1, 2 ** 31 - 1]
    expect(await value(pool, '$1::int4[]', [int4Array(many)])).toEqual(many)
    const large = [0, 2 ** 53 - 1, 5_000_000_000]
    expect(await value(pool, '$1::int8[]', [int8Array(large)])).toEqual(large)
    expect(await value(pool, '$1::bytea[]', [byteaArray([bytes, new Uint8Array()])])).toEqual([
      bytes,
      new Uint8Array(),
    ])
    for (const none of [int4Array([]), byteaArray([])].entries()) {
      const type = none[0] === 0 ? 'int4' : 'bytea'
      expect(await value(pool, `$1::${type}[]`, [none[1]])).toEqual([])
    }
    expect(await value(pool, "'{1,NULL}'::int8[]")).toEqual([1, null])
  })

  it('tells each connection what must hold', async () => {
    const { url, schema } = await testDatabase()
    const user = `u_${schema}`
    await withClient(url, async (client) => {
      await client.query(`CREATE ROLE ${user} LOGIN PASSWORD 'p'`)
      await client.query(`ALTER ROLE ${user} SET synchronous_commit = off`)
      await client.query(`ALTER ROLE ${user} SET bytea_output = escape`)
    })
    afterThisTest(() => withClient(url, (client) => client.query(`DROP ROLE ${user}`)))
    const pool = await opened({ url: url.replace(/\/\/[^@]*@/, `//${user}:p@`) })
    expect(await value(pool, "current_setting('synchronous_commit')")).toBe('on')
    expect(await value(pool, "'\\x00ff'::bytea")).toEqual(Uint8Array.of(0, 255))
    expect(await value(pool, "current_setting('search_path')")).toBe(`"${pool.schema}", pg_temp`)
    expect(await value(pool, "current_setting('statement_timeout')")).toBe('30s')
  })

  it('acts as a role', async () => {
    const pool = await opened({ role: 'pg_read_all_data' })
    expect(await value(pool, 'current_user::text')).toBe('pg_read_all_data')
  })

  it('commits what a transaction does, or none of it, and goes on after both', async () => {
    const { url, schema } = await testDatabase()
    await withClient(url, async (client) => {
      await client.query(`CREATE SCHEMA ${schema}`)
      await client.query(`CREATE TABLE ${schema}.t (n int PRIMARY KEY)`)
    })
    const pool = await opened({ url, schema, maxConnections: 1 })
    const pid = await value(pool, 'pg_backend_pid()')
    await pool.transaction('add', async (db) => {
      expect(await db.execute('add', 'INSERT INTO t VALUES (1), (2)')).toBe(2)
    })
    const twice = pool.transaction('add', async (db) => {
      await db.execute('add', 'INSERT INTO t VALUES (3)')
      await db.execute('add three', 'INSERT INTO t VALUES (3)')
    })
    await expect(twice).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('cannot add three: duplicate key'),
    })
    const ours = pool.transaction('add', async (db) => {
      await db.execute('add', 'INSERT INTO t VALUES (4)')
      throw new CairnError('CONFLICT', 'no')
    })
    await expect(ours).rejects.toMatchObject({ code: 'CONFLICT', message: 'no' })
    expect(await pool.query('read', 'SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
    expect(await value(pool, 'pg_backend_pid()')).toBe(pid)
  })

  it('loses no more than what was on a connection that breaks', async () => {
    const errors: Error[] = []
    const pool = await opened({ onError: (error) => errors.push(error) })
    const pids = await Promise.all([1, 2].map(() => value<number>(pool, 'pg_backend_pid()')))
    await withClient((await testDatabase()).url, (client) =>
      client.query('SELECT pg_terminate_backend(unnest($1::int[]))', [pids]),
    )
    const one = pool.query('end', 'SELECT pg_terminate_backend(pg_backend_pid())')
    await expect(one).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect.poll(() => value(pool, '7')).toBe(7)
    await expect.poll(() => errors.length).toBeGreaterThan(0)
  })

  it('answers nothing once it is closed', async () => {
    const pool = await opened()
    await value(pool, '1')
    await pool.close()
    await pool.close()
    await expect(value(pool, '1')).rejects.toMatchObject({ code: 'STOPPED' })
  })
})

describe('what a database reports', () => {
  const raised: [string, string, RegExp?][] = [
    ['57014', 'UNAVAILABLE'],
    ['57P01', 'UNAVAILABLE'],
    ['08006', 'UNAVAILABLE'],
    ['40P01', 'UNAVAILABLE'],
    ['40001', 'UNAVAILABLE'],
    ['53300', 'UNAVAILABLE'],
    ['25006', 'UNAVAILABLE', /standby/],
    ['53100', 'DISK_FULL', /free space/],
    ['42501', 'FORBIDDEN', /privilege/],
    ['3D000', 'NOT_FOUND'],
    ['XX001', 'CORRUPT'],
    ['22012', 'IO', /cannot ask: /],
    ['CA400', 'USAGE', /^said so$/],
    ['CA403', 'FORBIDDEN', /^said so$/],
    ['CA404', 'NOT_FOUND', /^said so$/],
    ['CA409', 'CONFLICT', /^said so$/],
    ['CA423', 'HELD', /^said so$/],
    ['CA500', 'CORRUPT', /^said so$/],
  ]
  it.each(raised)('is %s as %s', async (state, code, message = /said so/) => {
    const pool = await opened()
    const raise = `DO $$ BEGIN RAISE EXCEPTION 'said so' USING ERRCODE = '${state}'; END $$`
    await expect(pool.execute('ask', raise)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })

  it('is UNAVAILABLE for a server that is not there, is silent, or too slow', async () => {
    const nobody = await opened({ url: `postgres://u@127.0.0.1:${await freePort()}/d` })
    await expect(value(nobody, '1')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    const slow = await opened({ statementTimeoutMs: 50 })
    await expect(value(slow, 'pg_sleep(5)')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const silent = createServer().listen(0, '127.0.0.1')
    afterThisTest(() => silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const waiting = await opened({ url: `postgres://u@127.0.0.1:${port}/d`, connectTimeoutMs: 300 })
    await expect(value(waiting, '1')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('names what is wrong with a password or a database, and shows no password', async () => {
    const { url } = await testDatabase()
    const wrong = await opened({ url: url.replace(/:[^:@]*@/, ':secret-guess@') })
    const refusal: unknown = await value(wrong, '1').catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'FORBIDDEN' })
    expect(String(refusal)).not.toContain('secret')
    expect(wrong.place).not.toContain('secret')
    const nowhere = await opened({ url: url.replace(/\/postgres$/, '/nowhere') })
    await expect(value(nowhere, '1')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('reads the password from a file, anew for each connection', async () => {
    const { url } = await testDatabase()
    const directory = await mkdtemp(join(tmpdir(), 'cairn-password-'))
    afterThisTest(() => rm(directory, { recursive: true }))
    const passwordFile = join(directory, 'password')
    const bare = url.replace(/:[^:@]*@/, '@')
    const pool = await opened({ url: bare, passwordFile })
    await expect(value(pool, '1')).rejects.toMatchObject({ code: 'USAGE' })
    await writeFile(passwordFile, `${new URL(url).password}\n`)
    expect(await value(pool, '1')).toBe(1)
    await expect(opened({ url, passwordFile })).rejects.toMatchObject({ code: 'USAGE' })
  })
})

describe('the place of a database', () => {
  it.each(['', 'localhost', 'https://user:secret@host/x', 'postgres//u:secret@host'])(
    'cannot be %j',
    async (url) => {
      const attempt: unknown = await opened({ url }).catch((error: unknown) => error)
      expect(attempt).toMatchObject({ code: 'USAGE' })
      expect(String(attempt)).not.toContain('secret')
    },
  )

  it.each(['', 'Cairn', 'a-b', '1st', 'pg_mine', 'x'.repeat(64), 'a"b'])(
    'has no schema called %j',
    async (schema) => {
      await expect(opened({ schema })).rejects.toMatchObject({ code: 'USAGE' })
    },
  )
})

it('names one host, since who is the primary is for one place to know', async () => {
  await expect(opened({ url: 'postgres://u@a:5432,b:5432/d' })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/names several hosts/),
  })
})

describe('a network that swallows what it is given', () => {
  /** A pool whose connections can be cut. */
  async function behindWire(options: Partial<PoolOptions> = {}) {
    const url = new URL(await databaseUrl())
    const wire = await layWire(Number(url.port))
    afterThisTest(() => wire.close())
    url.port = String(wire.port)
    return { wire, pool: await opened({ url: url.href, ...options }) }
  }
  const took = async (work: Promise<unknown>): Promise<number> => {
    const began = performance.now()
    await expect(work).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    return performance.now() - began
  }

  it('is noticed where no limit is given, and gone when it is mended', async () => {
    const { wire, pool } = await behindWire({ silentMs: 300, connectTimeoutMs: 300 })
    const many = [1, 2, 3].map((n) => value(pool, `${n}`))
    expect(await Promise.all(many)).toEqual([1, 2, 3])
    wire.cut()
    const waits = await Promise.all([1, 2, 3].map((n) => took(value(pool, `${n}`))))
    // Asked after 300 ms and at most 500 more, and once more on a connection that takes 300 ms to fail.
    for (const wait of waits) expect(wait).toBeLessThan(5_000)
    // No connection is left to try it on.
    expect(await took(value(pool, '4'))).toBeLessThan(5_000)
    wire.mend()
    expect(await value(pool, '5')).toBe(5)
  })

  it('is not waited for longer than a caller will', async () => {
    const { wire, pool } = await behindWire()
    expect(await value(pool, '1')).toBe(1)
    wire.cut()
    expect(await took(pool.within(100).query('ask', 'SELECT 1'))).toBeLessThan(2_000)
    wire.mend()
    expect(await value(pool, '2')).toBe(2)
  })

  it('does not keep a pool from closing', async () => {
    const { wire, pool } = await behindWire()
    expect(await value(pool, '1')).toBe(1)
    await pool.dedicated()
    wire.cut()
    await pool.close()
  })

  it('is not suspected while a statement is slow', async () => {
    const { pool } = await behindWire({ silentMs: 100 })
    expect(await value(pool, 'pg_sleep(1.2) IS NOT NULL')).toBe(true)
  })
})
