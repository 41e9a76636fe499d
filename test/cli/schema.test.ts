import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { testDatabase, withClient } from '../support/postgres.ts'
import { expectRefusal } from './fixture.ts'
import { cairn } from './run.ts'

const schema = (...args: string[]) => cairn(['schema', ...args])

it('makes the tables, lets a role use them, and does nothing the second time', async () => {
  const { url, schema: name } = await testDatabase()
  const role = `r${randomBytes(4).toString('hex')}`
  await withClient(url, (client) => client.query(`CREATE ROLE ${role}`))
  const place = ['--database', url, '--database-schema', name]
  const first = await schema(...place, '--grant', role)
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout).toMatch(/has its tables now, of version \d+\n.* may run the log, and change/)
  expect(first.stdout).not.toContain(new URL(url).password)
  const withArchive = await schema(...place, '--archive')
  expect(withArchive.stdout).toMatch(/the newest\nwhat its bucket has may leave the database\n$/)
  expect((await schema(...place, '--no-archive')).stdout).toMatch(/nothing leaves the database\n$/)
  const again = JSON.parse((await schema(...place, '--json')).stdout)
  expect(again).toMatchObject({ place: expect.stringContaining(name), from: again.to })
  await withClient(url, async (client) => {
    const granted = `SELECT has_table_privilege('${role}', '${name}.migrations', $1) AS can`
    const can = async (what: string) => (await client.query(granted, [what])).rows[0].can
    expect([await can('SELECT'), await can('DELETE'), await can('UPDATE')]).toEqual([
      true,
      false,
      false,
    ])
    await client.query(`DROP OWNED BY ${role}`)
    await client.query(`DROP ROLE ${role}`)
  })
})

it('says what is wrong', async () => {
  const { url, schema: name } = await testDatabase()
  const place = ['--database', url, '--database-schema', name]
  expectRefusal(
    await schema(...place, '--grant', 'nobody_at_all'),
    /no database role nobody_at_all/,
  )
  expectRefusal(await schema('--database', 'db.example.org'), /--database must be a URL such as/)
  expectRefusal(await schema('--database', url, '--database-schema', 'A b'), /lowercase letters/)
  expectRefusal(
    await schema(...place, '--archive', '--no-archive'),
    /give --archive or --no-archive, not both/,
  )
  expectRefusal(await schema(), /required option '--database <url>'/)
  const wrong = new URL(url)
  wrong.password = 'wrong'
  const refused = await schema('--database', wrong.href)
  expectRefusal(refused, /password authentication failed/)
  expect(refused.stderr).not.toContain('wrong@')
  const nowhere = 'postgres://cairn@127.0.0.1:9/cairn'
  expectRefusal(await schema('--database', nowhere), /cannot .*ECONNREFUSED/)
})

it('names the way on when a log cannot do without its bucket any more', async () => {
  const { url, schema: name } = await testDatabase()
  const place = ['--database', url, '--database-schema', name]
  expect((await schema(...place, '--archive')).code).toBe(0)
  await withClient(url, (client) =>
    client.query(`UPDATE ${name}.archive SET size = 256, released = 256`),
  )
  expectRefusal(
    await schema(...place, '--no-archive'),
    /in its archive alone; it keeps its bucket, or goes on without one where cairn migrate --from-config FILE moves it/,
  )
})
