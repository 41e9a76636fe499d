/**
 * The records that `cairn demo` logs: an invented bank's AI systems at work over a few hours. The same seed gives
 * the same records, so that a demonstration can be repeated; people and payloads appear as commitments only.
 */
import { hash } from 'node:crypto'
import { utf8 } from '../bytes.ts'

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

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
type Details = { readonly [name: string]: Json }

/** What the makers of records draw from. */
interface Draw {
  number(min: number, max: number): number
  /** With `digits` after the point. */
  decimal(min: number, max: number, digits: number): number
  chance(share: number): boolean
  pick<T>(items: readonly T[]): T
  hex(digits: number): string
  /** A salted commitment: what stands in a record where a person or a payload may not. */
  commitment(): string
}

function drawFrom(random: () => number): Draw {
  const draw: Draw = {
    number: (min, max) => min + Math.floor(random() * (max - min + 1)),
    decimal: (min, max, digits) => Number((min + random() * (max - min)).toFixed(digits)),
    chance: (share) => random() < share,
    pick: (items) => items[draw.number(0, items.length - 1)]!,
    hex: (digits) => Array.from({ length: digits }, () => draw.number(0, 15).toString(16)).join(''),
    commitment: () => `sha-256:${hash('sha256', draw.hex(32), 'base64')}`,
  }
  return draw
}

const MODELS = [
  { name: 'atlas-70b-instruct', version: '2026-09-14' },
  { name: 'atlas-8b-router', version: '2026-10-02' },
  { name: 'harbor-risk-scorer', version: '4.12.0' },
  { name: 'lumen-embed', version: '1.3.1' },
] as const

const TOOLS = [
  'ledger.read_balance',
  'crm.search_customer',
  'sanctions.screen_name',
  'payments.draft_transfer',
  'documents.retrieve',
  'email.send_draft',
] as const

const GUARDRAILS = ['pii', 'prompt-injection', 'toxicity', 'financial-advice'] as const

function llmRequest(draw: Draw): Details {
  const model = draw.pick(MODELS.slice(0, 2))
  const input = draw.number(120, 6_000)
  return {
    type: 'llm.request',
    action: 'chat',
    model,
    prompt_template: `${draw.pick(['support-reply', 'kyc-summary', 'memo-draft'])}@${draw.number(3, 41)}`,
    prompt: draw.commitment(),
    output: draw.commitment(),
    usage: { input_tokens: input, output_tokens: draw.number(20, 900) },
    latency_ms: 180 + Math.round(input / draw.number(4, 9)),
    finish_reason: draw.chance(0.93) ? 'stop' : 'length',
  }
}

function toolCall(draw: Draw): Details {
  const failed = draw.chance(0.07)
  return {
    type: 'tool.call',
    action: 'execute_tool',
    tool: draw.pick(TOOLS),
    call_id: `call_${draw.hex(10)}`,
    arguments: draw.commitment(),
    result: failed ? null : draw.commitment(),
    outcome: failed ? draw.pick(['timeout', 'denied', 'upstream-error']) : 'ok',
    latency_ms: draw.number(8, 1_400),
  }
}

function guardrail(draw: Draw): Details {
  const blocked = draw.chance(0.2)
  return {
    type: 'guardrail.verdict',
    action: 'evaluate',
    guardrail: `${draw.pick(GUARDRAILS)}@${draw.number(1, 6)}.${draw.number(0, 9)}`,
    score: draw.decimal(blocked ? 0.71 : 0, blocked ? 1 : 0.6, 3),
    threshold: 0.7,
    verdict: blocked ? 'block' : 'allow',
  }
}

function loanDecision(draw: Draw): Details {
  const score = draw.decimal(0.02, 0.98, 3)
  const decision = score > 0.62 ? 'approve' : score > 0.45 ? 'refer' : 'decline'
  return {
    type: 'decision.loan',
    action: 'decide',
    subject: `person:${draw.hex(16)}`,
    model: MODELS[2],
    policy: `consumer-credit@2026-0${draw.number(7, 9)}`,
    amount: { currency: 'EUR', value: draw.number(5, 90) * 500 },
    score,
    decision,
    reasons:
      decision === 'approve'
        ? []
        : [draw.pick(['debt-to-income', 'short-history', 'recent-arrears', 'unverified-income'])],
    human_review: decision === 'refer',
  }
}

function humanReview(draw: Draw): Details {
  return {
    type: 'human.review',
    action: draw.pick(['confirm', 'confirm', 'overrule']),
    reviewer: `staff:${draw.hex(12)}`,
    rationale: draw.commitment(),
    seconds_spent: draw.number(35, 1_900),
  }
}

function fraudAlert(draw: Draw): Details {
  return {
    type: 'alert.fraud',
    action: 'raise',
    subject: `account:${draw.hex(16)}`,
    model: MODELS[2],
    score: draw.decimal(0.8, 0.999, 3),
    pattern: draw.pick(['card-testing', 'mule-account', 'account-takeover']),
    amount: { currency: 'EUR', value: draw.decimal(3, 4_800, 2) },
  }
}

function deployment(draw: Draw): Details {
  const model = draw.pick(MODELS)
  return {
    type: 'model.deployment',
    action: draw.pick(['promote', 'promote', 'roll-back']),
    model,
    weights: `sha-256:${draw.hex(64)}`,
    environment: draw.pick(['production', 'canary']),
    approved_by: [`staff:${draw.hex(12)}`, `staff:${draw.hex(12)}`],
    evaluation: { suite: 'release-gate@17', passed: draw.number(1_180, 1_200), of: 1_200 },
  }
}

function accessGrant(draw: Draw): Details {
  return {
    type: 'access.grant',
    action: 'read-payload',
    grantee: `staff:${draw.hex(12)}`,
    purpose: draw.pick(['customer complaint', 'supervisory request', 'model incident']),
    expires_in_hours: draw.pick([4, 24, 72]),
  }
}

/** Makers of records, each as often as it is named per hundred. */
const MAKERS: readonly (readonly [share: number, make: (draw: Draw) => Details])[] = [
  [34, llmRequest],
  [26, toolCall],
  [14, guardrail],
  [12, loanDecision],
  [5, humanReview],
  [4, fraudAlert],
  [3, accessGrant],
  [2, deployment],
]

function pickMaker(draw: Draw): (draw: Draw) => Details {
  const total = MAKERS.reduce((sum, [share]) => sum + share, 0)
  let left = draw.number(1, total)
  for (const [share, make] of MAKERS) {
    left -= share
    if (left <= 0) return make
  }
  throw new Error('unreachable: the shares add up to the total')
}

/** JSON with its members in order of their names, as RFC 8785 has it for records of plain ASCII. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(',')}}`
}

const FIRST_RECORD_AT = Date.UTC(2026, 10, 2, 7, 58, 12)

/** `count` records as leaves. */
export function demoRecords(count: number, seed = 6962): Uint8Array[] {
  const draw = drawFrom(seededRandom(seed))
  let time = FIRST_RECORD_AT
  let session = draw.hex(12)
  return Array.from({ length: count }, (_, i) => {
    time += draw.number(40, 95_000)
    if (draw.chance(0.3)) session = draw.hex(12)
    const make = i === 0 ? deployment : pickMaker(draw)
    return utf8(
      canonical({
        v: 1,
        id: `rec-${String(i).padStart(6, '0')}-${draw.hex(8)}`,
        time: new Date(time).toISOString(),
        tenant: 'northwind-bank',
        session,
        ...make(draw),
      }),
    )
  })
}
