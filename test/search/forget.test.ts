import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { rangesToPurge } from '../../src/search/forget.ts'
import {
  droppedKey,
  inSegment,
  postingsPrefix,
  rowKey,
  rowRange,
  tenantId,
} from '../../src/search/keys.ts'
import { encodePositions } from '../../src/search/positions.ts'
import type { SearchQuery } from '../../src/search/query.ts'
import type { IndexedRecord } from '../../src/search/search-index.ts'
import { everything } from '../storage/index-conformance.ts'
import { whereStored } from '../support/stores.ts'
import { allPages, indicesIn, ModelIndex, recordAt } from './model.ts'
import { type TestIndex, testIndex } from './test-index.ts'

const ANN = 'p_ann'
const BOB = 'p_bob'

async function found(here: TestIndex, query: Partial<SearchQuery>): Promise<number[]> {
  return indicesIn(await allPages(here.index, { tenant: 'acme', ...query }))
}

/** Ann's and Bob's records by turns, from 0 on; every third has a blind term of its own, every fifth a common one. */
function records(count: number, gap = 1): IndexedRecord[] {
  return Array.from({ length: count }, (_, i) =>
    recordAt(i * gap, {
      subject: i % 2 === 0 ? ANN : BOB,
      actor: ANN,
      session_id: `s${i % 3}`,
      blindTerms: [...(i % 3 === 0 ? [`own-${i}`] : []), ...(i % 5 === 0 ? ['common'] : [])],
    }),
  )
}

/** Fails unless the index answers as the list does. */
async function expectSame(here: TestIndex, model: ModelIndex): Promise<void> {
  const queries: Partial<SearchQuery>[] = [
    {},
    { subject: ANN },
    { subject: BOB },
    { actor: ANN },
    { blind: ['common'] },
    { blind: ['own-0'] },
    { blind: ['own-3'] },
    { blind: ['common', 'own-15'], subject: BOB },
    { session: 's1', subject: ANN },
  ]
  for (const query of queries) {
    const wanted = model.search({ tenant: 'acme', ...query })
    expect(await found(here, query), JSON.stringify(query)).toEqual(wanted)
  }
}

describe('forgetting a subject', () => {
  it.each([
    ['in memory', 60, 1],
    ['in one segment and in memory', 4_200, 1],
    ['in many segments', 300, 3_000],
  ])('takes away what their records were found by, %s', async (_, count, gap) => {
    const here = await testIndex()
    const model = new ModelIndex()
    const all = records(count, gap)
    await here.take(all)
    model.apply(all, here.index.next)
    await expectSame(here, model)
    expect(await here.index.dropBlindTerms('acme', ANN)).toBe(model.forget('acme', ANN))
    await expectSame(here, model)
    await here.reopen()
    await expectSame(here, model)
    expect(await here.index.dropBlindTerms('acme', ANN)).toBe(0)
    // What comes later is sealed with what was forgotten, and does not bring it back.
    const later = recordAt(here.index.next, { subject: BOB, blindTerms: ['common'] })
    await here.take([later], here.index.next + 5_000)
    model.apply([later], here.index.next)
    await expectSame(here, model)
    const [shown] = (await here.index.search({ tenant: 'acme', order: 'oldest', limit: 1 })).records
    expect(shown).toMatchObject({ index: 0, actor: ANN })
    expect(shown!.subject).toBeUndefined()
  })

  it('leaves other tenants as they are', async () => {
    const here = await testIndex()
    await here.take([
      recordAt(0, { subject: ANN, blindTerms: ['b'] }),
      recordAt(1, { tenant: 'other', subject: ANN, blindTerms: ['b'] }),
      recordAt(5_000, { tenant: 'other', subject: ANN, blindTerms: ['b'] }),
    ])
    expect(await here.index.dropBlindTerms('other', BOB)).toBe(0)
    expect(await here.index.dropBlindTerms('acme', ANN)).toBe(1)
    expect(await found(here, { subject: ANN })).toEqual([])
    expect(await found(here, { tenant: 'other', subject: ANN, blind: ['b'] })).toEqual([5_000, 1])
  })

  it('spares a subject whose pseudonym has the same hash', async () => {
    const here = await testIndex()
    await here.take([recordAt(3, { subject: ANN }), recordAt(4, { subject: BOB })], 5_000)
    const acme = tenantId('acme')
    const postings = postingsPrefix(acme, { field: 'subject', value: ANN })
    await here.reopen((store) =>
      store.write({ put: [[inSegment(postings, 0), encodePositions([3, 4])]] }),
    )
    expect(await here.index.dropBlindTerms('acme', ANN)).toBe(1)
    expect(await found(here, { subject: BOB })).toEqual([4])
    expect(await found(here, { subject: ANN })).toEqual([])
  })

  it('leaves no blind term of theirs anywhere in the storage', async () => {
    const here = await testIndex()
    const secret = 'f3a91c5d7e-keyed-hash-of-a-resource'
    const all = records(9_000)
    const known = [10, 4_100, 8_990]
    const withSecret = all.map((one) =>
      known.includes(one.index) ? { ...one, blindTerms: [secret] } : one,
    )
    await here.take(withSecret)
    await here.reopen()
    const onDisk = async (): Promise<boolean> =>
      (await whereStored(here.directory, Buffer.from(secret))).length > 0
    expect(await onDisk()).toBe(true)
    expect(await found(here, { blind: [secret] })).toEqual([...known].reverse())
    expect(await here.index.dropBlindTerms('acme', ANN)).toBe(4_500)
    expect(await onDisk()).toBe(false)
    expect(await found(here, { blind: [secret] })).toEqual([])
    expect(await found(here, { subject: BOB })).toHaveLength(4_500)
  })

  it('purges at the next opening what an interruption has left', async () => {
    const here = await testIndex()
    await here.take(records(50), 5_000)
    const acme = tenantId('acme')
    await here.reopen((store) => store.write({ put: [[droppedKey(acme), new Uint8Array()]] }))
    const keys = (await everything(here.store)).map(([key]) => toHex(key))
    expect(keys).not.toContain(toHex(droppedKey(acme)))
    expect(await found(here, { subject: ANN })).toHaveLength(25)
  })

  it('does not disturb searches on their way', async () => {
    const here = await testIndex()
    const all = records(9_000)
    await here.take(all)
    const searching = Array.from({ length: 20 }, () => found(here, { session: 's1' }))
    const dropping = here.index.dropBlindTerms('acme', ANN)
    const wanted = all
      .filter((_, i) => i % 3 === 1)
      .map(({ index }) => index)
      .reverse()
    for (const answer of await Promise.all(searching)) expect(answer).toEqual(wanted)
    await dropping
    // Those who ask for the subject meanwhile see the records or not, but never a wrong one.
    const asking = Array.from({ length: 20 }, () => found(here, { subject: BOB }))
    const droppingBob = here.index.dropBlindTerms('acme', BOB)
    for (const answer of await Promise.all(asking)) {
      for (const index of answer) expect(index % 2).toBe(1)
    }
    await droppingBob
    expect(await found(here, { subject: BOB })).toEqual([])
  })
})

describe('what is purged', () => {
  const acme = tenantId('acme')
  const inRow = (index: number, { gte, lt }: { gte: Uint8Array; lt: Uint8Array }): boolean =>
    toHex(rowKey(index)) >= toHex(gte) && toHex(rowKey(index)) < toHex(lt)

  it('holds each row, and takes far rows apart', () => {
    const indices = [3, 4, 30_000, 200_000, 10_000_000, 10_020_000]
    const ranges = rangesToPurge(acme, indices)
    expect(ranges).toHaveLength(3 + 1)
    for (const index of indices)
      expect(ranges.filter((range) => inRow(index, range))).toHaveLength(1)
    expect(ranges.slice(0, -1)).toEqual([
      rowRange(3, 30_001),
      rowRange(200_000, 200_001),
      rowRange(10_000_000, 10_020_001),
    ])
  })
})
