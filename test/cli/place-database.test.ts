/** The commands about a log at rest, where it is in a database: fsck, migrate, backup and restore as people type them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentsOf, makeLog, placeIn } from '../support/moving-place.ts'
import { testDatabase, withClient } from '../support/postgres.ts'
import { expectRefusal } from './fixture.ts'
import { cairn, killedAfter } from './run.ts'

let folder: string
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-place-database-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a log in a database', () => {
  it('is moved into it, checked there, saved, restored and moved back', async () => {
    await makeLog(at('made'))
    const before = await contentsOf({ data: at('made') })
    const { url, schema } = await testDatabase()
    const to = ['--to', at('server'), '--to-database', url, '--to-schema', schema]
    const moving = ['migrate', '--from', at('made'), ...to, '--json']
    expect(await killedAfter(moving, join(at('server'), 'unfinished'), 250)).toBe(true)
    const moved = await cairn(moving)
    expect(moved).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(moved.stdout)).toMatchObject({ size: 606, vault: true, may_sign: true })

    const database = ['--database', url, '--database-schema', schema]
    const checked = await cairn(['fsck', at('server'), ...database])
    expect(checked).toMatchObject({ code: 0, stderr: '' })
    expect(checked.stdout).toMatch(/nothing wrong: 606 entries, .*, \d+ rows of the vault/)
    const reindex = await cairn(['fsck', at('server'), ...database, '--reindex'])
    expectRefusal(reindex, /--reindex is for data directories/)

    await withClient(url, (client) =>
      client.query(`INSERT INTO ${schema}.map_rows VALUES ('\\x00', '\\x010203')
        ON CONFLICT (key) DO UPDATE SET value = excluded.value`),
    )
    expect((await cairn(['fsck', at('server'), ...database])).stdout).toMatch(/✗ map .* damaged/)
    const remap = await cairn(['fsck', at('server'), ...database, '--remap'])
    expect(remap).toMatchObject({ code: 0, stderr: '' })
    expect(remap.stdout).toContain('the map was made again: 606 entries')

    const out = at('database.backup')
    const saved = await cairn(['backup', '--data', at('server'), ...database, '--out', out])
    expect(saved).toMatchObject({ code: 0, stderr: '' })
    const other = placeIn(at('restored'), await testDatabase())
    const { url: otherUrl, schema: otherSchema } = other.place.shared!.database
    const into = ['--to-database', otherUrl, '--to-schema', otherSchema]
    const keys = ['--keys', join(at('server'), 'keys'), '--adopt-head']
    const restored = await cairn(['restore', out, '--to', at('restored'), ...into, ...keys])
    expect(restored).toMatchObject({ code: 0, stderr: '' })
    expect(await contentsOf(other.place)).toEqual(before)

    await writeFile(
      at('cairn.yaml'),
      [`data: ${at('server')}`, `database: ${url}`, `database-schema: ${schema}`, ''].join('\n'),
    )
    const back = await cairn(['migrate', '--from-config', at('cairn.yaml'), '--to', at('back')])
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(await contentsOf({ data: at('back') })).toEqual(before)

    await withClient(otherUrl, async (client) => {
      await client.query(`SET search_path = ${otherSchema}; SET session_replication_role = replica`)
      await client.query('UPDATE entry_runs SET framed = set_byte(framed, 5, 0) WHERE first = 0')
    })
    const damaged = await cairn([
      ...['fsck', at('restored'), '--database', otherUrl],
      ...['--database-schema', otherSchema],
    ])
    expect(damaged.code).toBe(1)
    expect(damaged.stdout).toMatch(/✗ entry \d+/)
  }, 60_000)

  it('is not found where there is none, and not reached where nothing listens', async () => {
    await makeLog(at('alone'))
    const { url, schema } = await testDatabase()
    const nowhere = ['--database', url, '--database-schema', schema]
    const fsck = ['fsck', at('alone'), ...nowhere]
    expectRefusal(await cairn(fsck), /alone holds a log itself; cairn migrate --from/)
    await rm(join(at('alone'), 'store', 'CURRENT'))
    expectRefusal(await cairn(fsck), /there is no log in/)
    const gone = ['--database', 'postgres://nobody@127.0.0.1:1/none']
    const run = await cairn(['fsck', at('alone'), ...gone])
    expectRefusal(run, /127.0.0.1:1|reach|connect/)
  }, 30_000)
})
