/**
 * Brings the objects of a tree into its archive, a few at a time. What is read of the log is traced to the signed root
 * before it is written: a bundle's entries hash to its tile of level 0, a tile to its hash in the tile above, and the
 * tiles of the right edge to the root. Nothing is archived that no head commits to.
 */
import { CairnError, messageOf } from '../errors.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../formats/tile.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { ObjectMetadata } from '../storage/object-port.ts'
import { bundlesOf, tilesOf } from '../tiles/geometry.ts'
import { isAboutTheData } from '../tiles/read-outcome.ts'
import type { TileSource } from '../tiles/source.ts'
import { verifiedSource } from '../tiles/verified-source.ts'
import type { Archive } from './archive.ts'
import { TILE_METADATA } from './archive-names.ts'
import type { Head } from './service.ts'

/** A tile or bundle that a tree needs. */
export interface TreeObject {
  readonly name: string
  readonly kind: 'tile' | 'bundle'
  /** 0 for a bundle. */
  readonly level: number
  readonly index: number
  /** 256 when it is full, and never changes again. */
  readonly width: number
}

export interface UploadedObject extends TreeObject {
  readonly bytes: number
  readonly outcome: 'created' | 'there'
}

export interface TreeUpload {
  readonly archive: Archive
  /** Gives what is traced to a signed root. */
  readonly source: TileSource
  /** The archive has the tree of this size. */
  readonly from: TreeSize
  /** The size that it is to have; the source has it too. */
  readonly to: TreeSize
  /** Objects on their way at once. */
  readonly concurrency: number
  /** Fires to begin no further object. */
  readonly signal: AbortSignal
  readonly onObject: (object: UploadedObject) => void
}

/** The objects of the tree of `to` leaves that the tree of `from` leaves does not have, each bundle with its tile. */
export function* treeObjects(from: TreeSize, to: TreeSize): Generator<TreeObject> {
  for (const { bundle, width } of bundlesOf(to, from)) {
    const common = { level: 0, index: bundle, width }
    yield { ...common, kind: 'bundle', name: bundlePath(bundle, width) }
    yield { ...common, kind: 'tile', name: tilePath(0, bundle, width) }
  }
  for (const { level, tile, width } of tilesOf(to, from)) {
    if (level === 0) continue
    yield { kind: 'tile', level, index: tile, width, name: tilePath(level, tile, width) }
  }
}

/**
 * Creates them all. When one fails those under way are waited for, and no other is begun.
 * @throws CORRUPT when the log's own data does not lead to the root, or an object is there with other bytes
 * @throws what the object store and the source throw; the signal's reason
 */
export async function uploadTree(upload: TreeUpload): Promise<void> {
  const { archive, source, from, to, concurrency, signal, onObject } = upload
  await inParallel(treeObjects(from, to), concurrency, async (object) => {
    signal.throwIfAborted()
    const { kind, level, index, width, name } = object
    const bytes =
      kind === 'bundle' ? await source.bundle(index, width) : await source.tile(level, index, width)
    const metadata = kind === 'bundle' ? archive.bundleMetadata : TILE_METADATA
    const outcome =
      width === TILE_WIDTH
        ? await archive.keep(name, bytes, metadata)
        : await createPartial(archive, name, bytes, metadata)
    onObject({ ...object, bytes: bytes.length, outcome })
  })
}

/** A partial one is removed once the full one has settled, so it is not locked. */
function createPartial(
  { objects }: Archive,
  name: string,
  bytes: Uint8Array,
  metadata: ObjectMetadata,
): Promise<'created' | 'there'> {
  return objects.create(name, bytes, metadata)
}

/** The log's tiles and bundles as far as they lead to a signed root. It throws CORRUPT for those that do not. */
export function signedSource(source: TileSource, head: Head): TileSource {
  const verified = verifiedSource(source, head)
  const traced = async (name: string, read: Promise<Uint8Array>): Promise<Uint8Array> => {
    try {
      return await read
    } catch (error) {
      const isWrong = error instanceof CairnError && error.code === 'VERIFICATION_FAILED'
      if (!isWrong && !isAboutTheData(error)) throw error
      const message = `${name} of the log does not fit its head of ${head.size} leaves, so it is not archived: ${messageOf(error)}`
      throw new CairnError('CORRUPT', message, { cause: error })
    }
  }
  return {
    tile: (level, tile, width) =>
      traced(tilePath(level, tile, width), verified.tile(level, tile, width)),
    bundle: (bundle, width) => traced(bundlePath(bundle, width), verified.bundle(bundle, width)),
  }
}

/** Works on the items in order, so many at once. After a failure no further one is begun. @throws the first failure */
export async function inParallel<T>(
  items: Iterable<T>,
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    while (failure === undefined) {
      const next = iterator.next()
      if (next.done) return
      try {
        await work(next.value)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error
}
