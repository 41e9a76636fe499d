/** Answers that reach over many segments, and how much of the index is read for them. */
import { beforeAll, describe, expect, it } from 'vitest'
import { ORDERS, type SearchQuery } from '../../src/search/query.ts'
import type { IndexedRecord } from '../../src/search/search-index.ts'
import { allPages, indicesIn, ModelIndex, recordAt, START } from './model.ts'
import { type TestIndex, testIndex } from './test-index.ts'
import { noReads, watched } from './watched-store.ts'

const SEGMENTS = 170

/** Three records in each of many segments, one after the other. */
const all: IndexedRecord[] = Array.from({ length: SEGMENTS * 3 }, (_, i) => {
  const segment = Math.floor(i / 3)
  return recordAt(segment * 4_096 + (i % 3) * 1_500, {
    action: 'common',
    environment: segment % 2 === 0 ? 'even' : 'odd',
    // A few of them meet.
    session_id: segment % 2 === 1 || segment % 20 === 0 ? 'mostly-odd' : 'other',
    actor: segment % 50 === 7 ? 'rare' : 'usual',
    blindTerms: [
      ...(segment % 50 === 7 ? ['rare-too'] : []),
      ...(segment >= SEGMENTS - 2 ? ['newest'] : []),
    ],
    subject: segment >= 100 ? 'late' : 'early',
    ...(i % 2 === 0 ? { metrics: { cost: (i * 7) % 100 } } : {}),
  })
})
const model = new ModelIndex()
model.apply(all, SEGMENTS * 4_096)

async function built(): Promise<{ here: TestIndex; reads: ReturnType<typeof noReads> }> {
  const reads = noReads()
  const here = await testIndex((store) => watched(store, reads))
  await here.take(all, SEGMENTS * 4_096)
  return { here, reads }
}

describe('an answer over many segments', () => {
  beforeAll(() => {
    expect(
      model.search({ tenant: 'acme', environment: 'even', session: 'mostly-odd' }),
    ).toHaveLength(27)
  })

  it('is complete, in full pages, in any order', async () => {
    const { here } = await built()
    const at = (segment: number): number => START + segment * 4_096_000
    const queries: SearchQuery[] = [
      { tenant: 'acme' },
      { tenant: 'acme', action: 'common' },
      { tenant: 'acme', action: 'common', environment: 'even' },
      { tenant: 'acme', environment: 'even', session: 'mostly-odd' },
      { tenant: 'acme', environment: 'even', session: 'mostly-odd', minimumCost: 40 },
      { tenant: 'acme', actor: 'rare', action: 'common' },
      { tenant: 'acme', subject: 'late', action: 'common' },
      { tenant: 'acme', from: at(30) + 1_500_001, before: at(140) + 1, environment: 'odd' },
    ]
    for (const query of queries) {
      for (const order of ORDERS) {
        for (const limit of [4, 1_000]) {
          const asked = { ...query, order, limit }
          const pages = await allPages(here.index, asked)
          expect(indicesIn(pages), JSON.stringify(asked)).toEqual(model.search(asked))
          for (const { records } of pages.slice(0, -1)) expect(records).toHaveLength(limit)
          expect(pages.at(-1)!.records).not.toHaveLength(0)
        }
      }
    }
  })

  const first = { tenant: 'acme', limit: 5 } as const
  const cases: [string, SearchQuery, number][] = [
    ['the newest of all', { ...first }, 30],
    ['the newest of a common term', { ...first, action: 'common' }, 30],
    [
      'a rare term among common ones',
      { ...first, actor: 'rare', action: 'common', environment: 'odd' },
      60,
    ],
    ['a common term among rare ones', { ...first, action: 'common', blind: ['rare-too'] }, 60],
    [
      'a term that only the newest have',
      { ...first, limit: 100, action: 'common', blind: ['newest'] },
      60,
    ],
    [
      'common terms and a rare one, oldest first',
      { ...first, action: 'common', actor: 'rare', order: 'oldest' },
      60,
    ],
    [
      'a common term that has no end among a few',
      { ...first, action: 'common', subject: 'late' },
      60,
    ],
    ['a term that no record has', { ...first, action: 'common', actor: 'nobody' }, 20],
    [
      'one moment of a common term',
      { ...first, action: 'common', from: START, before: START + 1 },
      10,
    ],
    ['a cost that no record has', { ...first, action: 'common', minimumCost: 1_000 }, 2 * SEGMENTS],
  ]
  it('reads little of what it does not need', async () => {
    const { here, reads } = await built()
    for (const [what, query, most] of cases) {
      reads.values = 0
      const page = await here.index.search(query)
      const found = page.records.map(({ index }) => index)
      expect(found, what).toEqual(model.search(query).slice(0, query.limit))
      expect(reads.values, what).toBeLessThanOrEqual(most)
    }
  })
})
