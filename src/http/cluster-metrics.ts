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

const OBJECTS: readonly [outcome: string, count: keyof ArchiveCounts][] = [
  ['created', 'created'],
  ['there', 'there'],
  ['replaced', 'replaced'],
  ['removed', 'removed'],
]

/** Adds the metrics of shared logs; the one at `/` is called `main`. */
export function registerClusters(
  registry: Registry,
  logs: ReadonlyMap<string, ReportedCluster>,
): void {
  const registers = [registry]
  const labelNames = ['log'] as const
  const nameOf = (label: string): string => label || 'main'
  for (const [name, help, read] of OF_CLUSTERS) {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        for (const [label, one] of logs) {
          const value = read(one.cluster())
          if (value !== undefined) this.set({ log: nameOf(label) }, value)
        }
      },
    })
  }
  new Counter({
    name: 'cairn_database_errors_total',
    help: 'Failures of the database.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const [label, one] of logs) {
        this.inc({ log: nameOf(label) }, one.cluster().databaseErrors)
      }
    },
  })
  for (const [name, help, read] of OF_ARCHIVES) {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        // A server whose term is over knows no more of it.
        this.reset()
        for (const [label, one] of logs) {
          const status = one.archive()
          const value = status && read(status)
          if (value !== undefined) this.set({ log: nameOf(label) }, value)
        }
      },
    })
  }
  new Counter({
    name: 'cairn_archive_objects_total',
    help: 'Objects of the archive, by what became of them in this term.',
    labelNames: ['log', 'outcome'],
    registers,
    collect() {
      this.reset()
      for (const [label, one] of logs) {
        const counts = one.archive()?.counts
        if (counts === undefined) continue
        for (const [outcome, count] of OBJECTS) {
          this.inc({ log: nameOf(label), outcome }, counts[count])
        }
      }
    },
  })
  new Counter({
    name: 'cairn_object_requests_total',
    help: 'Requests to object storage, by kind.',
    labelNames: ['log', 'kind'],
    registers,
    collect() {
      this.reset()
      for (const [label, one] of logs) {
        for (const [kind, count] of Object.entries(one.requests()?.requests ?? {})) {
          this.inc({ log: nameOf(label), kind }, count)
        }
      }
    },
  })
  new Counter({
    name: 'cairn_object_bytes_total',
    help: 'Bytes to object storage (up) and from it (down).',
    labelNames: ['log', 'direction'],
    registers,
    collect() {
      this.reset()
      for (const [label, one] of logs) {
        const counted = one.requests()
        if (counted === undefined) continue
        this.inc({ log: nameOf(label), direction: 'up' }, counted.bytesUp)
        this.inc({ log: nameOf(label), direction: 'down' }, counted.bytesDown)
      }
    },
  })
}
