/**
 * The records that `cairn demo` submits: an invented bank's AI systems at work, request by request. They are the same
 * every time, so that a demonstration can be repeated.
 */
import type { SubmittedRecord } from '../formats/record.ts'

/** Whose complaint the demonstration follows. */
export const CUSTOMER = { person: 'marta.lindqvist@example.com', request: 'req-4711' } as const

const SEED = 6962

/** A source of numbers from 0 to 1 that depends on nothing but its seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What the makers of records draw from. */
interface Draw {
  number(min: number, max: number): number
  /** With `digits` after the point. */
  decimal(min: number, max: number, digits: number): number
  chance(share: number): boolean
  pick<T>(items: readonly T[]): T
  hex(digits: number): string
}

function drawFrom(random: () => number): Draw {
  const draw: Draw = {
    number: (min, max) => min + Math.floor(random() * (max - min + 1)),
    decimal: (min, max, digits) => Number((min + random() * (max - min)).toFixed(digits)),
    chance: (share) => random() < share,
    pick: (items) => items[draw.number(0, items.length - 1)]!,
    hex: (digits) => Array.from({ length: digits }, () => draw.number(0, 15).toString(16)).join(''),
  }
  return draw
}

const ASSISTANT = { name: 'atlas-70b', provider: 'atlas', version: '2026-09-14' } as const
const SCORER = { name: 'harbor-risk', provider: 'northwind', version: '4.12.0' } as const
const SERVICE = 'assistant'
const POLICY = 'consumer-credit@2026-09'

const FIRST_NAMES = ['amir', 'birgit', 'chen', 'dana', 'emeka', 'farida', 'goran', 'hanna']
const LAST_NAMES = ['abara', 'berg', 'costa', 'dietz', 'eriksen', 'faure', 'gruber', 'holm']

const QUESTIONS = [
  ['Why was I charged a fee on Monday?', 'The fee is for a transfer abroad; I have refunded it.'],
  ['Can I move my rent to the 3rd?', 'Your standing order now runs on the 3rd of each month.'],
  ['What is left of my overdraft?', 'You have used 240 of your 1,000 euros.'],
  ['I lost my card in Porto.', 'It is blocked, and a new one is on its way to your address.'],
] as const

const TOOLS = ['ledger.read_balance', 'payments.draft_transfer', 'cards.block'] as const

/** What an exchange with a customer has in all of its records. */
interface Exchange {
  readonly draw: Draw
  readonly person: string
  readonly request: string
  readonly session: string
}

/** A customer asks, the assistant looks something up and answers. */
function chat({ draw, person, request, session }: Exchange): SubmittedRecord[] {
  const [prompt, text] = draw.pick(QUESTIONS)
  const about = { request_id: request, session_id: session, actor: SERVICE, subject: person }
  const input = draw.number(300, 2_400)
  const isBlocked = draw.chance(0.15)
  return [
    {
      type: 'tool_call',
      ...about,
      action: 'execute_tool',
      tool_calls: [
        { id: `call_${draw.hex(8)}`, name: draw.pick(TOOLS), arguments: { customer: person } },
      ],
    },
    {
      type: 'llm_request',
      ...about,
      action: 'chat',
      input: { system_prompt_version: `support-reply@${draw.number(3, 41)}`, prompt },
      model: { ...ASSISTANT, parameters: { temperature: 0.2 } },
      guardrails: [
        {
          name: draw.pick(['pii', 'prompt-injection', 'financial-advice']),
          verdict: isBlocked ? 'block' : 'pass',
          score: draw.decimal(isBlocked ? 0.71 : 0.01, isBlocked ? 0.99 : 0.6, 3),
        },
      ],
      output: { text: isBlocked ? 'I must pass this on to a colleague.' : text },
      metrics: {
        input_tokens: input,
        output_tokens: draw.number(20, 400),
        latency_ms: 180 + Math.round(input / draw.number(4, 9)),
        cost: draw.decimal(0.001, 0.02, 4),
        currency: 'EUR',
      },
    },
  ]
}

/** Somebody applies for a loan: their file is read, a model scores it, and it is decided. */
function loan({ draw, person, request, session }: Exchange, score: number): SubmittedRecord[] {
  const outcome = score > 0.62 ? 'approve' : score > 0.45 ? 'refer' : 'decline'
  const about = { request_id: request, session_id: session, subject: person, policy: POLICY }
  const wage = draw.number(18, 64) * 100
  const ratio = draw.number(31, 58)
  return [
    {
      type: 'data_access',
      ...about,
      actor: SCORER.name,
      action: 'read',
      resource: `credit-bureau/${draw.hex(8)}`,
      input: { documents: [{ id: 'bureau-report', pages: draw.number(2, 9) }] },
    },
    {
      type: 'inference_request',
      ...about,
      actor: SCORER.name,
      action: 'score',
      input: { data: { monthly_income: wage, debt_to_income: ratio / 100 } },
      model: SCORER,
      guardrails: [
        { name: 'fair-lending', version: '3.1', verdict: 'pass', score: draw.decimal(0, 0.4, 3) },
      ],
      output: { data: { score } },
      metrics: { latency_ms: draw.number(12, 90) },
    },
    {
      type: 'decision',
      ...about,
      actor: SCORER.name,
      action: 'decide',
      model: SCORER,
      decision: {
        outcome,
        reason: `score ${score}; debts take ${ratio} % of an income of ${wage} EUR`,
      },
    },
  ]
}

/** Somebody changes how the systems work. */
function change(draw: Draw, request: string): SubmittedRecord {
  const actor = `${draw.pick(FIRST_NAMES)}@northwind.example`
  const model = draw.pick([ASSISTANT, SCORER])
  return draw.pick<SubmittedRecord>([
    {
      type: 'model_deployment',
      request_id: request,
      actor,
      action: 'promote',
      model: { ...model, version_hash: `sha256:${draw.hex(64)}` },
      environment: draw.pick(['production', 'canary']),
      effects: [{ approved_by: `${draw.pick(LAST_NAMES)}@northwind.example` }],
    },
    {
      type: 'configuration_change',
      request_id: request,
      actor,
      action: 'set',
      resource: 'guardrails/financial-advice/threshold',
      effects: [{ from: 0.8, to: 0.7 }],
    },
    {
      type: 'permission_change',
      request_id: request,
      actor,
      action: 'grant',
      resource: 'tools/payments.draft_transfer',
      subject: SERVICE,
    },
  ])
}

/** `count` records of some dozens of people, and of the customer who complains: a loan declined, and two chats. */
export function demoRecords(count: number): SubmittedRecord[] {
  const draw = drawFrom(seededRandom(SEED))
  const records: SubmittedRecord[] = []
  let number = 4_640
  while (records.length < count) {
    const request = `req-${number++}`
    const isHers = request === CUSTOMER.request
    const name = `${draw.pick(FIRST_NAMES)}.${draw.pick(LAST_NAMES)}@example.com`
    const exchange: Exchange = {
      draw,
      person: isHers || number % 40 === 0 ? CUSTOMER.person : name,
      request,
      session: `s-${draw.hex(6)}`,
    }
    if (isHers) records.push(...loan(exchange, 0.381))
    else if (draw.chance(0.1)) records.push(change(draw, request))
    else if (draw.chance(0.3)) records.push(...loan(exchange, draw.decimal(0.02, 0.98, 3)))
    else records.push(...chat(exchange))
  }
  return records.slice(0, count)
}
