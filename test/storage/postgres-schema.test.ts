import { describe, expect, it } from 'vitest'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import {
  grantTo,
  MIGRATIONS,
  type Migration,
  migrateSchema,
  schemaVersion,
} from '../../src/storage/postgres-schema.ts'
import { afterThisFile, afterThisTest } from '../support/endings.ts'
import { type TestDatabase, testDatabase, withClient } from '../support/postgres.ts'

function opened(database: TestDatabase): PostgresPool {
  const pool = openPool(database)
  afterThisTest(() => pool.close())
  return pool
}

/** A role that may do nothing yet, and a URL to be it. */
async function newRole({ url, schema }: TestDatabase): Promise<{ role: string; url: string }> {
  const role = `role_${schema}`
  await withClient(url, (client) => client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'p'`))
  afterThisFile(() =>
    withClient(url, (client) => client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)),
  )
  return { role, url: url.replace(/\/\/[^@]*@/, `//${role}:p@`) }
}

const table = (name: string): Migration => ({
  name: `table ${name}`,
  sql: `CREATE TABLE ${name} (n int)`,
  grants: { [name]: 'SELECT, INSERT' },
})

describe('migrating a schema', () => {
  it('makes it, once, and tells from where to where it came', async () => {
    const pool = opened(await testDatabase())
    expect(await schemaVersion(pool)).toBe(0)
    expect(await migrateSchema(pool)).toEqual({ from: 0, to: MIGRATIONS.length })
    expect(await schemaVersion(pool)).toBe(MIGRATIONS.length)
    expect(await migrateSchema(pool)).toEqual({ from: MIGRATIONS.length, to: MIGRATIONS.length })
  })

  it('goes on from any earlier version', async () => {
    for (let version = 1; version < MIGRATIONS.length; version++) {
      const pool = opened(await testDatabase())
      await migrateSchema(pool, MIGRATIONS.slice(0, version))
      expect(await migrateSchema(pool)).toEqual({ from: version, to: MIGRATIONS.length })
    }
  })

  it('is done by one of several processes, while the others wait', async () => {
    const database = await testDatabase()
    const pools = Array.from({ length: 6 }, () => opened(database))
    const outcomes = await Promise.all(pools.map((pool) => migrateSchema(pool)))
    for (const { to } of outcomes) expect(to).toBe(MIGRATIONS.length)
  })

  it('does a migration wholly or not at all', async () => {
    const pool = opened(await testDatabase())
    const broken = { ...table('b'), sql: 'CREATE TABLE b (n int); CREATE TABLE a (n int)' }
    await expect(migrateSchema(pool, [table('a'), broken])).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('to version 2 (table b)'),
    })
    expect(await schemaVersion(pool)).toBe(1)
    expect(await migrateSchema(pool, [table('a'), table('b')])).toEqual({ from: 1, to: 2 })
  })

  it('refuses one of a newer program', async () => {
    const pool = opened(await testDatabase())
    await migrateSchema(pool, [table('a'), table('b')])
    await expect(migrateSchema(pool, [table('a')])).rejects.toMatchObject({
      code: 'NEWER_FORMAT',
      message: expect.stringContaining('at version 2'),
    })
  })

  it('says so when the role may not, and needs no privilege when there is nothing to do', async () => {
    const database = await testDatabase()
    const { role, url } = await newRole(database)
    const theirs = opened({ ...database, url })
    await expect(migrateSchema(theirs)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringMatching(/has no tables yet, .*may not make them/),
    })
    const owner = opened(database)
    await migrateSchema(owner, [table('a')])
    await grantTo(owner, role, [table('a')])
    expect(await migrateSchema(theirs, [table('a')])).toEqual({ from: 1, to: 1 })
    await expect(migrateSchema(theirs, [table('a'), table('b')])).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringMatching(/at version 1, .*needs 2/),
    })
  })
})

describe('granting a schema', () => {
  it('lets a role do what each table allows, also those that come later', async () => {
    const database = await testDatabase()
    const { role, url } = await newRole(database)
    const owner = opened(database)
    await migrateSchema(owner, [table('a')])
    await grantTo(owner, role, [table('a')])
    await migrateSchema(owner, [table('a'), table('b')])
    const theirs = opened({ ...database, url })
    for (const name of ['a', 'b']) {
      expect(await theirs.execute('add', `INSERT INTO ${name} VALUES (1)`)).toBe(1)
      for (const change of [
        `DELETE FROM ${name}`,
        `UPDATE ${name} SET n = 2`,
        `TRUNCATE ${name}`,
      ]) {
        await expect(theirs.execute('change', change)).rejects.toMatchObject({ code: 'FORBIDDEN' })
      }
    }
  })

  it('takes nothing from the owner', async () => {
    const owner = opened(await testDatabase())
    await migrateSchema(owner)
    await expect(grantTo(owner, 'postgres')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('postgres owns the schema'),
    })
  })

  it('names a role that is not there', async () => {
    const owner = opened(await testDatabase())
    await migrateSchema(owner)
    await expect(grantTo(owner, 'no_such_role')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
