/** Any sequence of what people do with grants and holds, against a model, and against the log read anew. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openCompliance } from '../../src/compliance/compliance.ts'
import type { Principal } from '../../src/compliance/principal.ts'
import type { CairnError } from '../../src/errors.ts'
import { request } from '../records/records-place.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { type OpenedCompliance, openComplianceAt, principal } from './compliance-place.ts'

let place: TestLogPlace
let all: OpenedCompliance
let tenants = 0
const MINUTE = 60_000
let ahead = 0
const now = (): number => Date.now() + ahead

beforeAll(async () => {
  place = await newPlace()
  all = await openComplianceAt(place, { now })
})
afterAll(async () => {
  await all.close()
  await discard(place)
})

/** Two people who may do all that can be done with grants, one who decides only, and who places holds. */
const PEOPLE = ['ann', 'bob', 'carl'] as const
type Person = (typeof PEOPLE)[number]

type Decision = 'approve' | 'refuse' | 'revoke' | 'read'
type Step =
  | { readonly step: 'request'; readonly by: Person; readonly minutes: number }
  | { readonly step: 'decide'; readonly how: Decision; readonly by: Person; readonly grant: number }
  | { readonly step: 'place'; readonly name: string; readonly person: number }
  | { readonly step: 'lift'; readonly name: string }
  | { readonly step: 'erase'; readonly person: number }
  | { readonly step: 'wait' }

const person = fc.constantFrom(...PEOPLE)
const nth = fc.nat({ max: 3 })
const name = fc.constantFrom('one', 'two')
const how = fc.constantFrom<Decision>('approve', 'approve', 'refuse', 'revoke', 'read', 'read')
const minutes = fc.constantFrom(1, 60)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ step: fc.constant('request' as const), by: person, minutes }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ step: fc.constant('decide' as const), how, by: person, grant: nth }),
  },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('place' as const), name, person: nth }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('lift' as const), name }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('erase' as const), person: nth }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('wait' as const) }) },
)

interface ModelGrant {
  readonly by: Person
  readonly minutes: number
  state: 'requested' | 'approved' | 'refused' | 'revoked'
  until: number
}

interface Model {
  readonly grants: ModelGrant[]
  /** Who is kept by an active hold, by its name. */
  readonly holds: Map<string, number>
  readonly erased: Set<number>
}

/** What a step must come to, and what it changes: a code, or nothing when it succeeds. */
function expected(step: Step, { grants, holds, erased }: Model): string | undefined {
  if (step.step === 'wait') return undefined
  if (step.step === 'request') {
    if (step.by === 'carl') return 'FORBIDDEN'
    grants.push({ by: step.by, minutes: step.minutes, state: 'requested', until: 0 })
    return undefined
  }
  if (step.step === 'place') {
    if (erased.has(step.person)) return 'NOT_FOUND'
    if (holds.has(step.name)) return 'CONFLICT'
    holds.set(step.name, step.person)
    return undefined
  }
  if (step.step === 'lift') return holds.delete(step.name) ? undefined : 'NOT ACTIVE'
  if (step.step === 'erase') {
    if (erased.has(step.person)) return 'NOT_FOUND'
    if ([...holds.values()].includes(step.person)) return 'HELD'
    erased.add(step.person)
    return undefined
  }
  if (step.how === 'read' && step.by === 'carl') return 'FORBIDDEN'
  const grant = grants[step.grant]
  if (grant === undefined) return 'NOT_FOUND'
  const isOver = grant.state === 'approved' && grant.until <= now()
  const isOpen = grant.state === 'requested' || (grant.state === 'approved' && !isOver)
  if (step.how === 'read') {
    return grant.by === step.by && grant.state === 'approved' && !isOver ? undefined : 'FORBIDDEN'
  }
  if (step.how === 'revoke') {
    if (!isOpen) return 'CONFLICT'
    grant.state = 'revoked'
    return undefined
  }
  if (grant.state !== 'requested') return 'CONFLICT'
  if (grant.by === step.by) return 'FORBIDDEN'
  grant.state = step.how === 'approve' ? 'approved' : 'refused'
  grant.until = now() + grant.minutes * MINUTE
  return undefined
}

const UNKNOWN = '018f0000-0000-7000-8000-000000000000'

it('grants and holds come to the same, step by step and read from the log anew', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 12, maxLength: 24 }), async (steps) => {
      const tenant = `tenant-${++tenants}`
      const as = (name: Person): Principal =>
        principal(name, name === 'carl' ? ['approver'] : ['auditor', 'approver'], tenant)
      const administrator = principal('administrator', ['administrator'], tenant)
      const { records } = await all.records.submit(
        [0, 1, 2, 3].map((n) => request(n)),
        { tenant },
      )
      const model: Model = { grants: [], holds: new Map(), erased: new Set() }
      const ids: string[] = []

      async function take(step: Step): Promise<unknown> {
        const { compliance } = all
        switch (step.step) {
          case 'wait':
            ahead += 2 * MINUTE
            return undefined
          case 'request': {
            const { minutes } = step
            const asked = { purpose: 'audit', ticket: 'T-1', scope: { model: 'model-1' }, minutes }
            return ids.push((await compliance.requestGrant(asked, as(step.by))).id)
          }
          case 'place': {
            const scope = { subject: `person-${step.person}@example.com` }
            const { name } = step
            return compliance.placeHold({ name, reason: 'lawsuit', scope }, administrator)
          }
          case 'lift':
            return compliance.liftHold(step.name, 'over', administrator)
          case 'erase': {
            const subject = `person-${step.person}@example.com`
            return compliance.erase({ subject, basis: 'on request' }, administrator)
          }
          case 'decide': {
            const id = ids[step.grant] ?? UNKNOWN
            const by = as(step.by)
            if (step.how === 'read') return compliance.read(records[1]!.index, by, id)
            if (step.how === 'revoke') return compliance.revokeGrant(id, by)
            return compliance.decideGrant(id, step.how, by)
          }
        }
      }

      for (const step of steps) {
        const code = expected(step, model)
        const outcome = await take(step).then(
          () => undefined,
          (error: unknown) => (error as CairnError).code,
        )
        if (code === 'NOT ACTIVE') expect(['NOT_FOUND', 'CONFLICT']).toContain(outcome)
        else expect(outcome, JSON.stringify(step)).toBe(code)
      }

      const kept = await all.compliance.grants(as('ann'))
      const told = [...kept.items].reverse().map(({ requestedBy, state }) => [requestedBy, state])
      expect(told).toEqual(
        model.grants.map(({ by, state, until }) => [
          by,
          state === 'approved' && until <= now() ? 'expired' : state,
        ]),
      )
      const holds = await all.compliance.holds(administrator)
      const active = holds.items.filter(({ state }) => state === 'active').map(({ name }) => name)
      expect(active.sort()).toEqual([...model.holds.keys()].sort())

      const { log, records: service, vault } = all
      const anew = openCompliance({ log, records: service, vault, now })
      expect(await anew.grants(as('ann'))).toEqual(kept)
      expect(await anew.holds(administrator)).toEqual(holds)
      await anew.close()
    }),
    { numRuns: 6 },
  )
})
