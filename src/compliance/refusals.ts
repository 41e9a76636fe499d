/**
 * Attempts at what is another tenant's. Each is refused, and recorded in the tenant of who tried; somebody who tries
 * again and again gets so many records a minute, and the next one says how many attempts it stands for.
 */
import { CairnError, messageOf } from '../errors.ts'
import { NAME } from '../formats/record-values.ts'
import type { Core } from './core.ts'
import type { Principal } from './principal.ts'

const WINDOW_MS = 60_000
const RECORDS_IN_WINDOW = 60
/** People who are counted at once. */
const MAX_COUNTED = 10_000

interface Count {
  readonly since: number
  records: number
  /** Attempts that have no record yet. */
  left: number
}

export interface Refusals {
  /** Records an attempt, as far as it can be; never throws. */
  record(tenant: string, by: Principal, what: string): Promise<void>
}

export function newRefusals(core: Core): Refusals {
  const counts = new Map<string, Count>()

  function countOf(by: Principal): Count {
    const key = `${by.tenant} ${Buffer.from(by.identity).toString('base64')}`
    const known = counts.get(key)
    const now = core.now()
    if (known !== undefined && now - known.since < WINDOW_MS) return known
    if (known === undefined && counts.size >= MAX_COUNTED) counts.clear()
    const count = { since: now, records: 0, left: known?.left ?? 0 }
    counts.set(key, count)
    return count
  }

  return {
    async record(tenant, by, what) {
      const count = countOf(by)
      count.left++
      if (count.records >= RECORDS_IN_WINDOW) return
      count.records++
      const attempts = count.left
      count.left = 0
      const extra = {
        purpose: what,
        tenant: NAME.holds(tenant) ? tenant : 'none that can be',
        ...(attempts > 1 && { records: attempts }),
      }
      try {
        await core.note({ type: 'access', action: 'refuse', by, extra }, by.tenant)
      } catch (error) {
        count.left += attempts
        core.onEvent({
          event: 'refusal-not-recorded',
          tenant: by.tenant,
          reason: messageOf(error),
        })
      }
    },
  }
}

/** What somebody is told who asks for another tenant. */
export function otherTenant(by: Principal): CairnError {
  return new CairnError('FORBIDDEN', `${by.name} belongs to tenant ${by.tenant}, and to no other`)
}
