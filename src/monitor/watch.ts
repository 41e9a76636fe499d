/** One log, round after round: look at all places, compare what they show, follow the log, and say what is wrong. */
import { equal } from '../bytes.ts'
import { httpTileSource } from '../client/http-tile-source.ts'
import { createRequester } from '../client/request.ts'
import { originHash, witnessClient } from '../client/witness-client.ts'
import { messageOf } from '../errors.ts'
import { quorumSatisfied } from '../formats/policy.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import type { MonitorStore } from '../storage/monitor-port.ts'
import type { TileSource } from '../tiles/source.ts'
import type { Alert, AlertKind } from './alert.ts'
import { catchUp } from './catch-up.ts'
import { CrossCheck } from './cross-check.ts'
import {
  checkCosignatures,
  checkHeadAge,
  checkLag,
  checkWithheld,
  headAge,
  type Limits,
  noteCosignatures,
} from './freshness.ts'
import { type LogPlace, type Look, lookAround, type WitnessPlace } from './looks.ts'
import { Memory } from './memory.ts'
import type { LogReport, OnMonitorEvent, OnProgress, PlaceReport } from './report.ts'
import type { ShownHead } from './state.ts'
import type { LogTarget, Targets } from './target.ts'

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

/** How patient the monitor is with others. */
export interface Timing {
  /** Milliseconds for the answer of a log or witness to a question about its head. */
  readonly headTimeoutMs: number
  /** Milliseconds for a tile or an entry bundle. */
  readonly tileTimeoutMs: number
  /** Attempts after the first one. */
  readonly retries: number
  /** Milliseconds before the first of them. */
  readonly retryDelayMs: number
  /** Bundles asked for ahead of the one at hand. */
  readonly concurrency: number
  /** Milliseconds after which what was read on a long way is written down. */
  readonly keepAfterMs: number
}

export const DEFAULT_TIMING: Timing = {
  headTimeoutMs: 10_000,
  tileTimeoutMs: 30_000,
  retries: 2,
  retryDelayMs: 200,
  concurrency: 16,
  keepAfterMs: 2_000,
}

export interface RoundLimits {
  /** Ends the round in good order, wherever it is. */
  readonly stop: AbortSignal
  /** Milliseconds after which a long way to a head is left for the next round; whatever it takes when left out. */
  readonly deadlineMs?: number
}

/** An address with the tiles that are behind it. */
interface Place extends LogPlace {
  tiles(signal: AbortSignal): TileSource
}

/** What became of following a log in a round. */
interface Followed {
  readonly underWay?: { readonly done: number; readonly total: number }
}

export class LogWatch {
  readonly #options: WatchOptions
  readonly #memory: Memory
  readonly #cross: CrossCheck
  readonly #places: readonly Place[]
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
    this.#places = log.urls.map((url) => placeAt(url, timing))
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
        followed = await this.#follow(looks, endOf(stop, deadlineMs))
        await this.#cross.resolve()
        this.#judge(looks)
      }
      memory.alerts.fine('monitor-failed', memory.origin)
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

  /** Recomputes the tree of the largest head that the log shows, if it is larger than the known one. */
  async #follow(looks: readonly Look[], signal: AbortSignal): Promise<Followed> {
    const memory = this.#memory
    const { now } = this.#options
    const larger = looks
      .filter(({ role, head }) => role === 'log' && head !== undefined)
      .map((look) => shownBy(look, memory, now()))
      .sort((a, b) => b.checkpoint.size - a.checkpoint.size)
    let followed: Followed = {}
    for (const head of larger) {
      const isFirst = memory.head === undefined
      if (!isFirst && head.checkpoint.size <= memory.size) break
      followed = await this.#followOne(head, signal)
    }
    return followed
  }

  async #followOne(head: ShownHead, signal: AbortSignal): Promise<Followed> {
    const memory = this.#memory
    const { timing, onProgress, onEvent, now } = this.#options
    const { source, checkpoint } = head
    const tiles = this.#places.find(({ url }) => url === source)!.tiles(signal)
    const missing = await this.#compareAhead(head, tiles)
    if (missing === 'contradiction') {
      // What follows is measured by what fits the known tree.
      memory.shown.delete(source)
      return {}
    }

    const before = memory.size
    const outcome = await catchUp(memory, checkpoint, {
      source: tiles,
      concurrency: timing.concurrency,
      keepAfterMs: timing.keepAfterMs,
      signal,
      progress: (done, total) => onProgress(memory.origin, done, total),
    })
    const which = `the head of ${checkpoint.size} entries at ${source}`
    const found = (kind: AlertKind, message: string): void =>
      memory.alerts.found({ kind, source, message }, now())
    switch (outcome.kind) {
      case 'arrived':
        memory.adopt(head, outcome.frontier)
        memory.alerts.fine('wrong-entries', source)
        if (missing === undefined) memory.alerts.fine('missing-tiles', source)
        else found('missing-tiles', `tiles that belong to ${which} cannot be used: ${missing}`)
        onEvent({
          event: 'head',
          origin: memory.origin,
          size: checkpoint.size,
          root: checkpoint.root,
          newEntries: checkpoint.size - before,
          entries: memory.entries,
        })
        return {}
      case 'wrong':
        found('wrong-entries', `${which} cannot be followed: ${outcome.message}`)
        break
      case 'missing':
        found('missing-tiles', `${which} cannot be followed: ${outcome.message}`)
        break
      case 'unreachable':
        found('unreachable', `${which} cannot be followed: ${outcome.message}`)
        break
      case 'under way':
        break
    }
    if (outcome.kind !== 'under way') await this.#cross.comparePending(head, tiles)
    return { underWay: { done: memory.tree.size, total: checkpoint.size } }
  }

  /** What keeps the log's tiles from telling whether a head continues the known one; undefined when it does. */
  async #compareAhead(
    head: ShownHead,
    tiles: TileSource,
  ): Promise<'contradiction' | string | undefined> {
    try {
      return (await this.#cross.compareAhead(head, tiles)) ? undefined : 'contradiction'
    } catch (error) {
      // The entries themselves will tell.
      return messageOf(error)
    }
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
      places: this.#placeReports(looks),
      alerts: memory.alerts.active,
      evidenceFiles: memory.evidence.length,
    }
  }

  #placeReports(looks: readonly Look[]): PlaceReport[] {
    const memory = this.#memory
    const now = this.#options.now()
    const sizes = looks.flatMap(({ role, head }) =>
      role === 'log' && head ? [head.checkpoint.size] : [],
    )
    const newest = Math.max(memory.size, ...sizes)
    const about = (source: string): AlertKind[] =>
      memory.alerts.active.filter((alert) => alert.source === source).map(({ kind }) => kind)
    const seen = looks.map((look): PlaceReport => {
      const size = look.head?.checkpoint.size
      const age = look.role === 'log' ? headAge(memory, look, now) : undefined
      const cosigned = look.role === 'witness' ? memory.cosigned.get(look.source) : undefined
      return {
        role: look.role,
        source: look.source,
        size,
        lag: size === undefined ? undefined : newest - size,
        ageMs: cosigned ? Math.max(0, now - cosigned.time * 1000) : age?.ageMs,
        isAgeSigned: cosigned !== undefined || age?.isSigned === true,
        alerts: about(look.source),
      }
    })
    // Witnesses that have no address of their own are known by their signatures on the log's heads.
    const others = this.#witnesses
      .filter(({ name }) => !looks.some(({ source }) => source === name))
      .map(({ name }): PlaceReport => {
        const cosigned = memory.cosigned.get(name)
        return {
          role: 'witness',
          source: name,
          size: cosigned?.size,
          lag: cosigned && newest - cosigned.size,
          ageMs: cosigned && Math.max(0, now - cosigned.time * 1000),
          isAgeSigned: cosigned !== undefined,
          alerts: about(name),
        }
      })
    return [...seen, ...others]
  }
}

/** A signal for whichever comes first. */
function endOf(stop: AbortSignal, deadlineMs: number | undefined): AbortSignal {
  if (deadlineMs === undefined) return stop
  return AbortSignal.any([stop, AbortSignal.timeout(deadlineMs)])
}

function placeAt(url: string, timing: Timing): Place {
  const patience = { url, retries: timing.retries, retryDelayMs: timing.retryDelayMs }
  // A head is asked for again in the next round anyway.
  const retries = Math.min(timing.retries, 1)
  const request = createRequester({ ...patience, timeoutMs: timing.headTimeoutMs, retries })
  const tiles = createRequester({ ...patience, timeoutMs: timing.tileTimeoutMs })
  return { url, request, tiles: (signal) => httpTileSource(tiles, signal) }
}

function shownBy({ source, head }: Look, memory: Memory, now: number): ShownHead {
  const { size, root } = head!.checkpoint
  const shown = memory.shown.get(source)
  const isKnown = shown !== undefined && shown.size === size && equal(shown.root, root)
  return { ...head!, source, since: isKnown ? shown.since : now }
}
