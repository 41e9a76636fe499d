/** Charts as SVG: no script, sizes in user units, colours from the style sheet. Each has a table beside it. */
import { grouped } from '../formats/count.ts'
import { html, type Markup } from './markup.ts'

export interface Bar {
  /** Below the bar, when there is room. */
  readonly label: string
  /** What a pointer at rest is told. */
  readonly title: string
  /** From the bottom up, a colour each. */
  readonly parts: readonly number[]
}

export interface BarChart {
  /** A word that no other chart of the page has as its id. */
  readonly id: string
  readonly title: string
  /** What can be seen, for those who cannot. */
  readonly description: string
  readonly bars: readonly Bar[]
  /** The class of each part's colour. */
  readonly colours: readonly string[]
}

const WIDTH = 640
const HEIGHT = 232
const LEFT = 52
const TOP = 10
const BOTTOM = 24
const PLOT_WIDTH = WIDTH - LEFT
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM

/** Upright bars along an axis, stacked from their parts. */
export function barChart({ id, title, description, bars, colours }: BarChart): Markup {
  const tops = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0))
  const { top, ticks } = scale(Math.max(0, ...tops))
  const y = (value: number) => TOP + PLOT_HEIGHT * (1 - value / top)
  const step = PLOT_WIDTH / bars.length
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${ticks.map(
  (tick) =>
    html`<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/><text class="tick" x="${LEFT - 8}" y="${fixed(y(tick) + 4)}" text-anchor="end">${short(tick)}</text>
`,
)}${bars.map((bar, i) => {
  const x = LEFT + i * step
  return html`<g><title>${bar.title}</title>${stack(bar.parts, colours, x + step * 0.14, step * 0.72, y)}</g>${
    bar.label !== '' &&
    html`<text class="tick" x="${fixed(x + step / 2)}" y="${HEIGHT - 7}" text-anchor="middle">${bar.label}</text>`
  }
`
})}<line class="axis" x1="${LEFT}" x2="${WIDTH}" y1="${TOP + PLOT_HEIGHT}" y2="${TOP + PLOT_HEIGHT}"/>
</svg>`
}

function stack(
  parts: readonly number[],
  colours: readonly string[],
  x: number,
  width: number,
  y: (value: number) => number,
): Markup[] {
  let below = 0
  return parts.flatMap((part, i) => {
    if (part === 0) return []
    const [bottom, top] = [y(below), y(below + part)]
    below += part
    // What there is little of can still be seen.
    const height = Math.max(bottom - top, 0.75)
    return [
      html`<rect class="${colours[i] ?? ''}" x="${fixed(x)}" y="${fixed(bottom - height)}" width="${fixed(width)}" height="${fixed(height)}"/>`,
    ]
  })
}

/** A level bar for a row of a table, as long as its share of the largest. */
export function levelBar(value: number, largest: number, colour: string): Markup {
  const share = largest > 0 ? (100 * value) / largest : 0
  const width = value > 0 ? Math.max(share, 0.6) : 0
  return html`<svg class="level" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="rail" width="100" height="8"/><rect class="${colour}" width="${fixed(width)}" height="8"/></svg>`
}

/** A round number at or above the largest, and the marks on the way there. */
function scale(largest: number): { top: number; ticks: readonly number[] } {
  if (largest <= 4) return { top: 4, ticks: [0, 1, 2, 3, 4] }
  const rough = largest / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step =
    power *
    ([1, 2, 2.5, 5, 10].find((factor) => wholeStep(factor, power) && factor * power >= rough) ?? 10)
  const count = Math.ceil(largest / step)
  return { top: count * step, ticks: Array.from({ length: count + 1 }, (_, i) => i * step) }
}

/** Half a record is none. */
function wholeStep(factor: number, power: number): boolean {
  return Number.isInteger(factor * power)
}

const UNITS = [
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

/** A mark of an axis: `2.5k`. */
function short(value: number): string {
  const unit = UNITS.find(([size]) => value >= 10 * size || (value >= size && value % size === 0))
  return unit === undefined
    ? grouped(value)
    : `${grouped(Number((value / unit[0]).toFixed(2)))}${unit[1]}`
}

/** A coordinate to the hundredth. */
function fixed(value: number): string {
  return String(Math.round(value * 100) / 100)
}
