/** docs/postgres.md against a real database: its queries run, and what it shows refused is refused in those words. */
import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { expect, it } from 'vitest'
import { openPool } from '../src/storage/postgres-pool.ts'
import { grantTo, migrateSchema } from '../src/storage/postgres-schema.ts'
import { afterThisTest } from './support/endings.ts'
import { testDatabase, withClient } from './support/postgres.ts'
import { readText } from './support/sources.ts'

const document = readText('docs/postgres.md')
const fences = [...document.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
const textsOf = (language: string): string[] =>
  fences.filter((fence) => fence[1] === language).map((fence) => fence[2]!)

/** A schema with the log's tables, owned by one role and run by another. */
async function place() {
  const { url, schema } = await testDatabase()
  const [owner, server] = ['o', 's'].map((kind) => `${kind}${randomBytes(6).toString('hex')}`)
  await withClient(url, async (client) => {
    await client.query(`CREATE ROLE ${owner}; CREATE ROLE ${server}`)
    await client.query(`CREATE SCHEMA ${schema} AUTHORIZATION ${owner}`)
  })
  afterThisTest(() =>
    withClient(url, async (client) => {
      await client.query(`DROP SCHEMA ${schema} CASCADE`)
      await client.query(`DROP OWNED BY ${owner}, ${server}; DROP ROLE ${owner}, ${server}`)
    }),
  )
  const pool = openPool({ url, schema, role: owner! })
  await migrateSchema(pool)
  await grantTo(pool, server!)
  await pool.query(
    'sequence a leaf',
    `SELECT sequence_leaves($1, $2, '{0,3}', true, '', '', '{0}', '{}', NULL)`,
    [Buffer.from([0, 1, 7]), randomBytes(32)],
  )
  await pool.close()
  return { url, schema, owner: owner!, server: server! }
}

it('has queries that run', async () => {
  const { url, schema } = await place()
  const queries = textsOf('sql').filter((text) => text.startsWith('--'))
  expect(queries.length).toBeGreaterThan(4)
  await withClient(url, async (client) => {
    await client.query(`SET search_path = ${schema}`)
    const [waiting] = (await client.query(queries[0]!)).rows
    expect(waiting).toEqual({ waiting: '1', not_archived: '0' })
    for (const query of queries) await client.query(query)
  })
})

it('shows what the database refuses, as it says it', async () => {
  const { url, schema, owner, server } = await place()
  const [transcript] = textsOf('console')
  const roles = { cairn_owner: owner, cairn_server: server }
  let role = ''
  let refused = 0
  const lines = transcript!.split('\n')
  for (const [i, line] of lines.entries()) {
    role = /^\$ psql postgres:\/\/(\w+)@/.exec(line)?.[1] ?? role
    const statement = /^cairn=> (.*)$/.exec(line)?.[1]
    if (statement === undefined) continue
    const said = await withClient(url, async (client) => {
      await client.query(`SET ROLE ${roles[role as keyof typeof roles]}`)
      return client.query(statement.replace('cairn.', `${schema}.`)).then(
        () => 'done',
        (error: pg.DatabaseError) => `${error.severity}:  ${error.message}`,
      )
    })
    expect(said, statement).toBe(lines[i + 1])
    refused++
  }
  expect(refused).toBeGreaterThan(5)
})
