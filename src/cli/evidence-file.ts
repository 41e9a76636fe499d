/** The verdict on an evidence file, as `cairn verify` gives it, and the trail that it proves. */
import { open } from 'node:fs/promises'
import { drawnRecord } from '../client/trail-rows.ts'
import type { Trust } from '../client/verdict.ts'
import { verdictJson } from '../client/verdict-json.ts'
import {
  type EvidenceVerdict,
  type EvidenceVerdictRecord,
  verifyEvidence,
} from '../client/verify-evidence.ts'
import { isCompleteList, MAX_COMPLETE_LIST_SIZE } from '../formats/complete-list.ts'
import { isEvidence, MAX_EVIDENCE_SIZE } from '../formats/evidence.ts'
import type { EvidenceManifest } from '../formats/evidence-manifest.ts'
import { printJson, terminal } from './command.ts'
import { exitFor } from './exit.ts'
import { scopeWords } from './scope-flags.ts'
import { count, plural, printable, type Style } from './style.ts'
import { formatChecks, formatTable, wrap } from './table.ts'
import { formatTrail } from './trail.ts'

/** Records that are shown, unless all are asked for. */
const MAX_SHOWN = 50
/** Records that do not hold and come after those. */
const MAX_BAD_SHOWN = 200
/** As much of a file as tells what it is. */
const START = 64

/** The largest size that what a file begins as can have, if that is more than others have. */
export async function largeSizeOf(path: string): Promise<number | undefined> {
  const file = await open(path)
  try {
    const start = new Uint8Array(START)
    const { bytesRead } = await file.read(start, 0, START, 0)
    const begun = start.subarray(0, bytesRead)
    if (isEvidence(begun)) return MAX_EVIDENCE_SIZE
    return isCompleteList(begun) ? MAX_COMPLETE_LIST_SIZE : undefined
  } finally {
    await file.close()
  }
}

export interface EvidenceFlags {
  readonly json?: boolean
  readonly full?: boolean
}

/** Judges evidence, and prints the verdict and the trail: good when all of it holds. */
export function reportEvidence(
  file: string,
  bytes: Uint8Array,
  trust: Trust,
  { json = false, full = false }: EvidenceFlags,
): void {
  const verdict = verifyEvidence(bytes, trust)
  process.exitCode = exitFor(verdict.ok)
  if (json) printJson({ file, ...verdictJson(verdict) })
  else printEvidence(file, verdict, full)
}

/** The checks, what was asked for, the trail, and what it comes to. */
export function printEvidence(file: string, verdict: EvidenceVerdict, full: boolean): void {
  const { style, columns, line, text } = terminal()
  const { claims, records, checks } = verdict
  line(
    style.bold(`${printable(file)}: evidence${claims ? ` from ${printable(claims.origin)}` : ''}`),
  )
  text(formatChecks(checks, style, columns))
  if (claims !== undefined) {
    line()
    text(formatClaims(claims, style, columns))
  }
  const { shown, omitted } = shownOf(records, full)
  if (shown.length > 0) line()
  text(formatTrail(shown.map(drawnRecord), { style, columns, full }))
  if (omitted > 0) line(style.dim(`… ${plural(omitted, 'more record')} (--full shows all)`))
  const others = otherProblems(verdict)
  for (const problem of full ? others : others.slice(0, MAX_SHOWN)) {
    for (const row of wrap(`✗ ${printable(problem)}`, columns)) line(style.red(row))
  }
  if (!full && others.length > MAX_SHOWN) {
    line(style.red(`… ${plural(others.length - MAX_SHOWN, 'more problem')} (--full shows all)`))
  }
  for (const row of wrap(conclusion(verdict), columns)) {
    line((verdict.ok ? style.green : style.red)(style.bold(row)))
  }
}

/** What the maker of the file says of it. */
function formatClaims(claims: EvidenceManifest, style: Style, columns: number): string {
  const { query, tenant, asked_by, purpose, grant, made } = claims
  const rows = [
    ['asked for', `${scopeWords(query)}, of the tenant ${tenant}`],
    ['by', asked_by],
    ['purpose', purpose],
    ['grant', grant],
    ['made', made.replace('T', ' ')],
  ].flatMap(([label, text]) => (text === undefined ? [] : [[label!, printable(text)]]))
  return formatTable(rows, {
    columns,
    indent: 2,
    paint: (text, _, column) => (column === 0 ? style.dim(text) : text),
  })
}

/** Of many records the first, and those that do not hold, as long as these are not many as well. */
function shownOf(
  records: readonly EvidenceVerdictRecord[],
  full: boolean,
): { readonly shown: readonly EvidenceVerdictRecord[]; readonly omitted: number } {
  if (full) return { shown: records, omitted: 0 }
  let bad = 0
  const shown = records.filter(
    ({ problems }, i) => i < MAX_SHOWN || (problems.length > 0 && bad++ < MAX_BAD_SHOWN),
  )
  return { shown, omitted: records.length - shown.length }
}

/** Those that no record is to blame for, or that were told of none that is listed. */
function otherProblems({ problems, records }: EvidenceVerdict): string[] {
  const told = new Set(records.flatMap((record) => record.problems))
  return problems.map(({ detail }) => detail).filter((detail) => !told.has(detail))
}

function conclusion({ ok, records, problems, checks, size, origin }: EvidenceVerdict): string {
  if (ok) {
    const what = `${plural(records.length, 'record')} of ${printable(origin!)}`
    return `verified: ${what}, in its tree of ${plural(size!, 'leaf', 'leaves')}`
  }
  const bad = records.filter((record) => record.problems.length > 0).length
  const wrong =
    bad > 0
      ? `${count(bad)} of ${plural(records.length, 'record')} ${bad === 1 ? 'does' : 'do'} not hold`
      : problems.length > 0
        ? plural(problems.length, 'thing is wrong', 'things are wrong')
        : `failed: ${checks.flatMap(({ name, status }) => (status === 'failed' ? [name] : [])).join(', ')}`
  return `NOT VERIFIED: ${wrong}; do not rely on this file`
}
