/**
 * Sends heads to one sink, when they are due, one at a time and always the newest. What fails is tried again after
 * growing, jittered pauses; meanwhile nothing queues up, since a newer head makes the older one superfluous.
 */
import { equal } from '../bytes.ts'
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

export interface SinkLoop {
  /** Looks whether a head is due. Cheap: called for each publication. */
  wake(): void
  status(): SinkStatus
  /** Gives up on an attempt under way and ends. */
  close(): Promise<void>
}

/** Timers are set anew this often, so that a clock that jumps is noticed. */
const LONGEST_TIMER_MS = 60_000

/** Begins to send heads to a sink, where its state left off. */
export async function startSinkLoop(options: SinkLoopOptions): Promise<SinkLoop> {
  const { sink, schedule, retry, states, now, onEvent } = options
  const report = (event: GossipEvent['event'], reason: string) =>
    onEvent({ event, sink: sink.name, reason })
  let state = await readState()
  let timer: NodeJS.Timeout | undefined
  let attempt: Promise<void> | undefined
  let lastAttempt = Number.NEGATIVE_INFINITY
  let contradiction: string | undefined
  /** Also after its time is over: on a file system that hangs an attempt holds a thread of Node's, so one is enough. */
  let underWay = false
  const closing = new AbortController()

  async function readState(): Promise<SinkState> {
    try {
      const kept = await states.read(sink.name)
      if (kept?.target === sink.target) return kept
    } catch (error) {
      // A head that is sent twice does no harm; a log that does not start would.
      report('gossip-state-failed', `begins anew: ${messageOf(error)}`)
    }
    return freshState(sink.target)
  }

  async function keep(next: SinkState): Promise<void> {
    state = next
    try {
      await states.write(sink.name, next)
    } catch (error) {
      report('gossip-state-failed', `may be sent again after a restart: ${messageOf(error)}`)
    }
  }

  function wake(): void {
    clearTimeout(timer)
    if (attempt !== undefined || closing.signal.aborted) return
    const head = options.head()
    if (head === undefined) return
    noticeContradiction(head)
    const time = now()
    state = notInTheFuture(state, time, retry.maxMs)
    const due = dueAt(head, state, schedule)
    if (due === undefined) return
    const wait = Math.max(due - time, lastAttempt + options.leastPauseMs - performance.now())
    if (wait > 0) {
      timer = setTimeout(wake, Math.min(wait, LONGEST_TIMER_MS)).unref()
      return
    }
    attempt = send(head).finally(() => {
      attempt = undefined
      wake()
    })
  }

  /** A sink that has seen more than there is now, or something else, tells that the log was rolled back or replaced. */
  function noticeContradiction({ size, root }: PublishedHead): void {
    const { lastSize, lastRoot } = state
    const smaller = size < lastSize
    const other = size === lastSize && lastRoot !== undefined && !equal(root, lastRoot)
    if ((!smaller && !other) || contradiction !== undefined) return
    const found = smaller ? `this one has ${size}` : 'this one has another root'
    contradiction = `a head of ${lastSize} entries was sent before, and ${found}: the log was rolled back or replaced`
    report('gossip-contradiction', contradiction)
  }

  async function send(head: PublishedHead): Promise<void> {
    lastAttempt = performance.now()
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(schedule.timeoutMs)])
    const attempts = state.attempts + 1
    try {
      if (underWay) throw new CairnError('IO', 'still does not answer to an earlier attempt')
      const receipt = await within(sendOnce(head, signal), signal)
      const { retryAt: _, lastReceipt: __, ...rest } = state
      const recovered = state.failuresInARow
      await keep({
        ...rest,
        attempts,
        lastSize: head.size,
        lastRoot: head.root,
        lastSuccess: now(),
        ...(receipt && { lastReceipt: receipt.detail }),
        failuresInARow: 0,
      })
      if (recovered > 0) report('gossip-sent-again', `took a head of ${head.size} entries`)
    } catch (error) {
      if (closing.signal.aborted) return
      const message = messageOf(error)
      const failuresInARow = state.failuresInARow + 1
      if (failuresInARow === 1) report('gossip-failed', withCauses(error))
      const time = now()
      await keep({
        ...state,
        attempts,
        failures: state.failures + 1,
        failuresInARow,
        lastError: { at: time, message },
        retryAt: Math.ceil(time + retryDelay(failuresInARow, retry, options.random())),
      })
    }
  }

  async function sendOnce(
    head: PublishedHead,
    signal: AbortSignal,
  ): Promise<SinkReceipt | undefined> {
    underWay = true
    try {
      return await sink.send(head, signal)
    } finally {
      underWay = false
    }
  }

  wake()
  return {
    wake,
    status() {
      const { target: _, lastRoot: __, retryAt: ___, ...shown } = state
      const lag = Math.max(0, (options.head()?.size ?? 0) - state.lastSize)
      return {
        name: sink.name,
        kind: sink.kind,
        ...shown,
        lag,
        sending: attempt !== undefined,
        ...(contradiction === undefined ? {} : { contradiction }),
      }
    },
    async close() {
      closing.abort(new CairnError('STOPPED', 'the log is shutting down'))
      clearTimeout(timer)
      await attempt
    },
  }
}

/** For the operator, who may know more than the public: the message, and those of what caused it. */
function withCauses(error: unknown): string {
  const messages: string[] = []
  for (let one = error; one instanceof Error; one = one.cause) messages.push(one.message)
  return messages.length === 0 ? String(error) : messages.join(': ')
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

/** What the promise gives, unless the signal fires first: a sink that does not heed it holds up nobody. */
function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(reasonOf(signal))
    signal.addEventListener('abort', stop, { once: true })
    promise
      .then(resolve, (error) => reject(signal.aborted ? reasonOf(signal) : error))
      .finally(() => signal.removeEventListener('abort', stop))
  })
}

function reasonOf({ reason }: AbortSignal): unknown {
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError'
  return timedOut ? new CairnError('IO', 'did not take the head in time') : reason
}
