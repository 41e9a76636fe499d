/** Free text in the log's own records is kept for good, so it must not name who can be erased from all others. */
import { malformed } from '../errors.ts'
import type { Core } from './core.ts'
import type { Scope } from './service.ts'

/** Names that are shorter may be part of any word. */
const SHORTEST_NAME = 4

/**
 * Looks for people in texts, by the names that the vault knows them by.
 * @param texts by the JSON Pointers of the members they stand in
 * @param pseudonyms whom to look for
 * @throws MALFORMED with the pointer of the member that names somebody; CORRUPT, IO
 */
export async function mustNameNobody(
  core: Core,
  texts: Readonly<Record<string, string>>,
  pseudonyms: readonly (string | undefined)[],
  tenant: string,
): Promise<void> {
  for (const pseudonym of pseudonyms) {
    if (pseudonym === undefined) continue
    const name = (await core.personName(pseudonym, tenant)).toLowerCase()
    // Whose name is known no more is named by a pseudonym that says nothing.
    if (name === pseudonym.toLowerCase() || name.length < SHORTEST_NAME) continue
    for (const [pointer, text] of Object.entries(texts)) {
      if (!text.toLowerCase().includes(name)) continue
      throw malformed(`${pointer}: it is kept for good, so leave out the name of who it is about`)
    }
  }
}

/** The people of a stored scope. */
export function peopleIn({ subject, actor }: Scope): readonly (string | undefined)[] {
  return [subject, actor]
}
