/** Whether what is shown is recent: the age of heads and cosignatures, who is behind, and what is withheld. */
import type { Look } from './looks.ts'
import type { Memory } from './memory.ts'
import type { WitnessTarget } from './target.ts'

export interface Limits {
  /** Milliseconds that a cosignature may be old, and a head may be seen elsewhere before the log shows it. */
  readonly maxAgeMs: number
  /** Milliseconds that a log may show the same head without any cosignature that dates it; any time when left out. */
  readonly maxIdleMs?: number
  /** Entries that an address or a witness may be behind the newest head; any number when left out. */
  readonly maxLag?: number
}

/** A clock of a witness may be this many milliseconds ahead of ours. */
const CLOCK_SKEW_MS = 300_000

/** Notes what the cosignatures of a look say about each witness: its newest time. */
export function noteCosignatures(
  memory: Memory,
  look: Look,
  witnesses: readonly WitnessTarget[],
  now: number,
): void {
  if (look.head === undefined) return
  const { size } = look.head.checkpoint
  for (const { key, timestamp } of look.cosignatures) {
    const witness = witnesses.find(({ keys }) => keys.includes(key))
    // A time of 0 makes no claim.
    if (witness === undefined || timestamp === 0) continue
    const known = memory.cosigned.get(witness.name)
    // A clock that was set right again counts from there.
    const wasAhead = known !== undefined && known.time * 1000 > now + CLOCK_SKEW_MS
    if (known === undefined || known.time < timestamp || wasAhead) {
      memory.cosigned.set(witness.name, { time: timestamp, size })
    }
  }
}

/** How old the head is that an address shows, in milliseconds, and whether a cosignature says so. */
export interface HeadAge {
  readonly ageMs: number
  readonly isSigned: boolean
}

/** By the newest time that a cosignature of it states; without one, by how long the same head has been shown. */
export function headAge(memory: Memory, look: Look, now: number): HeadAge | undefined {
  if (look.head === undefined) return undefined
  const times = look.cosignatures.map(({ timestamp }) => timestamp).filter((time) => time > 0)
  if (times.length > 0) {
    return { ageMs: Math.max(0, now - Math.max(...times) * 1000), isSigned: true }
  }
  const since = memory.shown.get(look.source)?.since ?? now
  return { ageMs: Math.max(0, now - since), isSigned: false }
}

/** Alerts about heads that are too old. */
export function checkHeadAge(memory: Memory, look: Look, limits: Limits, now: number): void {
  const age = headAge(memory, look, now)
  if (age === undefined) return
  const limit = age.isSigned ? limits.maxAgeMs : limits.maxIdleMs
  if (limit === undefined || age.ageMs <= limit) {
    memory.alerts.fine('stale-head', look.source)
    return
  }
  const message = age.isSigned
    ? `the head at ${look.source} was cosigned ${ago(age.ageMs)} ago for the last time`
    : `${look.source} has shown the same head for ${ago(age.ageMs)}, and no cosignature says that it is the newest`
  memory.alerts.found({ kind: 'stale-head', source: look.source, message }, now)
}

/** Alerts about witnesses whose newest cosignature is too old, or from the future. */
export function checkCosignatures(
  memory: Memory,
  witnesses: readonly WitnessTarget[],
  limits: Limits,
  now: number,
): void {
  for (const { name } of witnesses) {
    const cosigned = memory.cosigned.get(name)
    // A witness that never cosigned this log need not watch it; a quorum that needs it is missed elsewhere.
    if (cosigned === undefined) continue
    const ageMs = now - cosigned.time * 1000
    const message =
      ageMs > limits.maxAgeMs
        ? `the witness ${name} cosigned a head of ${memory.origin} ${ago(ageMs)} ago for the last time`
        : `the witness ${name} cosigned a head of ${memory.origin} with a time that is ${ago(-ageMs)} ahead: whether it goes on cannot be told`
    const isFine = ageMs <= limits.maxAgeMs && ageMs >= -CLOCK_SKEW_MS
    if (isFine) memory.alerts.fine('stale-cosignature', name)
    else memory.alerts.found({ kind: 'stale-cosignature', source: name, message }, now)
  }
}

/** Alerts about addresses and witnesses that are behind the newest head that the log shows. */
export function checkLag(
  memory: Memory,
  looks: readonly Look[],
  limits: Limits,
  now: number,
): void {
  const newest = newestSize(looks)
  for (const { source, role, head } of looks) {
    if (head === undefined || newest === undefined) continue
    const lag = newest - head.checkpoint.size
    if (limits.maxLag === undefined || lag <= limits.maxLag) {
      memory.alerts.fine('lagging', source)
      continue
    }
    const who = role === 'witness' ? `the witness ${source}` : source
    const message = `${who} is ${lag} entries behind the newest head of ${memory.origin}`
    memory.alerts.found({ kind: 'lagging', source, message }, now)
  }
}

/** Alerts about heads that were seen elsewhere, and that the log does not show in time. */
export function checkWithheld(
  memory: Memory,
  looks: readonly Look[],
  limits: Limits,
  now: number,
): void {
  const newest = newestSize(looks)
  if (newest === undefined) return
  const withheld = memory.pending.filter(
    ({ checkpoint, since }) => checkpoint.size > newest && now - since > limits.maxAgeMs,
  )
  for (const { source } of looks) memory.alerts.fine('withheld-head', source)
  for (const { source, checkpoint, since } of withheld) {
    const message = `${memory.origin} signed a tree of ${checkpoint.size} entries, seen at ${source} ${ago(now - since)} ago, and shows ${newest} at its own address`
    memory.alerts.found({ kind: 'withheld-head', source, message }, now)
  }
}

function newestSize(looks: readonly Look[]): number | undefined {
  const sizes = looks.flatMap(({ role, head }) =>
    role === 'log' && head !== undefined ? [head.checkpoint.size] : [],
  )
  return sizes.length === 0 ? undefined : Math.max(...sizes)
}

/** 90 s as `90 seconds`, 7200 s as `2 hours`. */
function ago(milliseconds: number): string {
  const units = [
    ['days', 86_400],
    ['hours', 3_600],
    ['minutes', 60],
  ] as const
  const seconds = Math.round(milliseconds / 1000)
  const [name, length] = units.find(([, unit]) => seconds >= 2 * unit) ?? ['seconds', 1]
  return `${Math.floor(seconds / length)} ${name}`
}
