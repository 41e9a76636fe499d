/**
 * A report on the records of one tenant in one month, `cairn-report/v1`: what is counted, and what is said of it. As
 * JSON it follows spec/report.schema.json; as a page it is made by reportHtml.
 */
import type { LogRecordType, RecordType } from '../formats/record-members.ts'

export const REPORT_VERSION = 'cairn-report/v1'
/** Names that are told apart in one count; what comes after them is counted together. */
export const MAX_COUNTED_NAMES = 10_000
/** Rows of a count that a report has, those with the most records first. */
export const MAX_COUNT_ROWS = 100
/** Events of a kind that a report lists, the earliest first. */
export const MAX_EVENT_ROWS = 500
/** Currencies that are told apart for each name of a count. */
export const MAX_CURRENCIES = 8
/** Characters of a fact that a report shows. */
export const MAX_FACT_LENGTH = 500

export type AnyRecordType = RecordType | LogRecordType

/** All totals are decimal text, since they are exact and may be beyond what a double holds. */
export interface Report {
  readonly version: typeof REPORT_VERSION
  readonly origin: string
  readonly tenant: string
  /** `2026-11`, in UTC. */
  readonly month: string
  /** The first and the last millisecond of the month. */
  readonly first: string
  readonly last: string
  readonly generated: string
  /** Whether the month was over by then. */
  readonly complete: boolean
  readonly integrity: IntegrityReport
  readonly records: RecordCounts
  readonly usage: Usage
  readonly models: Count<ModelName>
  readonly environments: Count<Name>
  readonly policies: Count<Name>
  readonly retention_classes: Count<Name>
  /** A row for each guardrail and what it said; one record may have many. */
  readonly guardrails: PlainCount<GuardrailName>
  readonly accesses: Events
  readonly grants: Events
  readonly permission_changes: Events
  readonly erasures: Events
  readonly expiries: Events
  readonly holds: Events
  readonly retention_changes: Events
}

export interface RecordCounts {
  readonly total: number
  /** Leaf indices; absent when there is no record. */
  readonly first_index?: number
  readonly last_index?: number
  /** How many carry a signature of their submitter. */
  readonly signed: number
  /** Those that occur, the most frequent first. */
  readonly by_type: readonly { readonly type: AnyRecordType; readonly records: number }[]
  /** Every day of the month. */
  readonly by_day: readonly DayCounts[]
}

export interface DayCounts {
  readonly day: string
  readonly records: number
  readonly input_tokens: string
  readonly output_tokens: string
  /** Those types that occur, in the order of their names. */
  readonly by_type: Readonly<Partial<Record<AnyRecordType, number>>>
}

export interface Usage {
  readonly records: number
  readonly input_tokens: string
  readonly output_tokens: string
  readonly costs: readonly Cost[]
  /** Records with a cost in yet another currency, which is in no sum here. */
  readonly costs_omitted?: number
}

export interface Cost {
  /** ISO 4217; absent when the records name none. */
  readonly currency?: string
  readonly cost: string
  readonly records: number
}

/** Counts of records by name. */
export interface PlainCount<N> {
  /** Those with the most records first. */
  readonly rows: readonly (N & { readonly records: number })[]
  /** How many there are without a row of their own. */
  readonly others?: number
}

/** Counts by name, with what the records used. */
export interface Count<N> {
  /** Those with the most records first. */
  readonly rows: readonly (N & Usage)[]
  /** All that has no row of its own. */
  readonly others?: Usage
}

export interface Name {
  /** Absent for records that do not say. */
  readonly name?: string
}

export interface ModelName extends Name {
  readonly provider?: string
  readonly version?: string
  readonly version_hash?: string
}

export interface GuardrailName extends Name {
  readonly verdict?: string
}

/** Records of one kind that an auditor wants to see one by one. */
export interface Events {
  readonly total: number
  readonly by_action: PlainCount<{ readonly action?: string }>
  /** By legal basis, of erasures and expiries alone. */
  readonly by_basis?: PlainCount<{ readonly basis?: string }>
  readonly rows: readonly EventRow[]
  /** How many more there are. */
  readonly omitted: number
}

export interface EventRow {
  readonly index: number
  readonly id: string
  readonly time: string
  readonly action?: string
  /** Pseudonyms. */
  readonly actor?: string
  readonly subject?: string
  readonly request_id?: string
  /** The id of the record that led to this one: of an access, its grant. */
  readonly parent_id?: string
  /** What was disclosed of it and opens the commitment in the record. */
  readonly facts: Facts
}

/** What the log's own records say in members that are committed to. */
export type Facts = Readonly<Partial<Record<FactName, string | number>>>

/** The facts that a report shows, in this order; nothing else that is disclosed enters a report. */
export const FACT_NAMES = [
  'name',
  'basis',
  'purpose',
  'ticket',
  'scope',
  'tenant',
  'pseudonym',
  'records',
  'class',
  'type',
  'before',
  'jurisdiction',
  'table',
  'keep',
  'minutes',
  'until',
  'sha256',
] as const
export type FactName = (typeof FACT_NAMES)[number]

/** `broken` when a check failed, `unproven` when one is open, else `intact`. */
export type Verdict = 'intact' | 'unproven' | 'broken'

export interface IntegrityReport {
  readonly verdict: Verdict
  readonly checks: readonly ReportCheck[]
  readonly start?: HeadReport
  readonly end?: HeadReport
  readonly witnesses?: WitnessCoverage
}

/** The checks, in the order in which they are reported. */
export const CHECK_NAMES = [
  /** There are heads at both ends, and the tree did not shrink. */
  'heads',
  /** The head at the end extends that at the start. */
  'consistency',
  /** Every record counted is in the tree between them. */
  'coverage',
  /** The times of the records never go back. */
  'order',
  /** Every disclosure that was used opens a commitment. */
  'disclosures',
  /** Others have seen the same heads. */
  'witnesses',
] as const

export interface ReportCheck {
  readonly name: (typeof CHECK_NAMES)[number]
  /** `open`: neither shown nor refuted. */
  readonly status: 'held' | 'open' | 'failed'
  readonly detail: string
}

export interface HeadReport {
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly time: string
  /** Names of the witnesses whose cosignatures on it hold. */
  readonly cosigned_by: readonly string[]
}

export interface WitnessCoverage {
  /** What the policy asks for, in words: `2 of alpha, beta, gamma`. */
  readonly quorum: string
  /** Heads of the month that were looked at. */
  readonly heads: number
  /** How many of them were cosigned as the policy asks. */
  readonly covered: number
  readonly each: readonly WitnessRow[]
}

export interface WitnessRow {
  readonly name: string
  /** How many of the heads it cosigned. */
  readonly cosigned: number
  /** When it last did. */
  readonly last?: string
}
