/** Tiles and entry bundles in a folder laid out as tlog-tiles, as copied from a log or kept by a mirror. */
import { join } from 'node:path'
import { readFileUpTo } from '../server/bounded-file.ts'
import type { TileSource } from '../tiles/source.ts'
import { staticSource } from '../tiles/static-source.ts'

/** A source that reads the files of a folder. */
export function directorySource(folder: string): TileSource {
  return staticSource({
    async read(path, limit) {
      try {
        return await readFileUpTo(join(folder, path), limit)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    missing: (path) => `there is no ${path} in ${folder}`,
  })
}
