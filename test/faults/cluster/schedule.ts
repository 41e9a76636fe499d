/**
 * What is done to a cluster while it works, and when. In a minute: the leader is killed every five seconds; it is paused
 * for twenty; it is cut off from the database for fifteen; the database is restarted, and made to crash; the object
 * storage is refused for ten. Shorter runs have shorter faults, longer ones the same again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { askCutOff, complaintsOf, type Refusal, untilFollowing } from './cut-off.ts'
import type { Term } from './leaders.ts'
import type { Member } from './member.ts'
import type { Random } from './random.ts'
import type { Stage } from './stage.ts'

export type FaultKind =
  | 'kill'
  | 'pause'
  | 'cut off'
  | 'database restart'
  | 'database crash'
  | 'bucket refused'

export interface Fault {
  readonly kind: FaultKind
  /** By performance.now(). */
  readonly at: number
  /** How long its effects are looked at, in milliseconds. */
  readonly windowMs: number
  /** Milliseconds until another server led; of what is done to a leader. */
  fail?: number | undefined
  /** What a server that was cut off said meanwhile. */
  refusals?: readonly Refusal[]
  /** Milliseconds until it showed a newer head, once it was not. */
  follow?: number | undefined
  /** The term that it ended, if it did. */
  readonly term?: number
}

export interface Timing {
  /** One round of all faults. */
  readonly roundMs: number
  readonly killEveryMs: number
  readonly pauseMs: number
  readonly cutMs: number
  readonly refuseMs: number
}

export interface Schedule {
  readonly faults: readonly Fault[]
  /** Does nothing more, and resolves once all that was done is undone. */
  stop(): Promise<void>
}

const ROUND_MS = 60_000
const KILL_EVERY_MS = 5_000
const PAUSE_MS = 20_000
const CUT_MS = 15_000
const REFUSE_MS = 10_000
/** Shares of a round: when each begins. */
const PAUSE_AT = 0.04
const CUT_AT = 0.42
const REFUSE_AT = 0.5
const RESTART_AT = 0.8
const CRASH_AT = 0.9
/** Whoever is cut off is asked something so long after. */
const ASK_AFTER_MS = 300
/** Faults come later than their time by up to this share of a round. */
const SHIFT = 0.08
/** A supervisor starts what ended after so long. */
const RESTART_MS = 1_000
/** How long the effects of a fault are looked at. */
const WINDOW_MS = 10_000
const NO_LEADER_MS = 30_000
const LOOK_MS = 25

/** In a run of less than a minute faults are shorter, but a pause is longer than the lease, so that it has an effect. */
export function timingFor(seconds: number): Timing {
  const roundMs = Math.min(ROUND_MS, seconds * 1_000)
  const share = roundMs / ROUND_MS
  return {
    roundMs,
    killEveryMs: KILL_EVERY_MS,
    pauseMs: Math.max(PAUSE_MS * share, Math.min(6_000, roundMs / 2)),
    cutMs: Math.max(CUT_MS * share, Math.min(6_000, roundMs / 2)),
    refuseMs: REFUSE_MS * share,
  }
}

export interface ScheduleOptions {
  readonly stage: Stage
  readonly timing: Timing
  readonly random: Random
  readonly tell: (what: string) => void
  readonly complain: (what: string) => void
  /** A leaf that the log has. */
  readonly leaf: () => Uint8Array
  readonly token: string
}

export function startSchedule(options: ScheduleOptions): Schedule {
  const { stage, timing, random, tell } = options
  const { leaders, postgres, archive } = stage
  /** Nothing else is done to it for the time being. */
  const spared = new Set<Member>()
  const faults: Fault[] = []
  const started = performance.now()
  let isStopped = false

  /** Waits until then, in small steps, so that the end of a run is not slept through. */
  async function until(at: number): Promise<boolean> {
    while (!isStopped && performance.now() < at) await sleep(LOOK_MS)
    return !isStopped
  }

  /** The server that leads and can be harmed, once there is one. */
  async function leader(): Promise<{ term: Term; member: Member } | undefined> {
    while (!isStopped) {
      const term = leaders.now()
      const member = term && stage.memberAt(term.url)
      const isFree = member?.state === 'up' && !spared.has(member)
      if (term !== undefined && isFree) return { term, member }
      await sleep(LOOK_MS)
    }
    return undefined
  }

  async function next(fault: Fault, term: Term, done: string): Promise<void> {
    const following = await leaders.after(term.epoch, NO_LEADER_MS)
    fault.fail = following && following.since - fault.at
    const name = following && (stage.memberAt(following.url)?.name ?? following.url)
    const then =
      following === undefined
        ? `nobody led for ${NO_LEADER_MS / 1_000} s`
        : `${name} leads after ${seconds(fault.fail!)}`
    tell(`${done} (term ${term.epoch}); ${then}`)
    if (following === undefined) tell(await stage.databaseState())
  }

  async function killing(): Promise<void> {
    for (let at = started + timing.killEveryMs; await until(at); ) {
      const found = await leader()
      if (found === undefined) return
      const { term, member } = found
      const fault: Fault = {
        kind: 'kill',
        at: performance.now(),
        windowMs: timing.killEveryMs,
        term: term.epoch,
      }
      faults.push(fault)
      at = fault.at + timing.killEveryMs
      await member.kill()
      const again = sleep(RESTART_MS).then(() => member.start())
      await next(fault, term, `kill -9 of the leader, ${member.name}`)
      await again
    }
  }

  async function pausing(at: number): Promise<void> {
    if (!(await until(at))) return
    const found = await leader()
    if (found === undefined) return
    const { term, member } = found
    const fault: Fault = {
      kind: 'pause',
      at: performance.now(),
      windowMs: WINDOW_MS,
      term: term.epoch,
    }
    faults.push(fault)
    member.pause()
    await next(fault, term, `the leader, ${member.name}, is paused`)
    await until(fault.at + timing.pauseMs)
    member.resume()
    tell(`${member.name} goes on after ${seconds(performance.now() - fault.at)}`)
  }

  async function cutting(at: number): Promise<void> {
    if (!(await until(at))) return
    const found = await leader()
    const wire = found && stage.wireOf(found.member)
    if (found === undefined || wire === undefined) return
    const { term, member } = found
    const fault: Fault = {
      kind: 'cut off',
      at: performance.now(),
      windowMs: WINDOW_MS,
      term: term.epoch,
    }
    faults.push(fault)
    spared.add(member)
    wire.cut()
    const asking = sleep(ASK_AFTER_MS).then(() =>
      askCutOff(member.url, options.leaf(), options.token),
    )
    await next(fault, term, `the leader, ${member.name}, is cut off from the database`)
    await until(fault.at + timing.cutMs)
    const size = await stage.sequencedSize().catch(() => 0)
    const mended = performance.now()
    wire.mend()
    tell(`${member.name} reaches the database again after ${seconds(mended - fault.at)}`)
    fault.refusals = await asking
    const patience = fault.refusals.map(
      ({ what, status, tookMs }) => `${what}: ${status ?? 'nothing'} after ${seconds(tookMs)}`,
    )
    tell(`${member.name}, cut off, answered ${patience.join(', ')}`)
    for (const words of complaintsOf(member.name, fault.refusals, mended)) options.complain(words)
    fault.follow = await untilFollowing(member.url, size)
    spared.delete(member)
    if (fault.follow === undefined) options.complain(`${member.name} does not follow again`)
    else tell(`${member.name} shows a newer head, ${seconds(fault.follow)} later`)
  }

  async function database(at: number, kind: 'database restart' | 'database crash'): Promise<void> {
    if (!(await until(at))) return
    const fault: Fault = { kind, at: performance.now(), windowMs: WINDOW_MS }
    faults.push(fault)
    if (kind === 'database crash') await postgres.kill()
    await postgres.restart()
    tell(`${kind}; it answers again after ${seconds(performance.now() - fault.at)}`)
  }

  async function refusing(at: number): Promise<void> {
    if (!(await until(at))) return
    faults.push({ kind: 'bucket refused', at: performance.now(), windowMs: WINDOW_MS })
    tell(`the bucket refuses all for ${seconds(timing.refuseMs)}`)
    await archive.refuse(timing.refuseMs)
    tell('the bucket answers again')
  }

  async function rounds(): Promise<void> {
    for (let at = started; await until(at); at += timing.roundMs) {
      const then = (share: number): number => at + (share + SHIFT * random.next()) * timing.roundMs
      await Promise.all([
        pausing(then(PAUSE_AT)),
        cutting(then(CUT_AT)),
        refusing(then(REFUSE_AT)),
        database(then(RESTART_AT), 'database restart'),
        database(then(CRASH_AT), 'database crash'),
      ])
    }
  }

  const all = Promise.all([killing(), rounds()])
  all.catch(() => undefined)
  return {
    faults,
    async stop() {
      isStopped = true
      await all
    },
  }
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`
}
