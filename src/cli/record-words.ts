/** How the commands say what is in a record. */
import type { FoundRecord } from '../client/record-answers.ts'
import type { RecordMetrics, RecordModel } from '../formats/record.ts'
import { amount, GROUP_OF, grouped, type TypeGroup } from '../reports/words.ts'
import { duration, printable, type Style } from './style.ts'

/** `p_abcdefghijklmnopqrstuw` → `p_abcdef…`; any other name stays. */
export function shortPerson(name: string): string {
  return /^p_[A-Za-z0-9_-]{22}$/.test(name) ? `${name.slice(0, 8)}…` : printable(name)
}

/** `model 1.2`. */
export function modelWords({ name, version }: Pick<RecordModel, 'name' | 'version'>): string {
  return printable([name, version].filter((part) => part !== undefined).join(' '))
}

/** `EUR 0.25`; nothing where no cost is said. */
export function costOf({ cost, currency }: Pick<RecordMetrics, 'cost' | 'currency'>): string {
  if (cost === undefined) return ''
  // A small number has an exponent as text.
  const decimal = String(cost).includes('e') ? cost.toFixed(15) : String(cost)
  const figure = /[1-9]/.test(amount(decimal)) || cost === 0 ? amount(decimal) : String(cost)
  return currency === undefined ? figure : `${printable(currency)} ${figure}`
}

/** `12 tokens in, 34 out · 1.2 s · EUR 0.25`. */
export function metricsWords(metrics: RecordMetrics): string {
  const { input_tokens: read, output_tokens: written, latency_ms: latency } = metrics
  const tokens = [
    ...(read === undefined ? [] : [`${grouped(read)} tokens in`]),
    ...(written === undefined ? [] : [`${grouped(written)} tokens out`]),
  ]
  return [
    tokens.join(', ').replace(/ tokens out$/, read === undefined ? ' tokens out' : ' out'),
    latency === undefined ? '' : duration(latency),
    costOf(metrics),
  ]
    .filter((part) => part !== '')
    .join(' · ')
}

const GOOD = /^(pass|passed|allow|allowed|ok|safe|clean|none|approve|approved|success)$/i

/** Whether a guardrail let something pass, as far as its verdict says so in words that are known here. */
export function hasPassed(verdict: string | undefined): boolean {
  return verdict !== undefined && GOOD.test(verdict)
}

/** `✓ pii` for one that let it pass, `✗ pii block` for any other. */
export function guardrailWords({
  name = 'guardrail',
  verdict,
}: NonNullable<FoundRecord['guardrails']>[number]): string {
  if (verdict === undefined) return printable(name)
  return hasPassed(verdict) ? `✓ ${printable(name)}` : `✗ ${printable(`${name} ${verdict}`)}`
}

/** Text in the colour of what a type of record is about. */
export function typeToned(text: string, type: string, style: Style): string {
  const group = (GROUP_OF as Readonly<Record<string, TypeGroup | undefined>>)[type]
  switch (group) {
    case 'use':
      return style.cyan(text)
    case 'change':
      return style.yellow(text)
    case 'oversight':
      return style.green(text)
    default:
      return style.bold(text)
  }
}
