/**
 * How far an audit has come, as a file of JSON, so that one that was killed goes on where it was. The file is the
 * auditor's own. That its hashes are those of the log shows at the end: they lead to the signed root hash, or not.
 */
import { fromBase64, toBase64, utf8 } from '../bytes.ts'
import { malformed, messageOf } from '../errors.ts'
import { LARGE_BLOCK } from '../formats/completeness-blocks.ts'
import { MAP_KEY_SIZE } from '../formats/completeness-terms.ts'
import { parseJson } from '../formats/json-strict.ts'
import { HASH_SIZE, nodeHash, type RootHash, rootHash } from '../merkle/hash.ts'
import { checkPlace, type TreePlace } from '../tiles/tree-place.ts'
import type { MapProgress } from './audit-map.ts'
import { noRecords, type RecordCounts } from './audit-records.ts'
import type { AuditFault, TreeCounts } from './audit-verdict.ts'
import { arrayOf, type Members, membersOf, sizeOf, textOf } from './read-answer.ts'

const VERSION = 'cairn-audit-progress/v1'
/** The largest file, in bytes. */
export const MAX_PROGRESS_SIZE = 16_777_216

export interface AuditProgress {
  readonly origin: string
  readonly place: TreePlace
  /** Bytes of the entries behind. */
  readonly bytes: number
  /** Roots of sizes behind that were asked for. */
  readonly earlier: ReadonlyMap<number, RootHash>
  readonly counts: TreeCounts
  readonly records: RecordCounts
  /** Of a log that has a map: it stands where the tree stands. */
  readonly map?: MapProgress
  /** The first hundred. */
  readonly faults: readonly AuditFault[]
  readonly faultCount: number
}

/** The bytes of the file. `inputs` stands for all that the audit was given beside the log. */
export function formatProgress(progress: AuditProgress, inputs: string): Uint8Array {
  const { origin, place, bytes, earlier, counts, records, map, faults, faultCount } = progress
  const document = {
    version: VERSION,
    inputs,
    origin,
    size: place.size,
    levels: place.levels.map(toBase64),
    bytes,
    earlier: [...earlier].map(([size, root]) => [size, toBase64(root)]),
    counts,
    records,
    ...(map && { map: mapJson(map) }),
    faults,
    fault_count: faultCount,
  }
  return utf8(`${JSON.stringify(document)}\n`)
}

/** Undefined when it is about another log or other inputs. @throws MALFORMED, TOO_LARGE */
export function parseProgress(
  bytes: Uint8Array,
  expected: { readonly origin: string; readonly inputs: string },
): AuditProgress | undefined {
  try {
    const value = membersOf(parseJson(bytes, { size: MAX_PROGRESS_SIZE, depth: 4 }))
    if (value.version !== VERSION) throw malformed('it is of another version')
    if (value.inputs !== expected.inputs || value.origin !== expected.origin) return undefined
    const place = {
      size: sizeOf(value.size),
      levels: arrayOf(value.levels).map((text) => fromBase64(textOf(text))),
    }
    checkPlace(place)
    return {
      origin: expected.origin,
      place,
      bytes: sizeOf(value.bytes),
      earlier: new Map(arrayOf(value.earlier).map(rootOf)),
      counts: countsOf(membersOf(value.counts), { entry: 0, bundle: 0, tile: 0 }),
      records: recordsOf(membersOf(value.records)),
      ...(value.map !== undefined && { map: mapOf(membersOf(value.map), place.size) }),
      faults: arrayOf(value.faults).map((fault) => faultOf(membersOf(fault))),
      faultCount: sizeOf(value.fault_count),
    }
  } catch (cause) {
    throw malformed(`it is no progress of an audit: ${messageOf(cause)}`, { cause })
  }
}

function mapJson({ key, place }: MapProgress): object {
  const { large, checked, statistics } = place
  return { key: toBase64(key), large: large.map(toBase64), checked, ...statistics }
}

function mapOf(value: Members, size: number): MapProgress {
  const large = arrayOf(value.large).map((text) => nodeHash(bytesOf(text, HASH_SIZE)))
  if (large.length * LARGE_BLOCK !== size)
    throw malformed('the map does not stand where the tree stands')
  const statistics = countsOf(value, { roots: 0, size: 0, voids: 0 })
  const checked = sizeOf(value.checked)
  return { key: bytesOf(value.key, MAP_KEY_SIZE), place: { size, large, checked, statistics } }
}

function bytesOf(value: unknown, length: number): Uint8Array {
  const bytes = fromBase64(textOf(value))
  if (bytes.length !== length) throw malformed(`expected ${length} bytes`)
  return bytes
}

function rootOf(value: unknown): [number, RootHash] {
  const [size, root, ...rest] = arrayOf(value)
  if (rest.length > 0) throw malformed('expected a size and a root hash')
  return [sizeOf(size), rootHash(bytesOf(root, HASH_SIZE))]
}

/** The same members as `like`, each a count. */
function countsOf<Counts extends object>(value: Members, like: Counts): Counts {
  return Object.fromEntries(Object.keys(like).map((name) => [name, sizeOf(value[name])])) as Counts
}

function recordsOf(value: Members): RecordCounts {
  const { time, faults, ...counts } = noRecords()
  return {
    ...countsOf(value, counts),
    time: textOf(value.time ?? time),
    faults: countsOf(membersOf(value.faults), faults),
  }
}

function faultOf({ kind, name, detail }: Members): AuditFault {
  return { kind: textOf(kind) as AuditFault['kind'], name: textOf(name), detail: textOf(detail) }
}
