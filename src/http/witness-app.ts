/** The routes of a witness as a hono app. */
import type { Hono } from 'hono'
import { escapeHtml } from '../formats/html.ts'
import type { WitnessService } from '../witness/service.ts'
import { type Answer, answer, jsonAnswer, UNCACHED } from './answer.ts'
import type { Authenticate } from './authenticate.ts'
import { negotiate } from './negotiate.ts'
import { type ApiDescription, openApiRoute } from './openapi.ts'
import { processRoutes } from './operation-routes.ts'
import type { RequestMetrics } from './request-metrics.ts'
import { type Route, route, Text } from './route.ts'
import { emptyApp, register } from './router.ts'
import { conflictRoutes, logRoutes } from './witness-admin-routes.ts'
import { TEXT } from './witness-answers.ts'
import { witnessMetrics } from './witness-metrics.ts'
import { witnessRoutes } from './witness-routes.ts'
import { WitnessReadiness } from './witness-schema.ts'

export interface WitnessAppOptions {
  readonly witness: WitnessService
  /** Recognises the operator, who may say which logs are watched. */
  readonly authenticate: Authenticate
  readonly metrics?: RequestMetrics
  /** Told of what clients are not told: errors that are no fault of theirs. */
  readonly onError?: (error: unknown) => void
}

const WITNESS_API: ApiDescription = {
  title: 'Cairn witness',
  description: 'A witness of transparency logs: it cosigns heads that extend the last one it saw.',
  tags: [
    { name: 'witness', description: 'C2SP tlog-witness, and the heads that did not fit' },
    { name: 'operations', description: 'For operators' },
  ],
}

/** An app whose `fetch` serves all routes. */
export function createWitnessApp(options: WitnessAppOptions): Hono {
  const { witness, authenticate, onError = () => {} } = options
  const metrics = options.metrics ?? witnessMetrics(witness)
  const app = emptyApp({ onError })
  const routes = [
    indexRoute(witness),
    ...witnessRoutes(witness),
    ...conflictRoutes(witness),
    ...logRoutes(witness, authenticate),
    readinessRoute(witness),
    ...processRoutes(metrics),
  ]
  register(app, '', [...routes, openApiRoute(routes, WITNESS_API)], { metrics, onError })
  return app
}

function readinessRoute(witness: WitnessService): Route {
  return route({
    path: '/readyz',
    query: 'unchecked',
    documentation: {
      tag: 'operations',
      summary: 'Whether heads are cosigned, and why not',
      answers: {
        200: { description: 'They are.', content: { 'application/json': WitnessReadiness } },
        503: { description: 'They are not.', content: { 'application/json': WitnessReadiness } },
      },
    },
    handle() {
      const state = witness.mode()
      return jsonAnswer(state, UNCACHED, state.mode === 'ready' ? 200 : 503)
    },
  })
}

function indexRoute(witness: WitnessService): Route {
  return route({
    path: '/',
    query: 'unchecked',
    documentation: {
      tag: 'operations',
      summary: 'What this witness is',
      headers: { Accept: Text },
      answers: {
        200: {
          description: 'A short page.',
          content: { [TEXT]: Text, 'text/html; charset=utf-8': Text },
        },
      },
    },
    handle({ headers }) {
      const type = negotiate(headers.accept as string | undefined, ['text/plain', 'text/html'])
      return type === 'text/html' ? htmlPage(witness) : textPage(witness)
    },
  })
}

const LINKS: readonly [path: string, what: string][] = [
  ['/v1/conflicts', 'heads that logs have signed and that did not fit'],
  ['/verify', 'a page that verifies receipts and evidence in the browser'],
  ['/openapi.json', 'every route, described'],
]

/** The witness's name, which its first key has. */
function nameOf({ vkeys: [first = ''] }: WitnessService): string {
  return first.slice(0, first.indexOf('+'))
}

function textPage(witness: WitnessService): Answer {
  const lines = [
    `${nameOf(witness)}: a Cairn witness`,
    `${witness.statistics().logs} logs are watched`,
    '',
    'verifier keys:',
    ...witness.vkeys,
    '',
    '/<SHA-256 of an origin in hexadecimal>/checkpoint  the newest checkpoint of that log that was cosigned',
    ...LINKS.map(([path, what]) => `${path}  ${what}`),
  ]
  return answer(TEXT, UNCACHED, `${lines.join('\n')}\n`, { Vary: 'Accept' })
}

function htmlPage(witness: WitnessService): Answer {
  const name = escapeHtml(nameOf(witness))
  const links = LINKS.map(([path, what]) => `<li><a href="${path}">${path}</a> ${what}</li>`)
  const page = [
    '<!doctype html><html lang="en"><meta charset="utf-8">',
    `<meta name="viewport" content="width=device-width"><title>${name}</title>`,
    `<h1>${name}</h1><p>A Cairn witness of ${witness.statistics().logs} logs.</p>`,
    `<h2>Verifier keys</h2><pre>${witness.vkeys.map(escapeHtml).join('\n')}</pre>`,
    `<h2>Resources</h2><ul>${links.join('')}</ul></html>`,
  ]
  return answer('text/html; charset=utf-8', UNCACHED, `${page.join('\n')}\n`, {
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    Vary: 'Accept',
  })
}
