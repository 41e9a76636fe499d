/** Makes the map of a log that nobody runs again, from its entries; its key is that of the map roots in the log. */
import { CairnError } from '../errors.ts'
import { SMALL_BLOCK } from '../formats/completeness-blocks.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { IndexStore } from '../storage/index-port.ts'
import type { TileSource } from '../tiles/source.ts'
import type { MapLog } from './log-entries.ts'
import { openCompleteness } from './upkeep.ts'

export interface RemakeMapOptions {
  /** All of it is dropped first. */
  readonly store: IndexStore
  readonly origin: string
  readonly size: TreeSize
  readonly source: TileSource
  /** Told how many entries the map has taken in. */
  readonly progress: (entries: number) => void
  readonly signal: AbortSignal
}

/**
 * What was interrupted goes on at the next start.
 * @returns the entries that it is of
 * @throws CORRUPT, DISK_FULL, IO; the signal's reason
 */
export async function remakeMap(options: RemakeMapOptions): Promise<number> {
  const { store, origin, size, source, progress, signal } = options
  await store.clear()
  // All of the log is there from the beginning, as the key of the map may stand in any entry.
  let visible: TreeSize = size
  const log: MapLog = {
    origin,
    head: () => ({ size: visible }),
    tile: source.tile,
    bundle: source.bundle,
    entry: async () => undefined,
    inclusionProof: nobodyAsks,
    submit: nobodyAsks,
  }
  const map = await openCompleteness({ log, store, everyMs: 0, everyEntries: Infinity })
  try {
    for (let next = 0; next < size; ) {
      signal.throwIfAborted()
      next = Math.min(size, next + SMALL_BLOCK)
      visible = treeSize(next)
      await map.settled()
      progress(next)
    }
    return map.statistics().next
  } finally {
    await map.close()
  }
}

function nobodyAsks(): never {
  throw new CairnError('STOPPED', 'nobody runs this log')
}
