/** Whether the records of evidence are all that its log lists under what was asked for. */
import { verificationFailed } from '../errors.ts'
import { parseCompleteness, verifyCompleteness } from '../formats/completeness.ts'
import { type MapTerm, termsOf } from '../formats/completeness-terms.ts'
import { countedAll, grouped } from '../formats/count.ts'
import { type EvidenceManifest, queriedTerms } from '../formats/evidence-manifest.ts'
import type { OpenedCheckpoint } from '../formats/open-checkpoint.ts'
import type { Finding } from './checks.ts'
import type { TrailEntry } from './evidence-trail.ts'

/** @throws MALFORMED, TOO_LARGE, VERIFICATION_FAILED */
export function examineCompleteness(
  bytes: Uint8Array | undefined,
  entries: readonly TrailEntry[],
  opened: OpenedCheckpoint | undefined,
  claims: EvidenceManifest | undefined,
): Finding<undefined> {
  const value = undefined
  if (bytes === undefined) {
    const detail = 'the file has no proof that these are all the records asked for'
    return { value, status: 'skipped', detail }
  }
  if (opened === undefined)
    throw verificationFailed('there is no trusted head to hold the proof against')
  if (claims === undefined) throw verificationFailed('nobody can tell what was asked for')
  const { term, indices, size, entry } = verifyCompleteness(
    parseCompleteness(bytes),
    opened.checkpoint,
  )
  const wanted = nameOf(term)
  if (!queriedTerms(claims).some((one) => nameOf(one) === wanted)) {
    throw verificationFailed(`the proof is of ${wordsOf(term)}, which was not asked for`)
  }
  const here = new Set(
    entries.flatMap(({ listed, leafHash }) =>
      listed === undefined || leafHash === undefined ? [] : [listed.index],
    ),
  )
  const missing = indices.filter((index) => !here.has(index))
  if (missing.length > 0) {
    const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`
    throw verificationFailed(`the log lists entry ${missing[0]}${more} under ${wordsOf(term)}, too`)
  }
  const all = new Set(indices)
  const unlisted = entries.find(
    ({ listed, record }) =>
      listed !== undefined &&
      listed.index < size &&
      record !== undefined &&
      !all.has(listed.index) &&
      termsOf(record).some((one) => nameOf(one) === wanted),
  )
  if (unlisted !== undefined) {
    throw verificationFailed(
      `the log does not list entry ${unlisted.listed!.index} under ${wordsOf(term)}: its map in entry ${entry} is wrong`,
    )
  }
  const count = indices.length
  const which = countedAll(count, 'entry', 'entries')
  const are = count === 1 ? 'is' : 'are'
  return {
    value,
    detail: `${which} of the first ${grouped(size)} that the log lists under ${wordsOf(term)} ${are} here, by the map to which it has committed in entry ${entry}; an audit tells whether that map is right`,
  }
}

function nameOf({ tenant, field, value }: MapTerm): string {
  return `${tenant} ${field} ${value}`
}

function wordsOf({ field, value }: MapTerm): string {
  return `${field} ${value}`
}
