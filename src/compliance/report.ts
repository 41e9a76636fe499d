/** The report on a tenant and a month: its records are counted, and the log's heads at both ends are held against them. */
import { LOG_RECORD_TYPES } from '../formats/record-members.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { buildReport, type ReportedRecord } from '../reports/build-report.ts'
import { type Month, parseMonth } from '../reports/month.ts'
import type { Report } from '../reports/report.ts'
import type { ComplianceContext } from './context.ts'
import { readLeaves, recordIn } from './leaves.ts'
import { ownDisclosures } from './own-disclosures.ts'
import { mustBeAllowed, type Principal } from './principal.ts'
import { integrityOf } from './report-heads.ts'

/**
 * Makes the report of the caller's tenant on a month: `2026-11`. Every record of the month is read once.
 * @throws FORBIDDEN, MALFORMED; OVERLOADED when no published head has the records yet; CORRUPT, IO, STOPPED
 */
export async function makeReport(
  context: ComplianceContext,
  month: string,
  by: Principal,
): Promise<Report> {
  mustBeAllowed(by, 'audit')
  const { tenant } = by
  const period = parseMonth(month)
  const last = await newestIndex(context, period, tenant)
  return buildReport({
    origin: context.log.origin,
    tenant,
    month,
    generated: new Date(context.now()),
    integrity: await integrityOf(context, period, last),
    records: last === undefined ? [] : reportedRecords(context, period, tenant, last),
  })
}

/** A month as recordsIn is asked. */
function during({ first, last }: Month): { readonly from: string; readonly before: string } {
  return { from: first, before: new Date(Date.parse(last) + 1).toISOString() }
}

async function newestIndex(
  context: ComplianceContext,
  month: Month,
  tenant: string,
): Promise<LeafIndex | undefined> {
  for await (const { index } of context.recordsIn(during(month), tenant, 'newest')) return index
  return undefined
}

/** The records of the month up to the last one that the heads were chosen for; what came since is for the next report. */
async function* reportedRecords(
  context: ComplianceContext,
  month: Month,
  tenant: string,
  last: LeafIndex,
): AsyncGenerator<ReportedRecord> {
  async function* indices(): AsyncGenerator<LeafIndex> {
    for await (const { index } of context.recordsIn(during(month), tenant, 'oldest')) {
      if (index > last) return
      yield index
    }
  }
  for await (const { index, leaf } of readLeaves(context.log, indices())) {
    const record = recordIn(leaf)
    const isOwn = LOG_RECORD_TYPES.some((type) => type === record.type)
    const disclosures = isOwn ? await ownDisclosures(context.records, record.id, tenant) : undefined
    yield { index, record, ...(disclosures !== undefined && { disclosures }) }
  }
}
