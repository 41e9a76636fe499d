/** A query reads nothing that belongs to another tenant: every key that it asks the store for is looked at. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal, toHex } from '../../src/bytes.ts'
import { encodeSpan } from '../../src/search/columns.ts'
import {
  indexOfRow,
  inSegment,
  postingsPrefix,
  spanPrefix,
  tenantId,
} from '../../src/search/keys.ts'
import { encodePositions } from '../../src/search/positions.ts'
import type { SearchQuery } from '../../src/search/query.ts'
import {
  allPages,
  indicesIn,
  ModelIndex,
  placed,
  queries,
  recordAt,
  START,
  someRecords,
} from './model.ts'
import { testIndex } from './test-index.ts'
import { noReads, watched } from './watched-store.ts'

const ROW = 0x72

describe('a query of one tenant', () => {
  it('reads no posting, column or row of another', async () => {
    const reads = noReads()
    const here = await testIndex((store) => watched(store, reads))
    const model = new ModelIndex()
    const drawn = fc.sample(someRecords(700, 700), { numRuns: 1, seed: 5 })[0]!
    const { records, next } = placed(drawn, { next: 0, time: START, spread: 1 })
    await here.take(records, next)
    model.apply(records, next)
    const tenants = new Map(records.map(({ index, record }) => [Number(index), record.tenant]))
    expect(new Set(tenants.values()).size).toBe(3)
    let keys = 0
    await fc.assert(
      fc.asyncProperty(queries, fc.constantFrom(7, 50), async (query, limit) => {
        reads.keys.length = 0
        const found = indicesIn(await allPages(here.index, { ...query, limit }))
        expect(found).toEqual(model.search(query))
        const mine = tenantId(query.tenant)
        for (const key of reads.keys) {
          if (key[0] === ROW) expect(tenants.get(indexOfRow(key))).toBe(query.tenant)
          else expect(equal(key.subarray(1, 17), mine), toHex(key)).toBe(true)
        }
        keys += reads.keys.length
      }),
      { numRuns: 60 },
    )
    expect(keys).toBeGreaterThan(300)
  })

  it('shows no record of another, even when the index is damaged so that it leads to one', async () => {
    const here = await testIndex()
    await here.take(
      [
        recordAt(1, { request_id: 'r', metrics: { cost: 1 } }),
        recordAt(2, { tenant: 'other', request_id: 'r', metrics: { cost: 2 } }),
      ],
      5_000,
    )
    const acme = tenantId('acme')
    const request = postingsPrefix(acme, { field: 'request', value: 'r' })
    await here.reopen((store) =>
      store.write({
        put: [
          [inSegment(request, 0), encodePositions([1, 2])],
          [inSegment(spanPrefix(acme), 0), encodeSpan([1, 2], [1, 2])],
        ],
      }),
    )
    const damaged: SearchQuery[] = [
      { tenant: 'acme', request: 'r' },
      { tenant: 'acme' },
      { tenant: 'acme', order: 'costliest' },
    ]
    for (const query of damaged) {
      await expect(here.index.search(query)).rejects.toMatchObject({ code: 'CORRUPT' })
    }
    await expect(here.index.search({ tenant: 'other' })).resolves.toMatchObject({
      records: [{ index: 2 }],
    })
  })
})
