/**
 * The partial tiles and bundles of an archive, which are removed once the full one has settled: SPEC tlog-tiles, a
 * partial one may go only when the full one is there. Until then they all stay, so that whoever has a checkpoint of the
 * archive, however old, can read the tree that it signs: of each tile at most 255 of them.
 */
import { CairnError, messageOf } from '../errors.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { shiftRight, type TreeSize } from '../merkle/position.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import { TILE_HEIGHT } from '../tiles/geometry.ts'
import { listAll, parseArchivedName } from './archive-names.ts'
import { inParallel } from './archive-upload.ts'

/** Tiles whose paths differ in the last three digits only. */
const GROUP = 1_000

interface Partials {
  readonly level: number
  readonly index: number
  readonly names: Set<string>
}

export class ArchivePartials {
  /** By the path of the full one. */
  readonly #known = new Map<string, Partials>()
  readonly #objects: ObjectStore
  readonly #concurrency: number
  #keptFor: string | undefined

  constructor(objects: ObjectStore, concurrency: number) {
    this.#objects = objects
    this.#concurrency = concurrency
  }

  /** Why none is removed any more: the credentials do not allow it. */
  get keptFor(): string | undefined {
    return this.#keptFor
  }

  /** Takes note of one that was written, or found. */
  note(kind: 'tile' | 'bundle', level: number, index: number, name: string): void {
    const full =
      kind === 'bundle' ? bundlePath(index, TILE_WIDTH) : tilePath(level, index, TILE_WIDTH)
    const known = this.#known.get(full)
    if (known !== undefined) known.names.add(name)
    else this.#known.set(full, { level, index, names: new Set([name]) })
  }

  /**
   * Finds those that an earlier term has left between two sizes: of the tiles that grew from the one to the other.
   * Lists the groups of a thousand that these are in. @throws what the object store throws
   */
  async find(from: TreeSize, to: TreeSize): Promise<void> {
    const first = (level: number): number => shiftRight(from, TILE_HEIGHT * (level + 1))
    const last = (level: number): number => shiftRight(to, TILE_HEIGHT * (level + 1))
    await this.#findIn((tile) => bundlePath(tile, TILE_WIDTH), first(0), last(0))
    for (let level = 0; shiftRight(to, TILE_HEIGHT * level) > 0; level++) {
      const path = (tile: number): string => tilePath(level, tile, TILE_WIDTH)
      await this.#findIn(path, first(level), last(level))
    }
  }

  async #findIn(path: (tile: number) => string, first: number, last: number): Promise<void> {
    for (let tile = first - (first % GROUP); tile <= last; tile += GROUP) {
      const group = path(tile).slice(0, -3)
      for await (const name of listAll(this.#objects, group)) {
        // After the thousand, names with one more level of folders begin: `x001/000`.
        if (name[group.length] === 'x') break
        const parsed = parseArchivedName(name)
        if (parsed?.kind === 'bundle' && parsed.width < TILE_WIDTH) {
          this.note('bundle', 0, parsed.bundle, name)
        } else if (parsed?.kind === 'tile' && parsed.width < TILE_WIDTH) {
          this.note('tile', parsed.level, parsed.tile, name)
        }
      }
    }
  }

  /**
   * Removes those of tiles and bundles that are full in the tree of `size` leaves, and says how many. Credentials that
   * may create and not delete are a good choice for an archive: then they stay.
   * @throws what the object store throws, but for FORBIDDEN
   */
  async removeFull(size: TreeSize, signal: AbortSignal): Promise<number> {
    const done = [...this.#known].filter(
      ([, { level, index }]) => (index + 1) * TILE_WIDTH <= shiftRight(size, TILE_HEIGHT * level),
    )
    let removed = 0
    const names = done.flatMap(([, partials]) => [...partials.names])
    await inParallel(names, this.#concurrency, async (name) => {
      signal.throwIfAborted()
      if (this.#keptFor === undefined && (await this.#remove(name))) removed++
    })
    for (const [full] of done) this.#known.delete(full)
    return removed
  }

  async #remove(name: string): Promise<boolean> {
    try {
      await this.#objects.remove(name)
      return true
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'FORBIDDEN') throw error
      this.#keptFor = messageOf(error)
      return false
    }
  }
}
