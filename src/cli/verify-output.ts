/** The verdict on a file, as `cairn verify` prints it. Time-stamps read ASN.1, which is loaded only for them. */
import { verdictJson } from '../client/verdict-json.ts'
import type { FileVerdict } from '../client/verify-file.ts'
import { KIND_WORDS } from '../client/verify-file.ts'
import type { SplitViewVerdict } from '../client/verify-split-view.ts'
import type { TimeStampVerdict } from '../client/verify-time-stamp.ts'
import { printJson, terminal } from './command.ts'
import { printEvidence } from './evidence-file.ts'
import { plural, printable } from './style.ts'
import { formatChecks, wrap } from './table.ts'

export interface OutputFlags {
  readonly json?: boolean
  readonly full?: boolean
}

/** @param data the file that a time-stamp is of */
export async function printVerdict(
  file: string,
  verdict: FileVerdict,
  { json = false, full = false }: OutputFlags,
  data?: string,
): Promise<void> {
  if (json) return printJson({ file, ...(data && { data }), ...verdictJson(verdict) })
  switch (verdict.kind) {
    case 'evidence':
      return printEvidence(file, verdict, full)
    case 'split-view':
      return printSplitView(file, verdict)
    case 'time-stamp':
      return printTimeStamp(file, verdict)
    default:
      return printPlain(file, verdict)
  }
}

const DISTRUST = 'NOT VERIFIED: do not rely on this file'

function printPlain(file: string, verdict: FileVerdict): void {
  const { style, columns, line, text } = terminal()
  line(style.bold(headline(file, verdict)))
  text(formatChecks(verdict.checks, style, columns))
  const { ok, finding } = verdict
  for (const row of wrap(ok ? `verified: ${printable(finding)}` : DISTRUST, columns)) {
    line((ok ? style.green : style.red)(style.bold(row)))
  }
}

/** `7.tlog-proof: leaf 7 of example.com/log, tree of 12 leaves`. */
export function headline(
  file: string,
  { kind, origin, index, size }: Pick<FileVerdict, 'kind' | 'origin' | 'index' | 'size'>,
): string {
  if (origin === undefined || size === undefined) return `${printable(file)}: ${KIND_WORDS[kind]}`
  if (kind === 'complete-list')
    return `${printable(file)}: ${KIND_WORDS[kind]} from ${printable(origin)}`
  const what = index === undefined ? `${kind} of` : `leaf ${index} of`
  return `${printable(file)}: ${what} ${printable(origin)}, tree of ${plural(size, 'leaf', 'leaves')}`
}

function printSplitView(file: string, { ok, origin, finding, checks }: SplitViewVerdict): void {
  const { style, columns, line, text } = terminal()
  const of = origin === undefined ? '' : ` of ${printable(origin)}`
  line(style.bold(`${printable(file)}: split view${of}`))
  text(formatChecks(checks, style, columns))
  line(
    ok
      ? style.bold(`confirmed: ${printable(finding)}`)
      : style.red(style.bold('NOT CONFIRMED: this file proves nothing about the log')),
  )
}

async function printTimeStamp(file: string, verdict: TimeStampVerdict): Promise<void> {
  const { origin, size, proven, checks } = verdict
  const { style, columns, line, text } = terminal()
  const of = origin === undefined ? '' : ` of ${printable(origin)}`
  line(style.bold(`${printable(file)}: time-stamp of a checkpoint${of}`))
  text(formatChecks(checks, style, columns))
  if (proven === undefined || size === undefined) {
    line(style.red(style.bold(DISTRUST)))
    return
  }
  const { timeInWords } = await import('../client/verify-time-stamp.ts')
  line(style.green(style.bold(`verified: ${timeInWords(proven)}`)))
  const leaves = plural(size, 'leaf', 'leaves')
  const statement = `${proven.authority} states that it was shown this checkpoint at that time. So the checkpoint existed by then, and with it the tree of ${leaves} that it commits to.`
  for (const row of wrap(statement, columns)) line(row)
}
