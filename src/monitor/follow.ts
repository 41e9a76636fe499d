/** Follows a log to the largest head that one of its addresses shows, and says what keeps it from getting there. */
import { equal } from '../bytes.ts'
import { messageOf } from '../errors.ts'
import { rootFromTiles } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'
import type { AlertKind } from './alert.ts'
import { catchUp } from './catch-up.ts'
import type { CrossCheck } from './cross-check.ts'
import type { Memory } from './memory.ts'
import type { OnMonitorEvent, OnProgress } from './report.ts'
import type { ShownHead } from './state.ts'
import type { Timing } from './timing.ts'

export interface FollowOptions {
  readonly memory: Memory
  readonly cross: CrossCheck
  readonly timing: Timing
  /** The tiles and entries at an address of the log. */
  readonly tilesAt: (url: string, signal: AbortSignal) => TileSource
  readonly now: () => number
  readonly onEvent: OnMonitorEvent
  readonly onProgress: OnProgress
}

/** What became of it. */
export interface Followed {
  /** There while the tree is on its way to a head. */
  readonly underWay?: { readonly done: number; readonly total: number }
}

/**
 * Recomputes the tree of the largest of the heads that the log's addresses show, if it is larger than the known one.
 * @throws what Memory throws when it cannot keep what was read
 */
export async function followLog(
  heads: readonly ShownHead[],
  options: FollowOptions,
  signal: AbortSignal,
): Promise<Followed> {
  const { memory, tilesAt } = options
  let followed: Followed = {}
  for (const head of heads.toSorted((a, b) => b.checkpoint.size - a.checkpoint.size)) {
    const tiles = tilesAt(head.source, signal)
    const isNew = memory.head === undefined || head.checkpoint.size > memory.size
    if (isNew) followed = await followTo(head, tiles, options, signal)
    else await lookAgain(head, tiles, memory)
    // The next one may be of another branch, and would undo what was read so far.
    if (signal.aborted) break
  }
  return followed
}

async function followTo(
  head: ShownHead,
  tiles: TileSource,
  { memory, cross, timing, now, onEvent, onProgress }: FollowOptions,
  signal: AbortSignal,
): Promise<Followed> {
  const { source, checkpoint } = head
  const missing = await compareAhead(head, tiles, cross)
  if (missing === 'contradiction') {
    // What follows is measured by what fits the known tree.
    memory.shown.delete(source)
    return {}
  }

  const before = memory.size
  const outcome = await catchUp(memory, checkpoint, {
    source: tiles,
    concurrency: timing.concurrency,
    keepAfterMs: timing.keepAfterMs,
    signal,
    progress: (done, total) => onProgress(memory.origin, done, total),
  })
  const which = `the head of ${checkpoint.size} entries at ${source}`
  const found = (kind: AlertKind, message: string): void =>
    memory.alerts.found({ kind, source, message }, now())
  switch (outcome.kind) {
    case 'arrived':
      memory.adopt(head, outcome.frontier)
      memory.alerts.fine('wrong-entries', source)
      if (missing === undefined) memory.alerts.fine('missing-tiles', source)
      else found('missing-tiles', `tiles that belong to ${which} cannot be used: ${missing}`)
      onEvent({
        event: 'head',
        origin: memory.origin,
        size: checkpoint.size,
        root: checkpoint.root,
        newEntries: checkpoint.size - before,
        entries: memory.entries,
      })
      return {}
    case 'wrong':
      found('wrong-entries', `${which} cannot be followed: ${outcome.message}`)
      break
    case 'missing':
      found('missing-tiles', `${which} cannot be followed: ${outcome.message}`)
      break
    case 'unreachable':
      found('unreachable', `${which} cannot be followed: ${outcome.message}`)
      break
    case 'under way':
      break
  }
  if (outcome.kind !== 'under way') await cross.comparePending(head, tiles)
  return { underWay: { done: memory.tree.size, total: checkpoint.size } }
}

/** What keeps the log's tiles from telling whether a head continues the known one; undefined when it does. */
async function compareAhead(
  head: ShownHead,
  tiles: TileSource,
  cross: CrossCheck,
): Promise<'contradiction' | string | undefined> {
  try {
    return (await cross.compareAhead(head, tiles)) ? undefined : 'contradiction'
  } catch (error) {
    // The entries themselves will tell.
    return messageOf(error)
  }
}

/** Whether tiles of the known head that were missing are there now; otherwise an idle log would never know. */
async function lookAgain(head: ShownHead, tiles: TileSource, memory: Memory): Promise<void> {
  const { size, root } = head.checkpoint
  const { source } = head
  if (size !== memory.size || memory.alerts.get('missing-tiles', source) === undefined) return
  const found = await rootFromTiles(tiles, size).catch(() => undefined)
  if (found !== undefined && equal(found, root)) memory.alerts.fine('missing-tiles', source)
}
