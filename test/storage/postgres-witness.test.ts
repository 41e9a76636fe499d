import { describe, expect, it } from 'vitest'
import { openPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import { openPostgresWitnessStore } from '../../src/storage/postgres-witness.ts'
import type { WitnessStore } from '../../src/storage/witness-port.ts'
import { afterThisTest } from '../support/endings.ts'
import { type TestDatabase, testDatabase, withClient } from '../support/postgres.ts'
import { advance, all, headOf, watch, witnessStoreConformance } from './witness-conformance.ts'

let shared: Promise<TestDatabase> | undefined

/** An empty schema for a witness. */
async function emptyPlace(): Promise<TestDatabase> {
  shared ??= testDatabase()
  const place = await shared
  await withClient(place.url, (client) =>
    client.query(`DO $$ BEGIN
      IF to_regclass('${place.schema}.heads') IS NOT NULL THEN
        SET LOCAL search_path = ${place.schema};
        TRUNCATE owner, logs, heads, cosignatures, conflicts;
      END IF;
    END $$`),
  )
  return place
}

witnessStoreConformance('PostgreSQL', async () => {
  const place = await emptyPlace()
  return {
    open: async () => (await openPostgresWitnessStore(place)).store,
    remove: async () => undefined,
  }
})

async function opened(place: TestDatabase): Promise<WitnessStore> {
  const { store } = await openPostgresWitnessStore(place)
  afterThisTest(() => store.close())
  return store
}

const A = 'log.example/a'

/** Ends the connection that holds the lock of a schema, as a cut in the network or a restart does. */
async function cutGuard({ url, schema }: TestDatabase): Promise<void> {
  await withClient(url, (client) =>
    client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND classid = $1 AND objid::bigint::bit(32) = hashtext($2)::bit(32)`,
      [0x7769_746e, schema],
    ),
  )
}

describe('the store of a witness in PostgreSQL', () => {
  it('is one process’s at a time', async () => {
    const place = await emptyPlace()
    const { store } = await openPostgresWitnessStore(place)
    await expect(openPostgresWitnessStore(place)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(place.schema),
    })
    await store.close()
    await (await openPostgresWitnessStore(place)).store.close()
  })

  it('is one witness’s for ever', async () => {
    const place = await testDatabase()
    for (const [vkey, code] of [
      ['one', 'open'],
      ['two', 'USAGE'],
      ['one', 'open'],
    ] as const) {
      const { store, claim } = await openPostgresWitnessStore(place)
      const outcome = await claim(vkey).then(
        () => 'open',
        (error) => error.code,
      )
      await store.close()
      expect(outcome).toBe(code)
    }
  })

  it('is made only when it may be', async () => {
    const place = { ...(await testDatabase()), createIfMissing: false }
    await expect(openPostgresWitnessStore(place)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is not made among the tables of a log', async () => {
    const place = await testDatabase()
    const pool = openPool(place)
    afterThisTest(() => pool.close())
    await migrateSchema(pool)
    await expect(openPostgresWitnessStore(place)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/holds a log, and no witness/),
    })
  })

  it('writes nothing once the connection is lost that kept others away', async () => {
    const place = await testDatabase()
    const store = await opened(place)
    await store.write([watch(A, 'a1'), advance(A, undefined, headOf(7))])
    await cutGuard(place)
    // Whether it has heard of it or not.
    const next = advance(A, headOf(7), headOf(8))
    const code = expect.stringMatching(/^(UNAVAILABLE|STOPPED)$/)
    await expect(store.write([next])).rejects.toMatchObject({ code })
    await expect(store.write([next])).rejects.toMatchObject({
      code: 'STOPPED',
      message: expect.stringContaining('restart to recover'),
    })
    const another = await opened(place)
    expect((await another.head(A))?.size).toBe(7)
    await another.write([next])
    await expect(store.write([next])).rejects.toMatchObject({ code: 'STOPPED' })
  })

  it('compares heads in the database, whatever another process holds', async () => {
    const place = await testDatabase()
    const store = await opened(place)
    await store.write([watch(A, 'a1')])
    const pool = openPool(place)
    afterThisTest(() => pool.close())
    const elsewhere = (size: number) =>
      pool.execute(
        'write',
        `INSERT INTO heads VALUES ($1, $2, 1700000000, sha256('x'), '') ON CONFLICT (origin) DO UPDATE SET size = $2`,
        [A, size],
      )
    await elsewhere(5)
    await expect(store.write([advance(A, undefined, headOf(7))])).rejects.toMatchObject({
      code: 'CONFLICT',
      message: `the stored head of ${A} is of size 5, not none: another process has written it`,
    })
    const [log] = await all(store.logs())
    await store.write([advance(A, log!.head, headOf(7))])
    await elsewhere(9)
    const late = store.write([advance(A, headOf(7), headOf(10))])
    await expect(late).rejects.toMatchObject({ code: 'CONFLICT' })
    expect((await store.head(A))?.size).toBe(9)
  })

  it('lets one of two first heads be the first', async () => {
    const place = await testDatabase()
    const store = await opened(place)
    const pool = openPool(place)
    afterThisTest(() => pool.close())
    let written: Promise<unknown> | undefined
    await pool.transaction('write', async (db) => {
      await db.execute('write', `INSERT INTO heads VALUES ($1, 5, 1, sha256('x'), '')`, [A])
      // It finds none, and meets the other when that is committed.
      written = store.write([advance(A, undefined, headOf(7))]).catch((error) => error)
      await new Promise((resolve) => setTimeout(resolve, 100))
    })
    expect(await written).toMatchObject({ code: 'CONFLICT' })
    expect((await store.head(A))?.size).toBe(5)
  })

  it('refuses two heads of one log in a batch, and ids that are none', async () => {
    const store = await opened(await testDatabase())
    const heads = [advance(A, undefined, headOf(7)), advance(A, headOf(7), headOf(8))]
    await expect(store.write(heads)).rejects.toThrow(RangeError)
    const drop = { kind: 'drop-conflict', origin: A, id: new Uint8Array(15) } as const
    await expect(store.write([drop])).rejects.toThrow(RangeError)
    await store.write([watch(A)])
  })
})
