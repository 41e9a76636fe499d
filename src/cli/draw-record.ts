/**
 * A record as a picture: the way of a request from top to bottom, with what is in the clear, what was disclosed, and
 * what the log only commits to.
 */
import type { Payload, RecordReading } from '../client/record-answers.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { typeWords } from '../reports/words.ts'
import { guardrailWords, hasPassed, metricsWords, typeToned } from './record-words.ts'
import { count, plural, printable, type Style } from './style.ts'
import { wrap } from './table.ts'

/** What is drawn. */
export type DrawnRecord = Pick<RecordReading, 'index' | 'record' | 'payload'>

type Tone = 'clear' | 'shown' | 'sealed' | 'good' | 'bad'

/** One thing that is said of a record. */
interface Fact {
  readonly label: string
  readonly text: string
  readonly tone: Tone
}

interface Stage {
  readonly name: string
  readonly facts: readonly Fact[]
}

const STAGE_WIDTH = 12
const LABEL_WIDTH = 15
/** `  ● ` before the name of a stage. */
const RAIL_WIDTH = 4
/** Lines of one value at most; all of it is in the JSON. */
const LONGEST_VALUE = 12

/** The lines of the picture. */
export function drawRecord(drawn: DrawnRecord, style: Style, columns: number): string[] {
  const stages = stagesOf(drawn).filter(({ facts }) => facts.length > 0)
  const lines = [...headOf(drawn, style, columns), '']
  stages.forEach((stage, i) => {
    const isLast = i === stages.length - 1
    lines.push(...drawStage(stage, isLast, style, columns))
    if (!isLast) lines.push(`  ${style.dim('│')}`)
  })
  return lines
}

function headOf({ index, record }: DrawnRecord, style: Style, columns: number): string[] {
  const { type, action, time, tenant, request_id: request, session_id: session } = record
  const title = typeToned(style.bold(printable(typeWords(type))), type, style)
  const what = action === undefined ? '' : `: ${style.bold(printable(action))}`
  const where = [
    time.replace('T', ' ').replace('Z', ' UTC'),
    `tenant ${tenant}`,
    ...(request === undefined ? [] : [`request ${request}`]),
    ...(session === undefined ? [] : [`session ${session}`]),
  ]
  return [
    `${title}${what}  ${style.dim(`entry ${count(index)}`)}`,
    ...wrap(printable(where.join(' · ')), columns).map((line) => style.dim(line)),
  ]
}

function drawStage({ name, facts }: Stage, isLast: boolean, style: Style, columns: number) {
  const room = Math.max(columns - RAIL_WIDTH - STAGE_WIDTH - LABEL_WIDTH, 20)
  const rail = isLast ? ' ' : style.dim('│')
  const lines: string[] = []
  const add = (text: string): void => {
    const start =
      lines.length === 0
        ? `  ${style.green('●')} ${style.bold(name.padEnd(STAGE_WIDTH))}`
        : `  ${rail} ${''.padEnd(STAGE_WIDTH)}`
    lines.push(`${start}${text}`.trimEnd())
  }
  for (const { label, text, tone } of facts) {
    const named = printable(label)
    const isLong = named.length >= LABEL_WIDTH
    if (isLong) for (const line of wrap(named, LABEL_WIDTH + room)) add(style.dim(line))
    textLines(text, room).forEach((line, i) => {
      const title = i === 0 && !isLong ? named : ''
      add(`${style.dim(title.padEnd(LABEL_WIDTH))}${toned(line, tone, style)}`)
    })
  }
  return lines
}

/** Text in lines of at most `width` characters; the end of a long one is left out, and it says so. */
function textLines(text: string, width: number): string[] {
  const lines = text.split(/\r\n|\n|\r/).flatMap((line) => wrap(printable(line), width))
  if (lines.length <= LONGEST_VALUE) return lines
  const more = lines.length - LONGEST_VALUE + 1
  return [...lines.slice(0, LONGEST_VALUE - 1), `… ${plural(more, 'more line')}, see --json`]
}

function toned(text: string, tone: Tone, style: Style): string {
  switch (tone) {
    case 'sealed':
      return style.dim(text)
    case 'good':
      return style.green(text)
    case 'bad':
      return style.red(text)
    case 'shown':
      return style.yellow(text)
    default:
      return text
  }
}

/** What can be said of a record, member by member. */
class Facts {
  readonly #commitments: Readonly<Record<string, string>>
  readonly #shown: ReadonlyMap<string, JsonValue>
  readonly #sealed: string

  constructor({ commitments }: RecordLeaf, payload: Payload | undefined) {
    this.#commitments = commitments
    const disclosures = payload?.state === 'shown' ? payload.disclosures : []
    this.#shown = new Map(disclosures.map(({ pointer, value }) => [pointer, value]))
    this.#sealed = payload === undefined ? 'sealed' : payload.state === 'erased' ? 'erased' : 'gone'
  }

  /** A member that is in the clear. */
  clear(label: string, value: JsonValue | undefined): Fact[] {
    return value === undefined ? [] : [{ label, text: shownValue(value), tone: 'clear' }]
  }

  /** A member that the record commits to: its value if it was disclosed. */
  committed(label: string, pointer: string): Fact[] {
    if (!Object.hasOwn(this.#commitments, pointer)) return []
    const value = this.#shown.get(pointer)
    if (value !== undefined) return [{ label, text: shownValue(value), tone: 'shown' }]
    return [{ label, text: `▒▒▒▒▒▒▒▒ ${this.#sealed}`, tone: 'sealed' }]
  }

  /** The same of each item of a list. */
  items(label: string, pointer: string): Fact[] {
    const pointers = Object.keys(this.#commitments)
      .filter(
        (one) => one.startsWith(`${pointer}/`) && /^[0-9]+$/.test(one.slice(pointer.length + 1)),
      )
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    return pointers.flatMap((one, i) => this.committed(`${label} ${i + 1}`, one))
  }

  /** A person: the name if it was disclosed, and the pseudonym. */
  person(label: string, pseudonym: string | undefined): Fact[] {
    if (pseudonym === undefined) return []
    const name = this.#shown.get(`/${label}`)
    if (name === undefined) return [{ label, text: pseudonym, tone: 'sealed' }]
    return [{ label, text: `${shownValue(name)}  (${pseudonym})`, tone: 'shown' }]
  }

  /** Members without a place of their own: an object from their pointers to their values. */
  extra(): Fact[] {
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
    const what = plural(all.length, 'member')
    return shown === 0 ? what : `${what}, ${count(shown)} of them opened by what is shown`
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

function stagesOf({ record, payload }: DrawnRecord): Stage[] {
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
    { name: 'metrics', facts: metrics ? facts.clear('', metricsWords(metrics) || undefined) : [] },
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

function modelFacts(facts: Facts, model: RecordLeaf['model']): Fact[] {
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

function guardrailFacts(facts: Facts, { guardrails = [] }: RecordLeaf): Fact[] {
  return guardrails.flatMap(({ name, version, verdict, score }, i) => {
    const more = [
      ...(version === undefined ? [] : [`version ${version}`]),
      ...(score === undefined ? [] : [`score ${score}`]),
    ]
    const words = guardrailWords({
      ...(name !== undefined && { name }),
      ...(verdict !== undefined && { verdict }),
    })
    const text = [words, ...more].join(' · ')
    const tone = verdict === undefined ? 'clear' : hasPassed(verdict) ? 'good' : 'bad'
    return [{ label: '', text, tone }, ...facts.committed('because', `/guardrails/${i}/reason`)]
  })
}

function toolFacts(facts: Facts, { tool_calls: calls = [] }: RecordLeaf): Fact[] {
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
