/**
 * How long requests take, as a Prometheus histogram. It is on the way of every submission, where a general one costs
 * as much as the log's own hashing; this one adds to numbers and is written out when asked for.
 */

const NAME = 'cairn_http_request_duration_seconds'
/** Upper bounds in milliseconds. */
const BOUNDS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]

/** How many buckets there are, with the one for all that took longer. */
export const BUCKETS: number = BOUNDS.length + 1

/**
 * The milliseconds in which a share of those took place whose counts are given: about, as it is somewhere in a bucket.
 * Undefined when there are none.
 */
export function durationWithin(counts: Float64Array, share: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return undefined
  const wanted = total * share
  let below = 0
  for (const [i, bound] of BOUNDS.entries()) {
    const count = counts[i]!
    if (count > 0 && below + count >= wanted) {
      const start = i === 0 ? 0 : BOUNDS[i - 1]!
      return start + ((bound - start) * (wanted - below)) / count
    }
    below += count
  }
  return BOUNDS.at(-1)!
}

interface Series {
  readonly labels: string
  /** How many fell into each bucket, and beyond the last. */
  readonly counts: Float64Array
  sum: number
}

export interface Durations {
  /** Adds to the series of a method and a route, in milliseconds. Neither may hold a quote or a backslash. */
  series(method: string, route: string): (milliseconds: number) => void
  /** How many fell into each bucket and beyond the last, of a method and a route; undefined when it has no series. */
  counts(method: string, route: string): Float64Array | undefined
  /** The series with at least one value, in the text format. */
  expose(): string
}

export function durations(): Durations {
  const all: Series[] = []
  const labelsOf = (method: string, route: string): string => `method="${method}",route="${route}"`
  return {
    series(method, route) {
      const series = {
        labels: labelsOf(method, route),
        counts: new Float64Array(BOUNDS.length + 1),
        sum: 0,
      }
      all.push(series)
      return (milliseconds) => {
        let bucket = 0
        while (bucket < BOUNDS.length && milliseconds > BOUNDS[bucket]!) bucket++
        series.counts[bucket]! += 1
        series.sum += milliseconds
      }
    },
    counts(method, route) {
      const labels = labelsOf(method, route)
      return all.find((series) => series.labels === labels)?.counts
    },
    expose: () =>
      [
        `# HELP ${NAME} From the head of a request to its answer.`,
        `# TYPE ${NAME} histogram`,
        ...all.flatMap(lines),
        '',
      ].join('\n'),
  }
}

function lines({ labels, counts, sum }: Series): string[] {
  let total = 0
  const buckets = [...counts].map((count, i) => {
    total += count
    const bound = i < BOUNDS.length ? String(BOUNDS[i]! / 1000) : '+Inf'
    return `${NAME}_bucket{${labels},le="${bound}"} ${total}`
  })
  if (total === 0) return []
  return [...buckets, `${NAME}_sum{${labels}} ${sum / 1000}`, `${NAME}_count{${labels}} ${total}`]
}
