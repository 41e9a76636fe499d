/** Any records and any queries, compared with a list that is filtered and sorted. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { records as realistic } from '../../bench/search-records.ts'
import { isAsked, planOf, type SearchQuery } from '../../src/search/query.ts'
import { rowOf } from '../../src/search/record-row.ts'
import { type IndexedRecord, openSearchIndex } from '../../src/search/search-index.ts'
import { openIndexStore } from '../support/stores.ts'
import {
  allPages,
  indicesIn,
  isInAnswer,
  ModelIndex,
  placed,
  queries,
  START,
  someRecords,
  VALUES,
} from './model.ts'

const SLOW = { timeout: 120_000 }

const step = fc.oneof(
  { weight: 5, arbitrary: someRecords(1, 60).map((add) => ({ add })) },
  {
    weight: 12,
    arbitrary: fc.record({
      ask: queries,
      limit: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constantFrom(50, 1000)),
      /** What is taken in after each of the first pages. */
      between: fc.array(someRecords(0, 12), { maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      forget: fc.constantFrom(...VALUES.person),
      tenant: fc.constantFrom(...VALUES.tenant),
    }),
  },
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
  { weight: 1, arbitrary: fc.nat(20_000).map((skip) => ({ skip })) },
)

it('answers as a list does, whatever is taken in, forgotten and asked', SLOW, async () => {
  let asked = 0
  let found = 0
  let manyPages = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 8, maxLength: 40, size: 'max' }),
      fc.constantFrom(1, 1, 10),
      async (steps, spread) => {
        const directory = await mkdtemp(join(tmpdir(), 'cairn-search-'))
        let store = await openIndexStore(directory)
        try {
          let index = await openSearchIndex({ store })
          const model = new ModelIndex()
          let time = START
          const take = async (list: Parameters<typeof placed>[0]): Promise<void> => {
            const batch = placed(list, { next: model.next, time, spread })
            time = batch.time
            await index.apply(batch)
            model.apply(batch.records, batch.next)
          }
          for (const what of steps) {
            if (what === 'reopen') {
              await store.close()
              store = await openIndexStore(directory)
              index = await openSearchIndex({ store })
            } else if ('add' in what) {
              await take(what.add)
            } else if ('skip' in what) {
              const next = (model.next + what.skip) as typeof index.next
              await index.apply({ records: [], next })
              model.apply([], next)
            } else if ('forget' in what) {
              const changed = await index.dropBlindTerms(what.tenant, what.forget)
              expect(changed).toBe(model.forget(what.tenant, what.forget))
            } else {
              const wanted = model.search(what.ask)
              const size = model.next
              const query = { ...what.ask, limit: what.limit }
              const pages = await allPages(index, query, async (page) => {
                await take(what.between[page - 1] ?? [])
              })
              expect(indicesIn(pages), JSON.stringify(query)).toEqual(wanted)
              for (const page of pages) expect(page.size).toBe(size)
              for (const page of pages.slice(0, -1)) expect(page.records).toHaveLength(what.limit)
              asked++
              if (wanted.length > 0) found++
              if (pages.length > 2) manyPages++
            }
            expect(index.next).toBe(model.next)
          }
          expect((await index.statistics()).records).toBe(model.records.length)
        } finally {
          await store.close()
          await rm(directory, { recursive: true })
        }
      },
    ),
    { numRuns: 25 },
  )
  // The queries are of the kind that can fail.
  expect(found).toBeGreaterThan(asked / 4)
  expect(manyPages).toBeGreaterThan(asked / 20)
})

it('answers as a list does over many records of the usual kind', SLOW, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-search-'))
  const store = await openIndexStore(directory)
  try {
    const all = [...realistic(20_000)]
    const taking = await openSearchIndex({ store })
    for (let at = 0; at < all.length; at += 1_700) {
      const next = Math.min(at + 1_700, all.length)
      await taking.apply({ records: all.slice(at, next), next: next as typeof taking.next })
    }
    const index = await openSearchIndex({ store })
    // The newest are in memory, all others sealed.
    expect(await index.statistics()).toMatchObject({
      next: 20_000,
      records: 20_000,
      inMemory: 3_616,
    })
    const model = new ModelIndex()
    model.apply(all, all.length)
    await fc.assert(
      fc.asyncProperty(likely(all), async ({ pages: most, ...query }) => {
        const wanted = model.search(query)
        const pages = [await index.search(query)]
        while (pages.length < most && pages.at(-1)!.cursor !== undefined) {
          pages.push(await index.search({ ...query, cursor: pages.at(-1)!.cursor! }))
        }
        const found = indicesIn(pages)
        expect(found, JSON.stringify(query)).toEqual(wanted.slice(0, found.length))
        const complete = pages.at(-1)!.cursor === undefined
        expect(found.length).toBe(complete ? wanted.length : most * query.limit)
      }),
      { numRuns: 150 },
    )
    const { record } = all[0]!
    const [shown] = (await index.search({ tenant: record.tenant, order: 'oldest' })).records
    const { commitments: _commitments, version: _version, ...members } = record
    expect(shown).toEqual({ index: 0, ...members })
  } finally {
    await store.close()
    await rm(directory, { recursive: true })
  }
})

it('judges a record as a list does', () => {
  fc.assert(
    fc.property(
      someRecords(1, 1),
      fc.array(queries, { minLength: 20, maxLength: 20 }),
      (list, some) => {
        const [one] = placed(list, { next: 0, time: START + 50_000, spread: 1 }).records
        const row = rowOf(one!.record, one!.blindTerms ?? [])
        for (const query of some) expect(isAsked(row, planOf(query))).toBe(isInAnswer(one!, query))
      },
    ),
  )
})

/** Queries for what one of the records has. */
function likely(
  all: readonly IndexedRecord[],
): fc.Arbitrary<SearchQuery & { limit: number; pages: number }> {
  return fc
    .record({
      like: fc.constantFrom(...all),
      keep: fc.subarray(
        [
          'request',
          'session',
          'subject',
          'actor',
          'type',
          'action',
          'model',
          'modelVersion',
          'environment',
          'retentionClass',
          'blind',
        ] as const,
        { maxLength: 3 },
      ),
      within: fc.option(fc.nat(10 * 3_600_000), { nil: undefined }),
      dearer: fc.option(fc.double({ min: 0, max: 1.2, noNaN: true }), { nil: undefined }),
      order: fc.constantFrom('newest', 'oldest', 'costliest', 'cheapest'),
      limit: fc.constantFrom(1, 3, 50, 400),
      pages: fc.integer({ min: 1, max: 5 }),
    })
    .map(({ like: { record, blindTerms = [] }, keep, within, dearer, order, limit, pages }) => {
      const time = new Date(record.time).getTime()
      const having = {
        request: record.request_id!,
        session: record.session_id!,
        subject: record.subject!,
        actor: record.actor!,
        type: record.type,
        action: record.action!,
        model: record.model!.name!,
        modelVersion: record.model!.version!,
        environment: record.environment!,
        retentionClass: record.retention_class ?? '',
        blind: blindTerms,
      }
      return {
        tenant: record.tenant,
        order,
        limit,
        pages,
        ...Object.fromEntries(keep.map((name) => [name, having[name]])),
        ...(within !== undefined && { from: time - within, before: time + within }),
        ...(dearer !== undefined && { minimumCost: (record.metrics?.cost ?? 0) * dearer }),
      }
    })
}
