/** The compliance work of a log on real stores in one temporary directory, and people who ask for it, for tests. */
import { createHash } from 'node:crypto'
import { type ComplianceOptions, openCompliance } from '../../src/compliance/compliance.ts'
import type { ComplianceEvent } from '../../src/compliance/context.ts'
import type { Principal, Role } from '../../src/compliance/principal.ts'
import type { ComplianceService } from '../../src/compliance/service.ts'
import { type OpenedRecords, type Opening, openRecordsAt } from '../records/records-place.ts'
import type { TestLogPlace } from '../support/test-log.ts'

export interface OpenedCompliance extends OpenedRecords {
  readonly compliance: ComplianceService
  readonly complianceEvents: ComplianceEvent[]
}

export interface ComplianceOpening extends Opening {
  readonly compliance?: Partial<Omit<ComplianceOptions, 'log' | 'records' | 'vault' | 'now'>>
}

/** Nothing expires by itself, unless the opening says so. */
export async function openComplianceAt(
  place: TestLogPlace,
  { compliance: options, ...opening }: ComplianceOpening = {},
): Promise<OpenedCompliance> {
  const opened = await openRecordsAt(place, opening)
  const complianceEvents: ComplianceEvent[] = []
  const { log, records, vault } = opened
  const compliance = openCompliance({
    log,
    records,
    vault,
    ...(opening.now !== undefined && { now: opening.now }),
    onEvent: (event) => complianceEvents.push(event),
    expireEveryMs: 0,
    ...options,
  })
  return {
    ...opened,
    compliance,
    complianceEvents,
    async close() {
      await compliance.close()
      await opened.close()
    },
  }
}

export function principal(
  name: string,
  roles: readonly Role[] = ['administrator'],
  tenant = 'acme',
): Principal {
  const identity = createHash('sha256').update(`${tenant} ${name}`).digest()
  return { name, tenant, roles: new Set(roles), identity: new Uint8Array(identity) }
}

/** One person for each role in a tenant. */
export interface Staff {
  readonly submitter: Principal
  readonly reader: Principal
  readonly auditor: Principal
  readonly approver: Principal
  readonly administrator: Principal
}

export function staffOf(tenant: string): Staff {
  return {
    submitter: principal('service', ['submitter'], tenant),
    reader: principal('reader', ['reader'], tenant),
    auditor: principal('auditor', ['auditor'], tenant),
    approver: principal('approver', ['approver'], tenant),
    administrator: principal('administrator', ['administrator'], tenant),
  }
}

/** One person for each role in tenant acme. */
export const submitter: Principal = principal('service', ['submitter'])
export const reader: Principal = principal('reader', ['reader'])
export const auditor: Principal = principal('auditor', ['auditor'])
export const approver: Principal = principal('approver', ['approver'])
export const administrator: Principal = principal('administrator', ['administrator'])
