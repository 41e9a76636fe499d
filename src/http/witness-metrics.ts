/** What `/metrics` shows of a witness. Its counters are read when they are asked for. */
import { Counter, Gauge, Registry } from 'prom-client'
import type { WitnessService, WitnessStatistics } from '../witness/service.ts'
import { type RequestMetrics, requestMetrics } from './request-metrics.ts'

type Read = (statistics: WitnessStatistics) => number

const COUNTERS: readonly [name: string, help: string, read: Read][] = [
  [
    'cairn_witness_cosignatures_total',
    'Heads that were cosigned.',
    ({ answers }) => answers.cosigned,
  ],
  ['cairn_witness_commits_total', 'Batches that were written.', ({ commits }) => commits],
  [
    'cairn_witness_commit_changes_total',
    'Changes in all batches; over the number of commits, the size of one.',
    ({ committed }) => committed,
  ],
  [
    'cairn_witness_commit_seconds_total',
    'Time that all batches took; over the number of commits, the time of one.',
    ({ commitMs }) => commitMs / 1000,
  ],
]

const GAUGES: readonly [name: string, help: string, read: Read][] = [
  ['cairn_witness_logs', 'Logs that are watched.', ({ logs }) => logs],
  ['cairn_witness_requests_waiting', 'Requests without an answer yet.', ({ waiting }) => waiting],
  ['cairn_witness_conflicts', 'Conflicts that are kept.', ({ conflicts }) => conflicts],
]

const ANSWERS: readonly [
  name: string,
  help: string,
  read: (statistics: WitnessStatistics) => Readonly<Record<string, number>>,
][] = [
  ['cairn_witness_answers_total', 'Answers to add-checkpoint.', ({ answers }) => answers],
  ['cairn_witness_subtree_answers_total', 'Answers to sign-subtree.', ({ subtrees }) => subtrees],
]

export function witnessMetrics(witness: WitnessService): RequestMetrics {
  const registry = new Registry()
  const registers = [registry]
  for (const [name, help, read] of COUNTERS) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read(witness.statistics()))
      },
    })
  }
  for (const [name, help, read] of ANSWERS) {
    new Counter({
      name,
      help,
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset()
        for (const [outcome, count] of Object.entries(read(witness.statistics()))) {
          this.inc({ outcome }, count)
        }
      },
    })
  }
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(witness.statistics()))
      },
    })
  }
  new Gauge({
    name: 'cairn_witness_ready',
    help: 'Whether heads are cosigned: 1 or 0.',
    registers,
    collect() {
      this.set(witness.mode().mode === 'ready' ? 1 : 0)
    },
  })
  return requestMetrics(registry)
}
