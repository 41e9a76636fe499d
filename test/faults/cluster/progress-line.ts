/** What happens, as it happens: a line that is redrawn on a terminal, and a line for each event. */
import { compact, count } from '../../../src/cli/style.ts'
import type { Journal } from './journal.ts'
import type { Load } from './load.ts'
import type { Stage } from './stage.ts'

export interface ProgressLine {
  tell(what: string): void
  stop(): void
}

export interface ProgressOptions {
  readonly stage: Stage
  readonly journal: Journal
  readonly load: Load
  readonly started: number
  readonly seconds: number
}

const REDRAW_MS = 200

export function startLine({
  stage,
  journal,
  load,
  started,
  seconds,
}: ProgressOptions): ProgressLine {
  const { stderr } = process
  const isTerminal = stderr.isTTY === true
  const elapsed = (): number => (performance.now() - started) / 1_000
  const clear = (): void => {
    if (isTerminal) stderr.write('\r\x1b[2K')
  }
  let before = { at: performance.now(), acknowledged: 0 }
  let rate = 0

  function draw(): void {
    const now = performance.now()
    const { acknowledged } = journal
    const passed = (now - before.at) / 1_000
    if (passed >= 1) {
      rate = (acknowledged - before.acknowledged) / passed
      before = { at: now, acknowledged }
    }
    const term = stage.leaders.now()
    const leader = term && (stage.memberAt(term.url)?.name ?? term.url)
    const states = stage.members.map(({ state }) => ({ up: '●', paused: '‖', down: '○' })[state])
    const parts = [
      `${elapsed().toFixed(0)} of ${seconds} s`,
      states.join(''),
      leader === undefined ? 'nobody leads' : `${leader} leads (term ${term?.epoch})`,
      `${count(acknowledged)} acknowledged, ${compact(rate)}/s`,
      `${count(load.counts.retries)} retries`,
      `${count(journal.heads.length)} heads`,
    ]
    clear()
    stderr.write(parts.join('  ').slice(0, (stderr.columns ?? 80) - 1))
  }

  const drawing = isTerminal ? setInterval(draw, REDRAW_MS) : undefined
  return {
    tell(what) {
      clear()
      console.log(`${elapsed().toFixed(1).padStart(7)} s  ${what}`)
    },
    stop() {
      clearInterval(drawing)
      clear()
    },
  }
}
