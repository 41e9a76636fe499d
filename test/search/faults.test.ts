/** Storage that fails at any write, and a process that is killed at any moment. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { records as realistic, TENANT } from '../../bench/search-records.ts'
import { CairnError } from '../../src/errors.ts'
import type { SearchQuery } from '../../src/search/query.ts'
import type { IndexedRecord } from '../../src/search/search-index.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { storeWorker } from '../storage/store-worker.ts'
import { isInFiles } from '../support/stores.ts'
import { indicesIn, ModelIndex, recordAt } from './model.ts'
import { type TestIndex, testIndex } from './test-index.ts'

const ALL = [...realistic(12_000)]

/** Fails unless the index answers as a list of the records before `next` does. */
async function expectSame(here: TestIndex, all: readonly IndexedRecord[]): Promise<void> {
  const { next } = here.index
  const model = new ModelIndex()
  model.apply(
    all.filter(({ index }) => index < next),
    next,
  )
  expect((await here.index.statistics()).records).toBe(model.records.length)
  const last = model.records.at(-1)?.record
  const queries: SearchQuery[] = [
    { tenant: TENANT },
    { tenant: TENANT, order: 'oldest' },
    { tenant: TENANT, order: 'costliest' },
    { tenant: TENANT, order: 'cheapest', type: 'llm_request' },
    { tenant: TENANT, environment: 'staging', action: 'chat.completion' },
    { tenant: 'tenant-1', model: 'atlas-large', minimumCost: 0.003 },
    ...(last === undefined
      ? []
      : [
          { tenant: last.tenant, request: last.request_id! },
          { tenant: last.tenant, session: last.session_id! },
          { tenant: last.tenant, subject: last.subject!, from: new Date(last.time).getTime() },
        ]),
  ]
  for (const query of queries) {
    const page = await here.index.search({ ...query, limit: 1_000 })
    expect(indicesIn([page]), JSON.stringify(query)).toEqual(model.search(query).slice(0, 1_000))
  }
}

/** A store whose `nth` write fails: before it was stored, or after. */
function failing(nth: () => number, stored: () => boolean): (store: IndexStore) => IndexStore {
  return (store) => {
    let writes = 0
    return {
      get: (keys) => store.get(keys),
      scan: (range, scan) => store.scan(range, scan),
      async write(write) {
        writes++
        if (writes > nth()) throw new CairnError('STOPPED', 'nothing more is written')
        if (writes < nth() || stored()) await store.write(write)
        if (writes === nth()) throw new CairnError('IO', 'the disk failed')
      },
      clear: () => store.clear(),
      purge: (ranges) => store.purge(ranges),
      usage: () => store.usage(),
      close: () => store.close(),
    }
  }
}

describe.each([
  ['lost', false],
  ['stored', true],
] as const)('a write that fails and is %s', (_, stored) => {
  it('leaves an index that goes on from its own next', { timeout: 120_000 }, async () => {
    const all = ALL.slice(0, 5_000)
    let failures = 0
    for (let nth = 1; nth < 100; nth++) {
      let at = nth
      const here = await testIndex(
        failing(
          () => at,
          () => stored,
        ),
      )
      const take = async (): Promise<void> => {
        const left = all.slice(here.index.next)
        for (let i = 0; i < left.length; i += 1_500) await here.take(left.slice(i, i + 1_500))
      }
      const error = await take().catch((caught: unknown) => caught)
      if (error === undefined) break
      expect(error).toMatchObject({ code: 'IO' })
      failures++
      // What is in memory answers as before, and nothing more is taken in.
      await expectSame(here, all)
      await expect(here.take(all.slice(here.index.next))).rejects.toMatchObject({ code: 'STOPPED' })
      at = Number.POSITIVE_INFINITY
      await here.reopen()
      await expectSame(here, all)
      await take()
      expect(here.index.next).toBe(5_000)
      await expectSame(here, all)
      await here.store.close()
    }
    // Rows, and the postings of a segment a thousand entries at a time.
    expect(failures).toBeGreaterThan(8)
  })

  it('leaves a subject that can be forgotten again', async () => {
    const all = Array.from({ length: 40 }, (_, i) =>
      recordAt(i * 700, {
        subject: i % 2 === 0 ? 'p_ann' : 'p_bob',
        blindTerms: i % 4 === 0 ? ['b'] : [],
      }),
    )
    const asked: SearchQuery[] = [
      { tenant: 'acme' },
      { tenant: 'acme', subject: 'p_bob' },
      { tenant: 'acme', subject: 'p_ann' },
      { tenant: 'acme', blind: ['b'] },
    ]
    let failures = 0
    for (let nth = 1; nth < 100; nth++) {
      let at = Number.POSITIVE_INFINITY
      const here = await testIndex(
        failing(
          () => at,
          () => stored,
        ),
      )
      await here.take(all, 28_000)
      at = nth
      await here.reopen()
      const error = await here.index.dropBlindTerms('acme', 'p_ann').catch((caught) => caught)
      if (typeof error === 'number') break
      failures++
      at = Number.POSITIVE_INFINITY
      await here.reopen()
      for (const query of asked.slice(0, 2)) {
        const wanted = new ModelIndex()
        wanted.apply(all, 28_000)
        expect(indicesIn([await here.index.search(query)])).toEqual(wanted.search(query))
      }
      await here.index.dropBlindTerms('acme', 'p_ann')
      const model = new ModelIndex()
      model.apply(all, 28_000)
      model.forget('acme', 'p_ann')
      for (const query of asked) {
        expect(indicesIn([await here.index.search(query)])).toEqual(model.search(query))
      }
    }
    expect(failures).toBeGreaterThan(6)
  })
})

// The process that is killed has its index in a directory.
describe.runIf(isInFiles)('a process killed while it takes records in', () => {
  it('leaves an index whose postings and next agree, and which goes on from there', {
    timeout: 120_000,
  }, async () => {
    const here = await testIndex()
    let told = 0
    let rounds = 0
    for (const wait of [5, 90, 30, 150, 1]) {
      await here.store.close()
      const args = [...(await storeWorker('index', here.directory)), String(ALL.length)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const gone = new Promise((exit) => child.once('exit', exit))
      const lines = createInterface(child.stdout)
      lines.once('line', () => setTimeout(() => child.kill('SIGKILL'), wait))
      for await (const line of lines) if (/^\d+$/.test(line)) told = Number(line)
      await gone
      await here.reopen()
      expect(here.index.next).toBeGreaterThanOrEqual(told)
      expect(here.index.next - told).toBeLessThanOrEqual(641)
      await expectSame(here, ALL)
      rounds++
      if (here.index.next === ALL.length) break
    }
    expect(told).toBeGreaterThan(500)
    console.log(`${here.index.next} records taken in through ${rounds} kills`)
    await here.take(ALL.slice(here.index.next), ALL.length)
    await expectSame(here, ALL)
  })
})
