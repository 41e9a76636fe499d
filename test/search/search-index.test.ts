import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { stepOf } from '../../src/search/cost-ladder.ts'
import {
  costsPrefix,
  inSegment,
  ladderPrefix,
  postingsPrefix,
  rowKey,
  SEGMENTS_PREFIX,
  STATE_KEY,
  spanPrefix,
  tenantId,
  timesPrefix,
  unpricedPrefix,
} from '../../src/search/keys.ts'
import { encodePositions } from '../../src/search/positions.ts'
import { planOf, type SearchQuery } from '../../src/search/query.ts'
import { type IndexedRecord, openSearchIndex } from '../../src/search/search-index.ts'
import { encodeState } from '../../src/search/state.ts'
import { everything } from '../storage/index-conformance.ts'
import { allPages, indicesIn, ModelIndex, recordAt, START } from './model.ts'
import { type TestIndex, testIndex } from './test-index.ts'

async function found(here: TestIndex, query: Partial<SearchQuery> = {}): Promise<number[]> {
  return indicesIn(await allPages(here.index, { tenant: 'acme', ...query }))
}

/** Records in three segments, the last of which is not complete. */
const spread = [5, 4_095, 4_096, 8_191, 8_192, 8_200].map((at) =>
  recordAt(at, { request_id: `r${at % 2}`, metrics: { cost: at } }),
)

describe('an empty index', () => {
  it('finds nothing', async () => {
    const { index } = await testIndex()
    expect(index.next).toBe(0)
    for (const order of ['newest', 'oldest', 'costliest', 'cheapest'] as const) {
      const page = await index.search({ tenant: 'acme', order })
      expect(page).toEqual({ records: [], cursor: undefined, size: 0 })
    }
    expect(await index.statistics()).toMatchObject({ next: 0, records: 0, inMemory: 0 })
    expect(await index.dropBlindTerms('acme', 'p')).toBe(0)
    await index.clear()
  })
})

describe('taking in', () => {
  it('goes on from where it was, also when there are no records', async () => {
    const here = await testIndex()
    await here.take([], 9_000)
    expect(here.index.next).toBe(9_000)
    await here.take([recordAt(9_000)], 9_005)
    await here.reopen()
    expect(here.index.next).toBe(9_005)
    expect(await found(here)).toEqual([9_000])
    await here.take([], 9_005)
    expect((await here.index.search({ tenant: 'acme' })).size).toBe(9_005)
  })

  const wrong: [string, IndexedRecord[], number][] = [
    ['a record before the next index', [recordAt(9)], 12],
    ['a record at the end', [recordAt(12)], 12],
    ['a record beyond the end', [recordAt(11), recordAt(13)], 12],
    ['records out of order', [recordAt(11), recordAt(10)], 12],
    ['a record twice', [recordAt(11), recordAt(11)], 12],
    ['going back', [], 9],
    ['half an index', [], 11.5],
    ['a record without a time', [recordAt(10), recordAt(11, { time: 'noon' })], 12],
  ]
  it.each(wrong)('refuses %s, and takes in nothing', async (_, records, next) => {
    const here = await testIndex()
    await here.take([recordAt(3)], 10)
    await expect(here.take(records, next)).rejects.toThrow(RangeError)
    expect(here.index.next).toBe(10)
    expect(await found(here)).toEqual([3])
    await here.take([recordAt(10), recordAt(11)], 12)
    expect(await found(here)).toEqual([11, 10, 3])
  })

  it('keeps batches in order that come at once', async () => {
    const here = await testIndex()
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => here.take([recordAt(300 * i)], 300 * (i + 1))),
    )
    expect(await found(here, { order: 'oldest' })).toEqual(
      Array.from({ length: 40 }, (_, i) => 300 * i),
    )
  })

  it('takes batches of any length, over any number of segments', async () => {
    const here = await testIndex()
    const model = new ModelIndex()
    const records = Array.from({ length: 13_000 }, (_, i) =>
      recordAt(2 * i, { session_id: `s${i % 7}` }),
    )
    await here.take(records, 30_000)
    model.apply(records, 30_000)
    const query = { tenant: 'acme', session: 's3' }
    expect(await found(here, query)).toEqual(model.search(query))
    expect((await here.index.statistics()).inMemory).toBe(0)
  })
})

describe('searching', () => {
  it.each([0, -1, 1.5, 1_001, Number.NaN])('refuses a page of %s records', async (limit) => {
    const { index } = await testIndex()
    await expect(index.search({ tenant: 'acme', limit })).rejects.toThrow(/limit from 1 to 1000/)
  })

  it.each([
    { from: Number.NaN },
    { before: Number.NaN },
    { minimumCost: Number.NaN },
    { order: 'random' as 'newest' },
  ])('refuses %j', (query) => {
    expect(() => planOf({ tenant: 'acme', ...query })).toThrow(RangeError)
  })

  it('gives the clear members of a record, and no others', async () => {
    const here = await testIndex()
    const clear = {
      request_id: 'r',
      session_id: 's',
      parent_id: 'x',
      trace_id: 't',
      span_id: 'u',
      claimed_time: '2026-01-01T00:00:00Z',
      actor: 'p_actor',
      subject: 'p_subject',
      action: 'a',
      metrics: { cost: 1.25, currency: 'EUR' },
      app_version: '1',
      environment: 'production',
      retention_class: 'standard',
      policy: 'v2',
      corrects: 'y',
    }
    const record = recordAt(7, {
      ...clear,
      model: { name: 'm', provider: 'q', version: '1', version_hash: 'h', parameters: { a: 1 } },
      guardrails: [{ name: 'pii', version: '3', verdict: 'pass', score: 0.5 }, {}],
      tool_calls: [{ id: '1', name: 'tool' }],
      input: { system_prompt_version: '4' },
      signature: { key_id: 'k', value: 'v' },
      commitments: { '/subject': 'c' },
      blindTerms: ['b'],
    })
    await here.take([record])
    const { id, time, tenant, type } = record.record
    const page = await here.index.search({ tenant: 'acme', blind: ['b'] })
    expect(page.records).toEqual([
      {
        index: 7,
        ...{ id, time, tenant, type },
        ...clear,
        model: { name: 'm', provider: 'q', version: '1' },
        guardrails: [{ name: 'pii', verdict: 'pass' }, {}],
      },
    ])
  })

  it('tells values and fields apart whatever they are', async () => {
    const here = await testIndex()
    const values = ['', ' ', 'a', 'A', 'ä', 'a\u0308', '\u{1f50f}', '0', 'x'.repeat(5_000)]
    const records = values.flatMap((value, i) => [
      recordAt(2 * i, { request_id: value, blindTerms: [value] }),
      recordAt(2 * i + 1, { session_id: value }),
    ])
    for (const next of [records.length, 5_000]) {
      await here.take(next === 5_000 ? [] : records, next)
      for (const [i, value] of values.entries()) {
        expect(await found(here, { request: value })).toEqual([2 * i])
        expect(await found(here, { blind: [value] })).toEqual([2 * i])
        expect(await found(here, { session: value })).toEqual([2 * i + 1])
        expect(await found(here, { actor: value })).toEqual([])
      }
    }
  })

  it('takes a blind term that is given twice for one', async () => {
    const here = await testIndex()
    await here.take([recordAt(0, { blindTerms: ['b', 'c', 'b'] })], 5_000)
    expect(await found(here, { blind: ['b', 'b'] })).toEqual([0])
  })

  it('has the end of a time range before its last moment', async () => {
    const here = await testIndex()
    await here.take(spread)
    const at = (index: number): number => START + 1_000 * index
    const range = { from: at(4_095), before: at(8_192) }
    expect(await found(here, range)).toEqual([8_191, 4_096, 4_095])
    expect(await found(here, { ...range, order: 'cheapest' })).toEqual([4_095, 4_096, 8_191])
    for (const order of ['newest', 'oldest', 'costliest'] as const) {
      for (const [from, before, count] of [
        [at(4_095), at(8_192), 3],
        [at(4_096) + 1, at(8_191), 0],
        [at(5) + 1, at(8_191), 2],
        [at(4_096) + 1, at(8_200), 2],
      ] as const) {
        const asked = { tenant: 'acme', from, before, order, limit: 1 }
        const pages = await allPages(here.index, asked)
        expect(pages.map(({ records }) => records.length)).toEqual(
          new Array(Math.max(1, count)).fill(Math.min(1, count)),
        )
      }
    }
    expect(await found(here, { from: at(8_192), before: at(8_192) })).toEqual([])
    expect(await found(here, { from: at(8_200) })).toEqual([8_200])
    expect(await found(here, { before: at(5) + 1 })).toEqual([5])
  })

  it.each(['newest', 'oldest', 'costliest', 'cheapest'] as const)(
    'has the minimum cost itself, the %s first',
    async (order) => {
      const here = await testIndex()
      await here.take(spread)
      const model = new ModelIndex()
      model.apply(spread, here.index.next)
      for (const minimumCost of [5, 4_095, 4_096, 8_191, 8_200, 8_200.5]) {
        const query = { tenant: 'acme', minimumCost, order }
        expect(await found(here, query), `${minimumCost}`).toEqual(model.search(query))
      }
    },
  )

  it.each([
    ['close together', 3],
    ['far apart', 70_000],
  ])(
    'is right for few matches and many, with a cost and without, in segments %s',
    async (_, gap) => {
      const here = await testIndex()
      const records = Array.from({ length: 1_400 }, (_, i) =>
        recordAt(gap * Math.floor(i / 40) + i, {
          session_id: i % 9 === 0 ? 'few' : 'many',
          ...(i % 4 > 1 && { metrics: { cost: (i * 7) % 300 } }),
        }),
      )
      const next = records.at(-1)!.index + 20_000
      await here.take(records, next)
      const model = new ModelIndex()
      model.apply(records, next)
      for (const session of ['few', 'many']) {
        for (const order of ['costliest', 'cheapest'] as const) {
          const query = { tenant: 'acme', session, order }
          expect(indicesIn(await allPages(here.index, query)), session).toEqual(model.search(query))
        }
      }
    },
  )

  it('sees each record once while others are taken in and sealed', async () => {
    const here = await testIndex()
    const records = Array.from({ length: 30_000 }, (_, i) =>
      recordAt(i, { session_id: `s${i % 50}`, metrics: { cost: i % 1_000 } }),
    )
    let done = false
    const taking = (async () => {
      for (let at = 0; at < records.length; at += 250) {
        await here.take(records.slice(at, at + 250))
      }
      done = true
    })()
    let searches = 0
    while (!done) {
      // A search of what is in memory waits for nothing.
      await new Promise((resolve) => setImmediate(resolve))
      for (const order of ['newest', 'oldest', 'costliest'] as const) {
        const pages = await allPages(here.index, { tenant: 'acme', session: 's7', order })
        const { size } = pages[0]!
        const wanted = records.slice(0, size).filter((_, i) => i % 50 === 7)
        const model = new ModelIndex()
        model.apply(wanted, size)
        expect(indicesIn(pages)).toEqual(model.search({ tenant: 'acme', order }))
        searches++
      }
    }
    await taking
    expect(searches).toBeGreaterThan(10)
  })
})

describe('removing everything', () => {
  it('leaves an empty index, which can be built again', async () => {
    const here = await testIndex()
    await here.take(spread)
    await here.index.clear()
    expect(here.index.next).toBe(0)
    expect(await everything(here.store)).toEqual([])
    expect(await found(here)).toEqual([])
    for (const again of [async () => {}, () => here.reopen()]) {
      await again()
      await here.take(spread)
      expect(await found(here, { request: 'r1' })).toEqual([8_191, 4_095, 5])
      expect(await found(here, { order: 'cheapest' })).toEqual(spread.map(({ index }) => index))
      await here.index.clear()
    }
  })

  it('forgets what is not taken in again', async () => {
    const here = await testIndex()
    await here.take(spread)
    await here.index.clear()
    await here.take([recordAt(8_191, { request_id: 'r0' })], 9_000)
    expect(await found(here)).toEqual([8_191])
    expect(await found(here, { request: 'r1' })).toEqual([])
    expect(await found(here, { order: 'costliest' })).toEqual([8_191])
  })

  it('is completed by the next opening when it was interrupted', async () => {
    const here = await testIndex()
    await here.take(spread)
    await here.reopen(async (store) => {
      const state = { clearing: true, next: 0, records: 0, sealed: 0 }
      const first = (await everything(store)).slice(0, 5).map(([key]) => key)
      await store.write({ put: [[STATE_KEY, encodeState(state)]], drop: first })
    })
    expect(here.index.next).toBe(0)
    expect(await everything(here.store)).toEqual([])
    await here.take(spread)
    expect(await found(here)).toHaveLength(spread.length)
  })

  it('never gives a search half of an answer', async () => {
    const here = await testIndex()
    const records = Array.from({ length: 9_000 }, (_, i) => recordAt(i, { session_id: 's' }))
    for (let round = 0; round < 3; round++) {
      await here.take(records)
      const searching = (['newest', 'oldest', 'costliest'] as const).map((order) =>
        here.index.search({ tenant: 'acme', session: 's', order, limit: 1_000 }),
      )
      const clearing = here.index.clear()
      for (const page of await Promise.all(searching)) {
        expect([0, 1_000]).toContain(page.records.length)
        expect(page.size).toBe(page.records.length === 0 ? 0 : 9_000)
      }
      await clearing
    }
  })
})

describe('a damaged index', () => {
  const acme = tenantId('acme')
  const inFirst = (prefix: Uint8Array): Uint8Array => inSegment(prefix, 0)
  const CORRUPT = { code: 'CORRUPT' }
  const request = postingsPrefix(acme, { field: 'request', value: 'r1' })
  const cases: [string, Uint8Array, Partial<SearchQuery>][] = [
    ['postings', inFirst(request), { request: 'r1' }],
    ['a row', rowKey(5), { request: 'r1' }],
    ['the list of a tenant', inFirst(spanPrefix(acme)), {}],
    ['times', inFirst(timesPrefix(acme)), { before: START + 6_000, request: 'r1' }],
    ['costs', inFirst(costsPrefix(acme)), { minimumCost: 6, request: 'r1' }],
  ]
  it.each(cases)('says so when %s cannot be read', async (_, key, query) => {
    const here = await testIndex()
    await here.take(spread)
    for (const value of [new Uint8Array(), Uint8Array.of(9), utf8('{"a":1}'), new Uint8Array(3)]) {
      await here.reopen((store) => store.write({ put: [[key, value]] }))
      await expect(found(here, query)).rejects.toMatchObject(CORRUPT)
    }
  })

  it('says so when what costs are looked up in cannot be read', async () => {
    const here = await testIndex()
    const many = Array.from({ length: 4_096 }, (_, i) =>
      recordAt(i, i % 2 === 0 ? {} : { metrics: { cost: 1 } }),
    )
    await here.take(many)
    for (const key of [inFirst(ladderPrefix(acme, stepOf(1))), inFirst(unpricedPrefix(acme))]) {
      let kept: Uint8Array | undefined
      await here.reopen(async (store) => {
        kept = (await store.get([key]))[0]!
        await store.write({ put: [[key, kept.subarray(0, 1)]] })
      })
      await expect(found(here, { order: 'costliest' })).rejects.toMatchObject(CORRUPT)
      await here.reopen((store) => store.write({ put: [[key, kept!]] }))
    }
    expect(await found(here, { order: 'costliest' })).toHaveLength(4_096)
  })

  it.each([
    ['a row', rowKey(5)],
    ['times', inFirst(timesPrefix(acme))],
    ['the list of a tenant', inFirst(spanPrefix(acme))],
  ])('says so when %s is missing', async (_, key) => {
    const here = await testIndex()
    await here.take(spread)
    await here.reopen((store) => store.write({ drop: [key] }))
    const query = { request: 'r1', before: START + 6_000 }
    await expect(found(here, query)).rejects.toMatchObject(CORRUPT)
  })

  it('is not opened when its state or its newest records cannot be read', async () => {
    const here = await testIndex()
    await here.take(spread)
    const { clearing, next, records, sealed } = {
      clearing: false,
      next: 8_201,
      records: 6,
      sealed: 2,
    }
    const state = encodeState({ clearing, next, records, sealed })
    const wrong: [Uint8Array, Uint8Array, string][] = [
      [STATE_KEY, state.slice(0, -1), 'CORRUPT'],
      [STATE_KEY, new Uint8Array(), 'CORRUPT'],
      [STATE_KEY, state.with(1, 2), 'CORRUPT'],
      [STATE_KEY, state.with(2, 255), 'CORRUPT'],
      [STATE_KEY, encodeState({ clearing, next, records: next + 1, sealed }), 'CORRUPT'],
      [STATE_KEY, state.with(0, 2), 'NEWER_FORMAT'],
      [rowKey(8_192), utf8('[]'), 'CORRUPT'],
      [inSegment(SEGMENTS_PREFIX, 1), Uint8Array.of(1), 'CORRUPT'],
    ]
    for (const [key, value, code] of wrong) {
      const [kept] = await here.store.get([key])
      await here.store.write({ put: [[key, value]] })
      await expect(openSearchIndex(here)).rejects.toMatchObject({ code })
      await here.store.write({ put: [[key, kept!]] })
    }
    await here.reopen()
    expect(await found(here)).toHaveLength(6)
  })

  it('does not show a record that only shares the hash of a value', async () => {
    const here = await testIndex()
    await here.take(spread)
    await here.reopen((store) =>
      store.write({ put: [[inFirst(request), encodePositions([3, 5, 4_095])]] }),
    )
    // Position 3 has no row at all, which no hash explains.
    await expect(found(here, { request: 'r1' })).rejects.toMatchObject(CORRUPT)
    const zero = postingsPrefix(acme, { field: 'request', value: 'r0' })
    await here.reopen((store) =>
      store.write({ put: [[inFirst(zero), encodePositions([5, 4_095])]] }),
    )
    expect(await found(here, { request: 'r0' })).toEqual([8_200, 8_192, 4_096])
  })
})
