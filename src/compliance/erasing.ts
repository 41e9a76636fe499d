/** Erasing a person, unless a hold keeps what is theirs. */
import { CairnError, malformed } from '../errors.ts'
import { livePseudonym } from '../records/people.ts'
import type { ErasureOutcome } from '../records/service.ts'
import { type Core, notFound } from './core.ts'
import { holdsOnPerson } from './holds.ts'
import { mustBeAllowed, type Principal } from './principal.ts'

/** Names that are shorter may be part of any word. */
const SHORTEST_NAME = 4

/**
 * Erases a person of the caller's tenant.
 * @throws FORBIDDEN, NOT_FOUND; HELD with the names of the holds; as RecordsService.erase()
 */
export async function erase(
  core: Core,
  { subject, basis }: { readonly subject: string; readonly basis: string },
  by: Principal,
): Promise<ErasureOutcome> {
  mustBeAllowed(by, 'erase')
  const { tenant } = by
  return core.alone(tenant, async () => {
    const pseudonym = await livePseudonym(core.vault, tenant, subject)
    if (pseudonym === undefined) throw notFound(`nobody is known by this name in tenant ${tenant}`)
    const holds = await holdsOnPerson(core, pseudonym, tenant)
    if (holds.length > 0) {
      const held = `records of this person are held by ${holds.join(', ')}`
      throw new CairnError(
        'HELD',
        `${held}; nothing was erased, and nothing can be until it is lifted`,
      )
    }
    const name = subject === pseudonym ? await knownName(core, pseudonym, tenant) : subject
    if (name.length >= SHORTEST_NAME && basis.toLowerCase().includes(name.toLowerCase())) {
      throw malformed('/basis: it stays in the log for good; leave out the name of who is erased')
    }
    return core.records.erase({ tenant, subject: pseudonym, basis, by })
  })
}

/** The name of who is erased; damage keeps nobody from being erased. */
async function knownName(core: Core, pseudonym: string, tenant: string): Promise<string> {
  try {
    return await core.personName(pseudonym, tenant)
  } catch {
    return pseudonym
  }
}
