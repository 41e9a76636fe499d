/** Reading a log from its archive alone: with every server down, and believing nothing of the bucket. */
import { CairnError } from '../errors.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import type { TileSource } from '../tiles/source.ts'
import { staticSource } from '../tiles/static-source.ts'

/** Tiles and bundles of an archive, not verified. @throws NOT_FOUND, and what the object store throws */
export function archiveTileSource(objects: ObjectStore): TileSource {
  return staticSource({
    async read(path, limit) {
      const bytes = (await objects.get(path))?.bytes
      if (bytes === undefined || bytes.length <= limit) return bytes
      throw new CairnError('TOO_LARGE', `${objects.place}/${path} has ${bytes.length} bytes`)
    },
    missing: (path) => `there is no ${path} in ${objects.place}`,
  })
}
