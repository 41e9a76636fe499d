/** Erasing a person, unless a hold keeps what is theirs. */
import { CairnError } from '../errors.ts'
import { livePseudonym } from '../records/people.ts'
import type { ErasureOutcome } from '../records/service.ts'
import { type Core, notFound } from './core.ts'
import { holdsOnPerson } from './holds.ts'
import { mustNameNobody } from './naming.ts'
import { mustBeAllowed, type Principal } from './principal.ts'

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
    await mustNameNobody(core, { '/basis': basis }, [pseudonym], tenant).catch(unlessDamaged)
    const unlessKept = () => mustNotBeHeld(core, pseudonym, tenant)
    return core.records.erase({ tenant, subject: pseudonym, basis, by, unlessKept })
  })
}

async function mustNotBeHeld(core: Core, pseudonym: string, tenant: string): Promise<void> {
  const holds = await holdsOnPerson(core, pseudonym, tenant)
  if (holds.length === 0) return
  const held = `records of this person are held by ${holds.join(', ')}`
  throw new CairnError('HELD', `${held}; nothing was erased, and nothing can be until it is lifted`)
}

/** Damage keeps nobody from being erased. */
function unlessDamaged(error: unknown): void {
  if (!(error instanceof CairnError) || error.code !== 'CORRUPT') throw error
}
