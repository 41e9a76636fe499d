/** What expires, when, and what the log says of it, on real stores. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { RetentionPolicy } from '../../src/compliance/context.ts'
import { extraIn } from '../../src/compliance/own-records.ts'
import type { Expiry } from '../../src/compliance/service.ts'
import { CairnError } from '../../src/errors.ts'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseRetentionTable, type RetentionTable } from '../../src/formats/retention.ts'
import { DEFAULT_RETENTION_TABLE } from '../../src/formats/retention-table.ts'
import type { AcceptedRecord } from '../../src/records/service.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { caller, request } from '../records/records-place.ts'
import { whereStored } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import {
  administrator,
  type ComplianceOpening,
  type OpenedCompliance,
  openComplianceAt,
} from './compliance-place.ts'

const DAY = 86_400_000
const START = Date.UTC(2026, 0, 10, 12)

/** The time of the log. */
let now = START
let place: TestLogPlace
let opened: OpenedCompliance | undefined
beforeEach(async () => {
  now = START
  place = await newPlace()
})
afterEach(async () => {
  await opened?.close()
  opened = undefined
  await discard(place)
})

const TABLE = parseRetentionTable({
  version: 'cairn-retention/v1',
  regimes: {
    quarter: {
      title: 'Quarterly Records Act',
      source: 'section 3',
      basis: 'law',
      keep: 'P3M',
      types: ['decision'],
    },
  },
  classes: {
    week: { about: 'a week', keep: 'P7D' },
    month: { about: 'a month', keep: 'P1M' },
    audited: { about: 'a week, and decisions a quarter', keep: 'P7D', regimes: ['quarter'] },
  },
  jurisdictions: {
    none: { about: 'none', class: 'month' },
    hasty: { about: 'hasty', class: 'week' },
  },
})

function keptBy(table: RetentionTable, jurisdiction = 'none'): RetentionPolicy {
  return { table, jurisdictionOf: () => jurisdiction }
}

async function open(
  opening: ComplianceOpening = {},
  retention: RetentionPolicy = keptBy(TABLE),
): Promise<OpenedCompliance> {
  await opened?.close()
  opened = undefined
  opened = await openComplianceAt(place, {
    now: () => now,
    ...opening,
    compliance: { retention, ...opening.compliance },
  })
  return opened
}

const acme = caller('acme')

async function submit(
  { records }: OpenedCompliance,
  n: number,
  more: JsonObject = {},
  by = acme,
): Promise<AcceptedRecord> {
  return (await records.submit([request(n, more)], by)).records[0]!
}

/** `payload` as long as there is one, `erased` after it. */
async function stateOf({ records }: OpenedCompliance, { id }: AcceptedRecord, tenant = 'acme') {
  const disclosures = await records.disclosures(id, tenant)
  return Array.isArray(disclosures) ? 'payload' : disclosures
}

function counted(expiries: readonly Expiry[]) {
  return expiries.map(({ class: keptBy, type, records, held }) => ({
    class: keptBy,
    type,
    records,
    held,
  }))
}

/** What the log says of expiry, the oldest first: its facts, without what follows from the rest. */
async function notesOf({ records }: OpenedCompliance, action = 'expire', tenant = 'acme') {
  await records.settled()
  const query = { type: 'retention', action, order: 'oldest', limit: 1_000 } as const
  const page = await records.search(query, tenant)
  return Promise.all(
    page.records.map(async ({ id, actor, index }) => {
      const disclosures = await records.disclosures(id, tenant)
      if (!Array.isArray(disclosures)) throw new Error('expected disclosures')
      return { actor, index, facts: extraIn(disclosures)! }
    }),
  )
}

describe('a payload', () => {
  it('is destroyed once its class and all regimes let it go, and the log says so first', async () => {
    const all = await open()
    const week = await submit(all, 1, { retention_class: 'week' })
    const month = await submit(all, 2, { retention_class: 'month' })
    const none = await submit(all, 3)
    const decision = await submit(all, 4, { retention_class: 'audited', type: 'decision' })
    const tool = await submit(all, 5, { retention_class: 'audited', type: 'tool_call' })
    const everything = [week, month, none, decision, tool]
    const states = () => Promise.all(everything.map((one) => stateOf(all, one)))

    now = Date.UTC(2026, 0, 17, 23, 59, 59, 999)
    expect(await all.compliance.expire()).toEqual([])
    expect(new Set(await states())).toEqual(new Set(['payload']))

    now = Date.UTC(2026, 0, 18)
    const first = await all.compliance.expire()
    expect(counted(first)).toEqual([
      { class: 'week', type: 'llm_request', records: 1, held: 0 },
      { class: 'audited', type: 'tool_call', records: 1, held: 0 },
    ])
    expect(await states()).toEqual(['erased', 'payload', 'payload', 'payload', 'erased'])
    const [said] = await notesOf(all)
    expect(said).toEqual({
      index: first[0]!.expiry!.index,
      actor: undefined,
      facts: {
        class: 'week',
        type: 'llm_request',
        basis: 'retention class week: P7D',
        records: 1,
        before: '2026-01-11T00:00:00.000Z',
        begun: '2026-01-18T00:00:00.000Z',
        ids: [week.id],
        indices: [week.index],
      },
    })

    now = Date.UTC(2026, 1, 11)
    expect(counted(await all.compliance.expire())).toEqual([
      { class: 'month', type: 'llm_request', records: 1, held: 0 },
      { class: 'month', type: 'llm_request', records: 1, held: 0 },
    ])
    expect(await states()).toEqual(['erased', 'erased', 'erased', 'payload', 'erased'])

    now = Date.UTC(2026, 3, 11)
    expect(counted(await all.compliance.expire())).toEqual([
      { class: 'audited', type: 'decision', records: 1, held: 0 },
    ])
    expect((await notesOf(all)).at(-1)!.facts).toMatchObject({
      basis: 'Quarterly Records Act (section 3)',
    })
    expect(all.complianceEvents.map(({ event }) => event)).toEqual(new Array(5).fill('expired'))
  })

  it('is found in no file any more, while its record stays as it was', async () => {
    const all = await open()
    const secret = Buffer.from('nobody must be able to read this any more')
    const record = await submit(all, 1, { input: { prompt: secret.toString() } })
    const before = await all.records.read(record.index, 'acme')
    now += 40 * DAY
    await all.compliance.expire()
    expect(await all.records.read(record.index, 'acme')).toEqual(before)
    await all.records.settled()
    const found = await all.records.search({ request: 'req-1' }, 'acme')
    expect(found.records.map(({ index }) => index)).toEqual([record.index])
    expect(await all.log.indexOf(record.leafHash)).toBe(record.index)
    expect(await whereStored(place.directory, secret)).toEqual([])
  })

  it('of a person who was erased is gone already, and not counted', async () => {
    const all = await open()
    await submit(all, 1, { subject: 'ann@example.com' })
    await submit(all, 2, { subject: 'bob@example.com' })
    await all.records.erase({
      tenant: 'acme',
      subject: 'ann@example.com',
      basis: 'art. 17',
      by: acme,
    })
    now += 40 * DAY
    expect(counted(await all.compliance.expire())).toEqual([
      { class: 'month', type: 'llm_request', records: 1, held: 0 },
    ])
  })

  it('that there never was is none to destroy', async () => {
    const all = await open()
    await all.records.submit([Buffer.from('{"type":"decision"}')], acme)
    now += 40 * DAY
    expect(await all.compliance.expire()).toEqual([])
  })

  it('stays for ever where no time is set', async () => {
    await open()
    await opened!.close()
    opened = await openComplianceAt(place, { now: () => now })
    const record = await submit(opened, 1, { retention_class: 'short' })
    now += 40_000 * DAY
    expect(await opened.compliance.expire()).toEqual([])
    expect(await stateOf(opened, record)).toBe('payload')
  })

  it('of no class stays where nobody has said where the tenant is', async () => {
    const retention = { table: TABLE, jurisdictionOf: () => undefined }
    const all = await open({ compliance: { retention } })
    const unnamed = await submit(all, 1)
    const named = await submit(all, 2, { retention_class: 'week' })
    now += 360 * DAY
    expect(counted(await all.compliance.expire())).toMatchObject([{ class: 'week', records: 1 }])
    expect(await stateOf(all, unnamed)).toBe('payload')
    expect(await stateOf(all, named)).toBe('erased')
  })

  it('of the log’s own records does not expire', async () => {
    const all = await open()
    await submit(all, 1)
    const hold = await all.compliance.placeHold(
      { name: 'case', reason: 'a case', scope: { request_id: 'other' } },
      administrator,
    )
    for (let year = 0; year < 2; year++) {
      now += 360 * DAY
      await submit(all, year)
      await all.compliance.expire()
    }
    expect(await all.records.disclosures(hold.id, 'acme')).not.toBe('erased')
    for (const { facts } of await notesOf(all)) expect(facts.records).toBe(1)
  })

  it('is kept by the table of the day, be it longer or shorter than before', async () => {
    let all = await open()
    const first = await submit(all, 1)
    now += 20 * DAY
    await all.compliance.expire()
    // A month has not passed; a week has.
    all = await open({}, keptBy(TABLE, 'hasty'))
    await all.compliance.expire()
    expect(await stateOf(all, first)).toBe('erased')
    const second = await submit(all, 2)
    now += 20 * DAY
    all = await open()
    await all.compliance.expire()
    expect(await stateOf(all, second)).toBe('payload')
    now += 20 * DAY
    await all.compliance.expire()
    expect(await stateOf(all, second)).toBe('erased')
  })

  it('is destroyed at the start, without anybody asking', async () => {
    let all = await open()
    const record = await submit(all, 1)
    now += 40 * DAY
    all = await open({ compliance: { expireEveryMs: 3_600_000 } })
    await expect.poll(() => stateOf(all, record)).toBe('erased')
  })
})

describe('expiry', () => {
  it('looks at each record once, in this process and in the next', async () => {
    let asked = 0
    const wrapVault = (vault: Vault): Vault =>
      withMethods(vault, {
        get: (tenant, id) => {
          asked++
          return vault.get(tenant, id)
        },
      })
    let all = await open({ wrapVault })
    for (let day = 0; day < 10; day++) {
      await submit(all, day)
      now += DAY
    }
    const looked: number[] = []
    now = START + 34 * DAY
    await all.compliance.expire((records) => looked.push(records))
    const due = looked.at(-1)!
    expect(due).toBeGreaterThan(2)
    expect(due).toBeLessThan(8)
    asked = 0
    await all.compliance.expire(() => expect.unreachable())
    // Of the records that it has made itself.
    expect(asked).toBeLessThan(3)
    all = await open({ wrapVault })
    await all.compliance.expire(() => expect.unreachable())
    now += DAY
    looked.length = 0
    await all.compliance.expire((records) => looked.push(records))
    // The newest of those before is looked at again: others of its millisecond might have come after it.
    expect(looked.at(-1)).toBe(1)
    expect((await notesOf(all)).flatMap(({ facts }) => facts.ids)).toHaveLength(due + 1)
  })

  it('names no more records than it may in one record, and comes to all of them', async () => {
    const all = await open()
    const batches = Array.from({ length: 11 }, (_, i) =>
      Array.from({ length: 100 }, (_, n) => request(100 * i + n)),
    )
    const submitted: AcceptedRecord[] = []
    for (const batch of batches) {
      submitted.push(...(await all.records.submit(batch, acme)).records)
      now += 1
    }
    now += 40 * DAY
    expect(counted(await all.compliance.expire())).toMatchObject([{ records: 1_100 }])
    const facts = (await notesOf(all)).map((note) => note.facts)
    expect(facts.map(({ records }) => records)).toEqual([1_000, 100])
    expect(facts.map(({ before }) => before)).toEqual([
      new Date(START + 9).toISOString(),
      '2026-01-19T00:00:00.000Z',
    ])
    expect(facts.flatMap(({ ids }) => ids)).toEqual(submitted.map(({ id }) => id))
    const states = await Promise.all(submitted.map((one) => stateOf(all, one)))
    expect(new Set(states)).toEqual(new Set(['erased']))
  })

  it('is finished at the next start when the process dies after the log has said it', async () => {
    const all = await open()
    const records = [await submit(all, 1), await submit(all, 2), await submit(all, 3)]
    now += 40 * DAY
    const died = openCompliance({
      log: all.log,
      records: all.records,
      vault: withMethods(all.vault, {
        eraseRecord: (tenant, id) =>
          id === records[0]!.id
            ? all.vault.eraseRecord(tenant, id)
            : Promise.reject(new CairnError('IO', 'the disk is gone')),
      }),
      now: () => now,
      retention: keptBy(TABLE),
      expireEveryMs: 0,
    })
    await expect(died.expire()).rejects.toMatchObject({ code: 'IO' })
    await died.close()
    const states = (of: OpenedCompliance) => Promise.all(records.map((one) => stateOf(of, one)))
    expect(await states(all)).toEqual(['erased', 'payload', 'payload'])

    const again = await open()
    // It is no new expiry: the log has said it.
    expect(await again.compliance.expire()).toEqual([])
    expect(await states(again)).toEqual(['erased', 'erased', 'erased'])
    expect(await notesOf(again)).toHaveLength(1)
  })

  it('that a process died in leaves what was held before the next one', async () => {
    const all = await open()
    const records = [await submit(all, 1, { session_id: 'case' }), await submit(all, 2)]
    now += 40 * DAY
    const died = openCompliance({
      log: all.log,
      records: all.records,
      vault: withMethods(all.vault, {
        eraseRecord: () => Promise.reject(new CairnError('IO', 'the disk is gone')),
      }),
      now: () => now,
      retention: keptBy(TABLE),
      expireEveryMs: 0,
    })
    await expect(died.expire()).rejects.toMatchObject({ code: 'IO' })
    await died.close()
    const again = await open()
    const hold = { name: 'case', reason: 'a case', scope: { session_id: 'case' } }
    await again.compliance.placeHold(hold, administrator)
    await again.compliance.expire()
    const states = () => Promise.all(records.map((one) => stateOf(again, one)))
    expect(await states()).toEqual(['payload', 'erased'])
    now += DAY
    await again.compliance.liftHold('case', 'settled', administrator)
    expect(counted(await again.compliance.expire())).toMatchObject([{ records: 1 }])
    expect(await states()).toEqual(['erased', 'erased'])
  })

  it('that failed is finished by the next one of the same process', async () => {
    const all = await open()
    const record = await submit(all, 1)
    now += 40 * DAY
    let isFailing = true
    const flaky = openCompliance({
      log: all.log,
      records: all.records,
      vault: withMethods(all.vault, {
        eraseRecord: (tenant, id) =>
          isFailing
            ? Promise.reject(new CairnError('DISK_FULL', 'no space'))
            : all.vault.eraseRecord(tenant, id),
      }),
      now: () => now,
      retention: keptBy(TABLE),
      expireEveryMs: 0,
    })
    await expect(flaky.expire()).rejects.toMatchObject({ code: 'DISK_FULL' })
    isFailing = false
    expect(await flaky.expire()).toEqual([])
    expect(await stateOf(all, record)).toBe('erased')
    await flaky.close()
  })

  it('that was said, though the log seemed to fail, is carried out and not said again', async () => {
    const all = await open()
    const record = await submit(all, 1)
    now += 40 * DAY
    let isFailing = true
    const unsure = openCompliance({
      log: all.log,
      records: {
        ...all.records,
        note: async (source, tenant) => {
          const accepted = await all.records.note(source, tenant)
          const { action } = source as { readonly action?: string }
          if (isFailing && action === 'expire') throw new CairnError('IO', 'no answer')
          return accepted
        },
      },
      vault: all.vault,
      now: () => now,
      retention: keptBy(TABLE),
      expireEveryMs: 0,
    })
    await expect(unsure.expire()).rejects.toMatchObject({ code: 'IO' })
    expect(await stateOf(all, record)).toBe('payload')
    isFailing = false
    expect(await unsure.expire()).toEqual([])
    expect(await stateOf(all, record)).toBe('erased')
    expect(await notesOf(all)).toHaveLength(1)
    await unsure.close()
  })

  it('destroys nothing when the log cannot say it', async () => {
    let all = await open()
    const record = await submit(all, 1)
    now += 40 * DAY
    all = await open({
      wrapLog: (log) => ({ ...log, mode: () => ({ mode: 'disk-full', reason: 'no room' }) }),
    })
    await expect(all.compliance.expire()).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(await stateOf(all, record)).toBe('payload')
  })

  it('goes past what is damaged, and tells of it', async () => {
    const all = await open()
    const records = [await submit(all, 1), await submit(all, 2), await submit(all, 3)]
    now += 40 * DAY
    const damaged = records[1]!.id
    const refuse = () => Promise.reject(new CairnError('CORRUPT', 'damaged'))
    const vault = withMethods(all.vault, {
      eraseRecord: (tenant, id) => (id === damaged ? refuse() : all.vault.eraseRecord(tenant, id)),
    })
    const reasons: string[] = []
    const compliance = openCompliance({
      log: all.log,
      records: {
        ...all.records,
        disclosures: (id, tenant) =>
          id === damaged ? refuse() : all.records.disclosures(id, tenant),
      },
      vault,
      now: () => now,
      onEvent: (event) => event.event === 'expiry-failed' && reasons.push(event.reason),
      retention: keptBy(TABLE),
      expireEveryMs: 0,
    })
    expect(counted(await compliance.expire())).toMatchObject([{ records: 3 }])
    expect(reasons).toEqual([`the payload of ${damaged} cannot be destroyed: damaged`])
    expect(await stateOf(all, records[2]!)).toBe('erased')
    await compliance.close()
  })

  it('of one tenant is not held up by another', async () => {
    const all = await open(
      {},
      { table: TABLE, jurisdictionOf: (tenant) => (tenant === 'acme' ? 'nowhere' : 'none') },
    )
    const globex = caller('globex')
    const ours = await submit(all, 1)
    const theirs = await submit(all, 1, {}, globex)
    now += 40 * DAY
    await expect(all.compliance.expire()).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringMatching(/no jurisdiction nowhere/),
    })
    expect(await stateOf(all, ours)).toBe('payload')
    expect(await stateOf(all, theirs, 'globex')).toBe('erased')
    expect(await notesOf(all, 'expire', 'globex')).toHaveLength(1)
    expect(await notesOf(all)).toEqual([])
  })
})

describe('a clock', () => {
  it('far ahead of all records destroys nothing, until there is a record of that time', async () => {
    const all = await open()
    const old = await submit(all, 1)
    now += 367 * DAY
    await expect(all.compliance.expire()).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/^the clock is 367 days ahead of the newest record/),
    })
    expect(await stateOf(all, old)).toBe('payload')
    expect(await notesOf(all)).toEqual([])
    // Whosever it is.
    await submit(all, 2, {}, caller('globex'))
    await all.compliance.expire()
    expect(await stateOf(all, old)).toBe('erased')
  })

  it('that goes back destroys nothing more', async () => {
    const all = await open()
    now += 40 * DAY
    const record = await submit(all, 1)
    now -= 30 * DAY
    expect(await all.compliance.expire()).toEqual([])
    expect(await stateOf(all, record)).toBe('payload')
  })
})

describe('a hold', () => {
  const place = (all: OpenedCompliance, name: string, scope: JsonObject) =>
    all.compliance.placeHold({ name, reason: 'a case', scope }, administrator)

  it('keeps what it covers until it is lifted, whoever restarts meanwhile', async () => {
    let all = await open()
    const kept = await submit(all, 1, { session_id: 'of the case' })
    const other = await submit(all, 2)
    await place(all, 'case', { session_id: 'of the case' })
    now += 40 * DAY
    expect(counted(await all.compliance.expire())).toMatchObject([{ records: 1, held: 1 }])
    expect(await stateOf(all, kept)).toBe('payload')
    expect(await stateOf(all, other)).toBe('erased')
    now += DAY
    expect(await all.compliance.expire()).toEqual([])
    all = await open()
    expect(await all.compliance.expire()).toEqual([])
    await all.compliance.liftHold('case', 'settled', administrator)
    all = await open()
    expect(counted(await all.compliance.expire())).toMatchObject([{ records: 1, held: 0 }])
    expect(await stateOf(all, kept)).toBe('erased')
    expect(await all.compliance.expire()).toEqual([])
  })

  it('that is lifted leaves what another keeps', async () => {
    const all = await open()
    const both = await submit(all, 1, { session_id: 'both' })
    const one = await submit(all, 2, { session_id: 'one' })
    await place(all, 'first', {})
    await place(all, 'second', { session_id: 'both' })
    now += 40 * DAY
    expect(counted(await all.compliance.expire())).toMatchObject([{ records: 0, held: 2 }])
    await all.compliance.liftHold('first', 'settled', administrator)
    expect(counted(await all.compliance.expire())).toMatchObject([{ records: 1, held: 1 }])
    expect([await stateOf(all, both), await stateOf(all, one)]).toEqual(['payload', 'erased'])
    await all.compliance.liftHold('second', 'settled', administrator)
    expect(counted(await all.compliance.expire())).toMatchObject([{ records: 1, held: 0 }])
    expect(await stateOf(all, both)).toBe('erased')
  })
})

describe('what a tenant is kept by', () => {
  it('stands in the log, once for as long as it is the same', async () => {
    let all = await open()
    await all.compliance.expire()
    expect(all.log.head().size).toBe(0)
    await submit(all, 1)
    await all.compliance.expire()
    all = await open()
    await all.compliance.expire()
    const set = async () => (await notesOf(all, 'set')).map(({ facts }) => facts)
    const first = { jurisdiction: 'none', table: TABLE.digest }
    expect(await set()).toEqual([first])
    all = await open({}, keptBy(TABLE, 'hasty'))
    await all.compliance.expire()
    all = await open({}, keptBy(DEFAULT_RETENTION_TABLE))
    await all.compliance.expire()
    all = await open()
    await all.compliance.expire()
    all = await open({}, { table: TABLE, jurisdictionOf: () => undefined })
    await all.compliance.expire()
    expect(await set()).toEqual([
      first,
      { jurisdiction: 'hasty', table: TABLE.digest },
      { jurisdiction: 'none', table: DEFAULT_RETENTION_TABLE.digest },
      first,
      { table: TABLE.digest },
    ])
  })
})

/** A vault with some other methods. */
function withMethods(vault: Vault, methods: Partial<Vault>): Vault {
  return new Proxy(vault, {
    get(target, name) {
      const own: unknown = Reflect.get(methods, name)
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
