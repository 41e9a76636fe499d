/**
 * Keeps the archive of a log up to date, beside the write path and never in its way. The server that leads runs it:
 * at most once an interval it brings what the newest published head needs (archive-term.ts), and tries again, after
 * pauses that grow, while the object store cannot be reached.
 *
 * What it asks of the bucket for a million leaves, with `g` leaves from one checkpoint to the next, `b` bytes a leaf with
 * its length, checkpoints of `c` bytes, and s = Σ min(1, g/256^l) over the levels l from 1 to that of the root:
 *
 *     full      10^6/256 bundles of 256·b bytes, 10^6/255 tiles of 8 KiB
 *     partial   (2 + s)·10^6/g: a bundle, a tile of level 0, and those of the levels above that have grown; they have
 *               128·b and 4 KiB, taking one with the other, and are removed by as many requests once they are full
 *     heads     10^6/g of c bytes: the checkpoint; and heads/<size>, one a minute
 *
 * Two servers may archive at once for a moment, when a leader was paused and does not know yet that its term is over. They
 * write the same bytes, since the tree is the same, but for the checkpoint. That is replaced by compare and swap, where the
 * store can do that. Elsewhere the older one can be put back: whether the term lasts is asked right before each write, which
 * leaves the time of one request; an older checkpoint that gets through is replaced with the next head, or within a minute on
 * an idle log, whichever comes first. It is a valid head of the same log all the while.
 */
import { CairnError, messageOf } from '../errors.ts'
import type { Archiver, ArchiverOptions, ArchiveStatus } from './archive-port.ts'
import { type ArchiverSettings, ArchiveTerm, type Tally } from './archive-term.ts'

const DEFAULTS = {
  mayWrite: () => true,
  intervalMs: 1_000,
  settleMs: 60_000,
  headIntervalMs: 60_000,
  lookMs: 60_000,
  concurrency: 16,
  stretch: 65_536,
  firstPauseMs: 250,
  longestPauseMs: 30_000,
  now: Date.now,
  onEvent: () => undefined,
} as const

/** Codes of errors that no further attempt mends. */
const FINAL = new Set([
  'CORRUPT',
  'USAGE',
  'FOREIGN_DIRECTORY',
  'NEWER_FORMAT',
  'MALFORMED',
  'VERIFICATION_FAILED',
])

/** Times that the archive has to be ahead in a row before that is told. */
const PATIENCE = 4

function isConflict(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'CONFLICT'
}

/** Begins to archive. It never throws: what goes wrong is told as events, and by status(). */
export function startArchiver(options: ArchiverOptions): Archiver {
  const settings = { ...DEFAULTS, ...options }
  const closing = new AbortController()
  const archiving = new Archiving(settings, closing.signal)
  const running = archiving.run()
  return {
    status: () => archiving.status(),
    async close() {
      closing.abort(new CairnError('STOPPED', 'the archiver is being closed'))
      await running
    },
  }
}

class Archiving {
  readonly #settings: ArchiverSettings
  readonly #signal: AbortSignal
  readonly #tally: Tally = {
    created: 0,
    createdBytes: 0,
    there: 0,
    replaced: 0,
    replacedBytes: 0,
    removed: 0,
  }
  #term: ArchiveTerm | undefined
  #state: ArchiveStatus['state'] = 'starting'
  #since: number
  #error: string | undefined
  #failures = 0
  #isTold = false

  constructor(settings: ArchiverSettings, signal: AbortSignal) {
    this.#settings = settings
    this.#signal = signal
    this.#since = settings.now()
  }

  status(): ArchiveStatus {
    const size = this.#term?.size ?? 0
    const shown = this.#term?.shown
    const published = this.#settings.publication()?.size ?? 0
    const isBehind = this.#state === 'current' && this.#term?.isBehind === true
    return {
      state: isBehind ? 'behind' : this.#state,
      since: this.#since,
      size,
      lag: Math.max(0, published - (shown ?? 0)),
      shown,
      error: this.#error,
      counts: { ...this.#tally },
    }
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted && this.#state !== 'stopped') {
      const started = performance.now()
      let pause = this.#settings.intervalMs
      try {
        this.#term ??= await ArchiveTerm.begin(this.#settings, this.#tally, this.#signal)
        if (this.#state === 'starting') this.#become('current')
        await this.#term.round()
        this.#succeeded(this.#term)
      } catch (error) {
        if (this.#signal.aborted) return
        await this.#failed(error)
        pause = this.#pause()
      }
      await this.#wait(pause - (performance.now() - started))
    }
  }

  #become(state: ArchiveStatus['state']): void {
    if (this.#state === state) return
    this.#state = state
    this.#since = this.#settings.now()
  }

  #succeeded({ size }: ArchiveTerm): void {
    this.#become('current')
    this.#failures = 0
    this.#error = undefined
    if (this.#isTold) this.#settings.onEvent({ event: 'archive-ok', size })
    this.#isTold = false
  }

  async #failed(error: unknown): Promise<void> {
    const { onEvent } = this.#settings
    const reason = messageOf(error)
    this.#failures++
    this.#error = reason
    if (error instanceof CairnError && FINAL.has(error.code)) {
      this.#become('stopped')
      onEvent({ event: 'archive-stopped', reason })
      return
    }
    this.#become('failing')
    // At the beginning of a term the archive may be ahead of what this server has heard.
    const isEarly = isConflict(error) && this.#failures < PATIENCE
    // What ends with the term is no trouble with the archive.
    if (this.#isTold || isEarly || !(await this.#lasts())) return
    this.#isTold = true
    onEvent({ event: 'archive-failing', reason })
  }

  async #lasts(): Promise<boolean> {
    try {
      return await this.#settings.mayWrite()
    } catch {
      return true
    }
  }

  #pause(): number {
    const { firstPauseMs, longestPauseMs } = this.#settings
    const pause = Math.min(firstPauseMs * 2 ** Math.min(this.#failures - 1, 20), longestPauseMs)
    return pause * (0.5 + Math.random() / 2)
  }

  async #wait(milliseconds: number): Promise<void> {
    const signal = this.#signal
    if (signal.aborted || milliseconds <= 0 || this.#state === 'stopped') return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, milliseconds).unref()
      function done(): void {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}
