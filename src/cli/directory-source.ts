/** Tiles and entry bundles in a folder laid out as tlog-tiles, as copied from a log or kept by a mirror. */
import { join } from 'node:path'
import { CairnError } from '../errors.ts'
import { bundlePrefix, MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import type { TileSource } from '../tiles/source.ts'
import { readFileUpTo } from './input.ts'

const MAX_BUNDLE_SIZE = TILE_WIDTH * (2 + MAX_ENTRY_SIZE)

/** Reads a tile at its own width, or cuts it from the full one where the partial one was dropped. */
export function directorySource(folder: string): TileSource {
  const read = async (
    path: (width: number) => string,
    width: number,
    limit: number,
    cut: (bytes: Uint8Array) => Uint8Array,
  ): Promise<Uint8Array> => {
    for (const present of width === TILE_WIDTH ? [width] : [width, TILE_WIDTH]) {
      const bytes = await readIfThere(join(folder, path(present)), limit)
      if (bytes !== undefined) return present === width ? bytes : cut(bytes)
    }
    throw new CairnError('NOT_FOUND', `there is no ${path(width)} in ${folder}`)
  }

  return {
    tile(level, tile, width) {
      const cut = (bytes: Uint8Array) => bytes.subarray(0, width * HASH_SIZE)
      return read((w) => tilePath(level, tile, w), width, TILE_WIDTH * HASH_SIZE, cut)
    },
    bundle(bundle, width) {
      const cut = (bytes: Uint8Array) => bundlePrefix(bytes, width)
      return read((w) => bundlePath(bundle, w), width, MAX_BUNDLE_SIZE, cut)
    },
  }
}

async function readIfThere(file: string, limit: number): Promise<Uint8Array | undefined> {
  try {
    return await readFileUpTo(file, limit)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
