/** What a record of a trail says, line by line, for whoever draws it: in a terminal or on a page. */
import type { OpenedDisclosure } from '../formats/disclosure.ts'
import { isJsonObject, type JsonValue } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import type { EvidenceVerdictRecord } from './verify-evidence.ts'

/** A record to be drawn. */
export interface TrailRecord {
  /** Where it stands in the log. */
  readonly index?: number | undefined
  readonly id?: string | undefined
  /** `good`: proven. `bad`: something about it does not hold. `open`: it is not known. */
  readonly state: 'good' | 'bad' | 'open'
  readonly record?: RecordLeaf | undefined
  readonly disclosed: readonly Pick<OpenedDisclosure, 'pointer' | 'value'>[]
  /** Pointers of what it commits to and is not shown. */
  readonly undisclosed: readonly string[]
  /** A sentence each. */
  readonly problems: readonly string[]
}

/** A record of a verdict, to be drawn. */
export function drawnRecord({ ok, ...record }: EvidenceVerdictRecord): TrailRecord {
  const state = ok ? 'good' : record.problems.length > 0 ? 'bad' : 'open'
  return { ...record, state }
}

/** A line about a record. */
export interface TrailRow {
  readonly label: string
  readonly text: string
  readonly kind: 'clear' | 'disclosed' | 'hidden' | 'problem'
}

/** What is wrong with it, what it says in the clear, what is disclosed of it, and what is not shown. */
export function trailRows(drawn: TrailRecord): TrailRow[] {
  const { record, problems, disclosed, undisclosed } = drawn
  const wrong = problems.map((text): TrailRow => ({ label: 'wrong', text, kind: 'problem' }))
  // Whose name is shown stands there with it.
  const isNamed = ({ label }: TrailRow) => disclosed.some(({ pointer }) => pointer === `/${label}`)
  const clear = record === undefined ? [] : clearRows(record).filter((row) => !isNamed(row))
  const rows = [...wrong, ...clear, ...disclosedRows(drawn)]
  if (undisclosed.length > 0) {
    rows.push({ label: 'not shown', text: undisclosed.map(nameOf).join(', '), kind: 'hidden' })
  }
  return rows
}

/** What the record says in the clear, in the order in which a request flows. */
function clearRows(record: RecordLeaf): TrailRow[] {
  const { model, guardrails = [], tool_calls = [], metrics, signature } = record
  const version = [model?.name, model?.version].filter((text) => text !== undefined).join(' ')
  const rows: [label: string, parts: readonly (string | undefined)[]][] = [
    ['id', [record.id]],
    ['request', [record.request_id, named('session', record.session_id)]],
    ['trace', [record.trace_id, named('span', record.span_id)]],
    ['follows', [record.parent_id]],
    ['corrects', [record.corrects]],
    ['claimed time', [record.claimed_time]],
    ['actor', [record.actor]],
    ['subject', [record.subject]],
    ['model', [version === '' ? undefined : version, named('by', model?.provider)]],
    ['weights', [model?.version_hash]],
    [
      'guardrails',
      guardrails.map(({ name = 'a guardrail', verdict, score }) =>
        [name, verdict, score].filter((one) => one !== undefined).join(' '),
      ),
    ],
    ['tools', tool_calls.map(({ name, id }) => name ?? id)],
    [
      'took',
      [
        counted(metrics?.input_tokens, 'tokens in'),
        counted(metrics?.output_tokens, 'out'),
        counted(metrics?.latency_ms, 'ms'),
        counted(metrics?.cost, metrics?.currency ?? 'cost'),
      ],
    ],
    [
      'under',
      [
        named('policy', record.policy),
        named('app', record.app_version),
        record.environment,
        named('kept as', record.retention_class),
      ],
    ],
    ['signed', [named('with the key', signature?.key_id)]],
  ]
  return rows.flatMap(([label, parts]) => {
    const text = parts.filter((part) => part !== undefined).join(' · ')
    return text === '' ? [] : [{ label, text, kind: 'clear' }]
  })
}

function named(what: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${what} ${text}`
}

function counted(value: number | undefined, unit: string): string | undefined {
  return value === undefined ? undefined : `${value} ${unit}`
}

/** What is disclosed; of what stands under /extra, each member for itself. */
function disclosedRows({ record, disclosed }: TrailRecord): TrailRow[] {
  return disclosed.flatMap(({ pointer, value }) => {
    const pseudonym =
      pointer === '/actor' ? record?.actor : pointer === '/subject' ? record?.subject : undefined
    if (pseudonym !== undefined) return [rowOf(pointer, `${value} (${pseudonym})`)]
    if (pointer !== '/extra' || !isJsonObject(value)) return [rowOf(pointer, value)]
    return Object.entries(value).flatMap(([name, member]) =>
      name === '/extra' && isJsonObject(member)
        ? Object.entries(member).map(([key, one]) => rowOf(key, one))
        : [rowOf(name, member)],
    )
  })
}

function rowOf(pointer: string, value: JsonValue): TrailRow {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return { label: nameOf(pointer), text, kind: 'disclosed' }
}

/** `/input/prompt` as `input.prompt`. */
function nameOf(pointer: string): string {
  return pointer.replace(/^\//, '').replaceAll('/', '.')
}
