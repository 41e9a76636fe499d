/** What the log lists under a term, or that it lists nothing: proven, as a file of its own. */
import { CairnError } from '../errors.ts'
import { formatCompleteList } from '../formats/complete-list.ts'
import type { MapTerm } from '../formats/completeness-terms.ts'
import { queriedTerms } from '../formats/evidence-manifest.ts'
import type { ComplianceContext } from './context.ts'
import { mustBeAllowed, type Principal } from './principal.ts'
import { publishedHead } from './published-head.ts'
import type { ListedBy } from './service.ts'

/**
 * Makes the file, from a map root of all records that were accepted before.
 * @throws FORBIDDEN, MALFORMED; NOT_FOUND for a person whom nobody knows by that name, and in a log without entries
 * @throws OVERLOADED when no published head has the map root yet; as CompletenessService.committed() and prove()
 */
export async function makeCompleteList(
  context: ComplianceContext,
  asked: ListedBy,
  by: Principal,
): Promise<Uint8Array> {
  mustBeAllowed(by, 'audit')
  const term = await termOf(context, asked, by.tenant)
  const { completeness, log } = context
  if (completeness === undefined) throw new CairnError('NOT_FOUND', 'this log keeps no map')
  const map = await completeness.committed()
  const { size, checkpoint } = await publishedHead(log, map.entry)
  return formatCompleteList({ checkpoint, proof: await completeness.prove(term, map, size) })
}

async function termOf(
  context: ComplianceContext,
  asked: ListedBy,
  tenant: string,
): Promise<MapTerm> {
  if (Object.values(asked).filter((value) => value !== undefined).length !== 1) {
    const one = 'exactly one of request_id, session_id, subject, actor and id'
    throw new CairnError('MALFORMED', `expected ${one}: that is what records are listed by`)
  }
  const { id, ...scope } = asked
  if (id !== undefined) return { tenant, field: 'record', value: id }
  const query = await context.storedScope(scope, tenant, '')
  return queriedTerms({ tenant, query })[0]!
}
