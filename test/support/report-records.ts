/** Records for reports: a month of a company's AI systems, drawn from a seed, with all that a report tells of. */
import { createHash } from 'node:crypto'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { LOG_RECORD_TYPES } from '../../src/formats/record-members.ts'
import { hashLeaf, type RootHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import type { ReportedRecord, ReportRequest } from '../../src/reports/build-report.ts'
import type { IntegrityEvidence, ReportedHead } from '../../src/reports/integrity.ts'
import { countedSalts, prepared } from './records.ts'

/** Bytes that look random, and are the same each time. */
function drawn(label: string): Buffer {
  return createHash('sha256').update(label).digest()
}

export function pseudonymOf(person: string): string {
  return `p_${drawn(`person ${person}`).subarray(0, 16).toString('base64url')}`
}

export function idOf(number: number): string {
  const hex = drawn(`id ${number}`).toString('hex')
  return `019a9bd4-5c00-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`
}

/** A submission as the record that a log would make of it, with its disclosures. */
export function reported(
  submission: JsonObject,
  index: number,
  time: string,
  tenant = 'acme',
): ReportedRecord {
  const own = (LOG_RECORD_TYPES as readonly string[]).includes(String(submission.type))
  const person = (name: 'actor' | 'subject') =>
    typeof submission[name] === 'string' ? { [name]: pseudonymOf(submission[name]) } : {}
  const { leaf, disclosures } = prepared(submission, {
    ...(own && { by: 'log' as const }),
    id: idOf(index),
    time: Date.parse(time),
    tenant,
    pseudonyms: { ...person('actor'), ...person('subject') },
    salts: countedSalts(),
  })
  return { index: leafIndex(index), record: parseRecord(leaf), disclosures }
}

export function head(size: number, time: string, more: Partial<ReportedHead> = {}): ReportedHead {
  return {
    size: treeSize(size),
    root: hashLeaf(Buffer.from(`root ${size}`)) as unknown as RootHash,
    time: new Date(time),
    cosignedBy: ['alpha.example', 'beta.example', 'gamma.example'],
    quorum: true,
    ...more,
  }
}

export const SOUND: IntegrityEvidence = {
  start: head(0, '2026-10-31T23:59:58.000Z'),
  end: head(9_000_000, '2026-12-01T00:00:02.000Z'),
  consistency: { outcome: 'verified' },
  witnesses: {
    quorum: '2 of alpha, beta, gamma',
    heads: 43_160,
    covered: 43_160,
    each: [
      { name: 'alpha.example', cosigned: 43_160, last: '2026-12-01T00:00:02.120Z' },
      { name: 'beta.example', cosigned: 43_152, last: '2026-12-01T00:00:02.340Z' },
      { name: 'gamma.example', cosigned: 30_970, last: '2026-11-24T04:10:55.000Z' },
    ],
  },
}

export function reportOf(
  records: ReportRequest['records'],
  more: Partial<ReportRequest> = {},
): ReportRequest {
  return {
    origin: 'log.acme.example/ai-audit',
    tenant: 'acme',
    month: '2026-11',
    generated: new Date('2026-12-01T08:30:00.000Z'),
    records,
    integrity: SOUND,
    ...more,
  }
}

const MODELS = [
  {
    name: 'claims-triage',
    provider: 'acme',
    version: '4.2.1',
    version_hash: `sha256:${drawn('a').toString('hex')}`,
  },
  { name: 'gpt-large', provider: 'modelhost', version: '2026-08-06' },
  { name: 'summarise-small', provider: 'modelhost', version: '2026-03' },
] as const

const OWN: readonly (readonly [day: number, submission: JsonObject])[] = [
  [
    2,
    { type: 'permission_change', action: 'role granted: auditor', actor: 'root', subject: 'eve' },
  ],
  [
    3,
    {
      type: 'grant',
      action: 'request',
      actor: 'eve',
      extra: {
        purpose: 'complaint handling',
        ticket: 'CASE-2291',
        scope: { request_id: 'req-71822' },
        until: '2026-11-04T12:00:00Z',
      },
    },
  ],
  [
    3,
    {
      type: 'grant',
      action: 'approve',
      actor: 'olga',
      parent_id: idOf(3),
      extra: { ticket: 'CASE-2291' },
    },
  ],
  [
    3,
    {
      type: 'access',
      action: 'read',
      actor: 'eve',
      request_id: 'req-71822',
      parent_id: idOf(3),
      extra: { records: 6, purpose: 'complaint handling' },
    },
  ],
  [
    4,
    {
      type: 'access',
      action: 'refused',
      actor: 'mallory',
      extra: { purpose: 'no grant for this query' },
    },
  ],
  [
    9,
    {
      type: 'erasure',
      action: 'erase',
      actor: 'dpo',
      extra: {
        basis: 'GDPR art. 17(1)(b): consent withdrawn',
        records: 131,
        pseudonym: pseudonymOf('ann'),
      },
    },
  ],
  [
    11,
    {
      type: 'hold',
      action: 'place',
      actor: 'legal',
      extra: {
        name: 'Smith v. Acme',
        scope: { model: 'claims-triage', from: '2026-01-01', to: '2026-06-30' },
        basis: 'litigation hold, order of 10 November 2026',
      },
    },
  ],
  [
    12,
    {
      type: 'erasure',
      action: 'erase',
      actor: 'dpo',
      extra: {
        basis: 'GDPR art. 17(1)(a): no longer necessary',
        records: 12,
        pseudonym: pseudonymOf('bo'),
      },
    },
  ],
  [
    15,
    {
      type: 'retention',
      action: 'expire',
      extra: {
        basis: 'class standard, P1Y; EU AI Act art. 19(1)',
        class: 'standard',
        records: 8_412,
      },
    },
  ],
  [
    16,
    {
      type: 'retention',
      action: 'change',
      actor: 'dpo',
      extra: {
        class: 'employment',
        jurisdiction: 'us-nyc',
        keep: 'P1Y → P1Y6M',
        basis: '6 RCNY 5-300',
      },
    },
  ],
  [
    20,
    { type: 'permission_change', action: 'role removed: approver', actor: 'root', subject: 'olga' },
  ],
  [
    24,
    {
      type: 'access',
      action: 'read',
      actor: 'eve',
      request_id: 'req-80001',
      parent_id: idOf(9),
      extra: { records: 2, purpose: 'monthly sampling' },
    },
  ],
  [
    27,
    {
      type: 'retention',
      action: 'expire',
      extra: { basis: 'class short, P30D', class: 'short', records: 977 },
    },
  ],
  [
    28,
    {
      type: 'hold',
      action: 'lift',
      actor: 'legal',
      parent_id: idOf(11),
      extra: { name: 'Jones inquiry' },
    },
  ],
]

/** Some 100 records for each unit of `load`, on the days of November 2026; fewer on weekends. */
export function sampleMonth(load: number): ReportedRecord[] {
  const records: ReportedRecord[] = []
  let index = 8_123_456
  for (let day = 1; day <= 30; day++) {
    const weekend = day % 7 === 0 || day % 7 === 1
    const count = Math.round(load * (weekend ? 1.1 : 3.6 + (drawn(`day ${day}`)[0] ?? 0) / 128))
    const times = Array.from({ length: count }, (_, i) => (0.999 * (i + 0.5)) / count)
    const at = (share: number) =>
      new Date(Date.UTC(2026, 10, day) + Math.floor(share * 86_400_000)).toISOString()
    for (const [i, share] of times.entries()) {
      records.push(reported(submissionOf(`${day}/${i}`), index, at(share)))
      index += 1 + ((drawn(`gap ${day}/${i}`)[0] ?? 0) % 30)
    }
    for (const [i, [, submission]] of OWN.filter(([on]) => on === day).entries()) {
      records.push(reported(submission, index++, at(0.9995 + i / 10_000)))
    }
  }
  return records
}

function submissionOf(label: string): JsonObject {
  const [kind = 0, model = 0, a = 0, b = 0, c = 0, d = 0] = drawn(label)
  const of = MODELS[model < 140 ? 0 : model < 230 ? 1 : 2]!
  const common = {
    environment: kind % 16 === 0 ? 'staging' : 'production',
    policy: kind < 90 ? 'ai-use/11' : 'ai-use/12',
    retention_class: c < 200 ? 'standard' : 'high-risk-ai',
    request_id: `req-${label}`,
  }
  if (kind < 8)
    return { ...common, type: 'data_access', action: 'read customer file', actor: 'svc' }
  if (kind < 11)
    return { ...common, type: 'configuration_change', action: 'set threshold', actor: 'ops' }
  if (kind < 13) return { ...common, type: 'model_deployment', action: 'deploy', model: of }
  if (kind < 14) return { ...common, type: 'correction', corrects: idOf(1) }
  const verdict = d < 235 ? 'pass' : d < 250 ? 'flag' : 'block'
  if (kind < 50)
    return {
      ...common,
      type: 'decision',
      model: of,
      decision: { outcome: 'approve' },
      subject: `customer ${a}`,
    }
  if (kind < 90)
    return {
      ...common,
      type: 'tool_call',
      tool_calls: [{ id: '1', name: 'lookup', arguments: {} }],
    }
  return {
    ...common,
    type: 'llm_request',
    subject: `customer ${a}`,
    model: of,
    guardrails: [
      { name: 'pii-filter', verdict },
      ...(d % 3 === 0 ? [{ name: 'toxicity', verdict: 'pass' }] : []),
    ],
    input: { prompt: '…' },
    output: { text: '…' },
    metrics: {
      input_tokens: 200 + 7 * a,
      output_tokens: 40 + 3 * b,
      latency_ms: 300 + c,
      cost: (a + b + 1) / 10_000,
      currency: of.name === 'gpt-large' ? 'USD' : 'EUR',
    },
  }
}
