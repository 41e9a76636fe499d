/** How a log grew and how fast it answered, as charts with a table for who would rather read. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { grouped } from '../../formats/count.ts'
import { shortTime } from '../../reports/words.ts'
import { LineChart } from './line-chart.tsx'
import { latencyText, spanText } from './words.ts'

/** The log at a moment. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly size: number
  /** Submissions answered since the sample before. */
  readonly answered: number
  /** Milliseconds in which half of them were answered, and 99 of 100; undefined when there were none. */
  readonly p50: number | undefined
  readonly p99: number | undefined
}

export interface History {
  readonly range: 'hour' | 'day'
  /** Milliseconds between two samples. */
  readonly interval: number
  /** In order of time. */
  readonly samples: readonly Sample[]
}

const LENGTHS = { hour: 3_600_000, day: 86_400_000 }
const SHORTEST = { hour: 600_000, day: 7_200_000 }
const RANGES = [
  ['hour', 'Last hour'],
  ['day', 'Last day'],
] as const
/** Rows of the table at most. */
const TABLE_ROWS = 13

const UNITS = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

/** A mark of an axis: `12.5k`. */
function shortNumber(value: number): string {
  const unit = UNITS.find(([size]) => value >= 10 * size && (value * 1000) % size === 0)
  return unit === undefined ? grouped(value) : `${grouped(value / unit[0])}${unit[1]}`
}

export function Charts({
  history,
  path,
}: {
  history: History | undefined
  path: string
}): JSX.Element {
  if (history === undefined || history.samples.length === 0) {
    return (
      <section class="card" id="history" data-live aria-labelledby="history-title">
        <h2 id="history-title">Growth and latency</h2>
        <p class="soft">Nothing was measured yet.</p>
      </section>
    )
  }
  const { range, samples } = history
  const to = samples.at(-1)!.time
  const [first, last] = [samples[0]!, samples.at(-1)!]
  // A log that was just started is drawn larger.
  const from = to - Math.min(Math.max(to - first.time, SHORTEST[range]), LENGTHS[range])
  const covered = spanText(last.time - first.time)
  const answered = samples.reduce((sum, one) => sum + one.answered, 0)
  const slowest = Math.max(0, ...samples.map(({ p99 = 0 }) => p99))
  const line = (name: string, value: (sample: Sample) => number | undefined) => ({
    name,
    points: samples.map((sample) => ({ time: sample.time, value: value(sample) })),
  })
  return (
    <section class="card" id="history" data-live aria-labelledby="history-title">
      <div class="top">
        <h2 id="history-title">Growth and latency</h2>
        <ul class="ranges">
          {RANGES.map(([name, words]) => (
            <li>
              <a href={`${path}?range=${name}`} aria-current={name === range ? 'true' : undefined}>
                {words}
              </a>
            </li>
          ))}
        </ul>
      </div>
      <div class="columns">
        <div>
          <h3>Entries</h3>
          <LineChart
            id="growth"
            title="Entries in the log over time"
            description={`From ${grouped(first.size)} to ${grouped(last.size)} entries in ${covered}.`}
            lines={[line('entries', ({ size }) => size)]}
            from={from}
            to={to}
            fromZero={false}
            filled
            whole
            write={shortNumber}
          />
        </div>
        <div>
          <h3>How long submissions take</h3>
          <LineChart
            id="latency"
            title="Latency of submissions over time"
            description={
              answered === 0
                ? 'No submission was answered in this time.'
                : `${grouped(answered)} submissions were answered in ${covered}; 99 of 100 within ${latencyText(slowest)} at the slowest.`
            }
            lines={[
              line('99 of 100 within', ({ p99 }) => p99),
              line('half within', ({ p50 }) => p50),
            ]}
            from={from}
            to={to}
            fromZero
            write={latencyText}
          />
          <ul class="key">
            {['99 of 100 answered within', 'half answered within'].map((words, i) => (
              <li>
                <svg viewBox="0 0 26 8" aria-hidden="true">
                  <line class={i === 0 ? 'stroke' : 'stroke second'} x1="0" x2="26" y1="4" y2="4" />
                </svg>
                {words}
              </li>
            ))}
          </ul>
        </div>
      </div>
      <details>
        <summary>The same as a table</summary>
        <Table history={history} />
      </details>
      <p class="soft small">
        Measured by this process every {spanText(history.interval)} since it started; kept in memory
        only. Times are UTC.
      </p>
    </section>
  )
}

/** As many rows as are good to read, evenly spread, the newest first. */
function Table({ history: { samples } }: { history: History }): JSX.Element {
  const step = Math.max(1, Math.ceil((samples.length - 1) / (TABLE_ROWS - 1)))
  const rows = samples.filter((_, i) => (samples.length - 1 - i) % step === 0).reverse()
  return (
    <table>
      <caption>Growth and latency, the newest first</caption>
      <thead>
        <tr>
          <th scope="col">Time (UTC)</th>
          <th scope="col" class="n">
            Entries
          </th>
          <th scope="col" class="n">
            Half within
          </th>
          <th scope="col" class="n">
            99 of 100 within
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ time, size, p50, p99 }) => (
          <tr>
            <th scope="row">{shortTime(new Date(time).toISOString())}</th>
            <td class="n">{grouped(size)}</td>
            <td class="n">{p50 === undefined ? '–' : latencyText(p50)}</td>
            <td class="n">{p99 === undefined ? '–' : latencyText(p99)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
