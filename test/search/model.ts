/** Records for tests of the search index, and an index that is only a list, which every answer is compared with. */
import fc from 'fast-check'
import type { RecordLeaf } from '../../src/formats/record.ts'
import { RECORD_TYPES, RECORD_VERSION } from '../../src/formats/record-members.ts'
import { type LeafIndex, leafIndex } from '../../src/merkle/position.ts'
import { ORDERS, type SearchQuery } from '../../src/search/query.ts'
import type { IndexedRecord, Page, SearchIndex } from '../../src/search/search-index.ts'

export const START = Date.UTC(2026, 0, 1)

/** A record at an index, with only what it needs beside what is given. */
export function recordAt(
  index: number,
  members: Partial<RecordLeaf> & { blindTerms?: readonly string[] } = {},
): IndexedRecord {
  const { blindTerms, ...rest } = members
  const record: RecordLeaf = {
    version: RECORD_VERSION,
    id: `00000000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
    time: new Date(START + index * 1_000).toISOString(),
    tenant: 'acme',
    type: 'llm_request',
    commitments: {},
    ...rest,
  }
  return { index: leafIndex(index), record, ...(blindTerms && { blindTerms }) }
}

/** The list. */
export class ModelIndex {
  #records: IndexedRecord[] = []
  next = 0

  apply(records: readonly IndexedRecord[], next: number): void {
    this.#records.push(...records)
    this.next = next
  }

  forget(tenant: string, pseudonym: string): number {
    let count = 0
    this.#records = this.#records.map((one) => {
      if (one.record.tenant !== tenant || one.record.subject !== pseudonym) return one
      count++
      const { subject: _subject, ...record } = one.record
      return { index: one.index, record }
    })
    return count
  }

  clear(): void {
    this.#records = []
    this.next = 0
  }

  get records(): readonly IndexedRecord[] {
    return this.#records
  }

  /** The indices of all records of an answer, in its order. */
  search(query: SearchQuery): number[] {
    const found = this.#records.filter((one) => isInAnswer(one, query))
    const by = comparison(query.order ?? 'newest')
    return found.sort(by).map(({ index }) => index)
  }
}

export function isInAnswer(
  { record, blindTerms = [] }: IndexedRecord,
  query: SearchQuery,
): boolean {
  const is = <T>(asked: T | undefined, value: T | undefined): boolean =>
    asked === undefined || asked === value
  // Only where it is asked for: reading a time takes longer than all the rest.
  const time = (): number => new Date(record.time).getTime()
  const cost = record.metrics?.cost
  return (
    record.tenant === query.tenant &&
    is(query.request, record.request_id) &&
    is(query.session, record.session_id) &&
    is(query.subject, record.subject) &&
    is(query.actor, record.actor) &&
    is<string>(query.type, record.type) &&
    is(query.action, record.action) &&
    is(query.model, record.model?.name) &&
    is(query.modelVersion, record.model?.version) &&
    is(query.environment, record.environment) &&
    is(query.retentionClass, record.retention_class ?? '') &&
    (query.blind ?? []).every((term) => blindTerms.includes(term)) &&
    (query.from === undefined || time() >= query.from) &&
    (query.before === undefined || time() < query.before) &&
    (query.minimumCost === undefined || (cost !== undefined && cost >= query.minimumCost))
  )
}

function comparison(
  order: NonNullable<SearchQuery['order']>,
): (a: IndexedRecord, b: IndexedRecord) => number {
  const newest = (a: IndexedRecord, b: IndexedRecord): number => b.index - a.index
  if (order === 'newest') return newest
  if (order === 'oldest') return (a, b) => -newest(a, b)
  const worst = order === 'costliest' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return (a, b) => {
    const [one, other] = [a.record.metrics?.cost ?? worst, b.record.metrics?.cost ?? worst]
    if (one === other) return newest(a, b)
    return (order === 'costliest') === one > other ? -1 : 1
  }
}

const TENANTS = ['acme', 'acme2', 'ünïcode \u{1f50f}']
const some = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}-${i}`)

/** Few values of each, so that queries find something. */
export const VALUES = {
  tenant: TENANTS,
  request: some('req', 12),
  session: some('sess', 6),
  person: some('p', 5),
  type: RECORD_TYPES.slice(0, 3),
  action: some('act', 3),
  model: some('model', 2),
  modelVersion: some('v', 3),
  environment: ['production', 'staging'],
  blind: some('blind', 4),
  retentionClass: some('class', 2),
  cost: [0, 0.001, 0.001_000_000_1, 0.5, 1, 1.5, 2, 1e-9, 1e9, 12.25],
} as const

const maybe = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> =>
  fc.option(fc.constantFrom(...values), { nil: undefined })

interface Drawn {
  readonly gap: number
  readonly later: number
  readonly members: Partial<RecordLeaf>
  readonly blindTerms: readonly string[]
}

/** A record without its place: how many leaves of other kinds come before it, and how much later it is. */
const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    // Some segments are full of records, most have a few, and some none.
    gap: fc.oneof(
      { weight: 5, arbitrary: fc.nat(2) },
      { weight: 4, arbitrary: fc.nat(2_000) },
      { weight: 1, arbitrary: fc.nat(13_000) },
    ),
    // Steps of half a second, so that queries meet the very times of records.
    later: fc.oneof(
      { weight: 9, arbitrary: fc.nat(3).map((steps) => 500 * steps) },
      { weight: 1, arbitrary: fc.constantFrom(-500, -5_000, 50_000) },
    ),
    tenant: fc.oneof(
      { weight: 4, arbitrary: fc.constant('acme') },
      { weight: 2, arbitrary: fc.constantFrom(...TENANTS) },
    ),
    type: fc.constantFrom(...VALUES.type),
    request: maybe(VALUES.request),
    session: maybe(VALUES.session),
    subject: maybe(VALUES.person),
    actor: maybe(VALUES.person),
    action: maybe(VALUES.action),
    model: maybe(VALUES.model),
    modelVersion: maybe(VALUES.modelVersion),
    environment: maybe(VALUES.environment),
    cost: maybe(VALUES.cost),
    retentionClass: maybe(VALUES.retentionClass),
    blindTerms: fc.subarray([...VALUES.blind], { maxLength: 2 }),
  })
  .map(({ gap, later, blindTerms, ...one }) => ({
    gap,
    later,
    blindTerms,
    members: defined({
      tenant: one.tenant,
      type: one.type,
      request_id: one.request,
      session_id: one.session,
      subject: one.subject,
      actor: one.actor,
      action: one.action,
      environment: one.environment,
      retention_class: one.retentionClass,
      model:
        one.model === undefined && one.modelVersion === undefined
          ? undefined
          : defined({ name: one.model, version: one.modelVersion }),
      metrics: one.cost === undefined ? undefined : { cost: one.cost },
    }),
  }))

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Defined<T>
}

/** Records of a batch, to be placed after what is there. */
export function someRecords(minLength: number, maxLength: number): fc.Arbitrary<Drawn[]> {
  return fc.array(drawn, { minLength, maxLength, size: 'max' })
}

/** Gives records their places, from an index and a time on; `spread` makes the gaps between them wider. */
export function placed(
  list: readonly Drawn[],
  from: { readonly next: number; readonly time: number; readonly spread: number },
): { records: IndexedRecord[]; next: LeafIndex; time: number } {
  let { next, time } = from
  const records = list.map(({ gap, later, members, blindTerms }) => {
    next += gap * from.spread
    time = Math.max(START, time + later)
    const one = recordAt(next, { ...members, time: new Date(time).toISOString(), blindTerms })
    next++
    return one
  })
  return { records, next: leafIndex(next), time }
}

const momentAfter = (steps: number): fc.Arbitrary<number> =>
  fc.nat(steps).map((some) => START + 500 * some)

/** Every member of a query, of which some are asked for. */
const members = {
  request: fc.constantFrom(...VALUES.request, 'none'),
  session: fc.constantFrom(...VALUES.session),
  subject: fc.constantFrom(...VALUES.person),
  actor: fc.constantFrom(...VALUES.person),
  type: fc.constantFrom(...VALUES.type),
  action: fc.constantFrom(...VALUES.action),
  model: fc.constantFrom(...VALUES.model),
  modelVersion: fc.constantFrom(...VALUES.modelVersion),
  environment: fc.constantFrom(...VALUES.environment),
  retentionClass: fc.constantFrom(...VALUES.retentionClass, ''),
  blind: fc.subarray([...VALUES.blind], { minLength: 1, maxLength: 2 }),
  from: momentAfter(200),
  before: momentAfter(400),
  minimumCost: fc.constantFrom(...VALUES.cost, -1, 3),
}
const names = Object.keys(members) as (keyof typeof members)[]

/** Any query, but where its pages are. With all members at once nothing would ever be found. */
export const queries: fc.Arbitrary<SearchQuery> = fc
  .record({
    ...members,
    tenant: fc.constantFrom('acme', 'acme', ...TENANTS),
    order: fc.constantFrom(undefined, ...ORDERS),
    asked: fc.subarray(names, { maxLength: 3 }),
  })
  .map(({ tenant, order, asked, ...all }) => ({
    tenant,
    ...defined({ order }),
    ...Object.fromEntries(asked.map((name) => [name, all[name]])),
  }))

/** All pages of an answer. `between` is called after each but the last. */
export async function allPages(
  index: SearchIndex,
  query: SearchQuery,
  between: (pages: number) => Promise<void> = async () => {},
): Promise<Page[]> {
  const pages = [await index.search(query)]
  for (;;) {
    const { cursor } = pages.at(-1)!
    if (cursor === undefined) return pages
    await between(pages.length)
    pages.push(await index.search({ ...query, cursor }))
  }
}

export function indicesIn(pages: readonly Page[]): number[] {
  return pages.flatMap(({ records }) => records.map(({ index }) => index))
}
