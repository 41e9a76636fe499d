/** What `/metrics` shows of the maps of records: how far they are behind their logs, and what a map root takes. */
import { Gauge, type Registry } from 'prom-client'
import type { CompletenessStatistics } from '../completeness/service.ts'

/** The map of a log's records. */
export interface ReportedMap {
  /** Undefined on servers that do not lead. */
  statistics(): CompletenessStatistics | undefined
}

const GAUGES: readonly [
  name: string,
  help: string,
  read: (map: CompletenessStatistics) => number | undefined,
][] = [
  ['cairn_map_size', 'Entries that the map of records has taken in.', ({ next }) => next],
  ['cairn_map_lag_entries', 'Entries of the log that it has not.', ({ lag }) => lag],
  ['cairn_map_root_size', 'Entries that the newest map root is of.', ({ rootSize }) => rootSize],
  [
    'cairn_map_round_seconds',
    'How long the last round took: taking in what was new, and putting a map root into the log.',
    ({ roundMs }) => (roundMs === undefined ? undefined : roundMs / 1000),
  ],
  [
    'cairn_map_failing',
    'Whether the map has stopped following, or its last root did not get into the log: 1 or 0.',
    ({ isFailing }) => (isFailing ? 1 : 0),
  ],
]

/** Adds the metrics of maps; that of the log at `/` is called `main`. */
export function registerMaps(registry: Registry, maps: ReadonlyMap<string, ReportedMap>): void {
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ['log'],
      registers: [registry],
      collect() {
        // A server whose term is over keeps no map any more.
        this.reset()
        for (const [label, map] of maps) {
          const statistics = map.statistics()
          const value = statistics && read(statistics)
          if (value !== undefined) this.set({ log: label || 'main' }, value)
        }
      },
    })
  }
}
