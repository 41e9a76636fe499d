/**
 * The manifest of evidence: what was asked, by whom, when. It is what the maker of the file says, and signed by nobody;
 * whoever reads it holds it against the records.
 */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { checkOrigin } from './checkpoint.ts'
import type { MapTerm } from './completeness-terms.ts'
import { readObject, readText, wrongAt } from './json-members.ts'
import { type JsonObject, type JsonValue, parseJson } from './json-strict.ts'
import type { RecordLeaf } from './record.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from './record-members.ts'
import {
  AMOUNT,
  COUNT,
  LOG_TIME,
  line,
  NAME,
  oneOf,
  PSEUDONYM,
  TRACE_ID,
  UUID_V7,
  type ValueType,
} from './record-values.ts'

const EVIDENCE_VERSION = 'cairn-evidence/v1'
/** The most records in one file. */
export const MAX_EVIDENCE_RECORDS = 100_000
/** The largest manifest, in bytes. */
const MAX_MANIFEST_SIZE = 65_536

/** Members of a query that are terms of the log's map (spec/completeness.md). */
const TERMS = [
  ['request_id', 'request'],
  ['session_id', 'session'],
  ['subject', 'subject'],
  ['actor', 'actor'],
] as const

/** What the records asked for are listed under in the log's map: each is under all of these. */
export function queriedTerms({
  tenant,
  query,
}: Pick<EvidenceManifest, 'tenant' | 'query'>): MapTerm[] {
  return TERMS.flatMap(([member, field]) => {
    const value = query[member]
    return value === undefined ? [] : [{ tenant, field, value }]
  })
}

/** What was asked for: records that have all of this. Empty: all of the tenant. */
export interface EvidenceQuery {
  readonly request_id?: string
  readonly session_id?: string
  readonly trace_id?: string
  /** Pseudonyms. */
  readonly subject?: string
  readonly actor?: string
  readonly type?: string
  readonly action?: string
  /** As it is in the clear nowhere else: records that disclose their resource are held against it. */
  readonly resource?: string
  /** The model's name and version. */
  readonly model?: string
  readonly model_version?: string
  readonly environment?: string
  /** Not before, and before, this time of the log. */
  readonly from?: string
  readonly before?: string
  readonly minimum_cost?: number
}

export interface EvidenceManifest {
  /** The log. */
  readonly origin: string
  /** Whose records they are. */
  readonly tenant: string
  readonly query: EvidenceQuery
  /** Who asked. */
  readonly asked_by: string
  /** What for. */
  readonly purpose?: string
  /** The id of the record of type grant under which payloads are shown. */
  readonly grant?: string
  /** When the file was made: `2026-11-21T12:00:00.000Z`, from 1970 to 2242. */
  readonly made: string
  readonly records: number
  readonly disclosures: number
}

const LINE = line(256)
const QUERY: Readonly<Record<keyof EvidenceQuery, ValueType>> = {
  request_id: LINE,
  session_id: LINE,
  trace_id: TRACE_ID,
  subject: PSEUDONYM,
  actor: PSEUDONYM,
  type: oneOf([...RECORD_TYPES, ...LOG_RECORD_TYPES]),
  action: LINE,
  resource: line(2048),
  model: LINE,
  model_version: LINE,
  environment: LINE,
  from: LOG_TIME,
  before: LOG_TIME,
  minimum_cost: AMOUNT,
}

/**
 * The bytes of the manifest: JSON for people, its members in this order.
 * @throws MALFORMED when a member cannot stand in one
 */
export function formatManifest(manifest: EvidenceManifest): Uint8Array {
  const { origin, tenant, query, asked_by, purpose, grant, made, records, disclosures } = manifest
  const ordered = {
    version: EVIDENCE_VERSION,
    origin,
    tenant,
    query: Object.fromEntries(
      Object.keys(QUERY).flatMap((name) => {
        const value = query[name as keyof EvidenceQuery]
        return value === undefined ? [] : [[name, value]]
      }),
    ),
    asked_by,
    ...(purpose !== undefined && { purpose }),
    ...(grant !== undefined && { grant }),
    made,
    records,
    disclosures,
  }
  checkManifest(ordered)
  const bytes = utf8(`${JSON.stringify(ordered, null, 2)}\n`)
  if (bytes.length > MAX_MANIFEST_SIZE) {
    throw new CairnError('TOO_LARGE', `a manifest has ${MAX_MANIFEST_SIZE} bytes at most`)
  }
  return bytes
}

/** @throws MALFORMED, TOO_LARGE on anything that formatManifest would not write */
export function parseManifest(bytes: Uint8Array): EvidenceManifest {
  const text = fromUtf8(bytes.subarray(0, MAX_MANIFEST_SIZE + 1), 'the manifest')
  const manifest = checkManifest(parseJson(text, { size: MAX_MANIFEST_SIZE, depth: 2 }))
  if (fromUtf8(formatManifest(manifest)) !== text) {
    throw malformed('the manifest is not written as manifests are: two spaces, members in order')
  }
  return manifest
}

const REQUIRED = [
  'version',
  'origin',
  'tenant',
  'query',
  'asked_by',
  'made',
  'records',
  'disclosures',
]

function checkManifest(value: JsonValue): EvidenceManifest {
  const object = readObject(value, '', REQUIRED, ['purpose', 'grant'])
  readText(object.version, '/version', oneOf([EVIDENCE_VERSION]))
  checkOrigin(readText(object.origin, '/origin', line(255)))
  readText(object.tenant, '/tenant', NAME)
  readText(object.asked_by, '/asked_by', line(512))
  if (object.purpose !== undefined) readText(object.purpose, '/purpose', line(2048))
  if (object.grant !== undefined) readText(object.grant, '/grant', UUID_V7)
  secondsOf(readText(object.made, '/made', LOG_TIME))
  for (const name of ['records', 'disclosures']) {
    if (!COUNT.holds(object[name]!)) throw wrongAt(`/${name}`, `expected ${COUNT.expected}`)
  }
  const records = object.records as number
  if (records < 1 || records > MAX_EVIDENCE_RECORDS) {
    throw wrongAt('/records', `expected 1 to ${MAX_EVIDENCE_RECORDS}`)
  }
  checkQuery(object.query!, '/query')
  return object as unknown as EvidenceManifest
}

/** A query that names people by their pseudonyms; `pointer` is where it stands. @throws MALFORMED */
export function checkQuery(value: JsonValue, pointer: string): EvidenceQuery {
  const query: JsonObject = readObject(value, pointer, [], Object.keys(QUERY))
  for (const [name, member] of Object.entries(query)) {
    const type = QUERY[name as keyof EvidenceQuery]
    if (!type.holds(member)) throw wrongAt(`${pointer}/${name}`, `expected ${type.expected}`)
  }
  return query
}

const LAST_SECOND = 8 ** 11 - 1

/** The second of a time, since 1970. @throws MALFORMED when files cannot be of that time */
export function secondsOf(made: string): number {
  const seconds = Math.floor(Date.parse(made) / 1000)
  if (!(seconds >= 0 && seconds <= LAST_SECOND)) {
    throw wrongAt('/made', 'expected a time from 1970 to 2242')
  }
  return seconds
}

/** What is asked about in the clear of a record: of its leaf, or of what an index shows of it. */
export interface ClearRecord {
  readonly time: string
  readonly type: string
  readonly request_id?: string | undefined
  readonly session_id?: string | undefined
  readonly trace_id?: string | undefined
  readonly subject?: string | undefined
  readonly actor?: string | undefined
  readonly action?: string | undefined
  readonly environment?: string | undefined
  readonly model?:
    | { readonly name?: string | undefined; readonly version?: string | undefined }
    | undefined
  readonly metrics?: { readonly cost?: number | undefined } | undefined
}

/** For each member of a query whether a record has it; all but the resource, which is never in the clear. */
export function heldInClear(
  query: EvidenceQuery,
  record: ClearRecord,
): Readonly<Record<Exclude<keyof EvidenceQuery, 'resource'>, boolean>> {
  const { name, version } = record.model ?? {}
  return {
    request_id: record.request_id === query.request_id,
    session_id: record.session_id === query.session_id,
    trace_id: record.trace_id === query.trace_id,
    subject: record.subject === query.subject,
    actor: record.actor === query.actor,
    type: record.type === query.type,
    action: record.action === query.action,
    model: name === query.model,
    model_version: version === query.model_version,
    environment: record.environment === query.environment,
    // Times of the log are all of one length, and sort as text.
    from: query.from === undefined || record.time >= query.from,
    before: query.before === undefined || record.time < query.before,
    minimum_cost: (record.metrics?.cost ?? -1) >= (query.minimum_cost ?? 0),
  }
}

/**
 * The member of the query that a record does not have, or nothing. `resource` is what the record discloses of its
 * resource.
 */
export function unaskedMember(
  query: EvidenceQuery,
  record: RecordLeaf,
  resource?: JsonValue,
): keyof EvidenceQuery | undefined {
  const has: Readonly<Record<keyof EvidenceQuery, boolean>> = {
    ...heldInClear(query, record),
    resource:
      Object.hasOwn(record.commitments, '/resource') &&
      (resource === undefined || resource === query.resource),
  }
  const asked = Object.keys(query) as (keyof EvidenceQuery)[]
  return asked.find((member) => !has[member])
}
