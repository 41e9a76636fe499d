/**
 * The HTTP server of logs. Single submissions are most of its work, so `POST /add`, `POST /v1/leaves` and `POST /v1/records` go from Node's
 * request to the log and back without a `Request`, a URL or a router in between; everything else goes to the app.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { mustBeAllowed, type Principal } from '../compliance/principal.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { type Admission, admit, MAX_BATCH_SIZE, type SubmitRoute } from './admission.ts'
import type { Answer } from './answer.ts'
import { createApp, type HostedLog, prefixOf, reportedParts, servicesOf } from './app.ts'
import { appListener, bodyListener, type Refused } from './app-listener.ts'
import { type Authenticate, unauthorized } from './authenticate.ts'
import { type Forwarder, forwarder, isForLeader } from './forward.ts'
import { NotLeading } from './leader.ts'
import { type LogHistory, startHistory } from './log-history.ts'
import { createMetrics } from './metrics.ts'
import {
  type ArrivingBodies,
  arrivingBodies,
  DEFAULT_GRACE_MS,
  dropBody,
  type HttpServer,
  nodeServer,
  receiveBody,
  send,
} from './node-server.ts'
import { problemOf } from './problem.ts'
import type { Observe } from './request-metrics.ts'
import { submissionsTo } from './submission-routes.ts'
import { type Submit, tooLarge } from './submit.ts'

export interface ServerOptions {
  /** The log served at `/` has the empty name. */
  readonly logs: ReadonlyMap<string, HostedLog>
  /** Told of what clients are not told: errors that are no fault of theirs. */
  readonly onError?: (error: unknown) => void
  /** In which a request has to arrive whole. */
  readonly requestTimeoutMs?: number
}

/** Bodies of batches and of records that may be arriving at the same time, by the lengths they state. */
const MAX_ARRIVING_BYTES = 16 * MAX_BATCH_SIZE
/** How much of the time that a closing server takes its requests may wait for another one to lead. */
const WAITING_PART = 0.8

/** Where a submission path leads. */
interface Target {
  readonly route: SubmitRoute
  readonly submit: Submit
  readonly authenticate: Authenticate
  readonly observe: Observe
  /** Shared by all targets: bytes that are arriving. */
  readonly arriving: ArrivingBodies
  /** Has one answered elsewhere that was refused here, since this server does not lead any more; false if it cannot be. */
  readonly again: (request: IncomingMessage, response: ServerResponse, body: Uint8Array) => boolean
}

/** A server of some logs. @throws RangeError on a log name that does not fit a path */
export function createServerFor({
  logs,
  onError = () => {},
  requestTimeoutMs,
}: ServerOptions): HttpServer {
  /** Of logs that are shared, by their names. */
  const forwarding = new Map<string, Pick<Forwarder, 'report'>>()
  const metrics = createMetrics(servicesOf(logs), { ...reportedParts(logs), forwarding })
  const histories = new Map<string, LogHistory>()
  const targets = new Map<string, Target>()
  const arriving = arrivingBodies(MAX_ARRIVING_BYTES)
  /** By the paths of their logs; empty where no log is shared. */
  const forwarders = new Map<string, Forwarder>()
  for (const [name, hosted] of logs) {
    const { authenticate } = hosted
    const prefix = prefixOf(name)
    const paths = submissionsTo(hosted, prefix)
    for (const { path, route, submit } of paths) {
      const observe = metrics.observer('POST', prefix + path)
      const again: Target['again'] = (...refused) =>
        forwarders.get(prefix)?.again(...refused) ?? false
      targets.set(prefix + path, { route, submit, authenticate, observe, arriving, again })
    }
    const answered = () => paths.map(({ path }) => metrics.durations('POST', prefix + path))
    histories.set(name, startHistory({ log: hosted.log, answered }))
    if (hosted.leader !== undefined) {
      const observe = metrics.observer('ANY', `${prefix}/ of the leader`)
      const { leader, leaderPatienceMs: patienceMs } = hosted
      const waiting = { leader, ...(patienceMs !== undefined && { patienceMs }) }
      const one = forwarder({ ...waiting, serveHere, observe, onError })
      forwarders.set(prefix, one)
      forwarding.set(name, one)
    }
  }
  const app = createApp({ logs, metrics, histories, onError })
  const refusedHere: Refused = (request, response, body) =>
    forwarderOf(pathOf(request.url!))?.again(request, response, body) ?? false
  const others = appListener(app, onError, forwarders.size > 0 ? refusedHere : undefined)
  const withBody = bodyListener(app, onError, refusedHere)

  /** What passes on requests for this path, if any are to be. */
  function forwarderOf(path: string): Forwarder | undefined {
    // One that names a whole URL is for a proxy, which this is not.
    if (!path.startsWith('/')) return undefined
    const [prefix = ''] = /^\/logs\/[^/]*/.exec(path) ?? []
    return isForLeader(path.slice(prefix.length)) ? forwarders.get(prefix) : undefined
  }

  function serveHere(
    request: IncomingMessage,
    response: ServerResponse,
    body: Uint8Array | undefined,
  ): void {
    if (body === undefined) serve(request, response)
    else withBody(request, response, body)
  }

  const listener: RequestListener = (request, response) => {
    const isSeenTo =
      forwarders.size > 0 && forwarderOf(pathOf(request.url!))?.forward(request, response)
    if (isSeenTo !== true) serve(request, response)
  }

  /** Answers a request on this server. */
  const serve: RequestListener = (request, response) => {
    const url = request.url!
    const path = pathOf(url)
    if (request.method === 'POST') {
      const target = targets.get(path)
      if (target !== undefined) {
        receive(target, url.slice(path.length + 1), request, response, onError)
        return
      }
    }
    others(request, response)
  }
  function endForwarding(how: 'end' | 'close'): void {
    for (const one of forwarders.values()) one[how]()
  }

  const { server, close } = nodeServer(listener, requestTimeoutMs)
  return {
    server,
    close(graceMs) {
      for (const history of histories.values()) history.stop()
      // Who waits for another server to lead is told before the connection is cut.
      const end = setTimeout(
        () => endForwarding('end'),
        (graceMs ?? DEFAULT_GRACE_MS) * WAITING_PART,
      )
      return close(graceMs).finally(() => {
        clearTimeout(end)
        endForwarding('close')
      })
    },
  }
}

function pathOf(url: string): string {
  const question = url.indexOf('?')
  return question < 0 ? url : url.slice(0, question)
}

/** Reads a submission's body within its limits and answers. A client that goes away ends only its own waiting. */
function receive(
  { route, submit, authenticate, observe, arriving, again }: Target,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
  onError: (error: unknown) => void,
): void {
  const started = performance.now()
  const reply = (given: Answer): void => {
    observe(given.status, performance.now() - started)
    send(response, given)
  }
  const fail = (error: unknown): void => reply(problemOf(error, onError))
  const refuse = (error: unknown): void => {
    dropBody(request, response)
    fail(error)
  }

  const { headers } = request
  const proceed = (by: Principal | undefined): void => {
    if (by === undefined) {
      dropBody(request, response)
      reply(unauthorized(headers.authorization))
      return
    }
    let admission: Admission
    try {
      mustBeAllowed(by, 'submit')
      admission = admit(route, query, headers, by)
      if (Number(headers['content-length'] ?? 0) > admission.limit) throw tooLarge(admission)
      // Single leaves are too small to count.
      if (admission.limit > MAX_ENTRY_SIZE) arriving.reserve(request, admission.limit)
    } catch (error) {
      refuse(error)
      return
    }

    const finish = (body: Uint8Array): void => {
      const isForOther = (error: unknown): boolean =>
        error instanceof NotLeading && error.fate === 'not-done' && again(request, response, body)
      try {
        submit(admission, body).then(reply, (error) => isForOther(error) || fail(error))
      } catch (error) {
        fail(error)
      }
    }
    receiveBody(request, response, admission.limit, {
      whole: finish,
      tooLarge: () => refuse(tooLarge(admission)),
    })
  }

  let found: ReturnType<Authenticate>
  try {
    found = authenticate(headers.authorization)
  } catch (error) {
    refuse(error)
    return
  }
  // Nearly always it is known at once, and no promise is made.
  if (found instanceof Promise) found.then(proceed, refuse)
  else proceed(found)
}
