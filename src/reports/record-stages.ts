/**
 * What a record says, stage by stage in the order in which a request flows: what is in the clear, what was disclosed,
 * and what the log only commits to. For whoever draws it, in a terminal or on a page.
 */
import { counted, grouped } from '../formats/count.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../formats/json-strict.ts'
import type { RecordLeaf, RecordMetrics } from '../formats/record.ts'
import { amount } from './words.ts'

/** `clear`: in the log for everyone. `shown`: disclosed. `sealed`: committed to, and not shown. The others: verdicts. */
export type Tone = 'clear' | 'shown' | 'sealed' | 'good' | 'bad'

/** One thing that is said of a record. */
export interface StageFact {
  readonly label: string
  readonly text: string
  readonly tone: Tone
}

export interface Stage {
  readonly name: string
  readonly facts: readonly StageFact[]
}

/** What is shown of what a record commits to; nothing is known of it without one. */
export type ShownPayload =
  | {
      readonly state: 'shown'
      readonly disclosures: readonly { readonly pointer: string; readonly value: JsonValue }[]
    }
  | { readonly state: 'erased' }

/** The stages that have something to say. */
export function recordStages(record: RecordLeaf, payload: ShownPayload | undefined): Stage[] {
  return stagesOf(record, payload).filter(({ facts }) => facts.length > 0)
}

/** What can be said of a record, member by member. */
class Facts {
  readonly #commitments: Readonly<Record<string, string>>
  readonly #shown: ReadonlyMap<string, JsonValue>
  readonly #sealed: string

  constructor({ commitments }: RecordLeaf, payload: ShownPayload | undefined) {
    this.#commitments = commitments
    const disclosures = payload?.state === 'shown' ? payload.disclosures : []
    this.#shown = new Map(disclosures.map(({ pointer, value }) => [pointer, value]))
    this.#sealed = payload === undefined ? 'sealed' : payload.state === 'erased' ? 'erased' : 'gone'
  }

  /** A member that is in the clear. */
  clear(label: string, value: JsonValue | undefined): StageFact[] {
    return value === undefined ? [] : [{ label, text: shownValue(value), tone: 'clear' }]
  }

  /** A member that the record commits to: its value if it was disclosed. */
  committed(label: string, pointer: string): StageFact[] {
    if (!Object.hasOwn(this.#commitments, pointer)) return []
    const value = this.#shown.get(pointer)
    if (value !== undefined) return [{ label, text: shownValue(value), tone: 'shown' }]
    return [{ label, text: `▒▒▒▒▒▒▒▒ ${this.#sealed}`, tone: 'sealed' }]
  }

  /** The same of each item of a list. */
  items(label: string, pointer: string): StageFact[] {
    const pointers = Object.keys(this.#commitments)
      .filter(
        (one) => one.startsWith(`${pointer}/`) && /^[0-9]+$/.test(one.slice(pointer.length + 1)),
      )
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    return pointers.flatMap((one, i) => this.committed(`${label} ${i + 1}`, one))
  }

  /** A person: the name if it was disclosed, and the pseudonym. */
  person(label: string, pseudonym: string | undefined): StageFact[] {
    if (pseudonym === undefined) return []
    const name = this.#shown.get(`/${label}`)
    if (name === undefined) return [{ label, text: pseudonym, tone: 'sealed' }]
    return [{ label, text: `${shownValue(name)}  (${pseudonym})`, tone: 'shown' }]
  }

  /** Members without a place of their own: an object from their pointers to their values. */
  extra(): StageFact[] {
    const extra = this.#shown.get('/extra')
    if (!isJsonObject(extra)) return this.committed('', '/extra')
    return Object.entries(flattened(extra)).map(([pointer, value]) => ({
      label: pointer.slice(1),
      text: shownValue(value),
      tone: 'shown',
    }))
  }

  /** `8 members, 3 of them opened by what is shown`. */
  summary(): string {
    const all = Object.keys(this.#commitments)
    const shown = all.filter((pointer) => this.#shown.has(pointer)).length
    const what = counted(all.length, 'member')
    return shown === 0 ? what : `${what}, ${grouped(shown)} of them opened by what is shown`
  }
}

/** What stands in a member `extra` of a submission, beside what no table names. */
function flattened(extra: JsonObject): JsonObject {
  const { '/extra': inner, ...others } = extra
  if (inner === undefined) return others
  if (!isJsonObject(inner)) return extra
  const own = Object.entries(inner).map(([name, value]) => [`/${name}`, value] as const)
  return { ...others, ...Object.fromEntries(own) }
}

function stagesOf(record: RecordLeaf, payload: ShownPayload | undefined): Stage[] {
  const facts = new Facts(record, payload)
  const { model, metrics, input, signature } = record
  return [
    {
      name: 'who',
      facts: [
        ...facts.person('actor', record.actor),
        ...facts.person('subject', record.subject),
        ...facts.committed('resource', '/resource'),
      ],
    },
    {
      name: 'input',
      facts: [
        ...facts.clear('prompt version', input?.system_prompt_version),
        ...facts.committed('system prompt', '/input/system_prompt'),
        ...facts.committed('prompt', '/input/prompt'),
        ...facts.committed('messages', '/input/messages'),
        ...facts.items('document', '/input/documents'),
        ...facts.committed('data', '/input/data'),
      ],
    },
    { name: 'model', facts: modelFacts(facts, model) },
    { name: 'guardrails', facts: guardrailFacts(facts, record) },
    {
      name: 'output',
      facts: [
        ...facts.committed('text', '/output/text'),
        ...facts.committed('messages', '/output/messages'),
        ...facts.committed('data', '/output/data'),
        ...facts.committed('finish reason', '/output/finish_reason'),
      ],
    },
    { name: 'tools', facts: toolFacts(facts, record) },
    {
      name: 'decision',
      facts: [
        ...facts.committed('outcome', '/decision/outcome'),
        ...facts.committed('reason', '/decision/reason'),
      ],
    },
    { name: 'effects', facts: facts.items('effect', '/effects') },
    { name: 'metrics', facts: metrics ? facts.clear('', metricsText(metrics) || undefined) : [] },
    {
      name: 'context',
      facts: [
        ...facts.clear('application', record.app_version),
        ...facts.clear('environment', record.environment),
        ...facts.clear('policy', record.policy),
        ...facts.clear('retention', record.retention_class),
        ...facts.clear('claimed time', record.claimed_time),
        ...facts.clear('led to by', record.parent_id),
        ...facts.clear('corrects', record.corrects),
        ...facts.clear('trace', record.trace_id),
        ...facts.clear('span', record.span_id),
      ],
    },
    { name: 'besides', facts: facts.extra() },
    {
      name: 'in the log',
      facts: [
        ...facts.clear('id', record.id),
        ...facts.clear('signed by', signature?.key_id),
        ...facts.clear('commits to', facts.summary()),
      ],
    },
  ]
}

function modelFacts(facts: Facts, model: RecordLeaf['model']): StageFact[] {
  if (model === undefined) return []
  const { name, version, provider, version_hash: hash, parameters = {} } = model
  const settings = Object.entries(parameters).map(
    ([key, value]) => `${key.replaceAll('_', ' ')} ${shownValue(value)}`,
  )
  return [
    ...facts.clear('name', name),
    ...facts.clear('version', version),
    ...facts.clear('provider', provider),
    ...facts.clear('hash', hash),
    ...facts.clear('parameters', settings.length === 0 ? undefined : settings.join(', ')),
  ]
}

function guardrailFacts(facts: Facts, { guardrails = [] }: RecordLeaf): StageFact[] {
  return guardrails.flatMap(({ name, version, verdict, score }, i) => {
    const more = [
      ...(version === undefined ? [] : [`version ${version}`]),
      ...(score === undefined ? [] : [`score ${score}`]),
    ]
    const words = guardrailText({
      ...(name !== undefined && { name }),
      ...(verdict !== undefined && { verdict }),
    })
    const text = [words, ...more].join(' · ')
    const tone = verdict === undefined ? 'clear' : hasPassed(verdict) ? 'good' : 'bad'
    return [{ label: '', text, tone }, ...facts.committed('because', `/guardrails/${i}/reason`)]
  })
}

function toolFacts(facts: Facts, { tool_calls: calls = [] }: RecordLeaf): StageFact[] {
  return calls.flatMap(({ id, name }, i) => [
    ...facts.clear('call', [name ?? 'a tool', ...(id === undefined ? [] : [`(${id})`])].join(' ')),
    ...facts.committed('arguments', `/tool_calls/${i}/arguments`),
    ...facts.committed('result', `/tool_calls/${i}/result`),
    ...facts.committed('error', `/tool_calls/${i}/error`),
  ])
}

/** A value as people read it: text as it is, the messages of a conversation one after the other, all else as JSON. */
function shownValue(value: JsonValue): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.length > 0) {
    const messages = value.map(messageWords)
    if (messages.every((message) => message !== undefined)) return messages.join('\n')
  }
  return JSON.stringify(value)
}

function messageWords(value: JsonValue): string | undefined {
  if (!isJsonObject(value)) return undefined
  const { role, content } = value
  if (typeof role !== 'string' || typeof content !== 'string') return undefined
  return `${role}: ${content}`
}

/** `EUR 0.25`; nothing where no cost is said. */
export function costText({ cost, currency }: Pick<RecordMetrics, 'cost' | 'currency'>): string {
  if (cost === undefined) return ''
  // A small number has an exponent as text.
  const decimal = String(cost).includes('e') ? cost.toFixed(15) : String(cost)
  const figure = /[1-9]/.test(amount(decimal)) || cost === 0 ? amount(decimal) : String(cost)
  return currency === undefined ? figure : `${currency} ${figure}`
}

/** `12 tokens in, 34 out · 1.2 s · EUR 0.25`. */
export function metricsText(metrics: RecordMetrics): string {
  const { input_tokens: read, output_tokens: written, latency_ms: latency } = metrics
  const tokens = [
    ...(read === undefined ? [] : [`${grouped(read)} tokens in`]),
    ...(written === undefined
      ? []
      : [`${grouped(written)} ${read === undefined ? 'tokens ' : ''}out`]),
  ]
  return [tokens.join(', '), latency === undefined ? '' : durationText(latency), costText(metrics)]
    .filter((part) => part !== '')
    .join(' · ')
}

/** A duration as people say it: `350 ms`, `4.2 s`, `3 min 05 s`. */
function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

const GOOD = /^(pass|passed|allow|allowed|ok|safe|clean|none|approve|approved|success)$/i

/** Whether a guardrail let something pass, as far as its verdict says so in words that are known here. */
export function hasPassed(verdict: string | undefined): boolean {
  return verdict !== undefined && GOOD.test(verdict)
}

/** `✓ pii` for one that let it pass, `✗ pii block` for any other. */
export function guardrailText({
  name = 'guardrail',
  verdict,
}: {
  readonly name?: string | undefined
  readonly verdict?: string | undefined
}): string {
  if (verdict === undefined) return name
  return hasPassed(verdict) ? `✓ ${name}` : `✗ ${name} ${verdict}`
}
