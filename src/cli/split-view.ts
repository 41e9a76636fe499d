/** The verdict on the evidence of a split view, as `cairn verify` gives it. */
import { equal, toHex, utf8 } from '../bytes.ts'
import type { Trust } from '../client/verdict.ts'
import { type SplitViewVerdict, verifySplitView } from '../client/verify-split-view.ts'
import { SPLIT_VIEW_HEADER } from '../formats/split-view.ts'
import { printJson, terminal } from './command.ts'
import { exitFor } from './exit.ts'
import { printable } from './style.ts'
import { formatChecks } from './table.ts'

/** Whether a file says that it is such evidence, of whatever version. */
export function isSplitView(bytes: Uint8Array): boolean {
  const start = utf8(SPLIT_VIEW_HEADER.slice(0, SPLIT_VIEW_HEADER.indexOf('/') + 1))
  return equal(bytes.subarray(0, start.length), start)
}

/** Judges the evidence and prints the verdict: good when it proves what it says, which is bad news about the log. */
export function reportSplitView(
  file: string,
  bytes: Uint8Array,
  trust: Trust,
  json: boolean,
): void {
  const verdict = verifySplitView(bytes, trust)
  process.exitCode = exitFor(verdict.ok)
  if (json) printJson(jsonOf(file, verdict))
  else printVerdict(file, verdict)
}

function jsonOf(file: string, { heads, ...verdict }: SplitViewVerdict): unknown {
  const shown = heads?.map(({ size, root }) => ({ size, root: toHex(root) }))
  return { file, ...verdict, ...(shown && { heads: shown }) }
}

function printVerdict(file: string, { ok, origin, finding, checks }: SplitViewVerdict): void {
  const { style, columns, line, text } = terminal()
  const of = origin === undefined ? '' : ` of ${printable(origin)}`
  line(style.bold(`${printable(file)}: split view${of}`))
  text(formatChecks(checks, style, columns))
  line(
    !ok
      ? style.red(style.bold('NOT CONFIRMED: this file proves nothing about the log'))
      : style.bold(`confirmed: ${printable(finding)}`),
  )
}
