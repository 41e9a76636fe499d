/**
 * Requests that only the server which leads a log can answer: those about records, and the pages that show them. Any
 * other server of the log passes them on, and passes the answer back, so that clients need not know which one leads.
 */
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest, Agent as TlsAgent } from 'node:https'
import { CairnError } from '../errors.ts'
import { dropBody, send } from './node-server.ts'
import { problemOf } from './problem.ts'
import type { Observe } from './request-metrics.ts'

/** Who leads a log: this server, another one at a URL without a slash at its end, or for the moment nobody. */
export type LeaderPlace = 'here' | { readonly url: string } | undefined

/** Says that a request was passed on already, so that it is not passed around in a circle. */
const FORWARDED = 'cairn-forwarded'
/** What is said about one connection, and not about the request (RFC 9110 section 7.6.1). */
const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** How often it is looked whether the server that was asked still leads. */
const LOOK_MS = 250
/** A leader may hold an answer for as long as a large report takes. */
const SILENCE_MS = 120_000

/** The paths, after that of the log, that every server of it answers by itself. */
const EVERYWHERE =
  /^\/(checkpoint|add|healthz|readyz|metrics|openapi\.json|verify|tile\/.*|v1\/leaves|v1\/receipts\/.*|v1\/proofs\/.*|ct\/.*)$/

/** Whether a request for this path (after that of the log) is for the leader. */
export function isForLeader(path: string): boolean {
  return !EVERYWHERE.test(path)
}

export interface Forwarder {
  /** Passes a request on to the leader. False when the leader is here: it is to be answered here. */
  forward(request: IncomingMessage, response: ServerResponse): boolean
  close(): void
}

export interface ForwarderOptions {
  readonly leader: () => LeaderPlace
  readonly observe?: Observe
  readonly onError?: (error: unknown) => void
}

/** Passes requests on to the server that leads. Bodies and answers are streamed. */
export function forwarder({ leader, observe, onError = () => {} }: ForwarderOptions): Forwarder {
  const plain = new Agent({ keepAlive: true })
  const secure = new TlsAgent({ keepAlive: true })

  function pass(request: IncomingMessage, response: ServerResponse, url: string): void {
    const started = performance.now()
    const target = new URL(url)
    const isSecure = target.protocol === 'https:'
    const fail = (error: unknown): void => {
      clearInterval(watching)
      request.unpipe(upstream)
      upstream.destroy()
      if (response.headersSent) {
        response.destroy()
        return
      }
      observe?.(503, performance.now() - started)
      dropBody(request, response)
      send(response, problemOf(error, onError))
    }
    const upstream = (isSecure ? httpsRequest : httpRequest)({
      protocol: target.protocol,
      hostname: target.hostname.replace(/^\[|\]$/g, ''),
      port: target.port,
      path: target.pathname.replace(/\/$/, '') + request.url!,
      method: request.method,
      headers: { ...kept(request.headers), [FORWARDED]: '1' },
      agent: isSecure ? secure : plain,
      timeout: SILENCE_MS,
    })
    // A leader that is paused answers nothing and closes nothing; once another leads, it is not waited for.
    const watching = setInterval(() => {
      const now = leader()
      if (now !== 'here' && now?.url === url) return
      fail(unavailable('another server leads this log by now'))
    }, LOOK_MS).unref()
    upstream.on('timeout', () => fail(unavailable('the server that leads this log is silent')))
    upstream.on('error', (cause) => {
      if (!response.destroyed) {
        fail(unavailable(`the server that leads this log cannot be reached: ${cause.message}`))
      }
    })
    upstream.on('response', (answer) => {
      clearInterval(watching)
      const status = answer.statusCode!
      observe?.(status, performance.now() - started)
      response.writeHead(status, kept(answer.headers))
      answer.on('error', () => response.destroy())
      answer.pipe(response)
    })
    response.on('close', () => {
      clearInterval(watching)
      upstream.destroy()
    })
    request.pipe(upstream)
  }

  return {
    forward(request, response) {
      const place = leader()
      if (place === 'here') return false
      const wasForwarded = request.headers[FORWARDED] !== undefined
      if (place !== undefined && !wasForwarded) {
        pass(request, response, place.url)
        return true
      }
      dropBody(request, response)
      const refusal = wasForwarded ? 'this server does not lead the log any more' : NOBODY
      send(response, problemOf(unavailable(refusal), onError))
      return true
    },
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}

const NOBODY = 'no server leads this log at the moment'

/** The refusal of what only a leader can do. */
export function unavailable(reason: string): CairnError {
  return new CairnError('UNAVAILABLE', `${reason}; try again in a second`)
}

function kept<T>(headers: Readonly<Record<string, T>>): Record<string, T> {
  const rest: Record<string, T> = {}
  for (const name in headers) if (!OF_THE_CONNECTION.has(name)) rest[name] = headers[name]!
  return rest
}
