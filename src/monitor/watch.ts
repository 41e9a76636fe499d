/** One log, round after round: look at all places, compare what they show, follow the log, and say what is wrong. */
import { equal } from '../bytes.ts'
import { httpTileSource } from '../client/http-tile-source.ts'
import { createRequester, type Requester } from '../client/request.ts'
import { originHash, witnessClient } from '../client/witness-client.ts'
import { messageOf } from '../errors.ts'
import { quorumSatisfied } from '../formats/policy.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import type { MonitorStore } from '../storage/monitor-port.ts'
import type { Alert } from './alert.ts'
import { CrossCheck } from './cross-check.ts'
import { type Followed, type FollowOptions, followLog } from './follow.ts'
import {
  checkCosignatures,
  checkHeadAge,
  checkLag,
  checkWithheld,
  type Limits,
  noteCosignatures,
} from './freshness.ts'
import { type LogPlace, type Look, lookAround, type WitnessPlace } from './looks.ts'
import { Memory } from './memory.ts'
import { placeReports } from './place-reports.ts'
import type { LogReport, OnMonitorEvent, OnProgress } from './report.ts'
import type { ShownHead } from './state.ts'
import type { LogTarget, Targets } from './target.ts'
import type { Timing } from './timing.ts'

export interface WatchOptions {
  readonly log: LogTarget
  readonly targets: Targets
  readonly store: MonitorStore
  readonly limits: Limits
  readonly timing: Timing
  readonly now: () => number
  readonly onEvent: OnMonitorEvent
  readonly onProgress: OnProgress
}

export interface RoundLimits {
  /** Ends the round in good order, wherever it is. */
  readonly stop: AbortSignal
  /** Milliseconds after which a long way to a head is left for the next round; whatever it takes when left out. */
  readonly deadlineMs?: number
}

export class LogWatch {
  readonly #options: WatchOptions
  readonly #memory: Memory
  readonly #cross: CrossCheck
  readonly #places: readonly LogPlace[]
  readonly #following: FollowOptions
  readonly #witnesses: readonly WitnessPlace[]

  private constructor(options: WatchOptions, memory: Memory) {
    const { log, targets, store, timing, now } = options
    this.#options = options
    this.#memory = memory
    this.#cross = new CrossCheck({
      memory,
      keepEvidence: (name, bytes) => store.keepEvidence(name, bytes),
      now,
    })
    this.#places = log.urls.map((url) => ({ url, request: headsAt(url, timing) }))
    const tiles = new Map(log.urls.map((url) => [url, tilesAt(url, timing)]))
    this.#following = {
      ...options,
      memory,
      cross: this.#cross,
      tilesAt: (url, signal) => httpTileSource(tiles.get(url)!, signal),
    }
    const timeoutMs = timing.headTimeoutMs
    this.#witnesses = targets.witnesses.map((witness) => {
      const { url } = witness
      return url === undefined ? witness : { ...witness, client: witnessClient({ url, timeoutMs }) }
    })
  }

  /** Reads what is known of a log. @throws as Memory.open */
  static async open(options: WatchOptions): Promise<LogWatch> {
    const { log, targets, store } = options
    const sources = new Set([
      log.origin,
      ...log.urls,
      ...targets.witnesses.map((witness) => witness.name),
    ])
    const kept = await store.openLog(originHash(log.origin))
    return new LogWatch(options, await Memory.open(kept, log, (source) => sources.has(source)))
  }

  /** The conditions that last. */
  get alerts(): readonly Alert[] {
    return this.#memory.alerts.active
  }

  /** Looks once at all places. Never throws: what fails is an alert, also when it is the monitor's own fault. */
  async round({ stop, deadlineMs }: RoundLimits): Promise<LogReport> {
    const memory = this.#memory
    const before = memory.size
    let looks: readonly Look[] = []
    let followed: Followed = {}
    try {
      looks = await lookAround({
        log: this.#options.log,
        places: this.#places,
        witnesses: this.#witnesses,
        signal: stop,
      })
      if (!stop.aborted) {
        await memory.mend()
        this.#note(looks)
        for (const look of looks) await this.#consider(look)
        this.#tell()
        followed = await followLog(
          this.#headsOfLog(looks),
          this.#following,
          endOf(stop, deadlineMs),
        )
        await this.#cross.resolve()
        this.#judge(looks)
        memory.alerts.fine('monitor-failed', memory.origin)
      }
      memory.alerts.endRound()
      await memory.keep()
    } catch (error) {
      this.#fail(error)
    }
    this.#tell()
    return this.#report(looks, before, followed)
  }

  /** Takes over what the looks found about the places themselves. */
  #note(looks: readonly Look[]): void {
    const { alerts } = this.#memory
    const now = this.#options.now()
    for (const look of looks) {
      for (const finding of look.findings) alerts.found(finding, now)
      for (const kind of look.fine) alerts.fine(kind, look.source)
      noteCosignatures(this.#memory, look, this.#witnesses, now)
      this.#noteQuorum(look, now)
    }
  }

  #noteQuorum({ role, source, head, cosignatures }: Look, now: number): void {
    const { policy } = this.#options.targets
    if (role !== 'log' || head === undefined || policy === undefined) return
    const keys = cosignatures.map(({ key }) => key)
    if (quorumSatisfied(policy, keys)) {
      this.#memory.alerts.fine('no-quorum', source)
      return
    }
    const who = keys.length === 0 ? 'no known witness' : keys.map(({ name }) => name).join(', ')
    const message = `the head at ${source} is cosigned by ${who}: not the quorum that the policy demands`
    this.#memory.alerts.found({ kind: 'no-quorum', source, message }, now)
  }

  /** Compares a head with all others, and with what its source has shown before. */
  async #consider(look: Look): Promise<void> {
    const memory = this.#memory
    const { role, source, head } = look
    const now = this.#options.now()
    const last = memory.shown.get(source)
    if (head === undefined) {
      if (role === 'witness' && look.findings.length === 0 && last !== undefined) {
        const message = `the witness ${source} has no head of ${memory.origin} any more; it has shown ${last.size} entries before`
        memory.alerts.found({ kind: 'witness-rollback', source, message }, now)
      }
      return
    }
    const { size, root } = head.checkpoint
    const isSame = last !== undefined && last.size === size && equal(last.root, root)
    if (last === undefined || (size >= last.size && !isSame)) {
      memory.shown.set(source, { size, root, since: now })
    }
    await this.#cross.consider(shownBy(look, memory, now))

    const kind = role === 'log' ? 'rollback' : 'witness-rollback'
    if (last === undefined || size >= last.size) {
      memory.alerts.fine(kind, source)
    } else if (!this.#cross.isContradicting(source)) {
      const who = role === 'log' ? source : `the witness ${source}`
      const message = `${who} went back: it shows ${size} entries of ${memory.origin}, and has shown ${last.size} before`
      memory.alerts.found({ kind, source, message }, now)
    }
  }

  #headsOfLog(looks: readonly Look[]): ShownHead[] {
    return looks
      .filter(({ role, head }) => role === 'log' && head !== undefined)
      .map((look) => shownBy(look, this.#memory, this.#options.now()))
  }

  #judge(looks: readonly Look[]): void {
    const { limits, now } = this.#options
    const time = now()
    for (const look of looks) {
      if (look.role === 'log') checkHeadAge(this.#memory, look, limits, time)
    }
    checkCosignatures(this.#memory, this.#witnesses, limits, time)
    checkLag(this.#memory, looks, limits, time)
    checkWithheld(this.#memory, looks, limits, time)
  }

  #fail(error: unknown): void {
    const { alerts, origin } = this.#memory
    const message = `the monitor could not do its part for ${origin}: ${messageOf(error)}`
    alerts.found({ kind: 'monitor-failed', source: origin, message }, this.#options.now())
    alerts.endRound()
  }

  #tell(): void {
    const { origin, alerts } = this.#memory
    for (const { change, alert } of alerts.takeChanges()) {
      this.#options.onEvent({ event: change === 'raised' ? 'alert' : 'cleared', origin, alert })
    }
  }

  #report(looks: readonly Look[], before: number, { underWay }: Followed): LogReport {
    const memory = this.#memory
    return {
      origin: memory.origin,
      size: memory.size,
      root: memory.head?.checkpoint.root ?? EMPTY_ROOT,
      newEntries: memory.size - before,
      entries: memory.entries,
      underWay,
      places: placeReports(memory, looks, this.#witnesses, this.#options.now()),
      alerts: memory.alerts.active,
      evidenceFiles: memory.evidence.length,
    }
  }
}

/** A signal for whichever comes first. */
function endOf(stop: AbortSignal, deadlineMs: number | undefined): AbortSignal {
  if (deadlineMs === undefined) return stop
  return AbortSignal.any([stop, AbortSignal.timeout(deadlineMs)])
}

function headsAt(url: string, timing: Timing): Requester {
  const { headTimeoutMs: timeoutMs, retryDelayMs } = timing
  // A head is asked for again in the next round anyway.
  return createRequester({ url, timeoutMs, retryDelayMs, retries: Math.min(timing.retries, 1) })
}

function tilesAt(url: string, timing: Timing): Requester {
  const { tileTimeoutMs: timeoutMs, retryDelayMs, retries } = timing
  return createRequester({ url, timeoutMs, retryDelayMs, retries })
}

function shownBy({ source, head }: Look, memory: Memory, now: number): ShownHead {
  const { size, root } = head!.checkpoint
  const shown = memory.shown.get(source)
  const isKnown = shown !== undefined && shown.size === size && equal(shown.root, root)
  return { ...head!, source, since: isKnown ? shown.since : now }
}
