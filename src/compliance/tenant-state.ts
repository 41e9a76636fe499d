/**
 * The grants and holds of a tenant, told from the log's own records and from nothing else: each record is one step, and
 * the same steps give the same state after a restart, on a rebuilt index, and in the hands of an auditor.
 *
 * What a record says may be damaged, or gone. A grant that cannot be read can be used by nobody; a hold that cannot be
 * read covers everything until it is lifted, so that nothing is destroyed that it may have kept.
 */
import { readText, wrongAt } from '../formats/json-members.ts'
import type { JsonObject } from '../formats/json-strict.ts'
import { LOG_TIME, line, NAME, type ValueType } from '../formats/record-values.ts'
import type { ComplianceEvent, OwnRecord } from './context.ts'
import { parseStoredScope } from './scope.ts'
import type { Scope } from './service.ts'

/** Free text: what for, why. */
export const REASON: ValueType = line(2048)
export const TICKET: ValueType = line(256)
/** How long a grant may last, in minutes. */
export const MAX_MINUTES = 1440

export interface Step {
  /** RFC 3339. */
  readonly time: string
  /** The pseudonym of whoever did it. */
  readonly by: string | undefined
}

export interface StoredGrant {
  readonly id: string
  readonly purpose: string
  readonly ticket: string
  readonly scope: Scope
  readonly minutes: number
  readonly requested: Step
  /** The newest step after the request. */
  decided?: Step & { readonly action: GrantDecision; readonly until: string | undefined }
}

export interface StoredHold {
  readonly id: string
  readonly name: string
  readonly reason: string
  readonly scope: Scope
  readonly placed: Step
  lifted?: Step
}

const DECISIONS = ['approve', 'refuse', 'revoke'] as const
export type GrantDecision = (typeof DECISIONS)[number]

export interface TenantState {
  readonly grants: ReadonlyMap<string, StoredGrant>
  readonly holds: ReadonlyMap<string, StoredHold>
  /** Takes the next step: a record of type grant or hold. */
  apply(own: OwnRecord): void
}

/** @param onEvent told of grants that cannot be read */
export function newTenantState(onEvent: (event: ComplianceEvent) => void): TenantState {
  const grants = new Map<string, StoredGrant>()
  const holds = new Map<string, StoredHold>()

  function applyGrant({ record, extra, damage }: OwnRecord): void {
    const { id, action } = record
    const step = { time: record.time, by: record.actor }
    try {
      if (action === 'request') grants.set(id, readGrant(id, mustSay(extra, damage), step))
      const decision = DECISIONS.find((one) => one === action)
      const grant = grants.get(record.parent_id ?? '')
      if (decision === undefined || grant === undefined) return
      // Nobody approves their own, whatever a record says.
      if (decision === 'approve' && step.by === grant.requested.by) return
      const until =
        decision === 'approve'
          ? readText(mustSay(extra, damage).until, '/until', LOG_TIME)
          : grant.decided?.until
      grant.decided = { ...step, action: decision, until }
    } catch (error) {
      // An approval that does not say until when is none.
      onEvent({ event: 'grant-unreadable', id, reason: (error as Error).message })
    }
  }

  function applyHold({ record, extra }: OwnRecord): void {
    const { id, action } = record
    const step = { time: record.time, by: record.actor }
    if (action === 'place') holds.set(id, readHold(id, extra, step))
    const hold = holds.get(record.parent_id ?? '')
    if (action === 'lift' && hold !== undefined) hold.lifted ??= step
  }

  return {
    grants,
    holds,
    apply(own) {
      if (own.record.type === 'grant') applyGrant(own)
      else if (own.record.type === 'hold') applyHold(own)
    },
  }
}

function mustSay(extra: JsonObject | undefined, damage: string | undefined): JsonObject {
  if (extra !== undefined) return extra
  throw wrongAt('/extra', damage ?? 'what it said was erased')
}

function readGrant(id: string, extra: JsonObject, requested: Step): StoredGrant {
  const { minutes } = extra
  if (!isMinutes(minutes)) throw wrongAt('/minutes', `expected 1 to ${MAX_MINUTES}`)
  return {
    id,
    purpose: readText(extra.purpose, '/purpose', REASON),
    ticket: readText(extra.ticket, '/ticket', TICKET),
    scope: parseStoredScope(extra.scope),
    minutes,
    requested,
  }
}

export function isMinutes(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_MINUTES
}

function readHold(id: string, extra: JsonObject | undefined, placed: Step): StoredHold {
  try {
    return {
      id,
      name: readText(extra?.name, '/name', NAME),
      reason: readText(extra?.purpose, '/purpose', REASON),
      scope: parseStoredScope(extra?.scope),
      placed,
    }
  } catch {
    const reason = 'its record cannot be read any more; until it is lifted, everything is held'
    return { id, name: id, reason, scope: {}, placed }
  }
}
