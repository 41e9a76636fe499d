/**
 * Expiry: the payload of a record is destroyed once nothing asks for it to be kept. What submitters record expires; the
 * log's own records do not, since grants and holds are read from them and they show that all of this was lawful.
 *
 * Records are gone through by kind: those of one type that name one retention class, or none. They all end in the order
 * of their times, so for each kind it is enough to know the time before which all was looked at, which the newest record
 * of its expiry says. A day's expiry thus looks at what became due since, and at nothing else, however many records
 * there are. Once a hold is lifted, what it covered is looked at again.
 *
 * First the log says which records lose their payload, then the vault destroys it, many at a time. What was said last is
 * done again at the start, in case the process died in between.
 */
import { CairnError } from '../errors.ts'
import { RECORD_TYPES, type RecordType } from '../formats/record-members.ts'
import { endedBefore, NO_JURISDICTION, type Retention, retentionOf } from '../formats/retention.ts'
import type { AcceptedRecord } from '../records/service.ts'
import { NO_CLASS } from '../search/record-row.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { ComplianceContext, RetentionPolicy } from './context.ts'
import { destroyLeft, expireLot, LOT } from './expiry-lot.ts'
import {
  type Kind,
  kindName,
  MAX_NAMED,
  type Reached,
  readLastDestroyed,
  readReached,
} from './expiry-notes.ts'
import { allFound } from './own-records.ts'
import { noteRetention } from './retention-changes.ts'
import { parseStoredScope } from './scope.ts'
import type { Expiry, Scope } from './service.ts'

/** What the process knows of earlier expiries, so that it need not be read again. */
export interface ExpiryMemory {
  /** By tenant: what was begun is finished; and, by kind, how far expiry has come. */
  readonly tenants: Map<string, Map<string, Reached>>
}

export function newExpiryMemory(): ExpiryMemory {
  return { tenants: new Map() }
}

export interface ExpiryOptions {
  /** Give the same at each call. */
  readonly memory?: ExpiryMemory
  /** Ends it between two lots of records; what is left is done the next time. */
  readonly signal?: AbortSignal
}

/**
 * Destroys the payload of every record that need not be kept any longer, tenant by tenant, and tells of each kind as it
 * is done. A tenant where it fails does not keep the others from it.
 * @param progress told how many due records were looked at
 * @throws CONFLICT when the clock may be wrong; what failed first; the reason of `signal`
 */
export async function expire(
  context: ComplianceContext,
  progress: (records: number) => void = () => undefined,
  { memory = newExpiryMemory(), signal }: ExpiryOptions = {},
): Promise<readonly Expiry[]> {
  const { retention } = context
  if (retention === undefined) return []
  const expiries: Expiry[] = []
  const failures: unknown[] = []
  let looked = 0
  const tenants = await context.tenants()
  await mustTrustClock(context, tenants)
  for (const tenant of tenants) {
    try {
      const run: Run = {
        context,
        retention,
        tenant,
        reached: await resumed(context, tenant, memory),
        now: context.now(),
        lifts: await liftsOf(context, tenant),
        signal,
        onLooked(records) {
          looked += records
          progress(looked)
        },
        onExpiry(expiry) {
          expiries.push(expiry)
          context.onEvent({ event: 'expired', expiry })
        },
      }
      await noteRetention(context, tenant)
      await expireTenant(run)
    } catch (error) {
      memory.tenants.delete(tenant)
      signal?.throwIfAborted()
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return expiries
}

/** A clock this far ahead of all records is not believed. */
const MAX_AHEAD_DAYS = 366

/** What is destroyed does not come back, and a clock that has jumped ahead would let everything expire. */
async function mustTrustClock(
  { records, now }: ComplianceContext,
  tenants: readonly string[],
): Promise<void> {
  await records.settled()
  let newest = Number.NEGATIVE_INFINITY
  for (const tenant of tenants) {
    const page = await records.search({ limit: 1 }, tenant)
    for (const record of page.records) newest = Math.max(newest, timeOf(record))
  }
  const days = Math.floor((now() - newest) / 86_400_000)
  if (days <= MAX_AHEAD_DAYS || newest === Number.NEGATIVE_INFINITY) return
  throw new CairnError(
    'CONFLICT',
    `the clock is ${days} days ahead of the newest record, and may be wrong; nothing expires until a record is added by a clock that is right`,
  )
}

/** One tenant's turn. */
interface Run {
  readonly context: ComplianceContext
  readonly retention: RetentionPolicy
  readonly tenant: string
  readonly reached: Map<string, Reached>
  readonly now: number
  readonly lifts: readonly Lift[]
  readonly signal: AbortSignal | undefined
  readonly onLooked: (records: number) => void
  readonly onExpiry: (expiry: Expiry) => void
}

/** A hold that was lifted. */
interface Lift {
  readonly time: number
  readonly scope: Scope
}

/** Finishes, once in a process, what an earlier one may have left undone; gives how far expiry has come. */
async function resumed(
  context: ComplianceContext,
  tenant: string,
  { tenants }: ExpiryMemory,
): Promise<Map<string, Reached>> {
  const known = tenants.get(tenant)
  if (known !== undefined) return known
  await context.alone(tenant, async () => {
    await destroyLeft(context, tenant, await readLastDestroyed(context, tenant, LOT / MAX_NAMED))
  })
  const reached = new Map<string, Reached>()
  tenants.set(tenant, reached)
  return reached
}

async function liftsOf(context: ComplianceContext, tenant: string): Promise<Lift[]> {
  const lifts: Lift[] = []
  for await (const { record, extra } of context.ownRecords(
    { type: 'hold', action: 'lift' },
    tenant,
  )) {
    lifts.push({ time: Date.parse(record.time), scope: scopeIn(extra?.scope) })
  }
  return lifts
}

/** Of a hold that cannot be read any more, everything: so much it has kept. */
function scopeIn(value: Parameters<typeof parseStoredScope>[0]): Scope {
  try {
    return parseStoredScope(value)
  } catch {
    return {}
  }
}

async function expireTenant(run: Run): Promise<void> {
  const { retention, tenant } = run
  const own = retention.jurisdictionOf(tenant)
  const { table } = retention
  // Nobody has said how long to keep what names no class, and what is destroyed does not come back.
  const unnamed = own === undefined ? [] : [NO_CLASS]
  const jurisdiction = own ?? NO_JURISDICTION
  for (const type of RECORD_TYPES) {
    run.signal?.throwIfAborted()
    if (!(await hasAny(run, type))) continue
    for (const named of [...unnamed, ...table.classes.keys()]) {
      const kept = retentionOf({
        ...(named !== NO_CLASS && { class: named }),
        type,
        jurisdiction,
        table,
      })
      await expireKind(run, { tenant, type, named }, kept)
    }
  }
}

/** Whether there is a record of a type. Most tenants have a few types only, of classes that are looked for one by one. */
async function hasAny({ context: { records }, tenant }: Run, type: RecordType): Promise<boolean> {
  await records.settled()
  const page = await records.search({ type, limit: 1 }, tenant)
  return page.records.length > 0
}

async function expireKind(run: Run, kind: Kind, kept: Retention): Promise<void> {
  const { context, tenant, reached, now, lifts } = run
  const { table } = run.retention
  const last = reached.get(kindName(kind)) ?? (await readReached(context, kind))
  const due = endedBefore(kept, new Date(now)).getTime()
  const next = { before: Math.max(last.before, due), begun: now }
  const counts = { records: 0, held: 0 }
  let expiry: AcceptedRecord | undefined

  async function expireAll(
    records: AsyncIterable<FoundRecord>,
    reachedBy: (record: FoundRecord, isLast: boolean) => Reached,
  ): Promise<void> {
    for await (const lot of lotsOf(records)) {
      run.signal?.throwIfAborted()
      const outcome = await expireLot(context, {
        kind,
        kept,
        table,
        records: lot.records,
        reachedBy: (record, isLast) => reachedBy(record, isLast && lot.isLast),
      })
      counts.records += outcome.records
      counts.held += outcome.held
      expiry = outcome.expiry ?? expiry
      run.onLooked(lot.records.length)
    }
  }

  for (const { time, scope } of lifts) {
    // What it kept was looked at while it did.
    if (time < last.begun || last.before === 0) continue
    const covered = recordsCovered(context, kind, scope, Math.min(last.before, due))
    await expireAll(covered, () => last)
  }
  const before = (record: FoundRecord): Reached => ({ before: timeOf(record), begun: now })
  await expireAll(recordsOf(context, kind, last.before, due), (record, isLast) =>
    isLast ? next : before(record),
  )
  reached.set(kindName(kind), next)
  if (counts.records === 0 && counts.held === 0) return
  run.onExpiry({
    tenant,
    class: kept.class,
    type: kind.type,
    ...counts,
    ...(expiry !== undefined && { expiry }),
  })
}

/** The records of a kind from a time on and before another, the oldest first. */
function recordsOf(
  context: ComplianceContext,
  { tenant, type, named }: Kind,
  from: number,
  before: number,
): AsyncIterable<FoundRecord> {
  const query = { type, retentionClass: named, from, before, order: 'oldest' } as const
  return from < before ? allFound(context, query, tenant) : none()
}

/** The records of a kind that a scope covers, before a time. */
async function* recordsCovered(
  context: ComplianceContext,
  { tenant, type, named }: Kind,
  scope: Scope,
  before: number,
): AsyncGenerator<FoundRecord> {
  if (scope.type !== undefined && scope.type !== type) return
  for await (const record of context.recordsIn({ ...scope, type }, tenant)) {
    if (timeOf(record) >= before) return
    if ((record.retention_class ?? NO_CLASS) === named) yield record
  }
}

async function* none(): AsyncGenerator<never> {}

interface RecordLot {
  readonly records: readonly FoundRecord[]
  /** Whether none comes after it. */
  readonly isLast: boolean
}

async function* lotsOf(records: AsyncIterable<FoundRecord>): AsyncGenerator<RecordLot> {
  let lot: FoundRecord[] = []
  for await (const record of records) {
    if (lot.length === LOT) {
      yield { records: lot, isLast: false }
      lot = []
    }
    lot.push(record)
  }
  if (lot.length > 0) yield { records: lot, isLast: true }
}

function timeOf({ time }: FoundRecord): number {
  return Date.parse(time)
}
