/** What operators ask: is it up, does it take submissions, how is it doing; and a first page for people. */
import type { LogService } from '../log/service.ts'
import type { ClusterReport } from '../log/shared-log.ts'
import { type Answer, answer, jsonAnswer, UNCACHED } from './answer.ts'
import { negotiate } from './negotiate.ts'
import type { RequestMetrics } from './request-metrics.ts'
import { type Route, type RouteRequest, route, Text } from './route.ts'
import { Readiness } from './schema.ts'
import { verifierRoute } from './verifier-route.ts'

const TEXT = 'text/plain; charset=utf-8'

/** Of one log, with its page for people. */
export function indexRoute(
  log: LogService,
  prefix: string,
  overview: (request: Pick<RouteRequest, 'headers' | 'rawQuery'>) => Promise<Answer>,
): Route {
  return route({
    path: '/',
    query: 'unchecked',
    documentation: {
      tag: 'operations',
      summary: 'What this log is',
      headers: { Accept: Text },
      answers: {
        200: {
          description: 'A short page.',
          content: { [TEXT]: Text, 'text/html; charset=utf-8': Text },
        },
      },
    },
    handle(request) {
      const accept = request.headers.accept as string | undefined
      const type = negotiate(accept, ['text/plain', 'text/html'])
      return type === 'text/html' ? overview(request) : textPage(log, prefix)
    },
  })
}

/** A log, why it takes no records though it takes leaves, and how it stands with the database that it shares. */
interface Watched {
  readonly log: Pick<LogService, 'mode'>
  readonly recordsFault?: () => string | undefined
  readonly shared?: { cluster(): Pick<ClusterReport, 'databaseFailingMs'> }
}

/** A database that restarts is away for less, and a submission is held for as long. */
const DATABASE_PATIENCE_MS = 10_000

/** What a load balancer goes by: a server without its database or its vault is of no use, though it would go on with them. */
function stateOf({ log, recordsFault, shared }: Watched): { mode: string; reason?: string } {
  const mode = log.mode()
  if (mode.mode !== 'writable') return mode
  const failingMs = shared?.cluster().databaseFailingMs ?? 0
  if (failingMs > DATABASE_PATIENCE_MS) {
    const reason = `the database has failed for ${Math.floor(failingMs / 1_000)} s`
    return { mode: 'database-failing', reason }
  }
  const reason = recordsFault?.()
  return reason === undefined ? mode : { mode: 'records-stopped', reason }
}

/** Whether each of some logs takes submissions. */
export function readinessRoute(logs: ReadonlyMap<string, Watched>): Route {
  return route({
    path: '/readyz',
    query: 'unchecked',
    documentation: {
      tag: 'operations',
      summary: 'Whether submissions are taken, and why not',
      answers: {
        200: { description: 'They are.', content: { 'application/json': Readiness } },
        503: { description: 'They are not.', content: { 'application/json': Readiness } },
      },
    },
    handle() {
      const states = [...logs].map(([name, log]) => ({ name: name || 'main', ...stateOf(log) }))
      const ready = states.every(({ mode }) => mode === 'writable')
      return jsonAnswer({ logs: states }, UNCACHED, ready ? 200 : 503)
    },
  })
}

/** Of the process. */
export function processRoutes(metrics: RequestMetrics): Route[] {
  return [
    route({
      path: '/healthz',
      query: 'unchecked',
      documentation: {
        tag: 'operations',
        summary: 'Whether the process is up',
        answers: { 200: { description: 'It is.', content: { [TEXT]: Text } } },
      },
      handle: () => answer(TEXT, UNCACHED, 'ok\n'),
    }),
    route({
      path: '/metrics',
      query: 'unchecked',
      documentation: {
        tag: 'operations',
        summary: 'Metrics for Prometheus',
        answers: { 200: { description: 'Its text format.', content: { [TEXT]: Text } } },
      },
      async handle() {
        const { mediaType, body } = await metrics.expose()
        return answer(mediaType, UNCACHED, body)
      },
    }),
    verifierRoute(),
  ]
}

const LINKS: readonly [path: string, what: string][] = [
  ['/checkpoint', 'the newest published checkpoint'],
  ['/ct/v1/get-sth', 'the same as an RFC 6962 signed tree head'],
  ['/openapi.json', 'every route, described'],
]

function textPage(log: LogService, prefix: string): Answer {
  const lines = [
    `${log.origin}: a Cairn transparency log`,
    `${log.head().size} leaves`,
    '',
    'verifier keys:',
    ...log.vkeys,
    '',
    ...LINKS.map(([path, what]) => `${prefix}${path}  ${what}`),
  ]
  return answer(TEXT, UNCACHED, `${lines.join('\n')}\n`, { Vary: 'Accept' })
}
