/** The routes of one or more logs as a hono app: the main log at `/`, the others below `/logs/<name>`. */
import type { Hono } from 'hono'
import type { LogService } from '../log/service.ts'
import { type Authenticate, privateEntries, publicEntries } from './authenticate.ts'
import { backupRoute, type HostedBackup } from './backup-route.ts'
import type { ReportedCluster } from './cluster-metrics.ts'
import { completenessRoute } from './completeness-route.ts'
import { ctRoutes } from './ct-routes.ts'
import { erasureRoutes } from './erasure-routes.ts'
import { evidenceRoute } from './evidence-route.ts'
import { problemAsPage } from './explorer-answers.ts'
import { explorer } from './explorer-routes.ts'
import { frameOf } from './explorer-visits.ts'
import { gossipRoute, type ReportedGossip } from './gossip-route.ts'
import { grantRoutes } from './grant-routes.ts'
import { holdRoutes } from './hold-routes.ts'
import type { LeaderPlace } from './leader.ts'
import type { LogHistory } from './log-history.ts'
import type { ReportedMap } from './map-metrics.ts'
import {
  type CountLogRecords,
  createMetrics,
  type LogMetrics,
  type ReportedParts,
} from './metrics.ts'
import { negotiate } from './negotiate.ts'
import { type ApiDescription, openApiRoute } from './openapi.ts'
import { indexRoute, processRoutes, readinessRoute } from './operation-routes.ts'
import { otlpRoute } from './otlp-route.ts'
import { proofRoutes } from './proof-routes.ts'
import { recordRoutes } from './record-routes.ts'
import type { HostedRecords } from './record-submission.ts'
import { type RecordsGuard, recordsGuard } from './records-guard.ts'
import { reportRoutes } from './report-routes.ts'
import type { Route } from './route.ts'
import { type EmptyAppOptions, emptyApp, register } from './router.ts'
import { submissionRoutes, submissionsTo } from './submission-routes.ts'
import { tlogRoutes } from './tlog-routes.ts'
import { VERIFIER_PATH } from './verifier-route.ts'
import { witnessesRoute } from './witnesses-route.ts'

/** A log and who may submit to it. */
export interface HostedLog {
  readonly log: LogService
  readonly authenticate: Authenticate
  /** Who may read entries: readers of this tenant; everyone without it. */
  readonly readEntries?: { readonly authenticate: Authenticate; readonly tenant: string }
  /** Milliseconds that a submission may wait for the witnesses' quorum. */
  readonly witnessDeadlineMs?: number
  /** To whom its heads are sent. */
  readonly gossip?: ReportedGossip
  /** How all of it is saved, where that can be done. */
  readonly backup?: HostedBackup
  /** Its records, unless it keeps leaves only. */
  readonly records?: HostedRecords
  /** Why no records are taken though the log takes leaves; undefined while they are, or another server takes them. */
  readonly recordsFault?: () => string | undefined
  /** Of a log that several servers share: who leads it. What only the leader can answer is passed on. */
  readonly leader?: () => LeaderPlace
  /** Milliseconds that a request may wait until somebody leads. */
  readonly leaderPatienceMs?: number
  /** How it is doing then. */
  readonly shared?: ReportedCluster
}

export interface AppOptions {
  /** The log served at `/` has the empty name. */
  readonly logs: ReadonlyMap<string, HostedLog>
  readonly metrics?: LogMetrics
  /** What the logs did lately, by their names, for their pages to draw. */
  readonly histories?: ReadonlyMap<string, LogHistory>
  /** Told of what clients are not told: errors that are no fault of theirs. */
  readonly onError?: (error: unknown) => void
}

const LOG_API: ApiDescription = {
  title: 'Cairn',
  description:
    'A transparency log for audit records. Further logs of the same process answer below /logs/<name>.',
  tags: [
    { name: 'tlog', description: 'Static resources: C2SP tlog-tiles' },
    { name: 'submission', description: 'Adding leaves' },
    { name: 'records', description: 'Audit records: what an AI system did' },
    { name: 'compliance', description: 'Erasures, legal holds, grants, evidence, reports' },
    { name: 'proofs', description: 'Receipts and proofs' },
    { name: 'rfc6962', description: 'The RFC 6962 read API' },
    { name: 'operations', description: 'For operators' },
    { name: 'explorer', description: 'Pages for people' },
  ],
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

/** What metrics show of some of them beside. */
export function reportedParts(logs: ReadonlyMap<string, HostedLog>): ReportedParts {
  const gossip = new Map<string, ReportedGossip>()
  const clusters = new Map<string, ReportedCluster>()
  const maps = new Map<string, ReportedMap>()
  for (const [name, hosted] of logs) {
    if (hosted.gossip !== undefined) gossip.set(name, hosted.gossip)
    if (hosted.shared !== undefined) clusters.set(name, hosted.shared)
    if (hosted.records?.map !== undefined) maps.set(name, hosted.records.map)
  }
  return { gossip, clusters, maps }
}

/** An app whose `fetch` serves all routes. @throws RangeError on a log name that does not fit a path */
export function createApp({ logs, metrics, histories, onError = () => {} }: AppOptions): Hono {
  const services = servicesOf(logs)
  const measured = metrics ?? createMetrics(services, reportedParts(logs))
  const options = { metrics: measured, onError }
  const app = emptyApp({ ...options, restateStray: strayPages(logs) })
  for (const [name, hosted] of logs) {
    const prefix = prefixOf(name)
    const routes = logRoutes(hosted, prefix, {
      countLogRecords: measured.logRecords(name),
      history: histories?.get(name),
    })
    if (name === '') {
      const whole = [...routes, readinessRoute(logs), ...processRoutes(measured)]
      register(app, prefix, [...whole, openApiRoute(whole, LOG_API)], options)
    } else {
      const own = [...routes, readinessRoute(new Map([[name, hosted]]))]
      register(app, prefix, own, options)
    }
  }
  return app
}

/** A wrong path in a browser is a page, of the log that it is below. */
function strayPages(
  logs: ReadonlyMap<string, HostedLog>,
): NonNullable<EmptyAppOptions['restateStray']> {
  return (refusal, { path, headers }) => {
    const accept = headers.accept as string | undefined
    const type = negotiate(accept, ['application/problem+json', 'text/html'])
    const [, below = ''] = /^\/logs\/([^/]+)/.exec(path) ?? []
    const name = logs.has(below) ? below : ''
    const hosted = logs.get(name)
    if (type !== 'text/html' || hosted === undefined) return refusal
    const { log, records } = hosted
    const frame = frameOf({ log, records, prefix: prefixOf(name), verifier: VERIFIER_PATH })
    const page = problemAsPage(frame, refusal)
    return { ...page, headers: { ...page.headers, Vary: 'Accept' } }
  }
}

/** What is counted of a log, and kept for its page. */
export interface WatchedLog {
  readonly countLogRecords?: CountLogRecords | undefined
  readonly history?: LogHistory | undefined
}

/** The routes of one log, wherever it is served. */
export function logRoutes(
  hosted: HostedLog,
  prefix: string,
  { countLogRecords, history }: WatchedLog = {},
): Route[] {
  const { log, authenticate, readEntries, gossip, records } = hosted
  const access =
    readEntries === undefined
      ? publicEntries
      : privateEntries(readEntries.authenticate, readEntries.tenant)
  const pages = explorer({
    log,
    authenticate,
    access,
    records,
    history,
    prefix,
    verifier: VERIFIER_PATH,
  })
  return [
    indexRoute(log, prefix, pages.overview),
    ...pages.routes,
    ...tlogRoutes(log, access),
    ...submissionRoutes(submissionsTo(hosted, prefix), authenticate),
    ...routesOfRecords(recordsGuard(records, authenticate), prefix),
    otlpRoute(recordsGuard(records, authenticate), countLogRecords),
    ...proofRoutes(log),
    ...ctRoutes(log, access),
    witnessesRoute(log),
    gossipRoute(gossip),
    backupRoute(hosted.backup),
  ]
}

function routesOfRecords(guarded: RecordsGuard, prefix: string): Route[] {
  return [
    ...recordRoutes(guarded, prefix),
    ...erasureRoutes(guarded, prefix),
    ...holdRoutes(guarded),
    ...grantRoutes(guarded, prefix),
    evidenceRoute(guarded),
    completenessRoute(guarded),
    ...reportRoutes(guarded),
  ]
}
