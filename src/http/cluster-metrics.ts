/** What `/metrics` shows of logs that several servers share: who leads, and how the archive is doing. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { ArchiveCounts, ArchiveStatus } from '../log/archive-port.ts'
import type { ClusterReport } from '../log/shared-log.ts'

/** A log that several servers share, as one of them sees it. */
export interface ReportedCluster {
  cluster(): ClusterReport
  /** Undefined on servers that do not lead, and where there is no archive. */
  archive(): ArchiveStatus | undefined
  /** What was asked of object storage since the start; undefined where there is none, or none that counts. */
  requests(): ObjectRequests | undefined
}

export interface ObjectRequests {
  /** By kind: put, get, list, delete. */
  readonly requests: Readonly<Record<string, number>>
  /** Bytes of bodies. */
  readonly bytesUp: number
  readonly bytesDown: number
}

const OF_CLUSTERS: readonly [string, string, (report: ClusterReport) => number | undefined][] = [
  ['cairn_leading', 'Whether this server leads: 1 or 0.', ({ leading }) => (leading ? 1 : 0)],
  ['cairn_term', 'Number of the newest term that this server knows of.', ({ epoch }) => epoch],
  ['cairn_sequenced_size', 'Leaves that have an index.', ({ sequenced }) => sequenced],
  [
    'cairn_database_failing',
    'Whether the database fails: 1 or 0.',
    ({ databaseError }) => (databaseError === undefined ? 0 : 1),
  ],
]

const OF_ARCHIVES: readonly [string, string, (status: ArchiveStatus) => number | undefined][] = [
  ['cairn_archived_size', 'Leaves of the tree that the archive has.', ({ size }) => size],
  ['cairn_archive_lag_leaves', 'Published leaves that it does not have.', ({ lag }) => lag],
  [
    'cairn_archive_failing',
    'Whether archiving fails, or has stopped: 1 or 0.',
    ({ state }) => (state === 'failing' || state === 'stopped' ? 1 : 0),
  ],
]

const OUTCOMES: readonly (keyof ArchiveCounts)[] = ['created', 'there', 'replaced', 'removed']

/** A value of a log, with labels beside its name. */
type Reading = readonly [value: number | undefined, labels?: Readonly<Record<string, string>>]

/** Adds the metrics of shared logs; the one at `/` is called `main`. */
export function registerClusters(
  registry: Registry,
  logs: ReadonlyMap<string, ReportedCluster>,
): void {
  /** Adds one that is read when it is asked for. */
  function add(
    [kind, name, help]: readonly [kind: 'gauge' | 'counter', name: string, help: string],
    labels: readonly string[],
    read: (one: ReportedCluster) => readonly Reading[],
  ): void {
    const Metric = kind === 'gauge' ? Gauge : Counter
    new Metric({
      name,
      help,
      labelNames: ['log', ...labels],
      registers: [registry],
      collect() {
        // A server whose term is over knows no more of what only a leader does.
        this.reset()
        for (const [label, one] of logs) {
          for (const [value, more] of read(one)) {
            if (value !== undefined) this.inc({ log: label || 'main', ...more }, value)
          }
        }
      },
    })
  }

  for (const [name, help, read] of OF_CLUSTERS) {
    add(['gauge', name, help], [], (one) => [[read(one.cluster())]])
  }
  add(['counter', 'cairn_database_errors_total', 'Failures of the database.'], [], (one) => [
    [one.cluster().databaseErrors],
  ])
  for (const [name, help, read] of OF_ARCHIVES) {
    add(['gauge', name, help], [], (one) => {
      const status = one.archive()
      return [[status && read(status)]]
    })
  }
  add(
    [
      'counter',
      'cairn_archive_objects_total',
      'Objects of the archive, by what became of them in this term.',
    ],
    ['outcome'],
    (one) => OUTCOMES.map((outcome) => [one.archive()?.counts[outcome], { outcome }]),
  )
  add(
    ['counter', 'cairn_object_requests_total', 'Requests to object storage, by kind.'],
    ['kind'],
    (one) =>
      Object.entries(one.requests()?.requests ?? {}).map(([kind, count]) => [count, { kind }]),
  )
  add(
    ['counter', 'cairn_object_bytes_total', 'Bytes to object storage (up) and from it (down).'],
    ['direction'],
    (one) => [
      [one.requests()?.bytesUp, { direction: 'up' }],
      [one.requests()?.bytesDown, { direction: 'down' }],
    ],
  )
}
