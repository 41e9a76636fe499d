/** Tiles and entry bundles of a log over HTTP (C2SP tlog-tiles). They are not verified here. */
import { CairnError } from '../errors.ts'
import type { TileSource } from '../tiles/source.ts'
import { staticSource } from '../tiles/static-source.ts'
import type { Requester } from './request.ts'

/** A source that reads below a log's address. */
export function httpTileSource(request: Requester, signal?: AbortSignal): TileSource {
  return staticSource({
    async read(path, limit) {
      try {
        return await request({ path, limit, signal })
      } catch (error) {
        if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined
        throw error
      }
    },
    missing: (path) => `the log does not have ${path}`,
  })
}
