/** What `/metrics` shows of requests that only the leader of a log can answer, on servers that do not lead. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { ForwardingReport } from './forward.ts'

export interface ReportedForwarding {
  report(): ForwardingReport
}

type Read = (report: ForwardingReport) => readonly (readonly [value: number, outcome?: string])[]

const METRICS: readonly [kind: 'gauge' | 'counter', name: string, help: string, read: Read][] = [
  [
    'gauge',
    'cairn_forward_waiting_requests',
    'Requests that wait for a server to lead.',
    ({ waiting }) => [[waiting]],
  ],
  [
    'gauge',
    'cairn_forward_held_bytes',
    'Bytes of bodies that are held until their requests are answered.',
    ({ heldBytes }) => [[heldBytes]],
  ],
  [
    'counter',
    'cairn_forward_requests_total',
    'Requests for the leader, by what became of them.',
    ({ outcomes }) => Object.entries(outcomes).map(([outcome, count]) => [count, outcome]),
  ],
  [
    'counter',
    'cairn_forward_waits_total',
    'Times that a request had to wait for a server to lead.',
    ({ waits }) => [[waits]],
  ],
  [
    'counter',
    'cairn_forward_waited_seconds_total',
    'How long they waited, together.',
    ({ waitedMs }) => [[waitedMs / 1000]],
  ],
  [
    'counter',
    'cairn_forward_repeats_total',
    'Requests that were sent again though they may have been done.',
    ({ repeats }) => [[repeats]],
  ],
]

/** Adds the metrics of shared logs; the one at `/` is called `main`. */
export function registerForwarding(
  registry: Registry,
  logs: ReadonlyMap<string, ReportedForwarding>,
): void {
  for (const [kind, name, help, read] of METRICS) {
    const Metric = kind === 'gauge' ? Gauge : Counter
    new Metric({
      name,
      help,
      labelNames: ['log', 'outcome'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [label, one] of logs) {
          for (const [value, outcome] of read(one.report())) {
            this.inc({ log: label || 'main', ...(outcome && { outcome }) }, value)
          }
        }
      },
    })
  }
}
