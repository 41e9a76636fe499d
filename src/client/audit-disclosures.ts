/** What evidence files bring to an audit: what is shown of payloads, and the head that each of them is under. */
import type { Disclosure } from '../formats/disclosure.ts'
import { checkSums, readEvidence } from '../formats/evidence.ts'
import { linesOf, parseDisclosureLine } from '../formats/evidence-lines.ts'
import { MAX_EVIDENCE_DISCLOSURES } from './evidence-disclosures.ts'

export interface ShownByEvidence {
  /** What is shown of payloads, by the index of the entry. None of it is checked. */
  readonly disclosures: ReadonlyMap<number, readonly Disclosure[]>
  /** A signed note, not checked. */
  readonly checkpoint: Uint8Array
}

/** @throws MALFORMED, TOO_LARGE, VERIFICATION_FAILED when it is no evidence, or damaged */
export function shownByEvidence(bytes: Uint8Array): ShownByEvidence {
  const files = readEvidence(bytes)
  checkSums(files)
  const disclosures = new Map<number, Disclosure[]>()
  const shown = files.parts.get('disclosures.txt')!
  for (const line of linesOf(shown, 'disclosures.txt', MAX_EVIDENCE_DISCLOSURES)) {
    const { index, disclosure } = parseDisclosureLine(line)
    const group = disclosures.get(index)
    if (group === undefined) disclosures.set(index, [disclosure])
    else group.push(disclosure)
  }
  return { disclosures, checkpoint: files.parts.get('checkpoint.txt')! }
}
