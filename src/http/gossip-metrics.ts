/** What `/metrics` shows of gossip, by log and sink. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { SinkStatus } from '../gossip/sink-loop.ts'
import type { ReportedGossip } from './gossip-route.ts'

type Readings = readonly [
  name: string,
  help: string,
  read: (status: SinkStatus) => number | undefined,
][]

const GAUGES: Readings = [
  ['cairn_gossip_size', 'Size of the last head that a sink took.', ({ lastSize }) => lastSize],
  ['cairn_gossip_lag_leaves', 'Published leaves that a sink has no head of.', ({ lag }) => lag],
  [
    'cairn_gossip_success_age_seconds',
    'Time since a sink last took a head.',
    ({ lastSuccess }) =>
      lastSuccess === undefined ? undefined : Math.max(0, (Date.now() - lastSuccess) / 1000),
  ],
  [
    'cairn_gossip_failing',
    'Attempts that failed since a sink last took a head.',
    ({ failuresInARow }) => failuresInARow,
  ],
  [
    'cairn_gossip_contradiction',
    'Whether a sink has seen what does not fit the log: 1 or 0.',
    ({ contradiction }) => (contradiction === undefined ? 0 : 1),
  ],
]

/** They go on over restarts, as far as the state of the sinks does. */
const COUNTERS: Readings = [
  ['cairn_gossip_attempts_total', 'Attempts to send a head.', ({ attempts }) => attempts],
  ['cairn_gossip_failures_total', 'Attempts that failed.', ({ failures }) => failures],
]

/** Adds the metrics of the logs' gossip; the log at `/` is called `main`. */
export function registerGossip(
  registry: Registry,
  logs: ReadonlyMap<string, ReportedGossip>,
): void {
  const common = { labelNames: ['log', 'sink', 'kind'] as const, registers: [registry] }
  function* statuses() {
    for (const [label, gossip] of logs) {
      for (const status of gossip.status()) {
        const { name: sink, kind } = status
        yield [{ log: label || 'main', sink, kind }, status] as const
      }
    }
  }
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      ...common,
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
  for (const [name, help, read] of COUNTERS) {
    new Counter({
      ...common,
      name,
      help,
      collect() {
        this.reset()
        for (const [labels, status] of statuses()) this.inc(labels, read(status) ?? 0)
      },
    })
  }
}
