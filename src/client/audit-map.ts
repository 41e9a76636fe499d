/**
 * The audit of a log's map (spec/completeness.md) as part of that of the log. The key of the map is looked for at the
 * end of the log first: without it the terms of all entries would have to be kept in memory.
 */
import { decodeBundle } from '../formats/bundle.ts'
import { isMapRoot, MAX_MAP_LAG, parseMapRoot } from '../formats/completeness-root.ts'
import { mayBeRecord } from '../formats/completeness-terms.ts'
import { counted, grouped } from '../formats/count.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { TreeSize } from '../merkle/position.ts'
import { bundleWidth } from '../tiles/geometry.ts'
import { isAboutTheData } from '../tiles/read-outcome.ts'
import type { TileSource } from '../tiles/source.ts'
import { MapAudit, type MapPlace } from './recompute-map.ts'
import type { Check } from './verdict.ts'

/** A log without any record among so many bundles is not one of ours, and is not searched any further. */
const LIKELY_BUNDLES = 16

/**
 * The key of the map, from the newest map root that can be read; it is not verified.
 * @throws whatever the source throws that is not about its data
 */
export async function findMapKey(
  source: TileSource,
  size: TreeSize,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  let hasRecords = false
  const last = Math.ceil(size / TILE_WIDTH) - 1
  const first = Math.max(0, last - Math.ceil(MAX_MAP_LAG / TILE_WIDTH))
  for (let bundle = last; bundle >= first; bundle--) {
    signal?.throwIfAborted()
    if (!hasRecords && last - bundle === LIKELY_BUNDLES) return undefined
    const width = bundleWidth(bundle, size)
    const leaves = await readLeaves(source, bundle, width)
    hasRecords ||= leaves.some(mayBeRecord)
    const key = keyIn(leaves.filter(isMapRoot))
    if (key !== undefined) return key
  }
  return undefined
}

/** None of a bundle that cannot be read: the audit itself says so. */
async function readLeaves(
  source: TileSource,
  bundle: number,
  width: number,
): Promise<readonly Uint8Array[]> {
  try {
    return decodeBundle(await source.bundle(bundle, width), width)
  } catch (error) {
    if (isAboutTheData(error)) return []
    throw error
  }
}

function keyIn(roots: readonly Uint8Array[]): Uint8Array | undefined {
  for (const leaf of roots) {
    try {
      return parseMapRoot(leaf).key
    } catch {
      // The audit says what is wrong with it.
    }
  }
  return undefined
}

/** What an audit of the map needs to go on. */
export interface MapProgress {
  readonly key: Uint8Array
  readonly place: MapPlace
}

export interface MapPassOptions {
  readonly origin: string
  /** As findMapKey gave it, or as it was before. */
  readonly key?: Uint8Array | undefined
  /** The first entry that will be looked at. */
  readonly from: number
  /** Where the map stands there; without it, the map cannot be made again from any entry but the first. */
  readonly place?: MapPlace | undefined
}

export class MapPass {
  readonly #key: Uint8Array | undefined
  readonly #audit: MapAudit | undefined
  /** Statements at entries before this one are counted already. */
  readonly #checked: number
  #next: number
  #roots: number
  #faults = 0
  #gap: string | undefined

  constructor({ origin, key, from, place }: MapPassOptions) {
    const isWhole = from === 0 || place !== undefined
    this.#key = key
    this.#audit =
      key && isWhole ? new MapAudit({ origin, key, ...(place && { from: place }) }) : undefined
    this.#next = from
    this.#checked = place?.checked ?? 0
    this.#roots = place === undefined ? 0 : place.statistics.roots + place.statistics.voids
    if (!isWhole)
      this.#gap = `this audit went on at entry ${from}, and the map is made again from the first`
  }

  /** Whether the map is being made again. */
  get isMaking(): boolean {
    return this.#audit !== undefined
  }

  /** What it takes to go on after so many entries. Undefined too early, and for good once something is wrong. */
  progressAt(size: number): MapProgress | undefined {
    if (this.#faults > 0 || this.#gap !== undefined) return undefined
    const place = this.#audit?.placeAt(size)
    return place && this.#key && { key: this.#key, place }
  }

  /** Looks at the next entry that could be read; gives what is wrong with it as a statement about the map. */
  next(index: number, leaf: Uint8Array, record: RecordLeaf | undefined): string | undefined {
    if (index >= this.#checked && isMapRoot(leaf)) this.#roots++
    if (index !== this.#next)
      this.#gap ??= `entry ${this.#next} cannot be read, so that the map cannot be made again`
    this.#next = index + 1
    if (this.#gap !== undefined) return undefined
    const fault = this.#audit?.next(leaf, record)
    if (fault === undefined) return undefined
    this.#faults++
    return `is no right statement about the map: ${fault.reason}`
  }

  /** None for a log that has no map. */
  check(): Check | undefined {
    const name = 'map'
    const { roots, size } = this.#audit?.statistics() ?? { roots: 0, size: 0 }
    if (this.#faults > 0) {
      const detail = `${grouped(this.#faults)} of ${counted(this.#roots, 'statement')} of the log about its map ${this.#faults === 1 ? 'is' : 'are'} wrong`
      return { name, status: 'failed', detail }
    }
    if (this.#roots === 0) return undefined
    if (this.#gap !== undefined)
      return { name, status: 'skipped', detail: `not checked: ${this.#gap}` }
    if (this.#audit === undefined) {
      const detail = `not checked: the newest ${grouped(MAX_MAP_LAG)} entries say nothing of the map`
      return { name, status: 'skipped', detail }
    }
    const detail = `made again from the entries, the map has the root hash that the log says, ${roots === 1 ? 'once' : `${grouped(roots)} times`}; the newest lists the first ${counted(size, 'entry', 'entries')}`
    return { name, status: 'held', detail }
  }
}
