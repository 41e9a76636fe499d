/**
 * Requests that only the server which leads a log can answer: those about records, and the pages that show them. Any
 * other server of the log passes them on, and passes the answer back, so that clients need not know which one leads.
 *
 * While nobody leads they wait. One that was sent, and whose answer did not come, is sent again only where that changes
 * nothing; so that this is known of as few as possible, the others are sent with care (forward-attempt.ts).
 */
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { attempt, type Outcome, targetAt, type WholeRequest } from './forward-attempt.ts'
import { FORWARDED, passedOn } from './forwarded-headers.ts'
import { heldBodies } from './held-bodies.ts'
import { type LeaderPlace, NotLeading, unavailable } from './leader.ts'
import { type Found, leaderWaiters } from './leader-waiters.ts'
import { dropBody, send } from './node-server.ts'
import { problemOf } from './problem.ts'
import type { Observe } from './request-metrics.ts'

/** The paths, after that of the log, that every server of it answers by itself. */
const EVERYWHERE =
  /^\/(checkpoint|add|healthz|readyz|metrics|openapi\.json|verify|tile\/.*|v1\/leaves|v1\/receipts\/.*|v1\/proofs\/.*|ct\/.*)$/

/** Whether a request for this path (after that of the log) is for the leader. */
export function isForLeader(path: string): boolean {
  return !EVERYWHERE.test(path)
}

/** Answers a request on this server. A body is given when it was read already. */
export type ServeHere = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array | undefined,
) => void

/** What became of requests for the leader on a server that does not lead, since its start. */
export interface ForwardingReport {
  /** Requests that wait for a leader now, and the bytes of bodies that are held. */
  readonly waiting: number
  readonly heldBytes: number
  /** Answered by the leader; answered here, after this server began to lead; refused; the client went away. */
  readonly outcomes: Readonly<Record<'passed' | 'here' | 'refused' | 'unknown' | 'gone', number>>
  /** Times that a request had to wait, and the milliseconds of all of them. */
  readonly waits: number
  readonly waitedMs: number
  /** Requests that were sent again though the first may have been done. */
  readonly repeats: number
}

export interface Forwarder {
  /** Sees to a request. False when it is to be answered here, now. */
  forward(request: IncomingMessage, response: ServerResponse): boolean
  /**
   * Sees to one that was refused here, since this server does not lead any more: nothing of it was done. False for what
   * another server has passed on, and sees to itself.
   */
  again(request: IncomingMessage, response: ServerResponse, body: Uint8Array): boolean
  report(): ForwardingReport
  /** Nobody is waited for any more. */
  end(): void
  close(): void
}

export interface ForwarderOptions {
  readonly leader: () => LeaderPlace
  readonly serveHere: ServeHere
  /** How long a request waits for somebody who leads, in milliseconds. */
  readonly patienceMs?: number
  readonly limits?: ForwardingLimits
  readonly observe?: Observe
  readonly onError?: (error: unknown) => void
}

const PATIENCE_MS = 10_000
/** Before an address that failed is tried again, and how long one may try it before the next does. */
const PAUSE_MS = 100
const PROBE_MS = 2_500
/** How often it is looked whether the server that was asked still leads. */
const LOOK_MS = 250
/** A request may be what ends a server: it does not go from one to the next. */
const MAX_REPEATS = 1

export interface ForwardingLimits {
  /** Requests that wait for a leader at the same time. */
  readonly waiting: number
  /** Bytes of bodies that are held at the same time, waiting or on their way. */
  readonly heldBytes: number
}

const LIMITS: ForwardingLimits = { waiting: 4_096, heldBytes: 128 * 2 ** 20 }

/** A request on its way, and what is kept of it. */
interface Held {
  /** When it came, by performance.now(). */
  readonly started: number
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly gone: AbortSignal
  body: Uint8Array | undefined
}

export function forwarder(options: ForwarderOptions): Forwarder {
  const { leader, serveHere, patienceMs = PATIENCE_MS, observe, onError = () => {} } = options
  const limits = options.limits ?? LIMITS
  const agents = { http: new Agent({ keepAlive: true }), https: new TlsAgent({ keepAlive: true }) }
  const waiters = leaderWaiters(leader, limits.waiting)
  const outcomes = { passed: 0, here: 0, refused: 0, unknown: 0, gone: 0 }
  const bodies = heldBodies(limits.heldBytes)
  const counts = { waits: 0, waitedMs: 0, repeats: 0 }
  /** The address that failed last: until then it is left alone by all, and after that tried by one. */
  let failing: { readonly url: string; readonly until: number } | undefined
  let complainedOf: string | undefined

  const leaveAlone = (url: string, milliseconds: number): void => {
    failing = { url, until: performance.now() + milliseconds }
  }
  /** Until then this server is not what it takes itself for: a leader. */
  let notHereUntil = 0
  /** Until when a request waits that was refused here, and began to wait then. */
  const patience = new WeakMap<IncomingMessage, number>()

  /** Whether a request can go there now. Who is told so of an address that failed is the one that tries it. */
  const mayAsk = (place: LeaderPlace): boolean => {
    if (typeof place !== 'object') return place === 'here' && performance.now() >= notHereUntil
    if (place.url !== failing?.url) return true
    if (performance.now() < failing.until) return false
    leaveAlone(place.url, PROBE_MS)
    return true
  }

  /** Waits for a place, and counts that. @throws NotLeading, OVERLOADED */
  async function placeFor(
    { gone }: Held,
    accepts: (place: LeaderPlace) => boolean,
    until: number,
  ): Promise<LeaderPlace> {
    const began = performance.now()
    const now = leader()
    if (accepts(now)) return now
    counts.waits++
    try {
      return await waiters.wait(accepts, until, gone)
    } finally {
      counts.waitedMs += performance.now() - began
    }
  }

  /** Tries once. */
  async function tryAt(url: string, held: Held, mayRepeat: boolean): Promise<Outcome> {
    const target = targetAt(url)
    if (target === undefined) {
      if (complainedOf !== url)
        onError(new Error(`the leader advertises ${url}: no URL to pass requests to`))
      complainedOf = url
      return { fate: 'not-done', reason: 'it advertises no URL' }
    }
    const { method, headers, url: path } = held.request
    const whole: WholeRequest = { method: method!, url: path!, headers, body: held.body! }
    const onHeard = (): void => {
      if (failing?.url === url) failing = undefined
    }
    const one = attempt(whole, target, { agents, careful: !mayRepeat, onHeard })
    held.gone.addEventListener('abort', one.destroy)
    const started = performance.now()
    // A leader that is paused answers nothing and closes nothing; once another leads, it is not waited for.
    const watching = setInterval(() => {
      const now = leader()
      const isOther = now === 'here' || (typeof now === 'object' && now.url !== url)
      if (isOther) one.abandon('another server leads this log by now')
      else if (performance.now() - started > patienceMs) one.giveUpUnsent()
    }, LOOK_MS)
    const outcome = await one.outcome
    clearInterval(watching)
    if (!('answer' in outcome)) held.gone.removeEventListener('abort', one.destroy)
    return outcome
  }

  /** Has a request answered by whoever leads. @throws NotLeading, TOO_LARGE, OVERLOADED */
  async function seeTo(held: Held): Promise<void> {
    const { request, response } = held
    const mayRepeat = isRepeatable(request)
    let until = patience.get(request) ?? performance.now() + patienceMs
    let repeats = 0
    for (;;) {
      const place = await placeFor(held, mayAsk, until)
      if (place === 'here') {
        outcomes.here++
        serveHere(request, response, held.body)
        return
      }
      held.body ??= await bodies.read(request, response)
      const { url } = place as Exclude<Found, 'here'>
      const outcome = await tryAt(url, held, mayRepeat)
      if (held.gone.aborted) return
      if ('answer' in outcome) {
        passBack(outcome.answer, held)
        return
      }
      leaveAlone(url, PAUSE_MS)
      const why = `the server that leads this log could not be asked: ${outcome.reason}`
      if (outcome.fate === 'unknown') {
        if (!mayRepeat) throw new NotLeading(why, 'unknown')
        if (repeats === MAX_REPEATS) throw unavailable(why)
        repeats++
        counts.repeats++
        // The time that it took the leader is none that was spent on waiting.
        until = performance.now() + patienceMs
      } else if (performance.now() > until) throw unavailable(why)
    }
  }

  /** Passes an answer back. One that breaks off is broken off. */
  function passBack(answer: IncomingMessage, { response, started }: Held): void {
    outcomes.passed++
    observe?.(answer.statusCode!, performance.now() - started)
    response.writeHead(answer.statusCode!, passedOn(answer.headers))
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  }

  /** What another server has passed on is answered here or nowhere. @throws NotLeading, OVERLOADED */
  async function seeToForwarded(held: Held): Promise<void> {
    const until = performance.now() + patienceMs
    const place = await placeFor(held, (now) => now !== 'soon', until)
    if (place !== 'here') throw unavailable('this server does not lead the log any more')
    outcomes.here++
    serveHere(held.request, held.response, undefined)
  }

  function hold(
    request: IncomingMessage,
    response: ServerResponse,
    body: Uint8Array | undefined,
    work: (held: Held) => Promise<void>,
  ): void {
    const started = performance.now()
    const going = new AbortController()
    response.once('close', () => {
      if (!response.writableEnded) outcomes.gone++
      going.abort()
    })
    work({ started, request, response, gone: going.signal, body }).catch((error: unknown) => {
      if (error instanceof NotLeading && error.fate === 'unknown') outcomes.unknown++
      else outcomes.refused++
      const problem = problemOf(error, onError)
      observe?.(problem.status, performance.now() - started)
      if (response.headersSent) {
        response.destroy()
        return
      }
      dropBody(request, response)
      send(response, problem)
    })
  }

  return {
    forward(request, response) {
      if (leader() === 'here') return false
      const wasForwarded = request.headers[FORWARDED] !== undefined
      hold(request, response, undefined, wasForwarded ? seeToForwarded : seeTo)
      return true
    },
    again(request, response, body) {
      if (request.headers[FORWARDED] !== undefined) return false
      const now = performance.now()
      const until = patience.get(request)
      if (until === undefined) patience.set(request, now + patienceMs)
      else if (now > until) return false
      notHereUntil = now + PAUSE_MS
      hold(request, response, body, seeTo)
      return true
    },
    report: () => ({
      waiting: waiters.count,
      heldBytes: bodies.bytes,
      waits: counts.waits,
      waitedMs: counts.waitedMs,
      repeats: counts.repeats,
      outcomes: { ...outcomes },
    }),
    end: waiters.close,
    close() {
      waiters.close()
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

/**
 * Whether a request can be sent again though it may have been done: it asks only, or it is a submission of records under
 * a key, which the log adds once.
 */
function isRepeatable({ method, url, headers }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return true
  const [path = ''] = url!.split('?')
  const isSubmission = method === 'POST' && /^(\/logs\/[^/]+)?\/v1\/records$/.test(path)
  return isSubmission && headers['idempotency-key'] !== undefined
}
