/** A verdict as JSON: the same from the command, the library and the page in the browser. */
import { toHex } from '../bytes.ts'
import type { FileVerdict } from './verify-file.ts'

/** As JSON: hashes in hexadecimal, times in RFC 3339. What is only for code that goes on with a verdict is left out. */
export function verdictJson(verdict: FileVerdict): Readonly<Record<string, unknown>> {
  const { kind, ok, finding, origin, index, size, root, checks } = verdict
  return {
    kind,
    ok,
    finding,
    ...(origin !== undefined && { origin }),
    ...(index !== undefined && { index }),
    ...(size !== undefined && { size }),
    ...(root !== undefined && { root: toHex(root) }),
    ...ownMembers(verdict),
    checks,
  }
}

/** What only verdicts of its kind have. */
function ownMembers(verdict: FileVerdict): object {
  switch (verdict.kind) {
    case 'split-view': {
      const heads = verdict.heads?.map(({ size, root }) => ({ size, root: toHex(root) }))
      return heads === undefined ? {} : { heads }
    }
    case 'complete-list': {
      const { list } = verdict
      if (list === undefined) return {}
      const { term, indices, size, entry } = list
      return { list: { ...term, indices, size, entry } }
    }
    case 'time-stamp': {
      const { proven } = verdict
      return proven === undefined ? {} : { ...proven, time: new Date(proven.time).toISOString() }
    }
    case 'evidence': {
      const { claims, records, problems } = verdict
      const shown = records.map(({ disclosed, ...record }) => ({
        ...record,
        disclosed: disclosed.map(({ pointer, value }) => ({ pointer, value })),
      }))
      return { ...(claims && { claims }), records: shown, problems }
    }
    default:
      return {}
  }
}
