/**
 * A progress bar with rate and time left, on standard error and only on a terminal: pipes and logs stay clean.
 * It redraws at most every 80 ms, so that calling it for every item costs nothing.
 */
import { byteCount, columnsOf, compact, count, duration, type Style, styleFor } from './style.ts'

const REDRAW_MS = 80
const BAR_WIDTH = 20

export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface ProgressOptions {
  readonly label: string
  /** What is counted, as `leaves`; `bytes` are shown as KiB and MiB. */
  readonly unit: string
  /** How many there will be, where that is known. */
  readonly total?: number
  /** No bar at all, as with --json. */
  readonly quiet?: boolean
  readonly stream?: ProgressStream
  readonly now?: () => number
}

export interface Progress {
  /** Says how many are done, and how many there are in all. */
  update(done: number, total?: number): void
  /** Erases the bar. Call it before printing anything else. */
  clear(): void
}

/** The bar as one line of at most `columns` characters, colour not counted. */
export function progressLine(
  options: { readonly label: string; readonly unit: string; readonly columns: number },
  state: { readonly done: number; readonly total: number | undefined; readonly elapsedMs: number },
  style: Style,
): string {
  const { done, total, elapsedMs } = state
  const inBytes = options.unit === 'bytes'
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0
  const speed = rate > 0 ? `${inBytes ? byteCount(Math.round(rate)) : compact(rate)}/s` : ''
  if (total === undefined || total === 0) {
    const figure = inBytes ? byteCount(done) : `${count(done)} ${options.unit}`
    return `${options.label}  ${figure}  ${speed}`.slice(0, options.columns - 1)
  }
  const share = Math.min(done / total, 1)
  // Whole seconds, so that the line does not flicker.
  const leftMs = Math.ceil((total - done) / rate) * 1000
  const left = rate > 0 && share < 1 ? `${duration(leftMs).replace('.0 s', ' s')} left` : ''
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`
  const figures = inBytes
    ? `${byteCount(done)} of ${byteCount(total)}`
    : `${count(done)}/${count(total)} ${options.unit}`
  const rest = `${percent}  ${[figures, speed, left].filter((part) => part !== '').join('  ')}`
  const room = options.columns - 1 - options.label.length - rest.length - 4
  const width = Math.min(BAR_WIDTH, room)
  if (width < 5) return `${options.label}  ${rest}`.slice(0, options.columns - 1)
  const full = Math.round(share * width)
  const bar = style.green('━'.repeat(full)) + style.dim('─'.repeat(width - full))
  return `${style.bold(options.label)}  ${bar}  ${rest}`
}

/** Starts a bar; on anything but a terminal it draws nothing. */
export function startProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr
  const now = options.now ?? (() => performance.now())
  if (options.quiet === true || stream.isTTY !== true) return { update() {}, clear() {} }
  const style = styleFor(stream)
  const started = now()
  let drawnAt = Number.NEGATIVE_INFINITY
  let drawn = false
  let total = options.total
  return {
    update(done, newTotal) {
      total = newTotal ?? total
      const time = now()
      if (time - drawnAt < REDRAW_MS && done !== total) return
      drawnAt = time
      drawn = true
      const shape = { label: options.label, unit: options.unit, columns: columnsOf(stream) }
      stream.write(
        `\r\x1b[2K${progressLine(shape, { done, total, elapsedMs: time - started }, style)}`,
      )
    },
    clear() {
      if (drawn) stream.write('\r\x1b[2K')
      drawn = false
    },
  }
}

/** What the bar says of each step, and what it counts. */
export type StepLabels<Step extends string> = Readonly<
  Record<Step, readonly [label: string, unit: string]>
>

/** One bar after the other, for work in steps. */
export function stepBars<Step extends string>(
  labels: StepLabels<Step>,
  quiet: boolean,
): {
  readonly update: (step: Step, done: number, total: number | undefined) => void
  readonly clear: () => void
} {
  let step: Step | undefined
  let bar: Progress | undefined
  return {
    update(now, done, total) {
      if (now !== step) {
        bar?.clear()
        const [label, unit] = labels[now]
        bar = startProgress({ label, unit, quiet })
        step = now
      }
      bar?.update(done, total)
    },
    clear: () => bar?.clear(),
  }
}
