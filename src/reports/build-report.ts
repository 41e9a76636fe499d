/** Counts the records of one tenant in one month, in one pass and in memory that does not grow with their number. */
import { malformed } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { NAME } from '../formats/record-values.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { type EventCounter, type EventList, listOf, newEventCounter } from './events.ts'
import { readFacts } from './facts.ts'
import { type IntegrityEvidence, judge } from './integrity.ts'
import { type Month, parseMonth } from './month.ts'
import {
  type AnyRecordType,
  type DayCounts,
  type GuardrailName,
  MAX_CURRENCIES,
  type ModelName,
  type Name,
  REPORT_VERSION,
  type RecordCounts,
  type Report,
} from './report.ts'
import { addRecord, compare, newSums, newTally, type Sums, type Tally, usageOf } from './tally.ts'

export interface ReportedRecord {
  readonly index: LeafIndex
  readonly record: RecordLeaf
  /** What may be shown of the log's own records; anything else is left aside. */
  readonly disclosures?: readonly Disclosure[]
}

export interface ReportRequest {
  readonly origin: string
  readonly tenant: string
  /** `2026-11`, in UTC. */
  readonly month: string
  readonly generated: Date
  /** All records of the tenant and the month, by ascending index. */
  readonly records: AsyncIterable<ReportedRecord> | Iterable<ReportedRecord>
  readonly integrity: IntegrityEvidence
}

/**
 * Makes a report.
 * @throws MALFORMED when the month or the tenant is none, and when a record is of another tenant, of another month or
 *   out of the order of indices: nothing of what was not asked for enters a report
 */
export async function buildReport(request: ReportRequest): Promise<Report> {
  const month = parseMonth(request.month)
  if (!NAME.holds(request.tenant)) throw malformed(`the tenant: expected ${NAME.expected}`)
  const counter = newCounter(request, month)
  for await (const reported of request.records) counter.add(reported)
  return counter.report()
}

interface Counter {
  add(reported: ReportedRecord): void
  report(): Report
}

function newCounter(request: ReportRequest, month: Month): Counter {
  const { origin, tenant, generated, integrity } = request
  const order = newOrderCheck(request, month)
  const types = newTypeCounts(month)
  // Currencies are as many as three letters can name: these sums need no bound of their own.
  const usage = newSums(Number.POSITIVE_INFINITY)
  const names = newNameCounts()
  const events = newEventLists()
  let held = 0
  let foreign = 0
  return {
    add(reported) {
      const { index, record, disclosures = [] } = reported
      order.check(reported)
      types.add(record)
      addRecord(usage, record.metrics)
      names.add(record)
      const list = listOf(record)
      if (list === undefined) return
      const read = readFacts(record, disclosures)
      held += read.held
      foreign += read.foreign
      events[list].add(index, record, read.facts)
    },
    report: () => ({
      version: REPORT_VERSION,
      origin,
      tenant,
      month: month.text,
      first: month.first,
      last: month.last,
      generated: generated.toISOString(),
      complete: generated.toISOString() > month.last,
      integrity: judge(integrity, {
        total: usage.records,
        outside: order.outside(),
        outOfOrder: order.outOfOrder(),
        disclosuresHeld: held,
        disclosuresForeign: foreign,
      }),
      records: { ...order.indices(), ...types.counts() },
      usage: usageOf(usage),
      ...names.counts(),
      accesses: events.accesses.events(),
      grants: events.grants.events(),
      permission_changes: events.permission_changes.events(),
      erasures: events.erasures.events(),
      expiries: events.expiries.events(),
      holds: events.holds.events(),
      retention_changes: events.retention_changes.events(),
    }),
  }
}

/** Refuses what does not belong in the report, and remembers what stands out. */
function newOrderCheck({ tenant, integrity }: ReportRequest, month: Month) {
  const from = integrity.start?.size ?? 0
  const to = integrity.end?.size ?? 0
  let first: LeafIndex | undefined
  let last: LeafIndex | undefined
  let time = ''
  let outside = 0
  let outOfOrder = 0
  return {
    check({ index, record }: ReportedRecord): void {
      if (record.tenant !== tenant) {
        throw malformed(`the record at index ${index} is of another tenant than ${tenant}`)
      }
      if (!record.time.startsWith(`${month.text}-`)) {
        throw malformed(`the record at index ${index} is of ${record.time}, not of ${month.text}`)
      }
      if (last !== undefined && index <= last) {
        throw malformed(`the record at index ${index} comes after that at index ${last}`)
      }
      first ??= index
      last = index
      if (index < from || index >= to) outside++
      // Both are of the same form, so that the earlier one sorts first.
      if (record.time < time) outOfOrder++
      time = record.time
    },
    outside: () => outside,
    outOfOrder: () => outOfOrder,
    indices: () =>
      first === undefined || last === undefined ? {} : { first_index: first, last_index: last },
  }
}

interface Day {
  readonly sums: Sums
  readonly types: Map<AnyRecordType, number>
}

function newTypeCounts({ days }: Month) {
  // A day of the month has the number of its place, less one.
  const counted = days.map((): Day => ({ sums: newSums(0), types: new Map() }))
  let signed = 0
  return {
    add({ time, type, metrics, signature }: RecordLeaf): void {
      const day = counted[Number(time.slice(8, 10)) - 1]!
      addRecord(day.sums, metrics)
      day.types.set(type, (day.types.get(type) ?? 0) + 1)
      if (signature !== undefined) signed++
    },
    counts(): Omit<RecordCounts, 'first_index' | 'last_index'> {
      const byType = new Map<AnyRecordType, number>()
      for (const { types } of counted) {
        for (const [type, records] of types) byType.set(type, (byType.get(type) ?? 0) + records)
      }
      return {
        total: counted.reduce((sum, { sums }) => sum + sums.records, 0),
        signed,
        by_type: [...byType]
          .sort(([a, one], [b, other]) => other - one || compare(a, b))
          .map(([type, records]) => ({ type, records })),
        by_day: counted.map((day, i) => dayCounts(days[i]!, day)),
      }
    },
  }
}

function dayCounts(day: string, { sums, types }: Day): DayCounts {
  const { records, input_tokens, output_tokens } = usageOf(sums)
  const sorted = [...types].sort(([a], [b]) => compare(a, b))
  return { day, records, input_tokens, output_tokens, by_type: Object.fromEntries(sorted) }
}

function newNameCounts() {
  const models: Tally<ModelName> = newTally(MAX_CURRENCIES)
  const environments: Tally<Name> = newTally(MAX_CURRENCIES)
  const policies: Tally<Name> = newTally(MAX_CURRENCIES)
  const classes: Tally<Name> = newTally(MAX_CURRENCIES)
  const guardrails: Tally<GuardrailName> = newTally(0)
  const named = (name: string | undefined): Name => (name === undefined ? {} : { name })
  return {
    add({
      model,
      environment,
      policy,
      retention_class,
      guardrails: verdicts,
      metrics,
    }: RecordLeaf) {
      if (model !== undefined) {
        const { name, provider, version, version_hash } = model
        addRecord(
          models.at({
            ...named(name),
            ...(provider !== undefined && { provider }),
            ...(version !== undefined && { version }),
            ...(version_hash !== undefined && { version_hash }),
          }),
          metrics,
        )
      }
      addRecord(environments.at(named(environment)), metrics)
      addRecord(policies.at(named(policy)), metrics)
      addRecord(classes.at(named(retention_class)), metrics)
      for (const { name, verdict } of verdicts ?? []) {
        guardrails.at({ ...named(name), ...(verdict !== undefined && { verdict }) }).records++
      }
    },
    counts: () => ({
      models: models.count(),
      environments: environments.count(),
      policies: policies.count(),
      retention_classes: classes.count(),
      guardrails: guardrails.plainCount(),
    }),
  }
}

function newEventLists(): Record<EventList, EventCounter> {
  return {
    accesses: newEventCounter(false),
    grants: newEventCounter(false),
    permission_changes: newEventCounter(false),
    erasures: newEventCounter(true),
    expiries: newEventCounter(true),
    holds: newEventCounter(false),
    retention_changes: newEventCounter(false),
  }
}
