/** Whether an archive is of the same history as the log here, and has what the database believes it has. */
import { CairnError } from '../errors.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { ArchiveMark } from '../storage/shared-port.ts'
import { rootFromTiles } from '../tiles/proofs.ts'
import { isAboutTheData } from '../tiles/read-outcome.ts'
import type { TileSource } from '../tiles/source.ts'
import { type Archive, isSameTree } from './archive.ts'
import { CHECKPOINT } from './archive-names.ts'
import { archiveTileSource } from './archive-source.ts'
import type { Head } from './service.ts'

/**
 * What an archive shows has to be the newest published head here, or one before it.
 * @throws CONFLICT when it has more leaves: the log went back, or is behind for a moment
 * @throws CORRUPT when it is of other leaves
 */
export async function mustBeOfHistory(
  { objects }: Archive,
  found: Head,
  log: { readonly source: TileSource; readonly head: Head | undefined },
): Promise<void> {
  const size = log.head?.size ?? treeSize(0)
  if (found.size > size) throw aheadOf(objects.place, found.size, size)
  const root = await rootFromTiles(log.source, found.size)
  if (isSameTree(found, { size: found.size, root })) return
  throw new CairnError(
    'CORRUPT',
    `${objects.place}/${CHECKPOINT} is signed by this log for ${found.size} leaves, but their root is another one here: the ` +
      'log was restored from an old copy and went on differently, or another copy of it has archived there; find out which one is right',
  )
}

/**
 * What the database says is in the archive has to be there: the bucket may be another one than it was. Says from which
 * size on to archive: from the start when it is not there, and the database has still all of it. Only the tiles of the
 * right edge are looked at; checkArchive looks at all.
 * @throws CORRUPT when the database has let go of some of it
 */
export async function archivedUpTo(
  { objects }: Archive,
  { size, released }: ArchiveMark,
  source: TileSource,
): Promise<TreeSize> {
  if (size === 0) return size
  const root = await rootFromTiles(source, size)
  try {
    const there = await rootFromTiles(archiveTileSource(objects), size)
    if (isSameTree({ size, root }, { size, root: there })) return size
  } catch (error) {
    if (!isAboutTheData(error)) throw error
  }
  if (released === 0) return treeSize(0)
  throw new CairnError(
    'CORRUPT',
    `${objects.place} does not have the tree of ${size} leaves, which was archived, and of which the first ${released} are ` +
      'no longer in the database: name the bucket and prefix that have it, or copy its objects here',
  )
}

export function aheadOf(place: string, archived: number, published: number): CairnError {
  return new CairnError(
    'CONFLICT',
    `${place} has the log up to ${archived} leaves, but only ${published} are published here: the database was restored ` +
      'from an old copy, or another copy of this log archives there; nothing is archived until that many are here',
  )
}
