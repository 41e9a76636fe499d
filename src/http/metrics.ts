/** What `/metrics` shows of logs. Their counters are read when they are asked for. */
import { Counter, Gauge, Registry } from 'prom-client'
import type { LogService, LogStatistics, Publication } from '../log/service.ts'
import type { WitnessStatus } from '../log/witness-port.ts'
import { type ReportedCluster, registerClusters } from './cluster-metrics.ts'
import { type ReportedForwarding, registerForwarding } from './forward-metrics.ts'
import { registerGossip } from './gossip-metrics.ts'
import type { ReportedGossip } from './gossip-route.ts'
import { type ReportedMap, registerMaps } from './map-metrics.ts'
import { type RequestMetrics, requestMetrics } from './request-metrics.ts'

const COUNTERS: readonly [name: string, help: string, member: keyof LogStatistics][] = [
  ['cairn_leaves_accepted_total', 'New leaves that became durable.', 'accepted'],
  ['cairn_leaves_duplicate_total', 'Leaves submitted that the log already held.', 'duplicates'],
  ['cairn_leaves_refused_total', 'Leaves refused by a full queue, disk or limit.', 'refused'],
  ['cairn_commits_total', 'Synced writes of new leaves.', 'commits'],
]

const GAUGES: readonly [
  name: string,
  help: string,
  read: (log: LogService) => number | undefined,
][] = [
  ['cairn_queue_leaves', 'Leaves waiting for a commit.', (log) => log.statistics().queued],
  ['cairn_queue_bytes', 'Bytes waiting for a commit.', (log) => log.statistics().queuedBytes],
  ['cairn_tree_size', 'Size of the committed tree.', (log) => log.head().size],
  ['cairn_published_size', 'Size of the published tree.', (log) => published(log)?.size],
  [
    'cairn_publication_age_seconds',
    'Age of the published checkpoint.',
    (log) => {
      const timestamp = published(log)?.timestamp
      return timestamp === undefined ? undefined : Math.max(0, (Date.now() - timestamp) / 1000)
    },
  ],
  [
    'cairn_writable',
    'Whether the log takes submissions: 1 or 0.',
    (log) => (log.mode().mode === 'writable' ? 1 : 0),
  ],
]

const OF_WITNESSES: readonly [
  name: string,
  help: string,
  read: (status: WitnessStatus) => number | undefined,
][] = [
  ['cairn_witness_size', 'Size of the last head that a witness cosigned.', ({ size }) => size],
  ['cairn_witness_lag_leaves', 'Leaves that the log has beyond that.', ({ lag }) => lag],
  [
    'cairn_witness_cosignature_age_seconds',
    'Time since the last cosignature of a witness.',
    ({ cosignedAt }) =>
      cosignedAt === undefined ? undefined : Math.max(0, (Date.now() - cosignedAt) / 1000),
  ],
  [
    'cairn_witness_latency_seconds',
    'How long the last answer of a witness took.',
    ({ latencyMs }) => (latencyMs === undefined ? undefined : latencyMs / 1000),
  ],
  ['cairn_witness_failures', 'Requests failed since the last cosignature.', (one) => one.failures],
  [
    'cairn_witness_suspended',
    'Whether a witness is left alone for a while: 1 or 0.',
    ({ state }) => (state === 'suspended' ? 1 : 0),
  ],
]

const COUNTED_OF_WITNESSES: typeof OF_WITNESSES = [
  ['cairn_witness_cosigned_total', 'Cosignatures received.', ({ cosigned }) => cosigned],
  ['cairn_witness_failed_total', 'Requests for one that failed.', ({ failed }) => failed],
]

/** The publication, which a log that opened read-only may not have. */
function published(log: LogService): Publication | undefined {
  try {
    return log.publication()
  } catch {
    return undefined
  }
}

/** Notes what became of the log records of an OpenTelemetry export. */
export type CountLogRecords = (accepted: number, rejected: number) => void

export interface LogMetrics extends RequestMetrics {
  /** What counts for the log of that name. */
  logRecords(name: string): CountLogRecords
}

/** What some of the logs have beside, by their names. */
export interface ReportedParts {
  readonly gossip?: ReadonlyMap<string, ReportedGossip>
  readonly clusters?: ReadonlyMap<string, ReportedCluster>
  readonly maps?: ReadonlyMap<string, ReportedMap>
  readonly forwarding?: ReadonlyMap<string, ReportedForwarding>
}

/** Metrics of the logs, each labelled with its name; the one at `/` is called `main`. */
export function createMetrics(
  logs: ReadonlyMap<string, LogService>,
  parts: ReportedParts = {},
): LogMetrics {
  const { gossip = new Map(), clusters = new Map(), maps = new Map() } = parts
  const registry = new Registry()
  const registers = [registry]
  for (const [name, help, member] of COUNTERS) {
    new Counter({
      name,
      help,
      labelNames: ['log'],
      registers,
      collect() {
        this.reset()
        for (const [label, log] of logs)
          this.inc({ log: label || 'main' }, log.statistics()[member])
      },
    })
  }
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ['log'],
      registers,
      collect() {
        for (const [label, log] of logs) {
          const value = read(log)
          if (value !== undefined) this.set({ log: label || 'main' }, value)
        }
      },
    })
  }
  const ofWitnesses = { labelNames: ['log', 'witness'] as const, registers }
  function* statuses(): Iterable<[{ log: string; witness: string }, WitnessStatus]> {
    for (const [label, log] of logs) {
      for (const status of log.witnesses()?.witnesses ?? []) {
        yield [{ log: label || 'main', witness: status.url }, status]
      }
    }
  }
  for (const [name, help, read] of OF_WITNESSES) {
    new Gauge({
      ...ofWitnesses,
      name,
      help,
      collect() {
        for (const [labels, status] of statuses()) {
          const value = read(status)
          if (value !== undefined) this.set(labels, value)
        }
      },
    })
  }
  for (const [name, help, read] of COUNTED_OF_WITNESSES) {
    new Counter({
      ...ofWitnesses,
      name,
      help,
      collect() {
        this.reset()
        for (const [labels, status] of statuses()) this.inc(labels, read(status) ?? 0)
      },
    })
  }
  registerGossip(registry, gossip)
  registerClusters(registry, clusters)
  registerForwarding(registry, parts.forwarding ?? new Map())
  registerMaps(registry, maps)
  const logRecords = new Counter({
    name: 'cairn_otlp_log_records_total',
    help: 'Log records of OpenTelemetry, by whether they became records.',
    labelNames: ['log', 'outcome'],
    registers,
  })
  return {
    ...requestMetrics(registry),
    logRecords: (name) => {
      const log = name || 'main'
      return (accepted, rejected) => {
        logRecords.inc({ log, outcome: 'accepted' }, accepted)
        logRecords.inc({ log, outcome: 'rejected' }, rejected)
      }
    },
  }
}
