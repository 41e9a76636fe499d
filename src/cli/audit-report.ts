/** The verdict of an audit, as text for people and as JSON. */
import { toHex } from '../bytes.ts'
import type { AuditVerdict } from '../client/audit-verdict.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { printJson, terminal } from './command.ts'
import { byteCount, count, duration, plural, printable } from './style.ts'
import { formatChecks } from './table.ts'

/** Faults that are shown; --json has more of them. */
const MAX_SHOWN = 20

/** What became of files beside the verdict. */
export interface Kept {
  readonly kept: string | undefined
  readonly state: string | undefined
  readonly elapsedMs: number
}

export function printAuditJson(
  target: string,
  verdict: AuditVerdict,
  kept: string | undefined,
): void {
  const { kind, ok, finding, head, bytes, records, checks, faults, faultCount } = verdict
  printJson({
    target,
    kind,
    ok,
    finding,
    ...(head && ok && headJson(head)),
    ...(head && { head: headJson(head) }),
    bytes,
    records,
    checks,
    faults,
    fault_count: faultCount,
    ...(kept !== undefined && { kept }),
  })
}

/** A head, in the members that every verdict has for one. */
function headJson({ origin, size, root }: Checkpoint): object {
  return { origin, size, root: toHex(root) }
}

export function printAudit(
  where: string,
  verdict: AuditVerdict,
  { kept, state, elapsedMs }: Kept,
): void {
  const { style, columns, line, text } = terminal()
  const { head, bytes, records, faults, faultCount } = verdict
  const of = records === 0 ? '' : `, ${plural(records, 'record')}`
  const tree =
    head === undefined ? '' : `, ${plural(head.size, 'leaf', 'leaves')}${of}, ${byteCount(bytes)}`
  line(style.bold(`${printable(head?.origin ?? where)}${tree}`))
  text(formatChecks(verdict.checks, style, columns))
  for (const { name, detail } of faults.slice(0, MAX_SHOWN)) {
    line(`    ${style.red(printable(name))} ${printable(detail)}`)
  }
  if (faultCount > MAX_SHOWN) line(`    … and ${count(faultCount - MAX_SHOWN)} more`)
  if (kept !== undefined && kept !== state) {
    line(
      kept.endsWith('.split-view')
        ? `  the proof that this log has been forked is kept: cairn verify ${kept} --vkey <log.vkey>`
        : `  both heads are kept, in ${kept.slice(0, -'.conflict'.length)} and ${kept}: keep them as evidence`,
    )
  }
  line(
    verdict.ok
      ? style.green(style.bold(`audited in ${duration(elapsedMs)}: nothing wrong`))
      : style.red(style.bold('AUDIT FAILED')),
  )
}
