/**
 * A vault that was put back from a backup has people who were erased since. The log says who, so they are erased again
 * before anybody is let in. The index needs nothing: it forgot them before it took in the record of their erasure.
 */
import { CairnError } from '../errors.ts'
import type { SearchIndex } from '../search/search-index.ts'
import type { Vault } from '../vault/vault.ts'
import { livePseudonym } from './people.ts'

/** Erasures that are looked at together. Of so many in a row that are all done, those before them are done as well. */
const AT_ONCE = 500

/**
 * Erases whoever the vault still has, or has again, although the log says that they were erased. `index` has to have all
 * that the log has.
 * @returns how many people that was
 * @throws CORRUPT, DISK_FULL, IO
 */
export async function repeatErasures(vault: Vault, index: SearchIndex): Promise<number> {
  let again = 0
  for (const tenant of await vault.tenants()) {
    for (let cursor: string | undefined; ; ) {
      const query = { tenant, type: 'erasure', order: 'newest', limit: AT_ONCE } as const
      const page = await index.search({ ...query, ...(cursor !== undefined && { cursor }) })
      const people = page.records.flatMap(({ subject }) => (subject === undefined ? [] : [subject]))
      const found = await Promise.all(people.map((one) => stateOf(vault, tenant, one)))
      const left = people.filter((_, i) => found[i] === 'there')
      await Promise.all(left.map((one) => vault.eraseSubject(tenant, one)))
      again += left.length
      cursor = page.cursor
      if (cursor === undefined || found.every((state) => state === 'erased')) break
    }
  }
  return again
}

/** `unknown` is somebody who came after the backup. */
async function stateOf(
  vault: Vault,
  tenant: string,
  pseudonym: string,
): Promise<'there' | 'erased' | 'unknown'> {
  if ((await livePseudonym(vault, tenant, pseudonym)) !== undefined) return 'there'
  try {
    // Once more it does nothing.
    await vault.eraseSubject(tenant, pseudonym)
    return 'erased'
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return 'unknown'
    throw error
  }
}
