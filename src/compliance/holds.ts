/** Legal holds: what an active one covers is neither erased nor expires, whoever asks, until it is lifted. */
import { CairnError } from '../errors.ts'
import { readText, wrongAt } from '../formats/json-members.ts'
import type { JsonObject } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { NAME, UUID_V7 } from '../formats/record-values.ts'
import { resourceIn } from '../records/make-record.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { ActiveHolds } from './context.ts'
import { type Core, mustBeAllowedOneOf, nameOf, notFound } from './core.ts'
import { mustNameNobody, peopleIn } from './naming.ts'
import { recordsIn } from './own-records.ts'
import { type PageOf, type PageRequest, pageOf } from './paging.ts'
import { mustBeAllowed, type Principal } from './principal.ts'
import { isCovered, isCoveredInClear, storedScope } from './scope.ts'
import type { Hold, HoldRequest, Scope } from './service.ts'
import { REASON, type StoredHold } from './tenant-state.ts'

/** Places a hold. @throws FORBIDDEN, MALFORMED, NOT_FOUND; CONFLICT when an active hold has the name; as RecordsService.note() */
export async function placeHold(core: Core, request: HoldRequest, by: Principal): Promise<Hold> {
  mustBeAllowed(by, 'hold')
  const { tenant } = by
  const name = readText(request.name, '/name', NAME)
  if (UUID_V7.holds(name)) throw wrongAt('/name', 'expected a name, and not the id of a record')
  const purpose = readText(request.reason, '/reason', REASON)
  return core.alone(tenant, async () => {
    const scope = await storedScope(core.vault, request.scope, tenant)
    await mustNameNobody(core, { '/name': name, '/reason': purpose }, peopleIn(scope), tenant)
    if ((await active(core, tenant)).some((hold) => hold.name === name)) {
      throw new CairnError(
        'CONFLICT',
        `/name: there is an active hold ${name}; choose another name`,
      )
    }
    const extra: JsonObject = { name, purpose, scope: scope as JsonObject }
    const { id } = await core.note({ type: 'hold', action: 'place', by, extra }, tenant)
    return described(core, await storedHold(core, id, tenant), tenant)
  })
}

/**
 * Lifts a hold, given by its id or the name of an active one.
 * @throws FORBIDDEN, MALFORMED, NOT_FOUND; CONFLICT when it was lifted; as RecordsService.note()
 */
export async function liftHold(
  core: Core,
  hold: string,
  reason: string,
  by: Principal,
): Promise<Hold> {
  mustBeAllowed(by, 'hold')
  const { tenant } = by
  const purpose = readText(reason, '/reason', REASON)
  return core.alone(tenant, async () => {
    const { id, name, scope, lifted } = await storedHold(core, hold, tenant)
    if (lifted !== undefined) {
      throw new CairnError('CONFLICT', `the hold ${name} was lifted already, at ${lifted.time}`)
    }
    await mustNameNobody(core, { '/reason': purpose }, peopleIn(scope), tenant)
    const extra: JsonObject = { name, purpose, scope: scope as JsonObject }
    await core.note({ type: 'hold', action: 'lift', by, parentId: id, extra }, tenant)
    return described(core, await storedHold(core, id, tenant), tenant)
  })
}

/** A page of the holds of a tenant. @throws FORBIDDEN, MALFORMED */
export async function listHolds(
  core: Core,
  by: Principal,
  page: PageRequest,
): Promise<PageOf<Hold>> {
  mustBeAllowedOneOf(by, ['hold', 'audit'])
  const { holds } = await core.stateOf(by.tenant)
  const { items, cursor } = pageOf(holds, page)
  const told = items.map((hold) => described(core, hold, by.tenant))
  return { items: await Promise.all(told), cursor }
}

/** The active holds of a tenant. @throws CORRUPT, IO, STOPPED */
export async function activeHolds(core: Core, tenant: string): Promise<ActiveHolds> {
  const stored = await active(core, tenant)
  const all = await Promise.all(stored.map((hold) => described(core, hold, tenant)))
  return {
    all,
    async covering(record) {
      const covering: Hold[] = []
      for (const hold of all) if (await isHeld(core, hold, record, tenant)) covering.push(hold)
      return covering
    },
  }
}

/** The names of the active holds that keep a person from being erased. @throws CORRUPT, IO, STOPPED */
export async function holdsOnPerson(
  core: Core,
  pseudonym: string,
  tenant: string,
): Promise<readonly string[]> {
  const names: string[] = []
  for (const { name, scope } of await active(core, tenant)) {
    if (await keepsPerson(core, scope, pseudonym, tenant)) names.push(name)
  }
  return names
}

const ROLES = ['subject', 'actor'] as const

/** Whether a scope names a person, or covers a record that is about them or that they made. */
async function keepsPerson(
  core: Core,
  scope: Scope,
  pseudonym: string,
  tenant: string,
): Promise<boolean> {
  if (ROLES.some((role) => scope[role] === pseudonym)) return true
  for (const role of ROLES) {
    if (scope[role] !== undefined) continue
    for await (const _ of recordsIn(core, { ...scope, [role]: pseudonym }, tenant)) return true
  }
  return false
}

async function isHeld(
  core: Core,
  { id, scope }: Hold,
  record: FoundRecord | RecordLeaf,
  tenant: string,
): Promise<boolean> {
  // What a hold says is kept for as long as it holds.
  if (record.id === id) return true
  if (!isCoveredInClear(scope, record)) return false
  if (scope.resource === undefined) return true
  try {
    const disclosures = await core.records.disclosures(record.id, tenant)
    if (disclosures === undefined || disclosures === 'erased') return false
    return isCovered(scope, record, resourceIn(disclosures))
  } catch (error) {
    // What cannot be told may be what the hold is about.
    if (error instanceof CairnError && ['CORRUPT', 'MALFORMED'].includes(error.code)) return true
    throw error
  }
}

async function active(core: Core, tenant: string): Promise<StoredHold[]> {
  const { holds } = await core.stateOf(tenant)
  return [...holds.values()].filter(({ lifted }) => lifted === undefined)
}

/** A hold by its id, or by its name: the active one, or else the newest of that name. */
async function storedHold(core: Core, hold: string, tenant: string): Promise<StoredHold> {
  const { holds } = await core.stateOf(tenant)
  const named = [...holds.values()].filter(({ name }) => name === hold)
  const found = holds.get(hold) ?? named.find(({ lifted }) => lifted === undefined) ?? named.at(-1)
  if (found === undefined) throw notFound(`tenant ${tenant} has no hold ${hold}`)
  return found
}

async function described(core: Core, hold: StoredHold, tenant: string): Promise<Hold> {
  const { id, name, reason, scope, placed, lifted } = hold
  const [placedBy, liftedBy] = await Promise.all([
    nameOf(core, placed.by, tenant),
    lifted && nameOf(core, lifted.by, tenant),
  ])
  return {
    id,
    name,
    state: lifted === undefined ? 'active' : 'lifted',
    reason,
    scope,
    placed: placed.time,
    placedBy,
    ...(lifted !== undefined && { lifted: lifted.time }),
    ...(liftedBy !== undefined && { liftedBy }),
  }
}
