/**
 * Grants: time-bound access to payloads, asked for by one person and approved by another. Only who asked may use it,
 * only until it ends; its time begins with the approval.
 */
import { CairnError } from '../errors.ts'
import { readText, wrongAt } from '../formats/json-members.ts'
import type { JsonObject } from '../formats/json-strict.ts'
import { type Core, mustBeAllowedOneOf, nameOf, notFound } from './core.ts'
import { mustNameNobody, peopleIn } from './naming.ts'
import { type PageOf, type PageRequest, pageOf } from './paging.ts'
import { isAllowed, mustBeAllowed, type Principal } from './principal.ts'
import { storedScope } from './scope.ts'
import type { Grant, GrantRequest } from './service.ts'
import {
  type GrantDecision,
  isMinutes,
  MAX_MINUTES,
  REASON,
  type StoredGrant,
  type TenantState,
  TICKET,
} from './tenant-state.ts'

const DEFAULT_MINUTES = 60
const MINUTE_MS = 60_000

/** Asks for a grant. @throws FORBIDDEN, MALFORMED, NOT_FOUND; as RecordsService.note() */
export async function requestGrant(
  core: Core,
  request: GrantRequest,
  by: Principal,
): Promise<Grant> {
  mustBeAllowed(by, 'read-payloads')
  const { tenant } = by
  const purpose = readText(request.purpose, '/purpose', REASON)
  const ticket = readText(request.ticket, '/ticket', TICKET)
  const { minutes = DEFAULT_MINUTES } = request
  if (!isMinutes(minutes)) {
    throw wrongAt('/minutes', `expected a whole number of minutes from 1 to ${MAX_MINUTES}`)
  }
  if (Object.keys(request.scope).length === 0) {
    throw wrongAt('/scope', 'expected at least one member: a grant is never for everything')
  }
  return core.alone(tenant, async () => {
    const scope = await storedScope(core.vault, request.scope, tenant)
    const texts = { '/purpose': purpose, '/ticket': ticket }
    await mustNameNobody(core, texts, peopleIn(scope), tenant)
    const extra: JsonObject = { purpose, ticket, scope: scope as JsonObject, minutes }
    const { id } = await core.note({ type: 'grant', action: 'request', by, extra }, tenant)
    return described(core, await storedGrant(core, id, tenant), tenant)
  })
}

/**
 * Approves or refuses a grant.
 * @throws FORBIDDEN also to whoever asked for it; NOT_FOUND; CONFLICT unless it is requested; as RecordsService.note()
 */
export async function decideGrant(
  core: Core,
  id: string,
  decision: 'approve' | 'refuse',
  by: Principal,
): Promise<Grant> {
  mustBeAllowed(by, 'approve')
  const { tenant } = by
  return core.alone(tenant, async () => {
    const grant = await storedGrant(core, id, tenant)
    mustBe(grant, ['requested'], core)
    const asker = grant.requested.by
    const name = asker === undefined ? undefined : await core.vault.person(tenant, asker)
    if (by.name === name || (await isSame(core, by, asker))) {
      throw new CairnError('FORBIDDEN', 'nobody decides about a grant that they asked for')
    }
    if (name === undefined && decision === 'approve') {
      throw new CairnError('CONFLICT', 'who asked for this grant was erased; nobody could use it')
    }
    const minutes = grant.minutes * MINUTE_MS
    const until = new Date(core.now() + minutes).toISOString()
    const extra = decision === 'approve' ? { extra: { until } } : {}
    await core.note({ type: 'grant', action: decision, by, parentId: id, ...extra }, tenant)
    return described(core, await storedGrant(core, id, tenant), tenant)
  })
}

/** Ends a grant. @throws FORBIDDEN, NOT_FOUND; CONFLICT when it is over already; as RecordsService.note() */
export async function revokeGrant(core: Core, id: string, by: Principal): Promise<Grant> {
  mustBeAllowedOneOf(by, ['revoke-grants', 'read-payloads'])
  const { tenant } = by
  return core.alone(tenant, async () => {
    const grant = await storedGrant(core, id, tenant)
    if (!isAllowed(by, 'revoke-grants') && !(await isSame(core, by, grant.requested.by))) {
      throw new CairnError(
        'FORBIDDEN',
        'only an approver, an administrator or who asked for it can end a grant',
      )
    }
    mustBe(grant, ['requested', 'approved'], core)
    await core.note({ type: 'grant', action: 'revoke', by, parentId: id }, tenant)
    return described(core, await storedGrant(core, id, tenant), tenant)
  })
}

const READERS = ['audit', 'approve', 'revoke-grants'] as const

/** A page of the grants of a tenant. @throws FORBIDDEN, MALFORMED */
export async function listGrants(
  core: Core,
  by: Principal,
  page: PageRequest,
): Promise<PageOf<Grant>> {
  mustBeAllowedOneOf(by, READERS)
  const { grants } = await core.stateOf(by.tenant)
  const { items, cursor } = pageOf(grants, page)
  const told = items.map((grant) => described(core, grant, by.tenant))
  return { items: await Promise.all(told), cursor }
}

/** @throws FORBIDDEN, NOT_FOUND */
export async function readGrant(core: Core, id: string, by: Principal): Promise<Grant> {
  mustBeAllowedOneOf(by, READERS)
  return described(core, await storedGrant(core, id, by.tenant), by.tenant)
}

/** A grant that somebody may use now. @throws FORBIDDEN, NOT_FOUND */
export async function usableGrant(core: Core, id: string, by: Principal): Promise<Grant> {
  mustBeAllowed(by, 'read-payloads')
  const grant = await storedGrant(core, id, by.tenant)
  if (!(await isSame(core, by, grant.requested.by))) {
    throw new CairnError('FORBIDDEN', 'a grant can be used by nobody but who asked for it')
  }
  const state = stateAt(grant, core.now())
  if (state !== 'approved') {
    const not = state === 'requested' ? 'not approved yet' : `over: it is ${state}`
    throw new CairnError('FORBIDDEN', `the grant ${id} is ${not}`)
  }
  return described(core, grant, by.tenant)
}

async function storedGrant(core: Core, id: string, tenant: string): Promise<StoredGrant> {
  const { grants }: TenantState = await core.stateOf(tenant)
  const grant = grants.get(id)
  if (grant === undefined) throw notFound(`tenant ${tenant} has no grant ${id}`)
  return grant
}

/** Whether somebody is behind a pseudonym. Who was erased has another one since. */
async function isSame(core: Core, by: Principal, pseudonym: string | undefined): Promise<boolean> {
  if (pseudonym === undefined) return false
  return (await core.vault.knownPseudonym(by.tenant, by.name)) === pseudonym
}

function mustBe(grant: StoredGrant, states: readonly Grant['state'][], core: Core): void {
  const state = stateAt(grant, core.now())
  if (!states.includes(state)) {
    throw new CairnError('CONFLICT', `the grant ${grant.id} is ${state} already`)
  }
}

const STATES: Readonly<Record<GrantDecision, Grant['state']>> = {
  approve: 'approved',
  refuse: 'refused',
  revoke: 'revoked',
}

function stateAt({ decided }: StoredGrant, now: number): Grant['state'] {
  if (decided === undefined) return 'requested'
  const { action, until } = decided
  // Without an end that can be read it has ended.
  const isOver = !(Date.parse(until ?? '') > now)
  return action === 'approve' && isOver ? 'expired' : STATES[action]
}

async function described(core: Core, grant: StoredGrant, tenant: string): Promise<Grant> {
  const { id, purpose, ticket, scope, minutes, requested, decided } = grant
  const [requestedBy, decidedBy] = await Promise.all([
    nameOf(core, requested.by, tenant),
    decided && nameOf(core, decided.by, tenant),
  ])
  return {
    id,
    state: stateAt(grant, core.now()),
    purpose,
    ticket,
    scope,
    minutes,
    requested: requested.time,
    requestedBy,
    ...(decided !== undefined && { decided: decided.time }),
    ...(decidedBy !== undefined && { decidedBy }),
    ...(decided?.until !== undefined && { until: decided.until }),
  }
}
