/** What happens to a search when the index changes in the middle of it: at each of its reads in turn. */
import { describe, expect, it } from 'vitest'
import { ORDERS, type SearchQuery } from '../../src/search/query.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { indicesIn, ModelIndex, recordAt } from './model.ts'
import { type TestIndex, testIndex } from './test-index.ts'

const records = Array.from({ length: 600 }, (_, i) =>
  recordAt(i * 15, {
    session_id: `s${i % 2}`,
    subject: i % 3 === 0 ? 'p_ann' : 'p_bob',
    ...(i % 2 === 0 ? { metrics: { cost: i % 7 } } : {}),
  }),
)
const BEFORE = 8_100
const END = 13_000

const model = new ModelIndex()
model.apply(
  records.filter(({ index }) => index < BEFORE),
  BEFORE,
)

/** A store that does something before its `nth` read from now on. */
function interrupted(): {
  wrap: (store: IndexStore) => IndexStore
  before(nth: number, act: () => Promise<void>): void
  reads(): number
} {
  let count = 0
  let at = 0
  let act = async (): Promise<void> => {}
  const read = async (): Promise<void> => {
    count++
    if (count === at) await act()
  }
  return {
    wrap: (store) => ({
      async get(keys) {
        await read()
        return store.get(keys)
      },
      async scan(range, scan) {
        await read()
        return store.scan(range, scan)
      },
      write: (write) => store.write(write),
      clear: () => store.clear(),
      purge: (ranges) => store.purge(ranges),
      usage: () => store.usage(),
      close: () => store.close(),
    }),
    before(nth, what) {
      count = 0
      at = nth
      act = what
    },
    reads: () => count,
  }
}

/** Searches an index of the first records again and again, and does something before one of its reads. */
async function forEachRead(
  query: SearchQuery,
  act: (here: TestIndex) => Promise<unknown>,
  check: (found: number[], size: number) => void,
): Promise<void> {
  for (let nth = 1; ; nth++) {
    const { wrap, before, reads } = interrupted()
    const here = await testIndex(wrap)
    await here.take(
      records.filter(({ index }) => index < BEFORE),
      BEFORE,
    )
    before(nth, async () => {
      await act(here)
    })
    const page = await here.index.search({ ...query, limit: 1_000 })
    check(indicesIn([page]), page.size)
    await here.store.close()
    if (reads() < nth) return
    expect(nth).toBeLessThan(20)
  }
}

const QUERIES: SearchQuery[] = ORDERS.flatMap((order) => [
  { tenant: 'acme', order },
  { tenant: 'acme', session: 's0', order, minimumCost: 2 },
])

describe('a search', () => {
  it.each(QUERIES)(
    'sees what there was when it began, though segments are sealed: %j',
    async (query) => {
      const more = records.filter(({ index }) => index >= BEFORE)
      await forEachRead(
        query,
        (here) => here.take(more, END),
        (found, size) => {
          expect(found).toEqual(model.search(query))
          expect(size).toBe(BEFORE)
        },
      )
    },
  )

  it.each(QUERIES)('has all of an answer or none when everything is removed: %j', async (query) => {
    await forEachRead(
      query,
      (here) => here.index.clear(),
      (found, size) => {
        expect(found).toEqual(size === 0 ? [] : model.search(query))
        expect([0, BEFORE]).toContain(size)
      },
    )
  })

  it.each(QUERIES)('goes on while a subject is forgotten: %j', async (query) => {
    await forEachRead(
      query,
      (here) => here.index.dropBlindTerms('acme', 'p_ann'),
      (found) => expect(found).toEqual(model.search(query)),
    )
  })

  it('for a subject that is being forgotten finds them, or no longer', async () => {
    const query: SearchQuery = { tenant: 'acme', subject: 'p_ann', session: 's1' }
    const wanted = model.search(query)
    const seen = new Set<number>()
    await forEachRead(
      query,
      (here) => here.index.dropBlindTerms('acme', 'p_ann'),
      (found) => {
        for (const index of found) expect(wanted).toContain(index)
        seen.add(found.length)
      },
    )
    expect([...seen].sort((a, b) => a - b)).toEqual([0, wanted.length])
  })
})
