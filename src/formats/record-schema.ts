/**
 * The JSON Schema (2020-12) of submissions and records, from the table of members. It says what a schema can say: that a
 * record is canonical, that its hash and its commitments hold, and that the items of a list are all committed to, is
 * for parseRecord to find out.
 */
import type { JsonObject, JsonValue } from './json-strict.ts'
import {
  LOG_GIVEN,
  MAX_COMMITMENTS,
  MEMBER_RULES,
  type MemberNode,
  RECORD_NODE,
  RECORD_TYPES,
  type Treatment,
} from './record-members.ts'
import { DIGEST, oneOf, PSEUDONYM } from './record-values.ts'

/** The schema of `spec/record.schema.json`. */
export function recordSchema(): JsonObject {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Audit record of a Cairn log',
    description: 'What is submitted, and what stands in the log. See record.md.',
    anyOf: [{ $ref: '#/$defs/submission' }, { $ref: '#/$defs/record' }],
    $defs: { submission: submissionSchema(), record: leafSchema() },
  }
}

/** A correction names a record, and nothing else does. */
const CORRECTION: JsonObject = {
  if: { properties: { type: { const: 'correction' } } },
  // biome-ignore lint/suspicious/noThenProperty: it is the schema's
  then: { required: ['corrects'] },
  else: { properties: { corrects: false } },
}

function submissionSchema(): JsonObject {
  return {
    ...schemaOf(RECORD_NODE, 'submission'),
    description: 'A record as it is submitted. Members that are not named here may stand anywhere.',
    required: ['type'],
    dependentRequired: { signature: ['nonce'] },
    ...CORRECTION,
  }
}

function leafSchema(): JsonObject {
  return {
    ...schemaOf(RECORD_NODE, 'record'),
    description: 'A record as it stands in the log.',
    required: [...LOG_GIVEN, 'tenant', 'type'],
    ...CORRECTION,
  }
}

type Side = 'submission' | 'record'

function schemaOf(node: MemberNode, side: Side): JsonObject {
  return { description: node.about, ...valueSchema(node, side) }
}

function valueSchema(node: MemberNode, side: Side): JsonObject {
  const { pointer, treatment, type, item, members } = node
  if (pointer === '/type' && side === 'submission') return oneOf(RECORD_TYPES).schema
  if (pointer === '/commitments') return commitmentsSchema()
  if (treatment === 'person' && side === 'record') return PSEUDONYM.schema
  if (type.container === 'array' && item !== undefined) {
    const isEmpty = side === 'record' && item.treatment !== 'clear'
    return isEmpty
      ? { type: 'array', maxItems: 0 }
      : { ...type.schema, items: schemaOf(item, side) }
  }
  if (type.container === undefined || treatment !== 'clear') return type.schema
  const named = [...members].flatMap(([name, member]): [string, JsonValue][] => {
    if (side === 'submission')
      return [[name, member.treatment === 'log' ? false : schemaOf(member, side)]]
    return STANDS_IN_LOG.includes(member.treatment) ? [[name, schemaOf(member, side)]] : []
  })
  const closed = side === 'record' || pointer === '/signature'
  return {
    ...type.schema,
    properties: Object.fromEntries(named),
    ...(pointer === '/signature' && { required: [...members.keys()] }),
    ...(closed && { additionalProperties: false }),
  }
}

/** What has a place in a record, be it the value itself or what stands for it. */
const STANDS_IN_LOG: readonly Treatment[] = ['clear', 'log', 'person', 'tenant']

function commitmentsSchema(): JsonObject {
  const committed = MEMBER_RULES.filter(({ treatment }) => !['clear', 'log'].includes(treatment))
  const patterns = committed.map(({ pointer }) => `^${pointer.replaceAll('*', '(0|[1-9][0-9]*)')}$`)
  return {
    type: 'object',
    maxProperties: MAX_COMMITMENTS,
    patternProperties: Object.fromEntries(patterns.map((pattern) => [pattern, DIGEST.schema])),
    additionalProperties: false,
  }
}
