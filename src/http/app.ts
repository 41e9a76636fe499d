/** The routes of one or more logs as a hono app: the main log at `/`, the others below `/logs/<name>`. */
import { type Context, Hono } from 'hono'
import { malformed, messageOf } from '../errors.ts'
import type { LogService } from '../log/service.ts'
import type { HeaderFields } from './admission.ts'
import { type Answer, toResponse } from './answer.ts'
import { type Authenticate, privateEntries, publicEntries } from './authenticate.ts'
import { ctRoutes } from './ct-routes.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { openApiRoute } from './openapi.ts'
import { indexRoute, processRoutes, readinessRoute } from './operation-routes.ts'
import { problem, problemOf } from './problem.ts'
import { proofRoutes } from './proof-routes.ts'
import type { Route, RouteRequest } from './route.ts'
import { submissionRoutes } from './submission-routes.ts'
import { tlogRoutes } from './tlog-routes.ts'

/** A log and who may submit to it. */
export interface HostedLog {
  readonly log: LogService
  readonly authenticate: Authenticate
  /** Who may read entries; everyone without it. */
  readonly readEntries?: Authenticate
}

export interface AppOptions {
  /** The log served at `/` has the empty name. */
  readonly logs: ReadonlyMap<string, HostedLog>
  readonly metrics?: Metrics
  /** Told of what clients are not told: errors that are no fault of theirs. */
  readonly onError?: (error: unknown) => void
}

const LOG_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

/** The path below which a log is served. @throws RangeError on a name that does not fit a path */
export function prefixOf(name: string): string {
  if (name === '') return ''
  if (!LOG_NAME.test(name)) {
    throw new RangeError(
      `expected a log name of up to 63 lowercase letters, digits and hyphens, got ${JSON.stringify(name)}`,
    )
  }
  return `/logs/${name}`
}

/** The services alone, for what does not submit. */
export function servicesOf(logs: ReadonlyMap<string, HostedLog>): Map<string, LogService> {
  return new Map([...logs].map(([name, { log }]) => [name, log]))
}

/** An app whose `fetch` serves all routes. @throws RangeError on a log name that does not fit a path */
export function createApp({ logs, metrics, onError = () => {} }: AppOptions): Hono {
  const services = servicesOf(logs)
  const measured = metrics ?? createMetrics(services)
  const app = new Hono()
  app.notFound(() => toResponse(problem('NOT_FOUND', 'no resource has this path')))
  app.onError((error) => toResponse(problemOf(error, onError)))
  app.use(checkTarget)

  for (const [name, hosted] of logs) {
    const prefix = prefixOf(name)
    const routes = logRoutes(hosted, prefix)
    if (name === '') {
      const whole = [...routes, readinessRoute(services), ...processRoutes(measured)]
      register(app, prefix, [...whole, openApiRoute(whole)], measured, onError)
    } else {
      const own = [...routes, readinessRoute(new Map([[name, hosted.log]]))]
      register(app, prefix, own, measured, onError)
    }
  }
  return app
}

/** The routes of one log, wherever it is served. */
export function logRoutes(hosted: HostedLog, prefix: string): Route[] {
  const { log, authenticate, readEntries } = hosted
  const access = readEntries === undefined ? publicEntries : privateEntries(readEntries)
  return [
    indexRoute(log, prefix),
    ...tlogRoutes(log, access),
    ...submissionRoutes(log, prefix, authenticate),
    ...proofRoutes(log),
    ...ctRoutes(log, access),
  ]
}

// No path here needs anything else, so each resource has one spelling.
const PLAIN_PATH = /^[A-Za-z0-9/._-]*$/

async function checkTarget(
  context: Context,
  next: () => Promise<void>,
): Promise<Response | undefined> {
  if (PLAIN_PATH.test(targetOf(context).path)) {
    await next()
    return undefined
  }
  return toResponse(
    problem('BAD_REQUEST_TARGET', 'paths here have letters, digits, ".", "_", "-" and "/" only'),
  )
}

/** Path and query as they were sent. */
function targetOf(context: Context): { path: string; query: string } {
  const { url } = context.req.raw
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const question = url.indexOf('?', start)
  return question < 0
    ? { path: url.slice(start), query: '' }
    : { path: url.slice(start, question), query: url.slice(question + 1) }
}

function register(
  app: Hono,
  prefix: string,
  routes: readonly Route[],
  metrics: Metrics,
  onError: (error: unknown) => void,
): void {
  for (const one of routes) {
    const observe = metrics.observer(one.method, prefix + one.path)
    const handler = async (context: Context): Promise<Response> => {
      const started = performance.now()
      let given: Answer
      try {
        given = await one.handle(requestOf(context, prefix))
      } catch (error) {
        given = problemOf(error, onError)
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
