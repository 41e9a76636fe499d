/** Lots of records that expire: what is due is looked for, said in the log, and destroyed. */
import { CairnError, messageOf } from '../errors.ts'
import { formatDuration, type Retention, type RetentionTable } from '../formats/retention.ts'
import type { AcceptedRecord } from '../records/service.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { ComplianceContext } from './context.ts'
import {
  isDamage,
  type Kind,
  MAX_NAMED,
  type Named,
  noteExpiry,
  type Reached,
} from './expiry-notes.ts'

/** Records that are decided about, and destroyed, together: each time the vault goes through all of its keys. */
export const LOT = 5_000
/** Records whose payload is looked for at once. */
const LOOKED_AT_ONCE = 100

/** Some records of a kind, the oldest first, whose time is over. */
export interface Lot {
  readonly kind: Kind
  readonly kept: Retention
  readonly table: RetentionTable
  readonly records: readonly FoundRecord[]
  /** How far expiry has come once a record is destroyed; `isLast`: and all others of its lot. */
  readonly reachedBy: (record: FoundRecord, isLast: boolean) => Reached
}

export interface LotOutcome {
  /** How many were destroyed, and how many were not because of a hold. */
  readonly records: number
  readonly held: number
  /** The newest record that says so. */
  readonly expiry: AcceptedRecord | undefined
}

/**
 * Destroys what there is of some records, unless it is held. Nobody places a hold meanwhile.
 * @throws as ComplianceContext.activeHolds() and note(); DISK_FULL, IO
 */
export function expireLot(context: ComplianceContext, lot: Lot): Promise<LotOutcome> {
  const { tenant } = lot.kind
  return context.alone(tenant, async () => {
    const holds = await context.activeHolds(tenant)
    const found = await inTurn(lot.records, async (record) => {
      if ((await holds.covering(record)).length > 0) return 'held'
      return (await isLeft(context, tenant, record.id)) ? 'due' : 'gone'
    })
    const due = lot.records.filter((_, i) => found[i] === 'due')
    let expiry: AcceptedRecord | undefined
    for (let at = 0; at < due.length; at += MAX_NAMED) {
      const named = due.slice(at, at + MAX_NAMED)
      const end = named.at(-1)!
      expiry = await noteExpiry(context, lot.kind, {
        named,
        class: lot.kept.class,
        basis: basisOf(lot, end),
        reached: lot.reachedBy(end, at + named.length === due.length),
      })
    }
    await destroy(
      context,
      tenant,
      due.map(({ id }) => id),
    )
    const held = found.filter((one) => one === 'held').length
    return { records: due.length, held, expiry }
  })
}

async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (let at = 0; at < items.length; at += LOOKED_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + LOOKED_AT_ONCE).map(work))))
  }
  return results
}

/** Whether there is anything to destroy: not of records that had no payload, or lost it with a person. */
async function isLeft(
  { records }: ComplianceContext,
  tenant: string,
  id: string,
): Promise<boolean> {
  try {
    const disclosures = await records.disclosures(id, tenant)
    return disclosures !== undefined && disclosures !== 'erased' && disclosures.length > 0
  } catch (error) {
    if (!isDamage(error)) throw error
    return true
  }
}

/** What asked for it to be kept for the longest, or the class when nothing asked for more. */
function basisOf({ kept, table: { regimes, classes } }: Lot, { time }: FoundRecord): string {
  const decided = kept.decidedBy(new Date(time))
  if (decided.length === 0) {
    return `retention class ${kept.class}: ${formatDuration(classes.get(kept.class)!.keep)}`
  }
  return decided
    .map((name) => {
      const { title, source } = regimes.get(name)!
      return `${title} (${source})`
    })
    .join('; ')
}

/**
 * Destroys what is left of records that the log says have lost their payload, unless a hold came first. To be called
 * within alone(). @throws CORRUPT, DISK_FULL, IO
 */
export async function destroyLeft(
  context: ComplianceContext,
  tenant: string,
  named: readonly Named[],
): Promise<void> {
  const holds = await context.activeHolds(tenant)
  const isFree = await inTurn(named, async ({ id, index }) => {
    if (!(await isLeft(context, tenant, id))) return false
    const { record } = await context.records.read(index, tenant)
    return (await holds.covering(record)).length === 0
  })
  const left = named.filter((_, i) => isFree[i])
  await destroy(
    context,
    tenant,
    left.map(({ id }) => id),
  )
}

async function destroy(
  { vault, onEvent }: ComplianceContext,
  tenant: string,
  ids: readonly string[],
): Promise<void> {
  const outcomes = await Promise.allSettled(ids.map((id) => vault.eraseRecord(tenant, id)))
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled' || isAbsent(outcome.reason)) continue
    if (!isDamage(outcome.reason)) throw outcome.reason
    // It must not keep all others from expiring.
    const reason = `the payload of ${ids[i]} cannot be destroyed: ${messageOf(outcome.reason)}`
    onEvent({ event: 'expiry-failed', reason })
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'NOT_FOUND'
}
