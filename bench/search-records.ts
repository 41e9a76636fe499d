/** Records as AI systems would leave them: few models and types, many requests, some people more often than others. */
import type { RecordLeaf } from '../src/formats/record.ts'
import { RECORD_VERSION, type RecordType } from '../src/formats/record-members.ts'
import { leafIndex } from '../src/merkle/position.ts'
import type { IndexedRecord } from '../src/search/search-index.ts'

/** The tenant that most records are of; nine others share the rest. */
export const TENANT = 'acme'
const OTHERS = Array.from({ length: 9 }, (_, i) => `tenant-${i}`)

/** Terms that hundreds of thousands of records have, and only the last of a few together. */
export const APART = { action: 'chat.completion', modelVersion: '2026-09-01' } as const
const TOGETHER_EVERY = 400_000

const TYPES: readonly (readonly [RecordType, number])[] = [
  ['llm_request', 0.45],
  ['tool_call', 0.2],
  ['guardrail', 0.15],
  ['decision', 0.1],
  ['data_access', 0.08],
  ['configuration_change', 0.02],
]
const MODELS = ['atlas-large', 'atlas-small', 'orion-4', 'orion-4-mini', 'vega-2', 'lyra', 'mira']
const START = Date.UTC(2026, 0, 1)
const STEP_MS = 2_600

/** The same numbers for the same seed, from 0 to 1. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `count` records from index 0 on. */
export function* records(count: number): Generator<IndexedRecord> {
  const random = randomNumbers(7)
  const hex = (digits: number): string => {
    let text = ''
    while (text.length < digits) {
      text += Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0')
    }
    return text.slice(0, digits)
  }
  /** Small numbers more often than large ones, as with words and people. */
  const skewed = (below: number): number => Math.floor(below ** random()) - 1
  const people = Array.from({ length: 20_000 }, () => `p_${hex(22)}`)
  const resources = Array.from({ length: 50_000 }, () => hex(43))
  const sessions = Array.from({ length: 200 }, () => hex(16))
  let request = ''
  let time = START
  for (let i = 0; i < count; i++) {
    time += Math.round(-Math.log(1 - random()) * STEP_MS)
    if (i === 0 || random() < 0.4) request = `req-${hex(16)}`
    const session = Math.floor(random() * sessions.length)
    if (random() < 0.12) sessions[session] = hex(16)
    const tenant = random() < 0.9 ? TENANT : OTHERS[skewed(OTHERS.length + 1)]!
    const type = pick(TYPES, random())
    const chat = random() < 0.5
    const model = MODELS[skewed(MODELS.length + 1)]!
    const hasCost = type === 'llm_request'
    const together = i % TOGETHER_EVERY === TOGETHER_EVERY / 8
    const version = chat && !together ? '2026-03-15' : APART.modelVersion
    const record: RecordLeaf = {
      version: RECORD_VERSION,
      id: `${hex(8)}-${hex(4)}-7${hex(3)}-${hex(4)}-${hex(12)}`,
      time: new Date(time).toISOString(),
      tenant: together ? TENANT : tenant,
      type,
      action: chat || together ? APART.action : `tool.${skewed(30)}`,
      request_id: request,
      session_id: `sess-${sessions[session]}`,
      actor: people[skewed(200)]!,
      subject: people[skewed(people.length)]!,
      trace_id: hex(32),
      span_id: hex(16),
      model: { name: model, provider: model.split('-')[0]!, version },
      environment: random() < 0.85 ? 'production' : 'staging',
      app_version: '4.12.0',
      retention_class: 'standard',
      guardrails: [{ name: 'pii', verdict: random() < 0.97 ? 'pass' : 'block' }],
      ...(hasCost
        ? {
            metrics: {
              input_tokens: Math.floor(random() * 4000),
              output_tokens: Math.floor(random() * 900),
              latency_ms: Math.floor(200 + random() * 4000),
              cost: Number(Math.exp(-6 + 1.5 * bell(random)).toFixed(6)),
              currency: 'EUR',
            },
          }
        : {}),
      commitments: {},
    }
    const blindTerms = random() < 0.3 ? [resources[skewed(resources.length)]!] : []
    yield { index: leafIndex(i), record, blindTerms }
  }
}

/** A number around 0 that is seldom beyond 3. */
function bell(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function pick<T>(weighted: readonly (readonly [T, number])[], at: number): T {
  let rest = at
  for (const [value, weight] of weighted) {
    rest -= weight
    if (rest < 0) return value
  }
  return weighted[0]![0]
}
