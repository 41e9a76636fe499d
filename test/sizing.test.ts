/** The figures of docs/sizing.md: the tables are those that bench/sizing.ts prints, and these hold on real storage. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { load } from '../bench/server.ts'
import { tables } from '../bench/sizing.ts'
import {
  archiveWork,
  bytesUp,
  CHECKPOINT_BYTES,
  DATABASE,
  LEAF_FOR_GOOD,
  leafInDatabase,
  loneLeafInDatabase,
  puts,
  RECORD,
  steadyWork,
} from '../bench/sizing-model.ts'
import type { Archiver } from '../src/log/archive-port.ts'
import type { SharedLog } from '../src/log/shared-log.ts'
import { storedTiles } from '../src/log/stored-tiles.ts'
import { openObjectDirectory } from '../src/storage/object-directory.ts'
import { openPostgresLogStore } from '../src/storage/postgres.ts'
import { openPool } from '../src/storage/postgres-pool.ts'
import { served } from './cli/run.ts'
import { archive, newDirectory, newMark, type TestLog, until, watched } from './log/archived-log.ts'
import { afterThisTest } from './support/endings.ts'
import { type TestDatabase, testDatabase, withClient } from './support/postgres.ts'
import { readText } from './support/sources.ts'
import {
  discardShared,
  newSharedPlace,
  openServer,
  openStoreAt,
} from './support/test-shared-log.ts'

const LEAF = 300
const BATCH = 10_000
const LEAVES = 100_000
/** For a step, where everything else runs on the same machine. */
const PATIENCE_MS = 60_000

describe('docs/sizing.md', () => {
  it('has the tables that bench/sizing.ts prints, and no others', () => {
    const found = readText('docs/sizing.md').match(/^\|(?:.*\n\|)*.*$/gm)
    expect(found).toEqual(tables())
  })
})

describe('the work of an archive', () => {
  it('is the same at a steady pace as when each checkpoint is counted', () => {
    for (const step of [3, 100, 1_000, 7_777]) {
      const first = 2 ** 24
      const sizes = [first]
      const before = archiveWork(sizes, LEAF, 60)
      // Not always at the same place of a tile.
      for (let size: number = first, n = 0; n < 20_000; n++) {
        size += step + ((n % 5) - 2) * Math.floor(step / 7)
        sizes.push(size)
      }
      const work = archiveWork(sizes, LEAF, 60)
      const grown = sizes.at(-1)! - first
      const pace = { rate: grown / (sizes.length - 1), interval: 1, leafBytes: LEAF }
      const steady = steadyWork(pace, grown)
      expect(steady.checkpoints.count).toBeCloseTo(work.checkpoints.count - 1, 6)
      expect(Math.abs(steady.heads.count - work.heads.count)).toBeLessThan(1)
      within(puts(steady), puts(work) - puts(before), 0.01)
      within(bytesUp(steady), bytesUp(work) - bytesUp(before), 0.01)
      within(steady.removed, work.removed, 0.01)
    }
  })
})

describe('a log of 100,000 leaves', () => {
  it('asks of its archive, and takes in the database, what was calculated', {
    timeout: 300_000,
  }, async () => {
    const place = await newSharedPlace()
    afterThisTest(() => discardShared(place))
    // On a busy machine a shorter lease may be over before it is renewed, and a new term archives what it finds anew.
    const log = await openServer(place, 'one', { publishIntervalMs: 1, leaseMs: 60_000 })
    const store = await openStoreAt(place)
    afterThisTest(async () => {
      await log.close()
      await store.close()
    })
    const directory = await newDirectory()
    const objects = watched(await openObjectDirectory(directory))
    const archiver = archive(testLog(log, storedTiles(store)), objects, newMark(), { settleMs: 0 })

    const steps = [...Array(LEAVES / BATCH).fill(BATCH), ...Array(12).fill(40)]
    for (const step of steps) {
      await log.sequence(Array.from({ length: step }, () => randomBytes(LEAF)))
      await until(
        () => archiver.status().shown === log.publication().size || undefined,
        PATIENCE_MS,
      )
      await until(
        () => log.publication().size === log.cluster().sequenced || undefined,
        PATIENCE_MS,
      )
      await archived(archiver, log)
    }
    await archiver.close()

    const created = objects.calls.filter((call) => call.startsWith('create '))
    const sizes = created
      .flatMap((call) => /^create heads\/(\d+)$/.exec(call)?.[1] ?? [])
      .map(Number)
    expect(sizes.length).toBeGreaterThanOrEqual(steps.length)
    const work = archiveWork(sizes, LEAF)
    const { counts } = archiver.status()
    expect(counts.created).toBe(work.full.count + work.partial.count + work.heads.count)
    expect(counts.there).toBe(0)
    expect(counts.removed).toBe(work.removed)
    const trees = created.filter((call) => call.startsWith('create tile/'))
    expect(trees).toHaveLength(work.full.count + work.partial.count)
    expect(trees.filter((call) => call.includes('.p/'))).toHaveLength(work.partial.count)
    const heads = counts.createdBytes - work.full.bytes - work.partial.bytes
    within(heads / work.heads.count, CHECKPOINT_BYTES, 0.02)
    expect(counts.replaced).toBe(work.checkpoints.count)
    const asked = objects.calls.filter((call) => /^(get|list) /.test(call))
    // What a term begins with; nothing a checkpoint.
    expect(asked.length).toBeLessThan(20)

    const size = log.head().size
    const { entries, leafIndex, leafIndexKey } = await databaseBytes(place.database)
    within(entries / size, leafInDatabase(LEAF) - LEAF_FOR_GOOD, 0.1)
    within(leafIndex / size, DATABASE.leafIndex, 0.1)
    within(leafIndexKey / size, DATABASE.leafIndexKey, 0.1)

    const left = await withClient(place.database.url, async (client) => {
      await client.query(`SET search_path = ${place.database.schema}`)
      await client.query('SELECT set_archive(true)')
      await client.query(
        `SELECT release_archived(coalesce(begin_term('sizing', 'http://a', 60000), epoch), $1, $1) FROM leadership`,
        [size],
      )
      // Without FULL the files of the tables stay as large as they were, with room for what comes. What a transaction of
      // another test may still see stays as well, until that is over.
      return until(async () => {
        await client.query('VACUUM FULL entry_runs')
        const found = await databaseBytes(place.database)
        return found.entries / size < 5 ? found : undefined
      }, PATIENCE_MS)
    })
    within((left.leafIndex + left.leafIndexKey) / size, LEAF_FOR_GOOD, 0.1)
  })

  /** What the archive's test log has of a log. */
  function testLog(log: SharedLog, source: TestLog['source']): TestLog {
    return {
      log,
      source,
      grow: () => Promise.reject(new Error('not here')),
      close: () => log.close(),
    }
  }

  async function archived(archiver: Archiver, log: SharedLog): Promise<void> {
    await until(() => {
      const { state, error, shown } = archiver.status()
      if (state === 'stopped') throw new Error(error)
      return shown === log.cluster().sequenced || undefined
    }, PATIENCE_MS)
  }
})

it('takes what was calculated for leaves that come alone, with a key each', async () => {
  const database = await testDatabase()
  const pool = openPool(database)
  const store = await openPostgresLogStore({ pool })
  const leaves = 3_000
  await withClient(database.url, async (client) => {
    await client.query(`SET search_path = ${database.schema}`)
    await client.query(
      `SELECT count(sequence_leaves('\\x012c'::bytea || substr(leaf, 1, $1), sha256(leaf), ARRAY[0, $1 + 2], true,
         substr(sha256(sha256(leaf)), 1, 16), sha256(sha256(leaf)), ARRAY[0, 1], ARRAY[0], NULL))
       FROM (SELECT (SELECT string_agg(sha256(convert_to(i || ' ' || j, 'UTF8')), '')
                     FROM generate_series(1, 10) AS j) AS leaf FROM generate_series(1, $2::int) AS i) AS all_leaves`,
      [LEAF, leaves],
    )
  })
  const { entries, keys } = await databaseBytes(database)
  within(entries / leaves, loneLeafInDatabase(LEAF) - LEAF_FOR_GOOD, 0.1)
  within(keys / leaves, DATABASE.idempotencyKey, 0.1)
  await store.close()
  await pool.close()
})

it('takes what was calculated for records', async () => {
  const { url, schema } = await testDatabase()
  const data = await newDirectory()
  const place = ['--data', data, '--database', url, '--database-schema', schema]
  // On a busy machine a lease may be over before it is renewed, and then nobody takes records for a while.
  const flags = [...place, '--open', '--lease', '60000']
  const server = await served(flags)
  afterThisTest(() => server.stop())
  const records = 1_000
  // It takes records once it leads.
  await until(
    async () => (await fetch(`${server.url}/v1/records`)).status !== 503 || undefined,
    PATIENCE_MS,
  )
  const { errors } = await load(
    { port: Number(new URL(server.url).port) },
    {
      path: '/v1/records',
      kind: 'records',
      leafBytes: 1_000,
      headers: { 'Content-Type': 'application/x-ndjson', Prefer: 'return=minimal' },
      requests: 5,
      leavesPerRequest: records / 5,
    },
  )
  expect(errors).toBe(0)
  const measured = await withClient(url, async (client) => {
    await client.query(`SET search_path = ${schema}`)
    const { rows } = await client.query(
      `SELECT (SELECT sum(octet_length(framed))::float8 FROM entry_runs) AS framed,
         pg_total_relation_size('vault_payloads')::float8 AS payloads`,
    )
    return rows[0]
  })
  within(measured.framed / records - 2, RECORD.leaf, 0.02)
  within(measured.payloads / records, RECORD.payload, 0.1)
})

/** `part` of a whole. */
function within(found: number, expected: number, part: number): void {
  expect(found).toBeGreaterThan(expected * (1 - part))
  expect(found).toBeLessThan(expected * (1 + part))
}

/** Bytes in files, of tables with their TOAST and indexes. */
async function databaseBytes({ url, schema }: TestDatabase): Promise<{
  readonly entries: number
  readonly leafIndex: number
  readonly leafIndexKey: number
  readonly keys: number
}> {
  return withClient(url, async (client) => {
    await client.query(`SET search_path = ${schema}`)
    const { rows } = await client.query(
      `SELECT pg_total_relation_size('entry_runs')::float8 AS entries,
         pg_relation_size('leaf_index')::float8 AS "leafIndex",
         pg_relation_size('leaf_index_pkey')::float8 AS "leafIndexKey",
         pg_total_relation_size('idempotency')::float8 AS keys`,
    )
    return rows[0]
  })
}
