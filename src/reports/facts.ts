/**
 * What the log's own records say beyond their clear members. They have it in `extra`, or in members that no table
 * names, which comes to the same: it is committed to under /extra. Only the facts named in FACT_NAMES are read, only of
 * the log's own types, and only if the disclosure opens the commitment; a payload has no way into a report.
 */
import { canonicalJson } from '../formats/canonical-json.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { LOG_RECORD_TYPES } from '../formats/record-members.ts'
import { verifyDisclosures } from '../formats/record-rebuild.ts'
import { FACT_NAMES, type FactName, type Facts, MAX_FACT_LENGTH } from './report.ts'

export interface ReadFacts {
  readonly facts: Facts
  /** Disclosures that opened a commitment of the record, and those that did not. */
  readonly held: number
  readonly foreign: number
}

const EXTRA = '/extra'

/** Reads the facts of a record from what is disclosed of it; submitters' records have none. */
export function readFacts(record: RecordLeaf, disclosures: readonly Disclosure[]): ReadFacts {
  const own = (LOG_RECORD_TYPES as readonly string[]).includes(record.type)
  const relevant = own ? disclosures.filter(({ pointer }) => pointer === EXTRA) : []
  const { held, foreign } = verifyDisclosures(record, relevant)
  const extra = held[0]?.value
  return {
    facts: extra !== undefined && isJsonObject(extra) ? factsIn(extra) : {},
    held: held.length,
    foreign: foreign.length,
  }
}

/** Under /extra stands an object from the pointers of the members that were submitted to their values. */
function factsIn(extra: JsonObject): Facts {
  const inner = memberOf(extra, EXTRA)
  const facts: Partial<Record<FactName, string | number>> = {}
  for (const name of FACT_NAMES) {
    const value =
      memberOf(extra, `/${name}`) ??
      (inner !== undefined && isJsonObject(inner) ? memberOf(inner, name) : undefined)
    if (value !== undefined && value !== null) facts[name] = shown(value)
  }
  return facts
}

function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function shown(value: JsonValue): string | number {
  if (typeof value === 'number') return value
  const text = typeof value === 'string' ? value : canonicalJson(value)
  const characters = [...text.slice(0, 2 * MAX_FACT_LENGTH + 2)]
  return characters.length > MAX_FACT_LENGTH
    ? `${characters.slice(0, MAX_FACT_LENGTH - 1).join('')}…`
    : text
}
