/** Whether the records of evidence are an answer to what its manifest says was asked. */
import type { EvidenceManifest } from '../formats/evidence-manifest.ts'
import { unaskedMember } from '../formats/evidence-manifest.ts'
import type { RecordLeaf } from '../formats/record.ts'
import type { ShownValues } from './evidence-disclosures.ts'
import { type EvidenceProblem, problemOf, type TrailEntry } from './evidence-trail.ts'

/** Whether a record asked for the grant, or decided about it. */
function isOfGrant({ id, type, parent_id }: RecordLeaf, grant: string | undefined): boolean {
  return grant !== undefined && (id === grant || (type === 'grant' && parent_id === grant))
}

/** Adds to the problems of entries; gives those that belong to none. */
export function examineAnswer(
  claims: EvidenceManifest,
  entries: readonly TrailEntry[],
  shown: ShownValues,
): EvidenceProblem[] {
  const there = entries.filter(({ leaf }) => leaf !== undefined)
  const ids = new Set(there.map(({ record }) => record?.id))
  for (const entry of there) {
    const { record } = entry
    if (record === undefined) continue
    if (record.tenant !== claims.tenant) {
      const what = `is of the tenant ${record.tenant}, and the evidence of ${claims.tenant}`
      entry.problems.push(problemOf(entry, 'foreign', what))
      continue
    }
    if (isOfGrant(record, claims.grant)) continue
    // What belongs to an answer without having been asked for.
    if (record.corrects !== undefined && ids.has(record.corrects)) continue
    const resource = shown.byEntry.get(entry)?.held.find(({ pointer }) => pointer === '/resource')
    const member = unaskedMember(claims.query, record, resource?.value)
    if (member === undefined) continue
    const what = `was not asked for: its ${member} is not ${JSON.stringify(claims.query[member])}`
    entry.problems.push(problemOf(entry, 'foreign', what))
  }
  const problems: EvidenceProblem[] = []
  if (there.length !== claims.records) {
    const kind = there.length < claims.records ? 'missing' : 'added'
    const detail = `the manifest counts ${claims.records} records, and there are ${there.length}`
    problems.push({ kind, detail })
  }
  if (shown.count !== claims.disclosures) {
    const detail = `the manifest counts ${claims.disclosures} disclosures, and there are ${shown.count}`
    problems.push({ kind: 'disclosure', detail })
  }
  return problems
}
