/** What a log says of its records, read from its answers. What can be checked without a key is checked here. */
import { equal, fromBase64, toBase64Url, utf8 } from '../bytes.ts'
import { malformed, verificationFailed } from '../errors.ts'
import { canonicalJson } from '../formats/canonical-json.ts'
import { disclosureDigest, type OpenedDisclosure, parseDisclosure } from '../formats/disclosure.ts'
import type { EvidenceQuery } from '../formats/evidence-manifest.ts'
import { type ParsedJsonReceipt, parseJsonReceipt } from '../formats/json-receipt.ts'
import type { JsonObject } from '../formats/json-strict.ts'
import {
  type ClearGuardrail,
  parseRecord,
  type RecordLeaf,
  type RecordModel,
  type ShortMember,
} from '../formats/record.ts'
import { hashLeaf, type LeafHash } from '../merkle/hash.ts'
import { verifyInclusion } from '../merkle/inclusion.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import {
  arrayOf,
  listOf,
  type Members,
  meaningOf,
  membersOf,
  sizeOf,
  textOf,
} from './read-answer.ts'

/** What an answer of a log with records means. @throws IO */
export function answerOf<T>(answer: Uint8Array, read: (value: Members) => T): T {
  return meaningOf(answer, 'a log with records', read)
}

/** A record that is in the log. */
export interface RecordPlace {
  /** UUIDv7. */
  readonly id: string
  readonly index: LeafIndex
}

export interface RecordReceipt extends RecordPlace {
  readonly receipt: ParsedJsonReceipt
}

/** A record as a search shows it: its id, time, tenant and type, and what else it has in the clear that is short. */
export interface FoundRecord
  extends Pick<RecordLeaf, 'id' | 'time' | 'tenant' | 'type' | ShortMember> {
  readonly index: LeafIndex
  readonly model?: Pick<RecordModel, 'name' | 'provider' | 'version'>
  readonly guardrails?: readonly Pick<ClearGuardrail, 'name' | 'verdict'>[]
}

export interface RecordPage {
  readonly records: readonly FoundRecord[]
  /** The entries of the log that the answer is about: those before this size. The same on every page. */
  readonly size: TreeSize
  /** For the next page; absent on the last one. */
  readonly cursor?: string
}

/** What is shown of a payload. */
export type Payload =
  | {
      readonly state: 'shown'
      /** What was submitted, as far as it is left. */
      readonly submission: JsonObject
      /** Each opens a commitment of the record: that was checked. */
      readonly disclosures: readonly OpenedDisclosure[]
    }
  | { readonly state: 'erased' }

export interface RecordReading {
  readonly index: LeafIndex
  readonly record: RecordLeaf
  /** The bytes in the log, and their hash. */
  readonly leaf: Uint8Array
  readonly leafHash: LeafHash
  /** Only under a grant. */
  readonly payload?: Payload
}

export interface Erasure {
  /** What stands for the person in the log, and leads to nobody any more. */
  readonly pseudonym: string
  /** Records that lost disclosures by it. */
  readonly records: number
  /** The record of the erasure. */
  readonly erasure: RecordPlace
}

/** An erasure as the log has recorded it. */
export interface RecordedErasure extends RecordPlace {
  readonly time: string
  /** Pseudonyms: who erased, and who was erased. */
  readonly actor?: string
  readonly pseudonym?: string
  readonly basis?: string
}

export interface ErasurePage {
  /** The newest first. */
  readonly erasures: readonly RecordedErasure[]
  readonly cursor?: string
}

export interface GrantPage {
  /** The newest first. */
  readonly grants: readonly Grant[]
  readonly cursor?: string
}

export interface HoldPage {
  /** The newest first. */
  readonly holds: readonly Hold[]
  readonly cursor?: string
}

const HOLD_STATES = ['active', 'lifted'] as const

export interface Hold {
  /** The id of the record that placed it. */
  readonly id: string
  readonly name: string
  readonly state: (typeof HOLD_STATES)[number]
  readonly reason: string
  readonly scope: EvidenceQuery
  /** RFC 3339. */
  readonly placed: string
  /** A name; a pseudonym where the person was erased. */
  readonly placedBy: string
  readonly lifted?: string
  readonly liftedBy?: string
}

const GRANT_STATES = ['requested', 'approved', 'refused', 'revoked', 'expired'] as const

export interface Grant {
  /** The id of the record that asked for it. */
  readonly id: string
  readonly state: (typeof GRANT_STATES)[number]
  readonly purpose: string
  readonly ticket: string
  readonly scope: EvidenceQuery
  /** How long it lasts once it is approved. */
  readonly minutes: number
  /** RFC 3339. */
  readonly requested: string
  /** A name; a pseudonym where the person was erased. */
  readonly requestedBy: string
  readonly decided?: string
  readonly decidedBy?: string
  /** When an approved grant ends. */
  readonly until?: string
}

export function recordPlace({ id, index }: Members): RecordPlace {
  return { id: textOf(id), index: indexOf(index) }
}

/**
 * A record's receipt. Its inclusion proof is checked, its signature is not.
 * @throws VERIFICATION_FAILED
 */
export function recordReceipt(value: Members): RecordReceipt {
  const place = recordPlace(value)
  const receipt = parseJsonReceipt(JSON.stringify(membersOf(value.receipt)))
  if (receipt.index !== place.index) {
    throw verificationFailed(
      `the log answered with the receipt of entry ${receipt.index}, not ${place.index}`,
    )
  }
  verifyInclusion(receipt.index, receipt.size, receipt.leafHash, receipt.proof, receipt.root)
  return { ...place, receipt }
}

const TEXTS = [
  'request_id',
  'session_id',
  'parent_id',
  'trace_id',
  'span_id',
  'claimed_time',
  'actor',
  'subject',
  'action',
  'app_version',
  'environment',
  'retention_class',
  'policy',
  'corrects',
] as const
const NUMBERS = ['input_tokens', 'output_tokens', 'latency_ms', 'cost'] as const

function foundRecord(value: Members): FoundRecord {
  const { model, metrics, guardrails } = value
  return {
    index: indexOf(value.index),
    id: textOf(value.id),
    time: textOf(value.time),
    tenant: textOf(value.tenant),
    type: textOf(value.type) as FoundRecord['type'],
    ...some(value, TEXTS, textOf),
    ...(model !== undefined && {
      model: some(membersOf(model), ['name', 'provider', 'version'], textOf),
    }),
    ...(guardrails !== undefined && {
      guardrails: listOf(guardrails, (one) => some(one, ['name', 'verdict'], textOf)),
    }),
    ...(metrics !== undefined && {
      metrics: {
        ...some(membersOf(metrics), NUMBERS, numberOf),
        ...some(membersOf(metrics), ['currency'], textOf),
      },
    }),
  }
}

export function recordPage({ records, size, cursor }: Members): RecordPage {
  return {
    records: listOf(records, foundRecord),
    size: treeSize(sizeOf(size)),
    ...(cursor !== undefined && { cursor: textOf(cursor) }),
  }
}

/**
 * A record that was asked for by its index.
 * @throws VERIFICATION_FAILED when the record does not have the leaf hash that is said, or does not commit to what is
 *   shown of its payload
 */
export function recordReading(value: Members): RecordReading {
  const leaf = utf8(canonicalJson(membersOf(value.record) as JsonObject))
  const leafHash = hashLeaf(leaf)
  if (!equal(leafHash, fromBase64(textOf(value.leaf_hash), 'the leaf hash'))) {
    throw verificationFailed(
      'the record that the log shows does not have the leaf hash that it says',
    )
  }
  const record = parseRecord(leaf)
  const payload =
    value.payload === undefined ? undefined : payloadOf(value.payload, record.commitments)
  return { index: indexOf(value.index), record, leaf, leafHash, ...(payload && { payload }) }
}

function payloadOf(value: unknown, commitments: RecordLeaf['commitments']): Payload {
  const { state, submission, disclosures } = membersOf(value)
  if (state === 'erased') return { state }
  if (state !== 'shown') throw malformed('a payload in no known state')
  const opened = arrayOf(disclosures).map((text) => openedBy(textOf(text), commitments))
  return { state, submission: membersOf(submission) as JsonObject, disclosures: opened }
}

function openedBy(text: string, commitments: RecordLeaf['commitments']): OpenedDisclosure {
  const opened = parseDisclosure(text)
  if (commitments[opened.pointer] !== toBase64Url(disclosureDigest(opened))) {
    throw verificationFailed(
      `the record does not commit to what the log shows as its ${opened.pointer}`,
    )
  }
  return opened
}

export function erasureOf({ pseudonym, records, erasure }: Members): Erasure {
  return {
    pseudonym: textOf(pseudonym),
    records: sizeOf(records),
    erasure: recordPlace(membersOf(erasure)),
  }
}

export function erasurePage({ erasures, cursor }: Members): ErasurePage {
  const erasure = (value: Members): RecordedErasure => ({
    ...recordPlace(value),
    time: textOf(value.time),
    ...some(value, ['actor', 'pseudonym', 'basis'], textOf),
  })
  return {
    erasures: listOf(erasures, erasure),
    ...(cursor !== undefined && { cursor: textOf(cursor) }),
  }
}

export function holdOf(value: Members): Hold {
  const { placed, placed_by, lifted, lifted_by } = value
  return {
    id: textOf(value.id),
    name: textOf(value.name),
    state: stateOf(value.state, HOLD_STATES),
    reason: textOf(value.reason),
    scope: scopeOf(value.scope),
    placed: textOf(placed),
    placedBy: textOf(placed_by),
    ...(lifted !== undefined && { lifted: textOf(lifted) }),
    ...(lifted_by !== undefined && { liftedBy: textOf(lifted_by) }),
  }
}

export function holdPage({ holds, cursor }: Members): HoldPage {
  const page = listOf(holds, holdOf)
  return { holds: page, ...(cursor !== undefined && { cursor: textOf(cursor) }) }
}

export function grantPage({ grants, cursor }: Members): GrantPage {
  const page = listOf(grants, grantOf)
  return { grants: page, ...(cursor !== undefined && { cursor: textOf(cursor) }) }
}

export function grantOf(value: Members): Grant {
  const { requested, requested_by, decided, decided_by, until } = value
  return {
    id: textOf(value.id),
    state: stateOf(value.state, GRANT_STATES),
    purpose: textOf(value.purpose),
    ticket: textOf(value.ticket),
    scope: scopeOf(value.scope),
    minutes: sizeOf(value.minutes),
    requested: textOf(requested),
    requestedBy: textOf(requested_by),
    ...(decided !== undefined && { decided: textOf(decided) }),
    ...(decided_by !== undefined && { decidedBy: textOf(decided_by) }),
    ...(until !== undefined && { until: textOf(until) }),
  }
}

function scopeOf(value: unknown): EvidenceQuery {
  const members = Object.entries(membersOf(value))
  for (const [, member] of members) if (typeof member !== 'number') textOf(member)
  return Object.fromEntries(members) as EvidenceQuery
}

function stateOf<State extends string>(value: unknown, states: readonly State[]): State {
  const state = states.find((one) => one === value)
  if (state === undefined) throw malformed(`a state that is none of ${states.join(', ')}`)
  return state
}

/** Those of the members that are there. */
function some<Name extends string, Value>(
  value: Members,
  names: readonly Name[],
  read: (value: unknown) => Value,
): { [K in Name]?: Value } {
  const there = names.filter((name) => value[name] !== undefined)
  return Object.fromEntries(there.map((name) => [name, read(value[name])])) as {
    [K in Name]?: Value
  }
}

function indexOf(value: unknown): LeafIndex {
  return leafIndex(sizeOf(value))
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  throw malformed('expected a number')
}
