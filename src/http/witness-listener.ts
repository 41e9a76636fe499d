/**
 * The HTTP server of a witness. Nearly all of its work is add-checkpoint, which goes from Node's request to the witness
 * and back without a `Request`, a URL or a router in between; everything else goes to the app. That path is open to
 * anyone, so what may arrive at the same time is bounded.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { MAX_ADD_CHECKPOINT_SIZE } from '../formats/add-checkpoint.ts'
import type { WitnessService } from '../witness/service.ts'
import type { Answer } from './answer.ts'
import { appListener } from './app-listener.ts'
import {
  type ArrivingBodies,
  arrivingBodies,
  dropBody,
  type HttpServer,
  nodeServer,
  receiveBody,
  send,
} from './node-server.ts'
import { problemOf } from './problem.ts'
import type { Observe } from './request-metrics.ts'
import { answerFor } from './witness-answers.ts'
import { createWitnessApp, type WitnessAppOptions } from './witness-app.ts'
import { witnessMetrics } from './witness-metrics.ts'
import { checkEncoding, tooLong } from './witness-routes.ts'

export interface WitnessServerOptions extends Omit<WitnessAppOptions, 'metrics'> {
  /** In which a request has to arrive whole. */
  readonly requestTimeoutMs?: number
}

/** A request is a few kilobytes; whoever takes this long for them only holds a place. */
const DEFAULT_REQUEST_TIMEOUT_MS = 15_000
/** Of bodies, by the lengths that they state. */
const MAX_ARRIVING_BYTES = 256 * MAX_ADD_CHECKPOINT_SIZE

const ADD_CHECKPOINT = '/add-checkpoint'

interface Target {
  readonly witness: WitnessService
  readonly observe: Observe
  readonly arriving: ArrivingBodies
  readonly onError: (error: unknown) => void
}

/** A server of a witness. */
export function createWitnessServer(options: WitnessServerOptions): HttpServer {
  const { witness, onError = () => {}, requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS } = options
  const metrics = witnessMetrics(witness)
  const others = appListener(createWitnessApp({ ...options, metrics }), onError)
  const observe = metrics.observer('POST', ADD_CHECKPOINT)
  const target = { witness, observe, arriving: arrivingBodies(MAX_ARRIVING_BYTES), onError }
  const listener: RequestListener = (request, response) => {
    if (request.method === 'POST' && request.url === ADD_CHECKPOINT) {
      receive(target, request, response)
    } else {
      others(request, response)
    }
  }
  return nodeServer(listener, requestTimeoutMs)
}

/** Reads a request's body within its limits and answers. */
function receive(
  { witness, observe, arriving, onError }: Target,
  request: IncomingMessage,
  response: ServerResponse,
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
  const limit = MAX_ADD_CHECKPOINT_SIZE
  try {
    checkEncoding(request.headers)
    if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLong(limit)
    arriving.reserve(request, limit)
  } catch (error) {
    refuse(error)
    return
  }
  receiveBody(request, response, limit, {
    whole: (body) =>
      void witness.addCheckpoint(body).then((outcome) => reply(answerFor(outcome)), fail),
    tooLarge: () => refuse(tooLong(limit)),
  })
}
