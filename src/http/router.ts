/**
 * From routes to a hono app: each path has one spelling, each resource answers to the methods that it has and to HEAD
 * and OPTIONS, and what a route throws becomes a problem document. What the routes are about is not known here.
 */
import { type Context, Hono } from 'hono'
import { malformed, messageOf } from '../errors.ts'
import type { HeaderFields } from './admission.ts'
import { type Answer, isWhole, type StreamedAnswer, toResponse } from './answer.ts'
import { problem, problemOf } from './problem.ts'
import type { RequestMetrics } from './request-metrics.ts'
import type { Route, RouteRequest } from './route.ts'

/** What all routes of an app share. */
export interface RouterOptions {
  readonly metrics: RequestMetrics
  /** Told of what clients are not told: errors that are no fault of theirs. */
  readonly onError: (error: unknown) => void
}

/** What is not for any route. */
export interface Stray {
  /** As it was sent, without the query. */
  readonly path: string
  readonly headers: HeaderFields
}

export interface EmptyAppOptions extends Pick<RouterOptions, 'onError'> {
  /** The refusal of what is not for any route in other words, for who asked for such. */
  readonly restateStray?: (refusal: Answer, stray: Stray) => Answer
}

/** An app without routes, which refuses everything with a problem. */
export function emptyApp({ onError, restateStray }: EmptyAppOptions): Hono {
  const app = new Hono()
  const refuse = (context: Context, refusal: Answer): Response => {
    const stray = { path: targetOf(context).path, headers: headersOf(context) }
    return toResponse(restateStray?.(refusal, stray) ?? refusal)
  }
  app.notFound((context) => refuse(context, problem('NOT_FOUND', 'no resource has this path')))
  app.onError((error) => toResponse(problemOf(error, onError)))
  app.use(async (context, next) => {
    if (!PLAIN_PATH.test(targetOf(context).path)) return refuse(context, BAD_TARGET)
    await next()
    return undefined
  })
  return app
}

/** Adds all routes below a prefix; a pattern's routes must be added in one call. */
export function register(
  app: Hono,
  prefix: string,
  routes: readonly Route[],
  { metrics, onError }: RouterOptions,
): void {
  for (const one of routes) {
    const observe = metrics.observer(one.method, prefix + one.path)
    const handler = async (context: Context): Promise<Response> => {
      const started = performance.now()
      let given: Answer | StreamedAnswer
      try {
        given = await one.handle(requestOf(context, prefix))
      } catch (error) {
        given = problemOf(error, onError)
      }
      if (given.status >= 400 && isWhole(given)) {
        given = one.restate?.(given, headersOf(context)) ?? given
      }
      observe(given.status, performance.now() - started)
      return toResponse(given)
    }
    app.on(one.method, prefix + one.pattern, handler)
  }
  // After all of them, so that only methods without a route get here.
  for (const pattern of new Set(routes.map((one) => one.pattern))) {
    const methods = routes.filter((one) => one.pattern === pattern).map((one) => one.method)
    app.all(prefix + pattern, otherMethod(methods))
  }
}

// No path here needs anything else, so each resource has one spelling.
const PLAIN_PATH = /^[A-Za-z0-9/._-]*$/
const BAD_TARGET = problem(
  'BAD_REQUEST_TARGET',
  'paths here have letters, digits, ".", "_", "-" and "/" only',
)

/** Path and query as they were sent. */
function targetOf(context: Context): { path: string; query: string } {
  const { url } = context.req.raw
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const question = url.indexOf('?', start)
  return question < 0
    ? { path: url.slice(start), query: '' }
    : { path: url.slice(start, question), query: url.slice(question + 1) }
}

function otherMethod(methods: readonly Route['method'][]): (context: Context) => Response {
  const readable = methods.includes('GET')
  const allow = [...methods, ...(readable ? ['HEAD'] : []), 'OPTIONS'].join(', ')
  // A browser may read from any page, but submit from none: tokens do not belong there.
  const preflight = { Allow: allow, 'Access-Control-Allow-Methods': 'GET, HEAD' }
  const cors = {
    ...preflight,
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Headers': 'Accept, If-None-Match',
    'Access-Control-Max-Age': '86400',
  }
  return (context) =>
    context.req.method === 'OPTIONS'
      ? toResponse({ status: 204, headers: readable ? cors : { Allow: allow }, body: '' })
      : toResponse(problem('METHOD_NOT_ALLOWED', `use ${allow} here`, { Allow: allow }))
}

function requestOf(context: Context, prefix: string): RouteRequest {
  const { path, query } = targetOf(context)
  const request = context.req.raw
  return {
    params: context.req.param(),
    query,
    rawQuery: query,
    path: path.slice(prefix.length + 1),
    headers: headersOf(context),
    body: (check) => readBody(request, check),
  }
}

/** Node's own record of the header fields where there is one. */
function headersOf(context: Context): HeaderFields {
  const { incoming } = (context.env ?? {}) as { incoming?: { headers?: HeaderFields } }
  return incoming?.headers ?? Object.fromEntries(context.req.raw.headers)
}

/** Reads a body, asking about its length before and while it arrives. */
async function readBody(request: Request, check: (size: number) => void): Promise<Uint8Array> {
  check(Number(request.headers.get('content-length') ?? 0))
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of request.body) {
      size += chunk.length
      check(size)
      chunks.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof TypeError)
      throw malformed(`the body broke off: ${messageOf(cause)}`, { cause })
    throw cause
  }
  return Buffer.concat(chunks)
}
