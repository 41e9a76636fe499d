/** What the steps of `cairn demo` work with, and how they print. */
import type { LogClient } from '../client/log-client.ts'
import type { RecordsClient } from '../client/records-client.ts'
import type { Check, Trust } from '../client/verdict.ts'
import type { Policy } from '../formats/policy.ts'
import type { SubmittedRecord } from '../formats/record.ts'
import type { Terminal } from './command.ts'
import { formatChecks, wrap } from './table.ts'

/** What a step of the demonstration came to. */
export interface Step {
  readonly step: string
  readonly ok: boolean
  readonly detail: string
}

/** Who works with the records, each with a token of their own. */
export interface DemoPeople {
  readonly application: RecordsClient
  readonly auditor: RecordsClient
  readonly approver: RecordsClient
  readonly officer: RecordsClient
}

/** What the steps work with. */
export interface Stage {
  readonly client: LogClient
  readonly trust: Trust
  /** What the witnesses are, and how many must have cosigned. */
  readonly policy: Policy
  readonly people: DemoPeople
  /** What is submitted. */
  readonly submissions: readonly SubmittedRecord[]
  /** What was logged of it: the records, by their indices. */
  readonly records: Uint8Array[]
  /** Where files are written, and whether they stay there. */
  readonly folder: string
  readonly isKept: boolean
  readonly receipts: string
  readonly signal: AbortSignal
  readonly quiet: boolean
  readonly out: Terminal
}

export function heading(out: Terminal, number: number, text: string): void {
  out.line()
  out.line(`${out.style.cyan(String(number).padEnd(3))}${out.style.bold(text)}`)
}

/** Says what something is. Its first word is painted. */
export function fact(
  out: Terminal,
  name: string,
  value: string,
  paint: (text: string) => string = (text) => text,
): void {
  const lines = wrap(value, out.columns - 23).join(`\n${' '.repeat(23)}`)
  out.line(`   ${out.style.dim(name.padEnd(20))}${lines.replace(/^\w+/, paint)}`)
}

export function result(out: Terminal, ok: boolean, text: string): void {
  const mark = ok ? out.style.green('✓') : out.style.red('✗')
  out.line(`   ${mark} ${wrap(text, out.columns - 6).join('\n     ')}`)
}

export function checks(out: Terminal, list: readonly Check[]): void {
  const table = formatChecks(list, out.style, out.columns - 3)
  out.text(table.replace(/^/gm, '   ').replace(/ +$/, ''))
}
