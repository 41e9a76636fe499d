/** Lines over time as SVG: no script, sizes in user units, colours from the style sheet. Each has a table beside it. */
import type { JSX } from 'hono/jsx/jsx-runtime'

export interface Point {
  /** Milliseconds since 1970. */
  readonly time: number
  /** Undefined where nothing was measured: the line has a gap there. */
  readonly value: number | undefined
}

export interface Line {
  readonly name: string
  readonly points: readonly Point[]
}

export interface LineChartParts {
  /** A word that no other chart of the page has as its id. */
  readonly id: string
  readonly title: string
  /** What can be seen, for those who cannot. */
  readonly description: string
  /** One or two. */
  readonly lines: readonly Line[]
  readonly from: number
  readonly to: number
  /** Whether the axis begins at zero; if not, with the smallest value. */
  readonly fromZero: boolean
  readonly filled?: boolean
  /** Marks are whole numbers. */
  readonly whole?: boolean
  readonly write: (value: number) => string
}

const WIDTH = 560
const HEIGHT = 210
const LEFT = 62
const RIGHT = 10
const TOP = 10
const BOTTOM = 26
const PLOT_WIDTH = WIDTH - LEFT - RIGHT
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM
const TIME_MARKS = 4

export function LineChart(parts: LineChartParts): JSX.Element {
  const { id, title, description, lines, from, to, filled = false, write } = parts
  const values = lines.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []))
  const { bottom, top, ticks } = scale(values, parts)
  const x = (time: number): number => LEFT + (PLOT_WIDTH * (time - from)) / (to - from)
  const y = (value: number): number => TOP + PLOT_HEIGHT * (1 - (value - bottom) / (top - bottom))
  const times = Array.from(
    { length: TIME_MARKS + 1 },
    (_, i) => from + ((to - from) * i) / TIME_MARKS,
  )
  return (
    <svg
      class="chart"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-labelledby={`${id}-t ${id}-d`}
    >
      <title id={`${id}-t`}>{title}</title>
      <desc id={`${id}-d`}>{description}</desc>
      {ticks.map((tick) => (
        <g>
          <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={fixed(y(tick))} y2={fixed(y(tick))} />
          <text class="tick" x={LEFT - 8} y={fixed(y(tick) + 4)} text-anchor="end">
            {write(tick)}
          </text>
        </g>
      ))}
      {times.map((time, i) => (
        <text
          class="tick"
          x={fixed(x(time))}
          y={HEIGHT - 6}
          text-anchor={i === TIME_MARKS ? 'end' : 'middle'}
        >
          {new Date(time).toISOString().slice(11, 16)}
        </text>
      ))}
      <line
        class="axis"
        x1={LEFT}
        x2={WIDTH - RIGHT}
        y1={TOP + PLOT_HEIGHT}
        y2={TOP + PLOT_HEIGHT}
      />
      {lines.map(({ points }, i) =>
        runsOf(points).map((run) => {
          const places = run.map(({ time, value }) => `${fixed(x(time))} ${fixed(y(value))}`)
          const colour = i === 0 ? '' : ' second'
          const [first, last] = [run[0]!, run.at(-1)!]
          if (run.length === 1) {
            return (
              <circle
                class={`dot${colour}`}
                cx={fixed(x(first.time))}
                cy={fixed(y(first.value))}
                r="3"
              />
            )
          }
          const base = TOP + PLOT_HEIGHT
          return (
            <g>
              {filled && (
                <path
                  class="area"
                  d={`M${fixed(x(first.time))} ${base}L${places.join('L')}L${fixed(x(last.time))} ${base}Z`}
                />
              )}
              <path class={`stroke${colour}`} d={`M${places.join('L')}`} />
            </g>
          )
        }),
      )}
    </svg>
  )
}

/** What belongs together: the points between two gaps. */
function runsOf(points: readonly Point[]): { time: number; value: number }[][] {
  const runs: { time: number; value: number }[][] = [[]]
  for (const { time, value } of points) {
    if (value !== undefined) runs.at(-1)!.push({ time, value })
    else if (runs.at(-1)!.length > 0) runs.push([])
  }
  return runs.filter((run) => run.length > 0)
}

const MARKS = 4
const STEPS = [1, 2, 2.5, 5, 10]

/** Round numbers around all values. */
function scale(
  values: readonly number[],
  { fromZero, whole = false }: Pick<LineChartParts, 'fromZero' | 'whole'>,
): { bottom: number; top: number; ticks: number[] } {
  const largest = Math.max(...(values.length === 0 ? [0] : values))
  const smallest = fromZero || values.length === 0 ? 0 : Math.min(...values)
  const rough = Math.max((largest - smallest) / MARKS, whole ? 1 : 0.25)
  const power = 10 ** Math.floor(Math.log10(rough))
  const factor = STEPS.find(
    (one) => (!whole || Number.isInteger(one * power)) && one * power >= rough,
  )
  const step = (factor ?? 10) * power
  const bottom = Math.floor(smallest / step) * step
  const count = Math.max(1, Math.ceil((largest - bottom) / step))
  const ticks = Array.from({ length: count + 1 }, (_, i) => bottom + i * step)
  return { bottom, top: ticks.at(-1)!, ticks }
}

/** A coordinate to the tenth. */
function fixed(value: number): string {
  return String(Math.round(value * 10) / 10)
}
