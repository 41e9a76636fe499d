/** What the heads, their consistency and their witnesses say about the records of a report. */
import { equal, toBase64 } from '../bytes.ts'
import { grouped } from '../formats/count.ts'
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type {
  HeadReport,
  IntegrityReport,
  ReportCheck,
  Verdict,
  WitnessCoverage,
} from './report.ts'

/** A head whose signature was verified. */
export interface ReportedHead {
  readonly size: TreeSize
  readonly root: RootHash
  /** When it was signed. */
  readonly time: Date
  /** Names of the witnesses whose cosignatures on it hold. */
  readonly cosignedBy: readonly string[]
  /** Whether these are as many as the policy asks for; undefined without a policy. */
  readonly quorum?: boolean
}

export interface IntegrityEvidence {
  /** The last head before the month; of a log that began later, its head of size 0. */
  readonly start?: ReportedHead
  /** The first head after the last record of the month, or the newest. */
  readonly end?: ReportedHead
  /** Whether the second was proven to extend the first. */
  readonly consistency:
    | { readonly outcome: 'verified' }
    | { readonly outcome: 'failed' | 'unchecked'; readonly detail: string }
  /** Undefined without a policy that asks for witnesses. */
  readonly witnesses?: WitnessCoverage
}

/** What was found while counting. */
export interface CountedRecords {
  readonly total: number
  /** Those outside the two heads. */
  readonly outside: number
  /** Those whose time is before that of the record before them. */
  readonly outOfOrder: number
  readonly disclosuresHeld: number
  readonly disclosuresForeign: number
}

/** The integrity part of a report. */
export function judge(evidence: IntegrityEvidence, counted: CountedRecords): IntegrityReport {
  const { start, end, witnesses } = evidence
  const checks = [
    checkHeads(evidence),
    checkConsistency(evidence),
    checkCoverage(evidence, counted),
    checkOrder(counted),
    checkDisclosures(counted),
    checkWitnesses(evidence),
  ]
  return {
    verdict: verdictOf(checks),
    checks,
    ...(start !== undefined && { start: headReport(start) }),
    ...(end !== undefined && { end: headReport(end) }),
    ...(witnesses !== undefined && { witnesses }),
  }
}

function verdictOf(checks: readonly ReportCheck[]): Verdict {
  const has = (status: ReportCheck['status']) => checks.some((check) => check.status === status)
  return has('failed') ? 'broken' : has('open') ? 'unproven' : 'intact'
}

function headReport({ size, root, time, cosignedBy }: ReportedHead): HeadReport {
  return { size, root: toBase64(root), time: time.toISOString(), cosigned_by: cosignedBy }
}

function result(
  name: ReportCheck['name'],
  status: ReportCheck['status'],
  detail: string,
): ReportCheck {
  return { name, status, detail }
}

function checkHeads({ start, end }: IntegrityEvidence): ReportCheck {
  if (start === undefined || end === undefined) {
    const missing = start !== undefined ? 'the end' : end !== undefined ? 'the start' : 'either end'
    return result('heads', 'open', `there is no signed head of the log at ${missing} of the month`)
  }
  const sizes = `${grouped(start.size)} at the start, ${grouped(end.size)} at the end`
  if (end.size < start.size) return result('heads', 'failed', `the tree shrank: ${sizes}`)
  if (end.size === start.size && !equal(start.root, end.root)) {
    return result(
      'heads',
      'failed',
      `two different trees were signed for the size ${grouped(end.size)}`,
    )
  }
  if (end.time < start.time) {
    return result('heads', 'failed', 'the head at the end is older than that at the start')
  }
  return result('heads', 'held', `the log signed both heads; tree size ${sizes}`)
}

function checkConsistency({ start, end, consistency }: IntegrityEvidence): ReportCheck {
  const name = 'consistency'
  if (consistency.outcome === 'failed') return result(name, 'failed', consistency.detail)
  if (consistency.outcome === 'unchecked') return result(name, 'open', consistency.detail)
  if (start === undefined || end === undefined) {
    return result(name, 'open', 'it takes two heads to compare')
  }
  const detail = 'the tree at the end extends the tree at the start: nothing was changed or removed'
  return result(name, 'held', detail)
}

function checkCoverage({ start, end }: IntegrityEvidence, counted: CountedRecords): ReportCheck {
  const name = 'coverage'
  const { total, outside } = counted
  if (total === 0) return result(name, 'held', 'there is no record to look for')
  if (start === undefined || end === undefined) {
    return result(name, 'open', 'without two heads nothing says that the records are in the tree')
  }
  return outside === 0
    ? result(name, 'held', 'every record counted stands between the two heads')
    : result(
        name,
        'open',
        `${grouped(outside)} of ${grouped(total)} records do not stand between the two heads`,
      )
}

function checkOrder({ total, outOfOrder }: CountedRecords): ReportCheck {
  const name = 'order'
  if (total === 0) return result(name, 'held', 'there is no record to put in order')
  return outOfOrder === 0
    ? result(name, 'held', 'the times of the records never go back')
    : result(
        name,
        'open',
        `${grouped(outOfOrder)} of ${grouped(total)} records are older than the one before`,
      )
}

function checkDisclosures(counted: CountedRecords): ReportCheck {
  const name = 'disclosures'
  const { disclosuresHeld: held, disclosuresForeign: foreign } = counted
  if (foreign > 0) {
    const detail = `${grouped(foreign)} of ${grouped(held + foreign)} do not open a commitment in their record; they were not used`
    return result(name, 'failed', detail)
  }
  if (held === 0) return result(name, 'held', 'none was used')
  if (held === 1) return result(name, 'held', 'the one used opens a commitment in its record')
  return result(name, 'held', `all ${grouped(held)} used open a commitment in their record`)
}

function checkWitnesses({ end, witnesses }: IntegrityEvidence): ReportCheck {
  const name = 'witnesses'
  if (witnesses === undefined) {
    return result(name, 'open', 'no policy was given that asks for witnesses')
  }
  const { heads, covered } = witnesses
  if (end?.quorum !== true) {
    return result(name, 'open', 'the head at the end is not cosigned as the policy asks')
  }
  const all = heads === 1 ? 'the head looked at is' : `all ${grouped(heads)} heads looked at are`
  return covered === heads
    ? result(name, 'held', `${all} cosigned as the policy asks`)
    : result(
        name,
        'open',
        `${grouped(covered)} of ${grouped(heads)} heads looked at are cosigned as the policy asks`,
      )
}
