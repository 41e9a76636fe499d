/**
 * Sends heads to one sink, when they are due, one at a time and always the newest. What fails is tried again after
 * growing, jittered pauses; meanwhile nothing queues up, since a newer head makes the older one superfluous.
 */
import { equal } from '../bytes.ts'
import { printable } from '../client/receipt-words.ts'
import { CairnError, messageOf } from '../errors.ts'
import { dueAt, type RetrySchedule, retryDelay, type SinkSchedule } from './schedule.ts'
import type { HeadSink, PublishedHead, SinkKind, SinkReceipt } from './sink.ts'
import { freshState, type SinkError, type SinkState, type StateStore } from './state.ts'

/** What happened to a sink; the first failure of a row only. */
export type GossipEvent =
  | { readonly event: 'gossip-failed'; readonly sink: string; readonly reason: string }
  | { readonly event: 'gossip-sent-again'; readonly sink: string; readonly reason: string }
  | { readonly event: 'gossip-contradiction'; readonly sink: string; readonly reason: string }
  | { readonly event: 'gossip-state-failed'; readonly sink: string; readonly reason: string }

/** Times are milliseconds since 1970. */
export interface SinkStatus {
  readonly name: string
  readonly kind: SinkKind
  /** Size of the last head that the sink took; 0 before the first. */
  readonly lastSize: number
  /** Entries of the published head that the sink does not know of. */
  readonly lag: number
  readonly lastSuccess?: number
  readonly lastReceipt?: string
  readonly lastError?: SinkError
  readonly attempts: number
  readonly failures: number
  readonly failuresInARow: number
  readonly sending: boolean
  /** What the sink has seen of the log that does not fit what the log is now. */
  readonly contradiction?: string
}

export interface SinkLoopOptions {
  readonly sink: HeadSink
  readonly schedule: SinkSchedule
  readonly retry: RetrySchedule
  /** Two attempts are never closer than this, however fast the log grows. */
  readonly leastPauseMs: number
  /** The newest published head, or undefined before the first. */
  readonly head: () => PublishedHead | undefined
  readonly states: StateStore
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
  readonly onEvent: (event: GossipEvent) => void
}

/** Timers are set anew this often, so that a clock that jumps is noticed. */
const LONGEST_TIMER_MS = 60_000

export class SinkLoop {
  readonly #options: SinkLoopOptions
  #state: SinkState
  #contradiction: string | undefined
  #timer: NodeJS.Timeout | undefined
  #lastAttempt = Number.NEGATIVE_INFINITY
  #attempt: Promise<void> | undefined
  #controller: AbortController | undefined
  /** Also after an attempt's time is over: on a file system that hangs it holds a thread of Node's, so one is enough. */
  #underWay = false
  #closed = false

  private constructor(options: SinkLoopOptions, state: SinkState) {
    this.#options = options
    this.#state = state
  }

  /** Begins to send heads to a sink, where its state left off. */
  static async start(options: SinkLoopOptions): Promise<SinkLoop> {
    const { sink, states, onEvent } = options
    let state = freshState(sink.target)
    try {
      const kept = await states.read(sink.name)
      if (kept?.target === sink.target) state = kept
    } catch (error) {
      // A head that is sent twice does no harm; a log that does not start would.
      const reason = `begins anew: ${messageOf(error)}`
      onEvent({ event: 'gossip-state-failed', sink: sink.name, reason })
    }
    const loop = new SinkLoop(options, state)
    loop.wake()
    return loop
  }

  /** Looks whether a head is due. Cheap: called for each publication. */
  wake(): void {
    clearTimeout(this.#timer)
    if (this.#attempt !== undefined || this.#closed) return
    const { head: newest, now, retry, schedule, leastPauseMs } = this.#options
    const head = newest()
    if (head === undefined) return
    this.#noticeContradiction(head)
    const time = now()
    this.#state = notInTheFuture(this.#state, time, retry.maxMs)
    const due = dueAt(head, this.#state, schedule)
    if (due === undefined) return
    const wait = Math.max(due - time, this.#lastAttempt + leastPauseMs - performance.now())
    if (wait > 0) {
      this.#timer = setTimeout(() => this.wake(), Math.min(wait, LONGEST_TIMER_MS)).unref()
      return
    }
    this.#attempt = this.#send(head).finally(() => {
      this.#attempt = undefined
      this.wake()
    })
  }

  status(): SinkStatus {
    const { sink, head } = this.#options
    const { target: _, lastRoot: __, retryAt: ___, ...shown } = this.#state
    return {
      name: sink.name,
      kind: sink.kind,
      ...shown,
      lag: Math.max(0, (head()?.size ?? 0) - shown.lastSize),
      sending: this.#attempt !== undefined,
      ...(this.#contradiction === undefined ? {} : { contradiction: this.#contradiction }),
    }
  }

  /** Gives up on an attempt under way and ends. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#controller?.abort(new CairnError('STOPPED', 'the log is shutting down'))
    await this.#attempt
  }

  async #send(head: PublishedHead): Promise<void> {
    this.#lastAttempt = performance.now()
    const controller = new AbortController()
    this.#controller = controller
    const late = new CairnError('IO', 'did not take the head in time')
    const deadline = setTimeout(() => controller.abort(late), this.#options.schedule.timeoutMs)
    try {
      await this.#took(head, await this.#within(head, controller.signal))
    } catch (error) {
      if (!this.#closed) await this.#failed(error)
    } finally {
      clearTimeout(deadline)
    }
  }

  /** What the sink gives, unless the signal fires first: a sink that does not heed it holds up nobody. */
  #within(head: PublishedHead, signal: AbortSignal): Promise<SinkReceipt | undefined> {
    if (this.#underWay) {
      throw new CairnError('IO', 'still does not answer to an earlier attempt')
    }
    this.#underWay = true
    const sent = (async () => this.#options.sink.send(head, signal))().finally(() => {
      this.#underWay = false
    })
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      sent.then(resolve, (error) => reject(signal.aborted ? signal.reason : error))
    })
  }

  async #took(head: PublishedHead, receipt: SinkReceipt | undefined): Promise<void> {
    const { retryAt: _, lastReceipt: __, ...rest } = this.#state
    await this.#keep({
      ...rest,
      attempts: rest.attempts + 1,
      lastSize: head.size,
      lastRoot: head.root,
      lastSuccess: this.#options.now(),
      ...(receipt && { lastReceipt: printable(receipt.detail) }),
      failuresInARow: 0,
    })
    if (rest.failuresInARow > 0) {
      this.#report('gossip-sent-again', `took a head of ${head.size} entries`)
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { now, retry, random } = this.#options
    const failuresInARow = this.#state.failuresInARow + 1
    if (failuresInARow === 1) this.#report('gossip-failed', withCauses(error))
    const time = now()
    await this.#keep({
      ...this.#state,
      attempts: this.#state.attempts + 1,
      failures: this.#state.failures + 1,
      failuresInARow,
      lastError: { at: time, message: printable(messageOf(error)) },
      retryAt: Math.ceil(time + retryDelay(failuresInARow, retry, random())),
    })
  }

  async #keep(state: SinkState): Promise<void> {
    this.#state = state
    try {
      await this.#options.states.write(this.#options.sink.name, state)
    } catch (error) {
      const reason = `may be sent again after a restart: ${messageOf(error)}`
      this.#report('gossip-state-failed', reason)
    }
  }

  /** A sink that has seen more than there is now, or something else, tells that the log was rolled back or replaced. */
  #noticeContradiction({ size, root }: PublishedHead): void {
    const { lastSize, lastRoot } = this.#state
    const smaller = size < lastSize
    const other = size === lastSize && lastRoot !== undefined && !equal(root, lastRoot)
    if ((!smaller && !other) || this.#contradiction !== undefined) return
    const found = smaller ? `this one has ${size}` : 'this one has another root'
    this.#contradiction = `a head of ${lastSize} entries was sent before, and ${found}: the log was rolled back or replaced`
    this.#report('gossip-contradiction', this.#contradiction)
  }

  #report(event: GossipEvent['event'], reason: string): void {
    this.#options.onEvent({ event, sink: this.#options.sink.name, reason })
  }
}

/** For the operator, who may know more than the public: the message, and those of what caused it. */
function withCauses(error: unknown): string {
  const messages: string[] = []
  for (let one = error; one instanceof Error; one = one.cause) messages.push(one.message)
  return printable(messages.length === 0 ? String(error) : messages.join(': '))
}

/** Times of a clock that was ahead when they were noted would keep a sink waiting until it is there again. */
function notInTheFuture(state: SinkState, time: number, maxRetryMs: number): SinkState {
  const { lastSuccess, retryAt } = state
  return {
    ...state,
    ...(lastSuccess !== undefined && { lastSuccess: Math.min(lastSuccess, time) }),
    ...(retryAt !== undefined && { retryAt: Math.min(retryAt, time + maxRetryMs) }),
  }
}
