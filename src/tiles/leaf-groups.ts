/** Leaves as they are stored twice, as entries in a bundle and as hashes in its tile of level 0. */
import { decodeBundle } from '../formats/bundle.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { TreeSize } from '../merkle/position.ts'
import { bundleWidth } from './geometry.ts'
import { type Outcome, outcomeOf, tileOutcome } from './read-outcome.ts'
import type { TileSource } from './source.ts'

/** What is known of 256 leaves, or of the last few. */
export interface LeafGroup {
  readonly bundle: number
  readonly width: number
  readonly framed: Outcome<Uint8Array>
  readonly entries: Outcome<Uint8Array[]>
  readonly tile: Outcome<Uint8Array>
}

async function readGroup(source: TileSource, bundle: number, width: number): Promise<LeafGroup> {
  const [framed, tile] = await Promise.all([
    outcomeOf(() => source.bundle(bundle, width)),
    tileOutcome(source, 0, bundle, width),
  ])
  const entries =
    'fault' in framed ? framed : await outcomeOf(async () => decodeBundle(framed.value, width))
  return { bundle, width, framed, entries, tile }
}

/** Reads the groups of a tree in order, a few ahead of the one that is being looked at. */
export async function* readGroups(
  source: TileSource,
  size: TreeSize,
  from: number,
  ahead: number,
): AsyncGenerator<LeafGroup> {
  const groups = Math.ceil(size / TILE_WIDTH)
  const waiting: Promise<LeafGroup>[] = []
  for (let next = from; next < groups || waiting.length > 0; ) {
    while (next < groups && waiting.length < ahead) {
      const group = readGroup(source, next, bundleWidth(next, size))
      // Whoever awaits it in its turn sees the failure; until then it is not unhandled.
      group.catch(() => {})
      waiting.push(group)
      next++
    }
    yield await waiting.shift()!
  }
}
