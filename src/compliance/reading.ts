/** Reading records one by one: in the clear by whoever may read, the payload under a grant, on record before it is given. */
import { CairnError } from '../errors.ts'
import { LOG_RECORD_TYPES } from '../formats/record-members.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { resourceIn } from '../records/make-record.ts'
import { stampedRecord } from '../records/stamp.ts'
import type { Core } from './core.ts'
import { usableGrant } from './grants.ts'
import { isAllowed, mustBeAllowed, type Principal } from './principal.ts'
import type { Refusals } from './refusals.ts'
import { isCovered } from './scope.ts'
import type { ReadRecord } from './service.ts'

/**
 * Reads a record of the caller's tenant.
 * @throws NOT_FOUND for what is not a record of theirs; FORBIDDEN; CORRUPT, IO; as RecordsService.note() under a grant
 */
export async function readRecord(
  core: Core,
  refusals: Refusals,
  index: LeafIndex,
  by: Principal,
  grant?: string,
): Promise<ReadRecord> {
  mustBeAllowed(by, 'read')
  if (grant !== undefined) mustBeAllowed(by, 'read-payloads')
  const read = await readOwn(core, refusals, index, by)
  if (grant !== undefined) return withPayload(core, { index, ...read }, by, grant)
  // What the log says itself is no payload; it names staff, and why they did what.
  const isLogs = LOG_RECORD_TYPES.some((type) => type === read.record.type)
  if (!isLogs || !isAllowed(by, 'audit')) return { index, ...read }
  return { index, ...read, disclosures: await disclosuresOf(core, read.record.id, by) }
}

async function readOwn(
  core: Core,
  refusals: Refusals,
  index: LeafIndex,
  by: Principal,
): Promise<Pick<ReadRecord, 'record' | 'leaf'>> {
  try {
    return await core.records.read(index, by.tenant)
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') {
      const leaf = await core.log.entry(index)
      const other = leaf && (await stampedRecord(core.vault, leaf))?.tenant
      if (other !== undefined && other !== by.tenant) {
        await refusals.record(other, by, `to read the record at ${index}`)
      }
    }
    // To whom it does not belong, a record is the same as none.
    throw error
  }
}

async function withPayload(
  core: Core,
  read: ReadRecord,
  by: Principal,
  grantId: string,
): Promise<ReadRecord> {
  const { record } = read
  const { id, scope, purpose, ticket } = await usableGrant(core, grantId, by)
  const before = await disclosuresOf(core, record.id, by)
  const resource = before === 'erased' ? undefined : resourceIn(before)
  if (!isCovered(scope, record, resource)) {
    throw new CairnError('FORBIDDEN', `the grant ${id} does not cover this record`)
  }
  await core.note(
    {
      type: 'access',
      action: 'read',
      by,
      parentId: id,
      resource: record.id,
      extra: { purpose, ticket },
    },
    by.tenant,
  )
  // Somebody may have been erased meanwhile.
  return { ...read, disclosures: await disclosuresOf(core, record.id, by) }
}

async function disclosuresOf(
  { records }: Core,
  recordId: string,
  { tenant }: Principal,
): Promise<NonNullable<ReadRecord['disclosures']>> {
  return (await records.disclosures(recordId, tenant)) ?? 'erased'
}
