/**
 * What the index keeps of a record: its clear members, as far as they fit on a line of an answer, and its blind terms.
 * Stored as JSON; the engine's compression takes care of the names.
 */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { ClearGuardrail, RecordLeaf, RecordModel, ShortMember } from '../formats/record.ts'
import type { Field } from './terms.ts'

/** The retention class by which records are found that name none. */
export const NO_CLASS = ''

type Sparse<T> = { readonly [K in keyof T]: T[K] | undefined }

/** The members of a record that are kept for showing it; all others are in its leaf. */
export interface ShownRecord
  extends Pick<RecordLeaf, 'id' | 'time' | 'tenant' | 'type'>,
    Sparse<Pick<RecordLeaf, ShortMember>> {
  readonly model?: Sparse<Pick<RecordModel, 'name' | 'provider' | 'version'>> | undefined
  readonly guardrails?: readonly Sparse<Pick<ClearGuardrail, 'name' | 'verdict'>>[] | undefined
}

export interface RecordRow {
  readonly record: ShownRecord
  /** Milliseconds since 1970. */
  readonly time: number
  /** What the record can be found by without its being clear: keyed hashes, made by whoever has the key. */
  readonly blindTerms: readonly string[]
}

/** The row of a record. @throws RangeError when its time is none */
export function rowOf(leaf: RecordLeaf, blindTerms: readonly string[]): RecordRow {
  // One literal with all members is several times as quick to make and to write as one with those that are there.
  const record: ShownRecord = {
    id: leaf.id,
    time: leaf.time,
    tenant: leaf.tenant,
    type: leaf.type,
    request_id: leaf.request_id,
    session_id: leaf.session_id,
    parent_id: leaf.parent_id,
    trace_id: leaf.trace_id,
    span_id: leaf.span_id,
    claimed_time: leaf.claimed_time,
    actor: leaf.actor,
    subject: leaf.subject,
    action: leaf.action,
    model: shownModel(leaf.model),
    guardrails: leaf.guardrails?.map(({ name, verdict }) => ({ name, verdict })),
    metrics: leaf.metrics,
    app_version: leaf.app_version,
    environment: leaf.environment,
    retention_class: leaf.retention_class,
    policy: leaf.policy,
    corrects: leaf.corrects,
  }
  const time = timeOf(record)
  if (time === undefined) throw new RangeError(`expected a record with a time, got ${leaf.time}`)
  return { record, time, blindTerms: [...new Set(blindTerms)] }
}

function shownModel(model: RecordModel | undefined): ShownRecord['model'] {
  if (model === undefined) return undefined
  const { name, provider, version } = model
  return { name, provider, version }
}

function timeOf(record: ShownRecord): number | undefined {
  const time = Date.parse(record.time)
  return Number.isSafeInteger(time) && time >= 0 ? time : undefined
}

/** What is left of a row when its data subject is forgotten. */
export function withoutSubject({ record, time }: RecordRow): RecordRow {
  return { record: { ...record, subject: undefined }, time, blindTerms: [] }
}

/** Calls `visit` with all that a row can be found by. */
export function visitTerms(
  { record, blindTerms }: RecordRow,
  visit: (field: Field, value: string) => void,
): void {
  if (record.request_id !== undefined) visit('request', record.request_id)
  if (record.session_id !== undefined) visit('session', record.session_id)
  if (record.subject !== undefined) visit('subject', record.subject)
  if (record.actor !== undefined) visit('actor', record.actor)
  visit('type', record.type)
  if (record.action !== undefined) visit('action', record.action)
  if (record.model?.name !== undefined) visit('model', record.model.name)
  if (record.model?.version !== undefined) visit('modelVersion', record.model.version)
  if (record.environment !== undefined) visit('environment', record.environment)
  for (const term of blindTerms) visit('blind', term)
  // Those that name no class are looked for too: what is kept by default.
  visit('retentionClass', record.retention_class ?? NO_CLASS)
}

/** What a record cost, in whatever currency; NaN when it does not say. */
export function costOf({ record }: RecordRow): number {
  // Nothing costs -0.
  return (record.metrics?.cost ?? Number.NaN) + 0
}

export function encodeRow({ record, blindTerms }: RecordRow): Uint8Array {
  return utf8(JSON.stringify(blindTerms.length === 0 ? [record] : [record, blindTerms]))
}

/** @throws CORRUPT */
export function decodeRow(value: Uint8Array): RecordRow {
  const stored = parse(value)
  const time = stored === undefined ? undefined : timeOf(stored[0])
  if (stored === undefined || time === undefined) {
    throw new CairnError('CORRUPT', 'a row of the search index is damaged; build it again')
  }
  return { record: stored[0], time, blindTerms: stored[1] ?? [] }
}

function parse(value: Uint8Array): [ShownRecord, string[]?] | undefined {
  try {
    const stored: unknown = JSON.parse(fromUtf8(value))
    return isStored(stored) ? stored : undefined
  } catch {
    return undefined
  }
}

/** Whether it is what encodeRow wrote, as far as the members reach that the index itself goes by. */
function isStored(stored: unknown): stored is [ShownRecord, string[]?] {
  if (!Array.isArray(stored) || stored.length < 1 || stored.length > 2) return false
  const [record, blindTerms = []]: unknown[] = stored
  return (
    typeof record === 'object' &&
    record !== null &&
    'tenant' in record &&
    typeof record.tenant === 'string' &&
    'time' in record &&
    typeof record.time === 'string' &&
    Array.isArray(blindTerms) &&
    blindTerms.every((term) => typeof term === 'string')
  )
}
