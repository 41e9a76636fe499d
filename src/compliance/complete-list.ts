/** The proof that a list of records is complete, as far as the log can give it now: evidence can be had without. */
import type { CommittedMap } from '../completeness/service.ts'
import { CairnError } from '../errors.ts'
import type { CompletenessProof } from '../formats/completeness.ts'
import type { MapTerm } from '../formats/completeness-terms.ts'
import type { Head } from '../log/service.ts'
import type { ComplianceContext } from './context.ts'

/** A new map root, or undefined when the log cannot commit to one now: evidence can be had all the same. */
export async function committedMap({
  completeness,
}: ComplianceContext): Promise<CommittedMap | undefined> {
  try {
    return await completeness?.committed()
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/** What is proven to be listed under a term; undefined when it cannot be proven now. */
export async function provenList(
  { completeness }: ComplianceContext,
  term: MapTerm,
  map: CommittedMap,
  { size }: Head,
): Promise<CompletenessProof | undefined> {
  try {
    return await completeness?.prove(term, map, size)
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}
