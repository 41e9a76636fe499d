/** Any calls, in any order, with restarts between them: a vault does as two plain maps do. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Disclosure } from '../../src/formats/disclosure.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { all, disclosure, masterKey, recordId, shown, vaultPlace } from './vaults.ts'

const TENANTS = ['acme', 'rival']
const PEOPLE = ['ann', 'bob', 'cy']

type Step =
  | {
      readonly kind: 'meet' | 'look up' | 'erase person'
      readonly tenant: number
      readonly person: number
    }
  | {
      readonly kind: 'put'
      readonly records: readonly {
        readonly tenant: number
        readonly record: number
        /** Of each part; -1 for nobody. */
        readonly owners: readonly number[]
      }[]
    }
  | { readonly kind: 'erase record'; readonly tenant: number; readonly record: number }
  | { readonly kind: 'restart' | 'rewrap' | 'inspect' }

const tenant = fc.nat(1)
const person = fc.nat(2)
const record = fc.nat(7)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('meet' as const, 'meet' as const, 'look up' as const),
      tenant,
      person,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      records: fc.array(
        fc.record({
          tenant,
          record,
          owners: fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 1, maxLength: 3 }),
        }),
        { maxLength: 3 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('erase person' as const), tenant, person }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('erase record' as const), tenant, record }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('restart' as const, 'rewrap' as const, 'inspect' as const),
    }),
  },
)

interface Part {
  readonly owner: string | undefined
  readonly disclosures: readonly Disclosure[]
}

class Model {
  /** Pseudonyms by tenant and person. */
  readonly people = new Map<string, string>()
  readonly erased = new Set<string>()
  /** Parts by tenant and record. */
  readonly records = new Map<string, readonly Part[]>()

  get(name: string): string[] | 'erased' | undefined {
    const parts = this.records.get(name)
    if (parts === undefined) return undefined
    const left = this.left(name)
    return left.length === 0
      ? 'erased'
      : (shown(left.flatMap((part) => [...part.disclosures])) as string[])
  }

  /** Parts that are not erased. */
  left(name: string): readonly Part[] {
    return (this.records.get(name) ?? []).filter(
      ({ owner }) => !this.erased.has(name) && (owner === undefined || !this.erased.has(owner)),
    )
  }
}

it('does as plain maps do, whatever is asked of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const place = await vaultPlace()
      try {
        let { vault } = await place.open()
        let key = 0
        const model = new Model()
        for (const [at, one] of steps.entries()) {
          if (one.kind === 'restart') {
            ;({ vault } = await place.open({
              masterKey: masterKey(`${key}`.replace(/^0$/, 'first')),
            }))
          } else if (one.kind === 'rewrap') {
            key++
            await vault.rewrap(masterKey(`${key}`))
          } else {
            await take(vault, model, one, at)
          }
        }
        await expectSame(vault, model)
        ;({ vault } = await place.open({ masterKey: masterKey(`${key}`.replace(/^0$/, 'first')) }))
        await expectSame(vault, model)
      } finally {
        await place.remove()
      }
    }),
    { numRuns: 25 },
  )
}, 120_000)

async function take(vault: Vault, model: Model, one: Step, at: number): Promise<void> {
  switch (one.kind) {
    case 'meet': {
      const [tenant, person] = [TENANTS[one.tenant]!, PEOPLE[one.person]!]
      const pseudonym = await vault.pseudonym(tenant, person)
      const known = model.people.get(`${tenant} ${person}`)
      if (known !== undefined) expect(pseudonym).toBe(known)
      expect(model.erased.has(pseudonym)).toBe(false)
      model.people.set(`${tenant} ${person}`, pseudonym)
      break
    }
    case 'look up': {
      const [tenant, person] = [TENANTS[one.tenant]!, PEOPLE[one.person]!]
      const known = model.people.get(`${tenant} ${person}`)
      expect(await vault.knownPseudonym(tenant, person)).toBe(known)
      break
    }
    case 'put':
      await put(vault, model, one, at)
      break
    case 'erase person': {
      const [tenant, person] = [TENANTS[one.tenant]!, PEOPLE[one.person]!]
      const pseudonym = model.people.get(`${tenant} ${person}`)
      if (pseudonym === undefined) return
      const hit = [...model.records.keys()].filter((name) =>
        model.left(name).some(({ owner }) => owner === pseudonym),
      )
      expect(await vault.eraseSubject(tenant, pseudonym)).toEqual({ records: hit.length })
      model.people.delete(`${tenant} ${person}`)
      model.erased.add(pseudonym)
      expect(await vault.eraseSubject(tenant, pseudonym)).toEqual({ records: hit.length })
      expect(await vault.person(tenant, pseudonym)).toBeUndefined()
      break
    }
    case 'erase record': {
      const tenant = TENANTS[one.tenant]!
      const name = `${tenant} ${one.record}`
      const erasing = vault.eraseRecord(tenant, recordId(one.record))
      if (model.records.has(name)) {
        expect(await erasing).toEqual({ records: model.left(name).length > 0 ? 1 : 0 })
        model.erased.add(name)
      } else {
        await expect(erasing).rejects.toMatchObject({ code: 'NOT_FOUND' })
      }
      break
    }
    case 'inspect':
      expect(await all(vault.inspect())).toEqual([])
      break
  }
}

async function put(
  vault: Vault,
  model: Model,
  { records }: Extract<Step, { kind: 'put' }>,
  at: number,
): Promise<void> {
  const entries = records.flatMap(({ tenant, record, owners }) =>
    owners.map((owner) => {
      const name = TENANTS[tenant]!
      return {
        tenant: name,
        recordId: recordId(record),
        owner: model.people.get(`${name} ${PEOPLE[owner]}`),
        disclosures: [disclosure(`record ${record} of step ${at}`)],
      }
    }),
  )
  const names = new Set(records.map(({ tenant, record }) => `${TENANTS[tenant]} ${record}`))
  const written = vault.put(entries)
  if ([...names].some((name) => model.records.has(name))) {
    await expect(written).rejects.toMatchObject({ code: 'CONFLICT' })
    return
  }
  await written
  for (const { tenant, record } of records) {
    const mine = entries.filter(
      (entry) => entry.tenant === TENANTS[tenant] && entry.recordId === recordId(record),
    )
    model.records.set(`${TENANTS[tenant]} ${record}`, mine)
  }
}

async function expectSame(vault: Vault, model: Model): Promise<void> {
  for (const tenant of TENANTS) {
    for (let record = 0; record < 8; record++) {
      const found = await vault.get(tenant, recordId(record))
      expect(shown(found), `${tenant} ${record}`).toEqual(model.get(`${tenant} ${record}`))
    }
    for (const person of PEOPLE) {
      const known = model.people.get(`${tenant} ${person}`)
      expect(await vault.knownPseudonym(tenant, person)).toBe(known)
      if (known !== undefined) expect(await vault.person(tenant, known)).toBe(person)
    }
  }
  expect(await all(vault.inspect())).toEqual([])
}
