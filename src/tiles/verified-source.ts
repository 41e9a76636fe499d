/**
 * A tile source that vouches for what it returns. The partial tiles that end the levels of a tree hash to its root;
 * a full tile hashes to one hash of the level above; an entry hashes to one hash of level 0. So every byte is traced
 * to a root that the caller trusts, whoever stores or carries the tiles.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { bundlePrefix, decodeBundle } from '../formats/bundle.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { frontierPositions, rootOfFrontier } from '../merkle/frontier.ts'
import { HASH_SIZE, hashLeaf, type RootHash } from '../merkle/hash.ts'
import { shiftRight, type TreeSize } from '../merkle/position.ts'
import { bundleWidth, partialWidth, sliceOf, TILE_HEIGHT, tileWidth } from './geometry.ts'
import { foldHashes, readTile } from './proofs.ts'
import type { TileSource } from './source.ts'

export interface VerifiedSourceOptions {
  /** Full tiles kept once verified, 8 KiB each: 64 unless told. At least the levels of the tree. */
  readonly keepTiles?: number
}

const MIN_KEEP = 8

/**
 * The tiles and bundles of the tree of `size` leaves whose root is `root`, each verified before it is returned. The
 * root must come from somewhere trusted: a checkpoint whose signatures were verified.
 *
 * A request for fewer hashes or entries than the tree has is read at the tree's own width and cut. The source throws
 * VERIFICATION_FAILED for bytes that are not those of the tree, MALFORMED for the wrong number of them, and NOT_FOUND
 * for what lies outside the tree.
 */
export function verifiedSource(
  source: TileSource,
  head: { readonly size: TreeSize; readonly root: RootHash },
  { keepTiles = 64 }: VerifiedSourceOptions = {},
): TileSource {
  const { size } = head
  const root = head.root.slice()
  const keep = Math.max(keepTiles, MIN_KEEP)
  /** Full tiles, verified or being verified, least recently used first. */
  const fullTiles = new Map<string, Promise<Uint8Array>>()
  /** The partial tile that ends each level, which only the root can vouch for, all of them at once. */
  let edge: Promise<ReadonlyMap<number, Uint8Array>> | undefined

  async function readEdge(): Promise<ReadonlyMap<number, Uint8Array>> {
    const levels = new Set<number>()
    const slices = frontierPositions(size).map(sliceOf)
    for (const { level } of slices) levels.add(level)
    const tiles = new Map(
      await Promise.all(
        [...levels].map(async (level) => {
          const tile = shiftRight(size, TILE_HEIGHT * (level + 1))
          const hashes = await readTile(source, level, tile, partialWidth(level, size))
          return [level, hashes.slice()] as const
        }),
      ),
    )
    const parts = slices.map(({ level, offset, count }) =>
      foldHashes(tiles.get(level)!, offset, count),
    )
    if (!equal(rootOfFrontier(parts), root)) {
      throw new CairnError(
        'VERIFICATION_FAILED',
        `the tiles at the right edge do not lead to the root hash of the tree of ${size} leaves`,
      )
    }
    return tiles
  }

  async function edgeTile(level: number): Promise<Uint8Array> {
    edge ??= readEdge()
    const reading = edge
    try {
      return (await reading).get(level)!
    } catch (error) {
      // Forgotten, so that a source that recovers is asked again.
      if (edge === reading) edge = undefined
      throw error
    }
  }

  async function readFullTile(level: number, tile: number): Promise<Uint8Array> {
    const [hashes, parent] = await Promise.all([
      readTile(source, level, tile, TILE_WIDTH).then((bytes) => bytes.slice()),
      wholeTile(level + 1, Math.floor(tile / TILE_WIDTH)),
    ])
    const at = (tile % TILE_WIDTH) * HASH_SIZE
    if (!equal(foldHashes(hashes, 0, TILE_WIDTH), parent.subarray(at, at + HASH_SIZE))) {
      throw new CairnError(
        'VERIFICATION_FAILED',
        `${tilePath(level, tile, TILE_WIDTH)} does not belong to the tree of ${size} leaves`,
      )
    }
    return hashes
  }

  async function fullTile(level: number, tile: number): Promise<Uint8Array> {
    const key = tilePath(level, tile, TILE_WIDTH)
    const known = fullTiles.get(key)
    const hashes = known ?? readFullTile(level, tile)
    fullTiles.delete(key)
    fullTiles.set(key, hashes)
    if (fullTiles.size > keep) fullTiles.delete(fullTiles.keys().next().value!)
    try {
      return await hashes
    } catch (error) {
      if (fullTiles.get(key) === hashes) fullTiles.delete(key)
      throw error
    }
  }

  /** A tile at the width it has in the tree, verified. Not to be handed out: it is kept. */
  function wholeTile(level: number, tile: number): Promise<Uint8Array> {
    return tileWidth(level, tile, size) === TILE_WIDTH ? fullTile(level, tile) : edgeTile(level)
  }

  function checkInside(path: string, width: number, available: number): void {
    if (width > available) {
      throw new CairnError('NOT_FOUND', `${path} is not part of a tree of ${size} leaves`)
    }
  }

  return {
    async tile(level, tile, width) {
      checkInside(tilePath(level, tile, width), width, tileWidth(level, tile, size))
      return (await wholeTile(level, tile)).slice(0, width * HASH_SIZE)
    },

    async bundle(bundle, width) {
      const path = bundlePath(bundle, width)
      const available = bundleWidth(bundle, size)
      checkInside(path, width, available)
      const [framed, hashes] = await Promise.all([
        source.bundle(bundle, available),
        wholeTile(0, bundle),
      ])
      for (const [i, entry] of decodeBundle(framed, available).entries()) {
        if (!equal(hashLeaf(entry), hashes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE))) {
          throw new CairnError(
            'VERIFICATION_FAILED',
            `entry ${i} of ${bundlePath(bundle, available)} does not belong to the tree of ${size} leaves`,
          )
        }
      }
      return bundlePrefix(framed, width)
    },
  }
}
