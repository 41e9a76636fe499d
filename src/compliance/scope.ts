/** Scopes: which records a grant, a hold or a piece of evidence is about. */
import { CairnError } from '../errors.ts'
import { heldInClear } from '../formats/evidence-manifest.ts'
import { readObject, readText, wrongAt } from '../formats/json-members.ts'
import type { JsonObject, JsonValue } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { LOG_RECORD_TYPES, RECORD_TYPES } from '../formats/record-members.ts'
import {
  AMOUNT,
  LOG_TIME,
  line,
  oneOf,
  PSEUDONYM,
  TIME,
  TRACE_ID,
  type ValueType,
} from '../formats/record-values.ts'
import { askedPseudonym } from '../records/people.ts'
import type { RecordQuery } from '../records/service.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { Vault } from '../vault/vault.ts'
import type { Scope } from './service.ts'

const LINE = line(256)
/** A person's name, or pseudonym. */
export const PERSON: ValueType = line(512)
/** What can stand in a scope that a person asks with. */
export const SCOPE_MEMBERS: Readonly<Record<keyof Scope, ValueType>> = {
  request_id: LINE,
  session_id: LINE,
  trace_id: TRACE_ID,
  subject: PERSON,
  actor: PERSON,
  type: oneOf([...RECORD_TYPES, ...LOG_RECORD_TYPES]),
  action: LINE,
  resource: line(2048),
  model: LINE,
  model_version: LINE,
  environment: LINE,
  from: TIME,
  before: TIME,
  minimum_cost: AMOUNT,
}
const NAMES = Object.keys(SCOPE_MEMBERS) as readonly (keyof Scope)[]

/** Reads a scope as a person asks for it. @throws MALFORMED with the JSON Pointer of the member, such as `/scope/from` */
export function readScope(value: JsonValue | undefined, pointer: string): Scope {
  const scope: JsonObject = readObject(value, pointer, [], NAMES)
  for (const [name, member] of Object.entries(scope)) {
    const type = SCOPE_MEMBERS[name as keyof Scope]
    if (!type.holds(member)) throw wrongAt(`${pointer}/${name}`, `expected ${type.expected}`)
  }
  return scope as Scope
}

/**
 * A scope as it is stored: people as pseudonyms, times in UTC to the millisecond.
 * @throws MALFORMED with the JSON Pointer of the member; NOT_FOUND for somebody who is not known; CORRUPT, IO
 */
export async function storedScope(
  vault: Vault,
  asked: Scope,
  tenant: string,
  pointer = '/scope',
): Promise<Scope> {
  const scope: { -readonly [Name in keyof Scope]: Scope[Name] } = {
    ...readScope({ ...asked } as JsonObject, pointer),
  }
  for (const name of ['subject', 'actor'] as const) {
    const person = scope[name]
    if (person === undefined) continue
    const pseudonym = await askedPseudonym(vault, tenant, person)
    if (pseudonym === undefined) {
      throw new CairnError(
        'NOT_FOUND',
        `${pointer}/${name}: nobody is known by this name in tenant ${tenant}`,
      )
    }
    scope[name] = pseudonym
  }
  for (const name of ['from', 'before'] as const) {
    const time = scope[name]
    if (time !== undefined) scope[name] = logTime(time, `${pointer}/${name}`)
  }
  if (scope.from !== undefined && scope.before !== undefined && scope.from >= scope.before) {
    throw wrongAt(`${pointer}/before`, 'expected a time later than from')
  }
  return scope
}

/**
 * A time of RFC 3339 as the log writes it. Between two milliseconds, the later one: no record has a time between.
 * @throws MALFORMED when that would have another year than four digits can say
 */
export function logTime(text: string, pointer: string): string {
  const between = /\.[0-9]{3}0*[1-9]/.test(text)
  const written = new Date(Date.parse(text) + (between ? 1 : 0)).toISOString()
  if (!LOG_TIME.holds(written)) throw wrongAt(pointer, 'expected a time of the years 0 to 9999')
  return written
}

/** Reads a scope that storedScope() gave, out of a record. @throws MALFORMED */
export function parseStoredScope(value: JsonValue | undefined): Scope {
  const scope = readScope(value, '/scope')
  for (const name of ['subject', 'actor'] as const) {
    if (scope[name] !== undefined) readText(scope[name], `/scope/${name}`, PSEUDONYM)
  }
  for (const name of ['from', 'before'] as const) {
    if (scope[name] !== undefined) readText(scope[name], `/scope/${name}`, LOG_TIME)
  }
  return scope
}

/** A stored scope as the index is asked. It does not know traces: isCovered() tells. */
export function queryOf(scope: Scope): RecordQuery {
  const { request_id, session_id, model_version, minimum_cost, from, before, trace_id, ...same } =
    scope
  return {
    ...same,
    ...(request_id !== undefined && { request: request_id }),
    ...(session_id !== undefined && { session: session_id }),
    ...(model_version !== undefined && { modelVersion: model_version }),
    ...(minimum_cost !== undefined && { minimumCost: minimum_cost }),
    ...(from !== undefined && { from: Date.parse(from) }),
    ...(before !== undefined && { before: Date.parse(before) }),
  }
}

/**
 * Whether a stored scope covers a record, as far as its members in the clear tell: all but the resource.
 */
export function isCoveredInClear(
  { resource, ...scope }: Scope,
  record: FoundRecord | RecordLeaf,
): boolean {
  const has = heldInClear(scope, record)
  return Object.keys(scope).every((member) => has[member as keyof typeof has])
}

/** Whether a stored scope covers a record. `resource` is what the record discloses of its resource. */
export function isCovered(
  scope: Scope,
  record: FoundRecord | RecordLeaf,
  resource: string | undefined,
): boolean {
  const hasResource = scope.resource === undefined || scope.resource === resource
  return hasResource && isCoveredInClear(scope, record)
}
