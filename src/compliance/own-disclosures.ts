/** What opens the commitments of the log's own records, where that is shown beside other things. */
import { CairnError } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import type { RecordsService } from '../records/service.ts'

/**
 * What is left of a record's disclosures: undefined when there is nothing, or when it is damaged. One that cannot be read
 * is not shown, as one sees, and is no reason to show nothing else.
 * @throws IO
 */
export async function ownDisclosures(
  records: RecordsService,
  id: string,
  tenant: string,
): Promise<readonly Disclosure[] | undefined> {
  try {
    const all = await records.disclosures(id, tenant)
    return all === 'erased' ? undefined : all
  } catch (error) {
    const isDamage =
      error instanceof CairnError && (error.code === 'CORRUPT' || error.code === 'MALFORMED')
    if (isDamage) return undefined
    throw error
  }
}
