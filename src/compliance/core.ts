/** What grants, holds, reading and erasing stand on: the state of each tenant, kept current, and one change at a time. */
import { CairnError } from '../errors.ts'
import type { AcceptedRecord } from '../records/service.ts'
import type { ComplianceContext, OwnNote } from './context.ts'
import { makeNote, ownRecords } from './own-records.ts'
import { isAllowed, mustBeAllowed, type Permission, type Principal } from './principal.ts'
import { newTenantState, type TenantState } from './tenant-state.ts'

type Given = Pick<ComplianceContext, 'log' | 'records' | 'vault' | 'now' | 'onEvent'>

export interface Core extends Given, Pick<ComplianceContext, 'alone' | 'note' | 'personName'> {
  /** The grants and holds of a tenant, read from the log at first use. @throws CORRUPT, IO, STOPPED, OVERLOADED */
  stateOf(tenant: string): Promise<TenantState>
}

export function newCore(given: Given): Core {
  const { records, vault, onEvent } = given
  const states = new Map<string, Promise<TenantState>>()
  const turns = new Map<string, Promise<unknown>>()

  async function load(tenant: string): Promise<TenantState> {
    const state = newTenantState(onEvent)
    for (const type of ['grant', 'hold'] as const) {
      const query = { type, order: 'oldest' } as const
      for await (const own of ownRecords(given, query, tenant)) state.apply(own)
    }
    return state
  }

  function stateOf(tenant: string): Promise<TenantState> {
    const known = states.get(tenant)
    if (known !== undefined) return known
    const loading = load(tenant)
    states.set(tenant, loading)
    loading.catch(() => states.delete(tenant))
    return loading
  }

  async function note(own: OwnNote, tenant: string): Promise<AcceptedRecord> {
    const { type, extra } = own
    if (type !== 'grant' && type !== 'hold') return makeNote(records, own, tenant)
    const state = await stateOf(tenant)
    try {
      const accepted = await makeNote(records, own, tenant)
      const { index } = accepted
      const { record } = await records.read(index, tenant)
      state.apply({ record: { ...record, index }, extra })
      return accepted
    } catch (error) {
      // It may be in the log all the same; the log is asked again.
      states.delete(tenant)
      throw error
    }
  }

  function alone<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(tenant) ?? Promise.resolve()
    const done = before.then(work)
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (turns.get(tenant) === settled) turns.delete(tenant)
      })
    turns.set(tenant, settled)
    return done
  }

  return {
    ...given,
    stateOf,
    note,
    alone,
    personName: async (pseudonym, tenant) => (await vault.person(tenant, pseudonym)) ?? pseudonym,
  }
}

/** The name of whoever did something, or their pseudonym; the log itself has none. */
export function nameOf(core: Core, pseudonym: string | undefined, tenant: string): Promise<string> {
  return pseudonym === undefined ? Promise.resolve('the log') : core.personName(pseudonym, tenant)
}

/** @throws FORBIDDEN unless somebody may do one of these */
export function mustBeAllowedOneOf(by: Principal, permissions: readonly Permission[]): void {
  if (!permissions.some((one) => isAllowed(by, one))) mustBeAllowed(by, permissions[0]!)
}

export function notFound(what: string): CairnError {
  return new CairnError('NOT_FOUND', what)
}
