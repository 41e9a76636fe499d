/**
 * The time as the database has it, so that the servers of a log agree on it whatever their own clocks say. Between two
 * looks it goes on by this process's monotonic clock.
 */
import type { SharedLogStore } from '../storage/shared-port.ts'

/** How far a machine's clock may be off before it is worth a word. */
const NOTABLE_MS = 5_000
const LOOK_MS = 15_000

export interface DatabaseClock {
  /** Milliseconds since 1970. */
  now(): number
  close(): void
}

/** @param onSkew told once when this machine's clock is far off. @throws UNAVAILABLE, IO */
export async function openDatabaseClock(
  store: Pick<SharedLogStore, 'now'>,
  onSkew: (milliseconds: number) => void,
): Promise<DatabaseClock> {
  let offset = 0
  let isTold = false

  async function look(): Promise<void> {
    const asked = performance.now()
    const time = await store.now()
    const answered = performance.now()
    offset = time - (asked + answered) / 2
    const skew = Math.round(Date.now() - (offset + answered))
    if (Math.abs(skew) < NOTABLE_MS) isTold = false
    else if (!isTold) {
      isTold = true
      onSkew(skew)
    }
  }

  await look()
  // While the database is away the last look counts.
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS).unref()
  return {
    now: () => Math.floor(offset + performance.now()),
    close: () => clearInterval(timer),
  }
}
