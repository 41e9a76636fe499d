/** Records, holds, expiries and restarts in any order, against a list that is gone through whole each time. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import { parseRetentionTable, retentionOf } from '../../src/formats/retention.ts'
import { caller, request } from '../records/records-place.ts'
import { discard, newPlace } from '../support/test-log.ts'
import { administrator, openComplianceAt } from './compliance-place.ts'

const HOUR = 3_600_000

const TABLE = parseRetentionTable({
  version: 'cairn-retention/v1',
  regimes: {
    longer: { title: 'longer', source: 'x', basis: 'law', keep: 'P5D', types: ['decision'] },
  },
  classes: {
    day: { about: 'a day', keep: 'P1D' },
    days: { about: 'three days', keep: 'P3D', regimes: ['longer'] },
  },
  jurisdictions: { none: { about: 'none', class: 'days' } },
})

const CLASSES = ['day', 'days', undefined] as const
const TYPES = ['llm_request', 'decision'] as const
const SESSIONS = ['s0', 's1', 's2'] as const

type Action =
  | { readonly kind: 'submit'; readonly records: readonly Drawn[] }
  | { readonly kind: 'wait'; readonly hours: number }
  | { readonly kind: 'place'; readonly scope: JsonObject }
  | { readonly kind: 'lift' | 'expire' | 'restart' }

interface Drawn {
  readonly class: (typeof CLASSES)[number]
  readonly type: (typeof TYPES)[number]
  readonly session: (typeof SESSIONS)[number]
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  class: fc.constantFrom(...CLASSES),
  type: fc.constantFrom(...TYPES),
  session: fc.constantFrom(...SESSIONS),
})
const scope: fc.Arbitrary<JsonObject> = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...SESSIONS).map((session) => ({ session_id: session })),
  fc.constantFrom(...TYPES).map((type) => ({ type })),
)
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.array(drawn, { minLength: 1, maxLength: 6 }).map(submit) },
    { weight: 4, arbitrary: fc.nat(80).map((hours) => ({ kind: 'wait', hours }) as const) },
    { weight: 2, arbitrary: scope.map((one) => ({ kind: 'place', scope: one }) as const) },
    { weight: 2, arbitrary: fc.constant({ kind: 'lift' } as const) },
    { weight: 3, arbitrary: fc.constant({ kind: 'expire' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' } as const) },
  ),
  { minLength: 16, maxLength: 24, size: 'max' },
)

function submit(records: readonly Drawn[]): Action {
  return { kind: 'submit', records }
}

/** A record as the list has it. */
interface Kept {
  readonly id: string
  readonly drawn: Drawn
  readonly time: number
  state: 'payload' | 'erased'
}

const isCovered = (one: JsonObject, { drawn: { session, type } }: Kept): boolean =>
  (one.session_id ?? session) === session && (one.type ?? type) === type

function isDue({ drawn: { class: named, type }, time }: Kept, now: number): boolean {
  const kept = retentionOf({ class: named, type, jurisdiction: 'none', table: TABLE })
  return kept.until(new Date(time)).getTime() <= now
}

it('destroys what a list says is due, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(actions, async (list) => {
      const place = await newPlace()
      let now = Date.UTC(2026, 0, 1)
      const open = () =>
        openComplianceAt(place, {
          now: () => now,
          compliance: { retention: { table: TABLE, jurisdictionOf: () => 'none' } },
        })
      let all = await open()
      const kept: Kept[] = []
      const holds: { name: string; scope: JsonObject }[] = []
      let placed = 0

      async function expire(): Promise<void> {
        const due = kept.filter((one) => one.state === 'payload' && isDue(one, now))
        const held = (one: Kept) => holds.some((hold) => isCovered(hold.scope, one))
        const destroyed = due.filter((one) => !held(one))
        for (const one of destroyed) one.state = 'erased'
        const expiries = await all.compliance.expire()
        const records = expiries.reduce((sum, one) => sum + one.records, 0)
        expect(records).toBe(destroyed.length)
      }

      async function act(action: Action): Promise<void> {
        if (action.kind === 'submit') {
          const submissions = action.records.map((one, i) =>
            request(i, {
              type: one.type,
              session_id: one.session,
              ...(one.class !== undefined && { retention_class: one.class }),
            }),
          )
          const { records } = await all.records.submit(submissions, caller())
          records.forEach(({ id }, i) => {
            kept.push({ id, drawn: action.records[i]!, time: now, state: 'payload' })
          })
        } else if (action.kind === 'wait') now += action.hours * HOUR
        else if (action.kind === 'place') {
          const hold = { name: `hold-${placed++}`, scope: action.scope }
          await all.compliance.placeHold({ ...hold, reason: 'a case' }, administrator)
          holds.push(hold)
        } else if (action.kind === 'lift') {
          const hold = holds.shift()
          if (hold !== undefined) await all.compliance.liftHold(hold.name, 'over', administrator)
        } else if (action.kind === 'expire') await expire()
        else {
          await all.close()
          all = await open()
        }
      }

      try {
        for (const action of list) await act(action)
        now += 200 * HOUR
        await expire()
        const states = await Promise.all(
          kept.map(async ({ id }) => {
            const left = await all.records.disclosures(id, 'acme')
            return Array.isArray(left) ? 'payload' : left
          }),
        )
        expect(states).toEqual(kept.map(({ state }) => state))
      } finally {
        await all.close()
        await discard(place)
      }
    }),
    { numRuns: 3 },
  )
})
