/**
 * The compliance work of a log, put together: grants, holds, erasure, expiry, evidence and reports over its records.
 * Nothing is stored here. What is known of grants and holds is read from the log's own records, so that an auditor who
 * has the log knows as much.
 */
import { CairnError, messageOf } from '../errors.ts'
import type { LogService } from '../log/service.ts'
import type { RecordsService } from '../records/service.ts'
import type { Vault } from '../vault/vault.ts'
import { makeCompleteList } from './complete-list-file.ts'
import type { ComplianceContext, ComplianceEvent, HeadHistory, RetentionPolicy } from './context.ts'
import { newCore } from './core.ts'
import { erase } from './erasing.ts'
import { makeEvidence } from './evidence.ts'
import { expire, newExpiryMemory } from './expiry.ts'
import {
  decideGrant,
  listGrants,
  readGrant,
  requestGrant,
  revokeGrant,
  usableGrant,
} from './grants.ts'
import { activeHolds, liftHold, listHolds, placeHold } from './holds.ts'
import { ownRecords, recordsIn } from './own-records.ts'
import { mustBeAllowed } from './principal.ts'
import { readRecord } from './reading.ts'
import { newRefusals, otherTenant } from './refusals.ts'
import { makeReport } from './report.ts'
import { storedScope } from './scope.ts'
import type { ComplianceService, Expiry } from './service.ts'
import { newTurns, type TurnsOptions } from './turns.ts'

export interface ComplianceOptions {
  readonly log: LogService
  readonly records: RecordsService
  readonly vault: Vault
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onEvent?: (event: ComplianceEvent) => void
  /** How long payloads are kept; without it nothing expires. */
  readonly retention?: RetentionPolicy
  /** The bytes of the policy by which heads are trusted; without one, the log's own keys are. */
  readonly policy?: Uint8Array
  /** The heads that reports look at; without it they cannot tell what the log held when. */
  readonly heads?: HeadHistory
  /** What proves that the records of evidence are all there are. */
  readonly completeness?: ComplianceContext['completeness']
  /** A time that has passed, in milliseconds since 1970: that of a head, whatever the clock says by now. */
  readonly notBefore?: number
  /** How often payloads expire by themselves, and first at once; 0 for never. A day unless told otherwise. */
  readonly expireEveryMs?: number
}

/** Large evidence takes some hundred MB, and a report reads all records of a month. */
const TURNS: TurnsOptions = {
  atOnce: 2,
  waiting: 32,
  refusal: 'too many ask for this at once; try again in a minute',
}
const DAY_MS = 86_400_000

/** Takes up the compliance work of a log whose records are open. They are closed after it. */
export function openCompliance(options: ComplianceOptions): ComplianceService {
  const { log, records, vault, now = Date.now, onEvent = () => undefined } = options
  const { expireEveryMs = DAY_MS, notBefore } = options
  const core = newCore({ log, records, vault, now: neverBack(now, notBefore), onEvent })
  const refusals = newRefusals(core)
  const context: ComplianceContext = {
    ...core,
    now,
    retention: options.retention,
    policy: options.policy,
    heads: options.heads,
    completeness: options.completeness,
    tenants: () => vault.tenants(),
    ownRecords: (query, tenant) => ownRecords(core, query, tenant),
    recordsIn: (scope, tenant, order) => recordsIn(core, scope, tenant, order),
    activeHolds: (tenant) => activeHolds(core, tenant),
    usableGrant: (id, by) => usableGrant(core, id, by),
    storedScope: (scope, tenant, pointer) => storedScope(vault, scope, tenant, pointer),
  }
  let isClosed = false
  /** What close() waits for. */
  const pending = new Set<Promise<unknown>>()

  /** Work that is finished before this is closed. */
  function whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (isClosed) return Promise.reject(new CairnError('STOPPED', 'the log is shutting down'))
    const done = work().finally(() => pending.delete(done))
    pending.add(done)
    return done
  }

  const evidenceTurn = newTurns(TURNS)
  const reportTurn = newTurns(TURNS)
  const memory = newExpiryMemory()
  const closing = new AbortController()
  let expiring: Promise<readonly Expiry[]> | undefined
  /** One expiry at a time, for whoever asks meanwhile. */
  function expireOnce(progress?: (records: number) => void): Promise<readonly Expiry[]> {
    const begun =
      expiring ??
      expire(context, progress, { memory, signal: closing.signal }).finally(() => {
        expiring = undefined
      })
    expiring = begun
    return begun
  }

  function expireByItself(): void {
    whileOpen(() => expireOnce()).catch((error: unknown) => {
      if (!isClosed) onEvent({ event: 'expiry-failed', reason: messageOf(error) })
    })
  }

  const timer =
    expireEveryMs > 0 && options.retention !== undefined
      ? setInterval(expireByItself, expireEveryMs).unref()
      : undefined
  if (timer !== undefined) expireByItself()

  return {
    search: (query, by) =>
      whileOpen(async () => {
        mustBeAllowed(by, 'read')
        return records.search(query, by.tenant)
      }),
    read: (index, by, grant) => whileOpen(() => readRecord(core, refusals, index, by, grant)),
    refuseTenant: (tenant, by, what) =>
      whileOpen(async () => {
        await refusals.record(tenant, by, what)
        throw otherTenant(by)
      }),
    requestGrant: (request, by) => whileOpen(() => requestGrant(core, request, by)),
    decideGrant: (id, decision, by) => whileOpen(() => decideGrant(core, id, decision, by)),
    revokeGrant: (id, by) => whileOpen(() => revokeGrant(core, id, by)),
    grants: (by, page = {}) => whileOpen(() => listGrants(core, by, page)),
    grant: (id, by) => whileOpen(() => readGrant(core, id, by)),
    placeHold: (request, by) => whileOpen(() => placeHold(core, request, by)),
    liftHold: (hold, reason, by) => whileOpen(() => liftHold(core, hold, reason, by)),
    holds: (by, page = {}) => whileOpen(() => listHolds(core, by, page)),
    erase: (request, by) => whileOpen(() => erase(core, request, by)),
    expire: (progress) => whileOpen(() => expireOnce(progress)),
    evidence: (request, by) =>
      whileOpen(() => evidenceTurn(() => makeEvidence(context, request, by))),
    completeList: (asked, by) => whileOpen(() => makeCompleteList(context, asked, by)),
    report: (month, by) => whileOpen(() => reportTurn(() => makeReport(context, month, by))),
    async close() {
      isClosed = true
      clearInterval(timer)
      // What has expired and is still there is destroyed after the next start.
      closing.abort(new CairnError('STOPPED', 'the log is shutting down'))
      await Promise.allSettled(pending)
    },
  }
}

/** A clock that is set back gives no grant another hour: while it is behind, time goes on from where it was. */
function neverBack(now: () => number, notBefore = Number.NEGATIVE_INFINITY): () => number {
  let latest = notBefore
  let asked = performance.now()
  return () => {
    const since = asked
    asked = performance.now()
    latest = Math.max(now(), latest + asked - since)
    return Math.floor(latest)
  }
}
