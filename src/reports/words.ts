/** How a report says numbers, times and names; the same in every locale, so that a page can be compared to another. */
import { grouped } from '../formats/count.ts'
import type { AnyRecordType, Cost, FactName, ReportCheck } from './report.ts'

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** `2026-11` → `November 2026`. */
export function monthWords(month: string): string {
  return `${MONTHS[Number(month.slice(5)) - 1] ?? ''} ${month.slice(0, 4)}`
}

/** `2026-12-01T08:30:00.000Z` → `2026-12-01 08:30:00 UTC`. */
export function timeWords(time: string): string {
  return `${shortTime(time)} UTC`
}

/** Without the zone, for columns that name it in their head. */
export function shortTime(time: string): string {
  return time.slice(0, 19).replace('T', ' ')
}

const SHOWN_DECIMALS = 4

/** With two to four decimals, rounded half up; the report as JSON has all of them. */
export function amount(decimal: string): string {
  const [whole = '0', fraction = ''] = decimal.split('.')
  const kept = BigInt(whole + fraction.slice(0, SHOWN_DECIMALS).padEnd(SHOWN_DECIMALS, '0'))
  const rounded = fraction.charAt(SHOWN_DECIMALS) >= '5' ? kept + 1n : kept
  const digits = String(rounded).padStart(SHOWN_DECIMALS + 1, '0')
  const cents = digits.slice(-SHOWN_DECIMALS).replace(/0{1,2}$/, '')
  return `${grouped(digits.slice(0, -SHOWN_DECIMALS))}.${cents}`
}

/** `EUR 1,234.50`. */
export function costWords({ currency, cost }: Cost): string {
  return `${currency ?? '(no currency)'} ${amount(cost)}`
}

/** Names of record types as a person says them. */
export function typeWords(type: string): string {
  const words = type.replaceAll('_', ' ').replace(/^llm\b/, 'LLM')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export type TypeGroup = 'use' | 'change' | 'data' | 'oversight'

export const GROUP_WORDS: Readonly<Record<TypeGroup, string>> = {
  use: 'Use of AI',
  change: 'Models and configuration',
  data: 'Data and permissions',
  oversight: 'Oversight by the log',
}

/** In the order in which a bar is stacked. */
export const GROUPS = Object.keys(GROUP_WORDS) as readonly TypeGroup[]

/** The group of each type, for charts that could not show twenty colours. */
export const GROUP_OF: Readonly<Record<AnyRecordType, TypeGroup>> = {
  llm_request: 'use',
  tool_call: 'use',
  decision: 'use',
  guardrail: 'use',
  inference_request: 'use',
  inference_response: 'use',
  model_training: 'change',
  model_evaluation: 'change',
  model_promotion: 'change',
  model_deployment: 'change',
  configuration_change: 'change',
  data_access: 'data',
  permission_change: 'data',
  deletion: 'data',
  correction: 'data',
  access: 'oversight',
  erasure: 'oversight',
  hold: 'oversight',
  grant: 'oversight',
  retention: 'oversight',
}

export const CHECK_WORDS: Readonly<Record<ReportCheck['name'], string>> = {
  heads: 'Signed heads',
  consistency: 'Consistency',
  coverage: 'Coverage',
  order: 'Order of time',
  disclosures: 'Disclosures',
  witnesses: 'Witnesses',
}

export const FACT_WORDS: Readonly<Record<FactName, string>> = {
  name: 'Name',
  basis: 'Legal basis',
  purpose: 'Purpose',
  ticket: 'Ticket',
  scope: 'Scope',
  tenant: 'Tenant',
  pseudonym: 'Pseudonym',
  records: 'Records',
  class: 'Retention class',
  type: 'Type',
  before: 'Before',
  jurisdiction: 'Jurisdiction',
  table: 'Table',
  keep: 'Kept for',
  minutes: 'Minutes',
  until: 'Until',
  sha256: 'SHA-256 of the file',
}

/** What a fact says: numbers grouped, times without their letters, a scope as `request id req-1, model m`. */
export function factWords(name: FactName, value: string | number): string {
  if (typeof value === 'number') return grouped(value)
  if (name === 'scope') return scopeWords(value)
  const isTime = name === 'until' || name === 'before'
  return isTime && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? timeWords(value) : value
}

/** A scope comes as JSON; one that was cut off stays as it is. */
function scopeWords(json: string): string {
  try {
    const members = Object.entries(JSON.parse(json) as Readonly<Record<string, unknown>>)
    const words = members.map(([name, value]) => `${name.replaceAll('_', ' ')} ${String(value)}`)
    return words.length === 0 ? 'all records' : words.join(', ')
  } catch {
    return json
  }
}
