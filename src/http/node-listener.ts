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
import { type Authenticate, unauthorized } from './authenticate.ts'
import { type Forwarder, forwarder, isForLeader } from './forward.ts'
import { type LogHistory, startHistory } from './log-history.ts'
import { createMetrics } from './metrics.ts'
import {
  type ArrivingBodies,
  appListener,
  arrivingBodies,
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

/** Where a submission path leads. */
interface Target {
  readonly route: SubmitRoute
  readonly submit: Submit
  readonly authenticate: Authenticate
  readonly observe: Observe
  /** Shared by all targets: bytes that are arriving. */
  readonly arriving: ArrivingBodies
}

/** A server of some logs. @throws RangeError on a log name that does not fit a path */
export function createServerFor({
  logs,
  onError = () => {},
  requestTimeoutMs,
}: ServerOptions): HttpServer {
  const metrics = createMetrics(servicesOf(logs), reportedParts(logs))
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
      targets.set(prefix + path, { route, submit, authenticate, observe, arriving })
    }
    const answered = () => paths.map(({ path }) => metrics.durations('POST', prefix + path))
    histories.set(name, startHistory({ log: hosted.log, answered }))
    if (hosted.leader !== undefined) {
      const observe = metrics.observer('ANY', `${prefix}/ of the leader`)
      forwarders.set(prefix, forwarder({ leader: hosted.leader, observe, onError }))
    }
  }
  const others = appListener(createApp({ logs, metrics, histories, onError }), onError)

  /** Passes a request on, if it is for another server. */
  function passOn(path: string, request: IncomingMessage, response: ServerResponse): boolean {
    const [prefix = ''] = /^\/logs\/[^/]*/.exec(path) ?? []
    const found = forwarders.get(prefix)
    return (
      found !== undefined &&
      isForLeader(path.slice(prefix.length)) &&
      found.forward(request, response)
    )
  }

  const listener: RequestListener = (request, response) => {
    const url = request.url!
    const question = url.indexOf('?')
    const path = question < 0 ? url : url.slice(0, question)
    if (forwarders.size > 0 && passOn(path, request, response)) return
    if (request.method === 'POST') {
      const target = targets.get(path)
      if (target !== undefined) {
        receive(target, question < 0 ? '' : url.slice(question + 1), request, response, onError)
        return
      }
    }
    others(request, response)
  }
  const { server, close } = nodeServer(listener, requestTimeoutMs)
  return {
    server,
    close(graceMs) {
      for (const history of histories.values()) history.stop()
      return close(graceMs).finally(() => {
        for (const one of forwarders.values()) one.close()
      })
    },
  }
}

/** Reads a submission's body within its limits and answers. A client that goes away ends only its own waiting. */
function receive(
  { route, submit, authenticate, observe, arriving }: Target,
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
      try {
        submit(admission, body).then(reply, fail)
      } catch (error) {
        fail(error)
      }
    }
    receiveBody(request, admission.limit, {
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
