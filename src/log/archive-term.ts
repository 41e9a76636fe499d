/**
 * One server's work on the archive, while it leads. A round brings what the newest published head needs:
 *
 *     tiles and bundles, full and partial  →  heads/<size>, now and then  →  checkpoint  →  the mark in the database
 *
 * The checkpoint is replaced only once everything that it commits to is there, so that the archive is a whole log at
 * every moment. When the head has moved far, the mark moves in stretches, whose tiles are traced to the signed root of
 * the head at the end; a crash repeats two stretches at the most, and finds there what it had written.
 */
import { utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { parseNote } from '../formats/note.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { ObjectVersion } from '../storage/object-port.ts'
import type { ArchiveMark } from '../storage/shared-port.ts'
import { type Archive, isSameTree } from './archive.ts'
import { aheadOf, archivedUpTo, mustBeOfHistory } from './archive-history.ts'
import {
  BUNDLES,
  CHECKPOINT,
  CHECKPOINT_METADATA,
  HEAD_METADATA,
  headName,
} from './archive-names.ts'
import { ArchivePartials } from './archive-partials.ts'
import type { ArchiveCounts, ArchiverOptions } from './archive-port.ts'
import { signedSource, type UploadedObject, uploadTree } from './archive-upload.ts'
import type { Head } from './service.ts'

export type ArchiverSettings = Required<Omit<ArchiverOptions, 'tier'>> &
  Pick<ArchiverOptions, 'tier'>

export type Tally = { -readonly [K in keyof ArchiveCounts]: ArchiveCounts[K] }

/** Of objects on their way at once, all together. */
const MOST_BYTES = 64 * 2 ** 20
const LARGEST_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY_SIZE)

/** How often another's checkpoint may come in between. */
const ROUNDS = 4

/** Between two words about a long upload. */
const BETWEEN_PROGRESS_MS = 10_000

export class ArchiveTerm {
  readonly #archive: Archive
  readonly #settings: ArchiverSettings
  readonly #tally: Tally
  readonly #signal: AbortSignal
  readonly #partials: ArchivePartials
  #size = treeSize(0)
  /** What the database was told last. */
  #marked: ArchiveMark
  /** The sizes that the archive has had, and since when, from the last settled one on. */
  readonly #settling: { readonly size: TreeSize; readonly at: number }[] = []
  /** The partial ones of this size's full tiles are gone. */
  #cleared = treeSize(0)
  /** The size whose `heads/<size>` is known to be there, and since when. */
  #headed: TreeSize | undefined
  #headedAt = Number.NEGATIVE_INFINITY
  /** What the checkpoint is, as far as is known. */
  #shown: Head | undefined
  #shownSize: TreeSize | undefined
  /** Which object that is, where the store can tell: only that one is replaced. */
  #version: ObjectVersion | 'nothing' | undefined
  #lookedAt = Number.NEGATIVE_INFINITY
  #isTiered: boolean
  #isKeeping = false
  /** Bytes of the largest object of the last upload; at first what a bundle can have. */
  #largest = LARGEST_BUNDLE
  #isBehind = false

  private constructor(
    archive: Archive,
    mark: ArchiveMark,
    settings: ArchiverSettings,
    tally: Tally,
    signal: AbortSignal,
  ) {
    this.#archive = archive
    this.#settings = settings
    this.#tally = tally
    this.#signal = signal
    this.#marked = mark
    this.#isTiered = settings.tier === undefined
    this.#partials = new ArchivePartials(archive.objects, settings.concurrency)
  }

  /**
   * Looks at what earlier terms have left.
   * @throws CORRUPT when the archive is of another history of this log
   * @throws CONFLICT when it is ahead of the log; what the object store and the database throw
   */
  static async begin(
    settings: ArchiverSettings,
    tally: Tally,
    signal: AbortSignal,
  ): Promise<ArchiveTerm> {
    const archive = await settings.open()
    const mark = await settings.mark()
    const term = new ArchiveTerm(archive, mark, settings, tally, signal)
    const head = settings.publication()
    await term.#look(head)
    const size = head?.size ?? treeSize(0)
    if (size < mark.size) throw aheadOf(archive.objects.place, mark.size, size)
    term.#advance(await archivedUpTo(archive, mark, settings.source))
    const from = Math.min(mark.released, term.#shown?.size ?? 0)
    // Beyond the mark, a term that ended in the middle of its work can have left those of two stretches.
    const to = Math.min(size, mark.size + 2 * settings.stretch)
    await term.#partials.find(treeSize(from), treeSize(to))
    return term
  }

  get size(): TreeSize {
    return this.#size
  }

  /** The size of the head that was last known to be shown. */
  get shown(): TreeSize | undefined {
    return this.#shownSize
  }

  /** Whether more than one stretch is on its way. */
  get isBehind(): boolean {
    return this.#isBehind
  }

  /**
   * Does what there is to do now. After a failure the next round goes on where this one ended.
   * @throws CORRUPT when an object is there with other bytes, or the log's data does not lead to its head: nothing was
   *   overwritten; what the object store and the database throw; the signal's reason
   */
  async round(): Promise<void> {
    const { publication, mayWrite, lookMs } = this.#settings
    if (!(await mayWrite())) return
    const head = publication()
    if (head === undefined) return
    if (performance.now() - this.#lookedAt >= lookMs) await this.#look(head)
    if (!this.#isTiered) await this.#tier()
    // An earlier term may have shown it, and ended before it could tell the database.
    const isDone = head.checkpoint === this.#shown?.checkpoint && this.#size === head.size
    if (!isDone && !(await this.#show(head))) return
    // One that no later head came after.
    await this.#keepHead(head)
    await this.#settle()
  }

  /** Reads the checkpoint back: an older server, or a hand, may have put another there. */
  async #look(head: Head | undefined): Promise<void> {
    const { source, onEvent } = this.#settings
    const before = this.#shown
    const found = await this.#archive.shown()
    if (found !== undefined) await mustBeOfHistory(this.#archive, found, { source, head })
    this.#shown = found
    this.#shownSize = found?.size
    this.#version = found === undefined ? 'nothing' : found.version
    this.#lookedAt = performance.now()
    if (before !== undefined && before.checkpoint !== found?.checkpoint) {
      onEvent({ event: 'archive-restored', found: found?.size, size: before.size })
    }
  }

  /** Archives a head, and shows it. False when the term ended meanwhile. */
  async #show(head: Head): Promise<boolean> {
    if (head.size < this.#size) {
      throw aheadOf(this.#archive.objects.place, this.#size, head.size)
    }
    mustSay(head)
    if (!(await this.#grow(head))) return false
    await this.#keepHead(head)
    const bytes = utf8(head.checkpoint)
    for (let round = 1; ; round++) {
      // The last thing that is asked before the one thing that is replaced.
      if (!(await this.#settings.mayWrite())) return false
      // Until it is known whether that was done.
      this.#shown = undefined
      const { objects } = this.#archive
      try {
        this.#version = await objects.replace(CHECKPOINT, bytes, CHECKPOINT_METADATA, this.#version)
        break
      } catch (error) {
        this.#lookedAt = Number.NEGATIVE_INFINITY
        if (!isConflict(error) || round === ROUNDS) throw error
        // What an earlier leader had on its way makes room; what a later one has shown does not.
        await this.#look(head)
      }
    }
    this.#shown = head
    this.#shownSize = head.size
    this.#tally.replaced++
    this.#tally.replacedBytes += bytes.length
    return true
  }

  /** Brings what the tree of a head needs, a stretch after the other. False when the term ended meanwhile. */
  async #grow(head: Head): Promise<boolean> {
    const { mayWrite, onEvent } = this.#settings
    const source = signedSource(this.#settings.source, head)
    const told = { at: performance.now() }
    while (this.#size < head.size) {
      const to = this.#stretchEnd(head.size)
      this.#isBehind = to < head.size
      await uploadTree({
        archive: this.#archive,
        source,
        from: this.#size,
        to,
        concurrency: this.#concurrency(),
        signal: this.#signal,
        onObject: (object) => this.#count(object),
      })
      this.#advance(to)
      if (to === head.size) break
      if (!(await mayWrite())) return false
      await this.#settle()
      if (performance.now() - told.at < BETWEEN_PROGRESS_MS) continue
      told.at = performance.now()
      onEvent({ event: 'archive-progress', size: to, total: head.size })
    }
    return true
  }

  /** The end of the next stretch; what is left is taken at once when it is less than two. */
  #stretchEnd(size: TreeSize): TreeSize {
    const { stretch } = this.#settings
    if (size - this.#size <= 2 * stretch) return size
    return treeSize((Math.floor(this.#size / stretch) + 1) * stretch)
  }

  /** As many at once as are allowed, and as fit in memory if they are as large as the largest of late. */
  #concurrency(): number {
    const fit = Math.floor(MOST_BYTES / this.#largest)
    this.#largest = 1
    return Math.max(1, Math.min(this.#settings.concurrency, fit))
  }

  #count({ kind, level, index, width, name, bytes, outcome }: UploadedObject): void {
    if (width < TILE_WIDTH) this.#partials.note(kind, level, index, name)
    this.#largest = Math.max(this.#largest, bytes)
    this.#add(outcome, bytes)
  }

  #add(outcome: 'created' | 'there', bytes: number): void {
    this.#tally[outcome]++
    if (outcome === 'created') this.#tally.createdBytes += bytes
  }

  /** Keeps the checkpoint of a size, unless one was kept a moment ago. One that is renewed, or cosigned by more witnesses later, stays as it was first. */
  async #keepHead(head: Head): Promise<void> {
    const isDue = performance.now() - this.#headedAt >= this.#settings.headIntervalMs
    if (this.#headed === head.size || !isDue) return
    const bytes = utf8(head.checkpoint)
    try {
      const outcome = await this.#archive.keep(headName(head.size), bytes, HEAD_METADATA)
      this.#add(outcome, bytes.length)
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'CORRUPT') throw error
      const there = await this.#archive.head(head.size)
      if (there === undefined || !isSameTree(there, head)) throw error
      this.#tally.there++
    }
    this.#headed = head.size
    this.#headedAt = performance.now()
  }

  /** The archive has the tree of this size. */
  #advance(size: TreeSize): void {
    this.#size = size
    if (size > 0) this.#settling.push({ size, at: performance.now() })
  }

  /** The largest size that has been in the archive for long enough. */
  #settled(): TreeSize {
    const latest = performance.now() - this.#settings.settleMs
    const isSettled = (place: number): boolean =>
      (this.#settling[place]?.at ?? latest + 1) <= latest
    while (isSettled(1)) this.#settling.shift()
    const settled = isSettled(0) ? this.#settling[0]!.size : treeSize(0)
    return settled > this.#marked.released ? settled : this.#marked.released
  }

  /** Lets go of what has settled, and moves the mark. */
  async #settle(): Promise<void> {
    const released = this.#settled()
    // Whoever reads the shown head may still want the partial ones that it names.
    const clear = treeSize(Math.min(released, this.#shownSize ?? 0))
    if (clear > this.#cleared) {
      this.#tally.removed += await this.#partials.removeFull(clear, this.#signal)
      this.#cleared = clear
      this.#tellKept()
    }
    if (this.#size === this.#marked.size && released === this.#marked.released) return
    await this.#settings.archived(this.#size, released)
    this.#marked = { size: this.#size, released }
  }

  #tellKept(): void {
    const reason = this.#partials.keptFor
    if (reason === undefined || this.#isKeeping) return
    this.#isKeeping = true
    this.#settings.onEvent({ event: 'archive-keeps-partials', reason })
  }

  /** Has the bucket move old bundles. The archive goes on without, so a failure is told, and it is tried again next term. */
  async #tier(): Promise<void> {
    const { tier, onEvent } = this.#settings
    const { objects } = this.#archive
    const { storageClass, days } = tier!
    this.#isTiered = true
    try {
      if (objects.ensureTransition === undefined) {
        throw new CairnError('USAGE', `${objects.place} has no storage classes`)
      }
      const rule = await objects.ensureTransition({ names: BUNDLES, storageClass, days })
      onEvent({ event: 'archive-tier', storageClass, days, rule })
    } catch (error) {
      onEvent({ event: 'archive-tier-failing', reason: messageOf(error) })
    }
  }
}

/** What is shown is what the tree was traced to. @throws CORRUPT */
function mustSay(head: Head): void {
  const said = parseCheckpoint(parseNote(utf8(head.checkpoint)).text)
  if (isSameTree(said, head)) return
  throw new CairnError('CORRUPT', `the checkpoint of ${head.size} leaves says something else`)
}

function isConflict(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'CONFLICT'
}
