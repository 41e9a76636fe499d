/**
 * Looks at all that is stored of the map of a log nobody runs: makes the map again from the entries, and holds against it
 * each block that is stored, and each map root that is in the log. Changes nothing.
 */
import { sha256 } from '#sha256'
import { equal } from '../bytes.ts'
import { type MadeBlocks, MapAudit } from '../client/recompute-map.ts'
import { CairnError, messageOf } from '../errors.ts'
import { type Block, blocksOf } from '../formats/completeness-blocks.ts'
import { formatMapRoot } from '../formats/completeness-root.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { IndexEntry, IndexStore } from '../storage/index-port.ts'
import type { TileSource } from '../tiles/source.ts'
import { entriesOf, treeRoot } from './log-entries.ts'
import { type MapState, nodesEntry, pageEntries, pageKey, readState } from './stored-map.ts'

export interface InspectMapOptions {
  readonly store: IndexStore
  readonly origin: string
  /** Entries of the log. */
  readonly size: TreeSize
  readonly source: Pick<TileSource, 'tile' | 'bundle'>
  /** Told how many entries are behind. */
  readonly progress?: (entries: number) => void
  readonly signal?: AbortSignal
}

export interface MapFinding {
  readonly kind: 'map'
  /** `map`, `block 0-4095 of the map`, `entry 5`. */
  readonly name: string
  /** What is wrong with it. */
  readonly detail: string
}

/**
 * Yields what is wrong, and returns of how many entries the stored map is; undefined when none is stored.
 * @throws IO; the signal's reason
 */
export async function* inspectMap(
  options: InspectMapOptions,
): AsyncGenerator<MapFinding, number | undefined> {
  let state: MapState | undefined
  try {
    state = await readState(options.store)
  } catch (error) {
    yield ofMap(aboutTheData(error))
    return undefined
  }
  if (state === undefined) return undefined
  const strange = await whyOfAnother(state, options)
  if (strange !== undefined) yield ofMap(strange)
  // Blocks of another history differ in every byte; the one reason says it.
  yield* recompute(state, strange === undefined ? blocksOf(treeSize(state.next)) : [], options)
  return state.next
}

function ofMap(detail: string): MapFinding {
  return { kind: 'map', name: 'map', detail }
}

/** What an error says that is about what is stored. @throws all others */
function aboutTheData(error: unknown): string {
  if (!(error instanceof CairnError) || error.code === 'IO' || error.code === 'STOPPED') throw error
  return messageOf(error)
}

/** Why what is stored was not made of this log. */
async function whyOfAnother(
  { key, next, newest, tree }: MapState,
  { origin, size, source }: InspectMapOptions,
): Promise<string | undefined> {
  if (next > size) return `has taken in ${next} entries, and the log has ${size}`
  try {
    if (!equal(await treeRoot(source, next), tree)) {
      return `was made of other entries than the first ${next} of the log`
    }
    if (newest === undefined) return undefined
    const { entry, size: of, root } = newest
    const said = formatMapRoot({ origin, size: of, root, key })
    const [leaf] = entry < size ? await entriesOf(source, entry, entry + 1) : []
    if (leaf !== undefined && equal(leaf, said)) return undefined
    return `says that entry ${entry} is its root hash, and the log has another entry there`
  } catch (error) {
    return `cannot be held against the log: ${aboutTheData(error)}`
  }
}

/** A value that has to be stored; a hash, since pages of a large block are many and large. */
interface Expected {
  readonly block: Block
  readonly what: string
  readonly key: Uint8Array
  /** Undefined when nothing is to be there. */
  readonly hash: Uint8Array | undefined
}

/** Goes through all entries, and compares. */
async function* recompute(
  { key }: MapState,
  stored: readonly Block[],
  { store, origin, size, source, progress, signal }: InspectMapOptions,
): AsyncGenerator<MapFinding, void> {
  const expected = expecting(stored)
  const audit = new MapAudit({ origin, key, made: expected.made })
  const damaged = new Set<number>()
  for (let first = 0; first < size; first += TILE_WIDTH) {
    signal?.throwIfAborted()
    let leaves: readonly Uint8Array[]
    try {
      leaves = await entriesOf(source, first, Math.min(size, first + TILE_WIDTH))
    } catch (error) {
      yield ofMap(`cannot be made again from entry ${first} on: ${aboutTheData(error)}`)
      return
    }
    for (const leaf of leaves) {
      const fault = audit.next(leaf)
      if (fault === undefined) continue
      const { index, reason } = fault
      const detail = `is no right statement about the map: ${reason}`
      yield { kind: 'map', name: `entry ${index}`, detail }
    }
    yield* differences(store, expected.take(), damaged)
    progress?.(first + leaves.length)
  }
  audit.finish()
  yield* differences(store, expected.take(), damaged)
}

/** Gathers what has to be stored, of the blocks that are. */
function expecting(stored: readonly Block[]) {
  const ends = new Map(stored.map(({ start, end }) => [start, end]))
  let gathered: Expected[] = []
  const expect = (block: Block, what: string, key: Uint8Array, value: Uint8Array | undefined) => {
    if (ends.get(block.start) !== block.end) return
    gathered.push({ block, what, key, hash: value && sha256(value) })
  }
  const made: MadeBlocks = {
    page(block, page, terms) {
      const entry: IndexEntry | undefined = pageEntries(block, page, terms)[0]
      expect(block, `page ${page}`, pageKey(block, page), entry?.[1])
    },
    nodes(block, nodes) {
      expect(block, 'list of nodes', ...nodesEntry(block, nodes))
    },
  }
  return {
    made,
    take(): readonly Expected[] {
      const all = gathered
      gathered = []
      return all
    },
  }
}

const READ_AT_ONCE = 16

/** The first difference of each block. */
async function* differences(
  store: IndexStore,
  expected: readonly Expected[],
  damaged: Set<number>,
): AsyncGenerator<MapFinding, void> {
  for (let at = 0; at < expected.length; at += READ_AT_ONCE) {
    const some = expected.slice(at, at + READ_AT_ONCE)
    for (const [i, value] of (await valuesOf(store, some)).entries()) {
      const { block, what, hash } = some[i]!
      const wrong = whatIsWrong(value, hash)
      if (wrong === undefined || damaged.has(block.start)) continue
      damaged.add(block.start)
      const name = `block ${block.start}-${block.end - 1} of the map`
      yield { kind: 'map', name, detail: `${what} ${wrong}` }
    }
  }
}

function whatIsWrong(
  value: Uint8Array | string | undefined,
  hash: Uint8Array | undefined,
): string | undefined {
  if (typeof value === 'string') return `cannot be read: ${value}`
  if (value === undefined) return hash === undefined ? undefined : 'is missing'
  return hash !== undefined && equal(sha256(value), hash)
    ? undefined
    : 'is not what follows from the entries'
}

/** The values, or why one cannot be read: it must not hide the others. */
async function valuesOf(
  store: IndexStore,
  some: readonly Expected[],
): Promise<readonly (Uint8Array | string | undefined)[]> {
  try {
    return await store.get(some.map(({ key }) => key))
  } catch (error) {
    aboutTheData(error)
  }
  const values: (Uint8Array | string | undefined)[] = []
  for (const { key } of some) {
    values.push(await store.get([key]).then(([value]) => value, aboutTheData))
  }
  return values
}
