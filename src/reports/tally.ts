/** Counts by name in bounded memory: exact for the names that are told apart, and for all the others together. */
import type { RecordMetrics } from '../formats/record.ts'
import { addNumber, addSum, type DecimalSum, decimalSum, formatSum } from './decimal-sum.ts'
import {
  type Cost,
  type Count,
  MAX_COUNT_ROWS,
  MAX_COUNTED_NAMES,
  type PlainCount,
  type Usage,
} from './report.ts'

/** What is summed up; `costs` by currency, `''` for none. */
export interface Sums {
  records: number
  input: bigint
  output: bigint
  readonly costs: Map<string, { readonly sum: DecimalSum; records: number }>
  costsOmitted: number
  readonly currencies: number
}

/** Sums that tell so many currencies apart. */
export function newSums(currencies: number): Sums {
  return { records: 0, input: 0n, output: 0n, costs: new Map(), costsOmitted: 0, currencies }
}

/** Adds one record. */
export function addRecord(sums: Sums, metrics: RecordMetrics | undefined): void {
  sums.records++
  if (metrics === undefined) return
  const { input_tokens, output_tokens, cost, currency = '' } = metrics
  if (input_tokens !== undefined) sums.input += BigInt(input_tokens)
  if (output_tokens !== undefined) sums.output += BigInt(output_tokens)
  if (cost === undefined) return
  const entry = costIn(sums, currency)
  if (entry === undefined) sums.costsOmitted++
  else {
    entry.records++
    addNumber(entry.sum, cost)
  }
}

function costIn(sums: Sums, currency: string): { sum: DecimalSum; records: number } | undefined {
  const known = sums.costs.get(currency)
  if (known !== undefined || sums.costs.size >= sums.currencies) return known
  const entry = { sum: decimalSum(), records: 0 }
  sums.costs.set(currency, entry)
  return entry
}

function merge(sums: Sums, other: Sums): void {
  sums.records += other.records
  sums.input += other.input
  sums.output += other.output
  sums.costsOmitted += other.costsOmitted
  for (const [currency, cost] of other.costs) {
    const entry = costIn(sums, currency)
    if (entry === undefined) sums.costsOmitted += cost.records
    else {
      entry.records += cost.records
      addSum(entry.sum, cost.sum)
    }
  }
}

export function usageOf(sums: Sums): Usage {
  const costs = [...sums.costs]
    .sort(([a], [b]) => compare(a, b))
    .map(
      ([currency, { sum, records }]): Cost => ({
        ...(currency !== '' && { currency }),
        cost: formatSum(sum),
        records,
      }),
    )
  return {
    records: sums.records,
    input_tokens: String(sums.input),
    output_tokens: String(sums.output),
    costs,
    ...(sums.costsOmitted > 0 && { costs_omitted: sums.costsOmitted }),
  }
}

/** By code units: the same everywhere, whatever the locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export interface Tally<N> {
  /** The sums of a name; beyond the names that are told apart, those of all others. */
  readonly at: (name: N) => Sums
  readonly count: () => Count<N>
  /** The same, of records alone. */
  readonly plainCount: () => PlainCount<N>
}

/** Counts by names, which are objects of texts with the same members always in the same order. */
export function newTally<N extends object>(currencies: number): Tally<N> {
  const named = new Map<string, Sums>()
  const beyond = newSums(currencies)
  const ranked = () => {
    const sorted = [...named].sort(
      ([a, one], [b, other]) => other.records - one.records || compare(a, b),
    )
    const others = newSums(currencies)
    for (const [, sums] of sorted.slice(MAX_COUNT_ROWS)) merge(others, sums)
    merge(others, beyond)
    const rows = sorted
      .slice(0, MAX_COUNT_ROWS)
      .map(([key, sums]) => ({ name: JSON.parse(key) as N, sums }))
    return { rows, others }
  }
  return {
    at(name) {
      const key = JSON.stringify(name)
      const known = named.get(key)
      if (known !== undefined) return known
      if (named.size >= MAX_COUNTED_NAMES) return beyond
      const sums = newSums(currencies)
      named.set(key, sums)
      return sums
    },
    count() {
      const { rows, others } = ranked()
      return {
        rows: rows.map(({ name, sums }): N & Usage => ({ ...name, ...usageOf(sums) })),
        ...(others.records > 0 && { others: usageOf(others) }),
      }
    },
    plainCount() {
      const { rows, others } = ranked()
      return {
        rows: rows.map(({ name, sums }) => ({ ...name, records: sums.records })),
        ...(others.records > 0 && { others: others.records }),
      }
    },
  }
}
