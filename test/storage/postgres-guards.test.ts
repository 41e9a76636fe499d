/** What a log in PostgreSQL refuses: of its database, of other logs, and of whoever would change what is append-only. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { grantTo, MIGRATIONS, migrateSchema } from '../../src/storage/postgres-schema.ts'
import { readIdentity, setArchive } from '../../src/storage/postgres-settings.ts'
import type { SharedLogStore } from '../../src/storage/shared-port.ts'
import { afterThisTest } from '../support/endings.ts'
import { appRole, startPostgres, testDatabase } from '../support/postgres.ts'
import { leavesOf, ModelLog, publicationOf } from './commits.ts'
import { problems } from './conformance.ts'
import { batchOf, requestOf } from './shared-conformance.ts'

type StoreOptions = Partial<Parameters<typeof openPostgresLogStore>[0]>

async function owned(): Promise<PostgresPool> {
  const pool = openPool(await testDatabase())
  afterThisTest(() => pool.close())
  return pool
}

async function opened(pool: PostgresPool, options: StoreOptions = {}): Promise<SharedLogStore> {
  const store = await openPostgresLogStore({ pool, ...options })
  afterThisTest(() => store.close())
  return store
}

async function archiveDirectory(): Promise<Awaited<ReturnType<typeof openObjectDirectory>>> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-archive-'))
  afterThisTest(() => rm(directory, { recursive: true }))
  return openObjectDirectory(directory)
}

/** A log of some entries, with a row in each of its tables. */
async function filled(pool: PostgresPool, size = 600): Promise<SharedLogStore> {
  const store = await opened(pool)
  const leader = (await store.lead({ holder: 'a', url: 'http://a', leaseMs: 60_000 }))!
  const requests = [requestOf(1, [0])]
  await store.sequence(batchOf(leavesOf(0, size), { requests }))
  await leader.integrate(new ModelLog().append(leavesOf(0, size)))
  await leader.publish(publicationOf(size))
  return store
}

const ONLY_GROWING = ['entry_runs', 'tiles', 'leaf_index', 'idempotency']
const CHANGING = ['sequence', 'head', 'publication', 'leadership', 'archive']
const COLUMN: Readonly<Record<string, string>> = {
  entry_runs: 'framed',
  tiles: 'hashes',
  leaf_index: 'index',
  idempotency: 'indices',
}

describe('tables that only grow', () => {
  it('refuse changes by their owner, who is the superuser', async () => {
    const pool = await owned()
    const store = await filled(pool)
    const changes = [
      ...ONLY_GROWING.flatMap((table) => [
        `UPDATE ${table} SET ${COLUMN[table]} = ${COLUMN[table]}`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
      ]),
      ...CHANGING.flatMap((table) => [`DELETE FROM ${table}`, `TRUNCATE ${table}`]),
      'UPDATE sequence SET next = next - 1',
      'UPDATE head SET size = size - 1',
      'UPDATE publication SET size = size - 1',
      'UPDATE publication SET timestamp = timestamp - 1',
      'UPDATE leadership SET epoch = epoch - 1',
    ]
    for (const change of changes) {
      await expect(pool.execute('change', change), change).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringContaining('only grows'),
      })
    }
    expect(await problems(store, 600)).toEqual([])
  })

  it('cannot be changed by the role that a log runs as', async () => {
    const pool = await owned()
    const store = await filled(pool)
    const role = await appRole()
    await grantTo(pool, role)
    const theirs = openPool({ ...(await testDatabase()), schema: pool.schema, role })
    afterThisTest(() => theirs.close())
    const changes = [
      ...ONLY_GROWING.flatMap((table) => [
        `UPDATE ${table} SET ${COLUMN[table]} = ${COLUMN[table]}`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
        `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
        `DROP TABLE ${table}`,
      ]),
      ...CHANGING.flatMap((table) => [`DELETE FROM ${table}`, `TRUNCATE ${table}`]),
      'UPDATE archive SET released = 512',
      'DELETE FROM settings',
      "UPDATE settings SET value = 'x'",
      'DELETE FROM migrations',
      `INSERT INTO roles VALUES ('x')`,
      'CREATE TABLE mine (n int)',
    ]
    for (const change of changes) {
      await expect(theirs.execute('change', change), change).rejects.toMatchObject({
        code: 'FORBIDDEN',
      })
    }
    expect(await problems(store, 600)).toEqual([])
  })

  it('let go of nothing in a log without an archive, nor of more than it has', async () => {
    const pool = await owned()
    const store = await filled(pool)
    const leader = (await store.lead({ holder: 'a', url: 'http://a', leaseMs: 60_000 }))!
    const refused = leader.archived(treeSize(600), treeSize(512))
    await expect(refused).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('no archive'),
    })
    expect(await store.archive()).toEqual({ size: 0, released: 0 })
    expect(await problems(store, 600)).toEqual([])

    await opened(pool, { archive: await archiveDirectory() })
    await leader.archived(treeSize(600), treeSize(300))
    for (const beyond of ['entry_runs', 'tiles']) {
      await expect(pool.execute('change', `DELETE FROM ${beyond}`)).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringContaining('what no archive has'),
      })
    }
  })
})

describe('whether a log has an archive', () => {
  it('is for the owner to say, so that the role that a log runs as can let go of nothing in one without', async () => {
    const pool = await owned()
    await filled(pool)
    const role = await appRole()
    await grantTo(pool, role)
    const theirs = openPool({ ...(await testDatabase()), schema: pool.schema, role })
    afterThisTest(() => theirs.close())
    for (const tried of [
      'SELECT set_archive(true)',
      'UPDATE archive SET wanted = true',
      'SELECT release_archived(NULL, 600, 600)',
      'SELECT release_archived(epoch, 600, 600) FROM leadership',
    ]) {
      await expect(theirs.query('try', tried), tried).rejects.toMatchObject({ code: 'FORBIDDEN' })
    }
    const archive = await archiveDirectory()
    await expect(opened(theirs, { archive })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/run cairn schema with --archive as the role that owns/),
    })
    await setArchive(pool, true)
    await opened(theirs, { archive })
    await expect(opened(theirs)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(
        /has a bucket: give it as well, or run cairn schema with --no-archive/,
      ),
    })
    await setArchive(pool, false)
    await opened(theirs)
    // Nobody does it out of term.
    await setArchive(pool, true)
    const outOfTerm = pool.query('try', 'SELECT release_archived(NULL, 600, 600)')
    await expect(outOfTerm).rejects.toThrow(/nobody lets go of anything but a leader/)
  })
})

describe('opening a log in PostgreSQL', () => {
  const identity = { origin: 'example.com/one', vkeys: ['example.com/one+aaaa+key', 'second'] }

  it('knows whose schema it is', async () => {
    const pool = await owned()
    await opened(pool)
    expect(await readIdentity(pool)).toBeUndefined()
    await opened(pool, { identity })
    await opened(pool, { identity })
    await opened(pool)
    expect(await readIdentity(pool)).toEqual(identity)
    const other = { ...identity, origin: 'example.com/two' }
    await expect(opened(pool, { identity: other })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/holds the log example.com\/one, not example.com\/two/),
    })
    const newKeys = { ...identity, vkeys: ['example.com/one+bbbb+key'] }
    await expect(opened(pool, { identity: newKeys })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/aaaa.*second.*bbbb/),
    })
  })

  it('needs the archive once something is nowhere else, and not before', async () => {
    const pool = await owned()
    const archive = await archiveDirectory()
    await opened(pool, { archive })
    await opened(pool)
    const store = await filled(pool)
    await opened(pool, { archive })
    const leader = (await store.lead({ holder: 'a', url: 'http://a', leaseMs: 60_000 }))!
    await leader.archived(treeSize(600), treeSize(256))
    await expect(opened(pool)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/in its archive alone; give the bucket/),
    })
    // One that was open before.
    await expect(store.bundle(0)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('tile/entries/000'),
    })
  })

  it('refuses a schema of a newer program', async () => {
    const pool = await owned()
    const later = { name: 'later', sql: 'CREATE TABLE later (n int)', grants: {} }
    await migrateSchema(pool, [...MIGRATIONS, later])
    await expect(opened(pool)).rejects.toMatchObject({ code: 'NEWER_FORMAT' })
  })

  it('refuses a server that may lose what it acknowledged, unless told not to', async () => {
    for (const setting of ['fsync', 'full_page_writes']) {
      const server = await startPostgres({ settings: { [setting]: 'off' } })
      afterThisTest(() => server.remove())
      const pool = openPool({ url: server.url, schema: 'cairn' })
      afterThisTest(() => pool.close())
      await expect(opened(pool)).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining(`${setting} = off`),
      })
      const store = await opened(pool, { allowUnsafe: true })
      expect(await store.sequencedSize()).toBe(0)
    }
  })
})

describe('inspecting a log in PostgreSQL', () => {
  const short = (n: number): string =>
    Buffer.from(hashLeaf(leavesOf(n, 1)[0]!).subarray(0, 4)).toString('hex')
  const bytes = (n: number): string => `'\\x${'00'.repeat(n)}'::bytea`
  const cases: [string, string[], (string | RegExp)[]][] = [
    [
      'entries that are missing',
      ['DELETE FROM entry_runs WHERE first = 256'],
      [
        /^entry run 512-599 leaves a gap of 256/,
        `leaf hash ${short(256)}… leads to entry 256, whose leaf hash differs`,
      ],
    ],
    [
      'entries beyond the log',
      [`INSERT INTO entry_runs VALUES (600, 1, ${bytes(2)}, ${bytes(32)})`],
      ['entry run 600-600 lies beyond the log, which has 600 there'],
    ],
    [
      'entries that are cut off',
      ['UPDATE entry_runs SET framed = substr(framed, 1, 100) WHERE first = 0'],
      ['entry run 0-255 is not framed as 256 entries'],
    ],
    ['a missing tile', ['DELETE FROM tiles'], ['hashes from 0 to 1 of tile level 1 are missing']],
    [
      'a tile beyond the tree',
      [`INSERT INTO tiles VALUES (2, 7, 0, ${bytes(32)})`],
      ['tile 2/7 hashes from 0 lies beyond the tree, which has 0 there'],
    ],
    [
      'a leaf that cannot be found',
      ['DELETE FROM leaf_index WHERE index = 3'],
      [`leaf hash ${short(3)}… of entry 3 is not in the index`],
    ],
    [
      'a leaf that is found elsewhere',
      ['UPDATE leaf_index SET index = 17 WHERE index = 1'],
      [
        `leaf hash ${short(1)}… leads to entry 17, but entry 1 comes first`,
        `leaf hash ${short(1)}… leads to entry 17, whose leaf hash differs`,
      ],
    ],
    [
      'an index of no leaf',
      [`INSERT INTO leaf_index VALUES (${bytes(32)}, 17)`],
      ['leaf hash 00000000… leads to entry 17, whose leaf hash differs'],
    ],
    [
      'an index beyond the log',
      [`INSERT INTO leaf_index VALUES (${bytes(32)}, 600)`],
      ['leaf hash 00000000… leads to entry 600, beyond the size 600'],
    ],
    [
      'an idempotency record beyond the log',
      ["UPDATE idempotency SET indices = '{3,600}'"],
      ['idempotency key 01010101… names entry 600, beyond the size 600'],
    ],
    ['a missing head', ['DELETE FROM head'], ['the head is missing']],
    [
      'a sequence that went back',
      ['UPDATE sequence SET next = 599'],
      [/^599 leaves are sequenced, fewer than the size 600/],
    ],
  ]
  it.each(cases)('reports %s', async (_, damage, lines) => {
    const pool = await owned()
    const store = await filled(pool)
    await pool.transaction('damage', async (db) => {
      // As somebody who goes round the triggers.
      await db.execute('damage', "SET LOCAL session_replication_role = 'replica'")
      for (const statement of damage) await db.execute('damage', statement)
    })
    const found = await problems(store, 600)
    for (const line of lines)
      expect(found).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line))
  })

  it('finds nothing wrong with a log that grows meanwhile', async () => {
    const pool = await owned()
    const store = await filled(pool, 700)
    let isOver = false
    const growing = (async () => {
      for (let n = 0; !isOver; n++) {
        const requests = [requestOf(2 + (n % 250), [0])]
        await store.sequence(batchOf(leavesOf(700 + n * 7, 7), n < 250 ? { requests } : {}))
      }
    })()
    for (let round = 0; round < 3; round++) expect(await problems(store, 700)).toEqual([])
    isOver = true
    await growing
    expect(await store.sequencedSize()).toBeGreaterThan(700)
  })

  it('reports a head of another size, and takes no offence at leaves that wait', async () => {
    const pool = await owned()
    const store = await filled(pool)
    await store.sequence(batchOf(leavesOf(600, 10)))
    let rows = 0
    const lines: string[] = []
    for await (const line of store.inspect(treeSize(600), (count) => {
      rows = count
    })) {
      lines.push(line)
    }
    expect(lines).toEqual([])
    expect(rows).toBeGreaterThan(600)
    expect(await problems(store, 599)).toEqual(
      expect.arrayContaining([
        'the head is of size 600, beyond the size 599',
        'the publication is of size 600, beyond the size 599',
      ]),
    )
    expect(await problems(store, 601)).toContain('the head is of size 600, below the size 601')
  })
})
