/** What the steps of `cairn demo` work with, and how they print. */
import type { LogClient } from '../client/log-client.ts'
import type { Check, Trust } from '../client/verdict.ts'
import type { Terminal } from './command.ts'
import { formatChecks, wrap } from './table.ts'

/** What a step of the demonstration came to. */
export interface Step {
  readonly step: string
  readonly ok: boolean
  readonly detail: string
}

/** What the steps work with. */
export interface Stage {
  readonly client: LogClient
  readonly trust: Trust
  readonly records: readonly Uint8Array[]
  readonly receipts: string
  readonly signal: AbortSignal
  readonly quiet: boolean
  readonly out: Terminal
}

export function heading(out: Terminal, number: number, text: string): void {
  out.line()
  out.line(`${out.style.cyan(String(number))}  ${out.style.bold(text)}`)
}

export function fact(out: Terminal, name: string, value: string): void {
  out.line(`   ${out.style.dim(name.padEnd(20))}${value}`)
}

export function result(out: Terminal, ok: boolean, text: string): void {
  const mark = ok ? out.style.green('✓') : out.style.red('✗')
  out.line(`   ${mark} ${wrap(text, out.columns - 6).join('\n     ')}`)
}

export function checks(out: Terminal, list: readonly Check[]): void {
  const table = formatChecks(list, out.style, out.columns - 3)
  out.text(table.replace(/^/gm, '   ').replace(/ +$/, ''))
}
