/**
 * The place of an archive: a prefix of an object store that belongs to one log. A marker object, created before all
 * others, says which, so that two logs are never mixed, and nothing else is written among.
 */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { canonicalJson } from '../formats/canonical-json.ts'
import { isJsonObject, type JsonObject, parseJson } from '../formats/json-strict.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import type { ObjectMetadata, ObjectStore, ObjectVersion } from '../storage/object-port.ts'
import {
  CHECKPOINT,
  headName,
  MARKER,
  MARKER_METADATA,
  PRIVATE_BUNDLE_METADATA,
  TILE_METADATA,
} from './archive-names.ts'
import type { Head } from './service.ts'

/** The layout this version writes. */
const FORMAT = 1
const MARKER_LIMITS = { size: 65_536, depth: 2 } as const
const DAY_MS = 86_400_000

/** How objects that never change are kept from being deleted, by buckets that can do that. */
export interface ArchiveLock {
  readonly mode: 'governance' | 'compliance'
  /** Counted for each object from when it is archived. */
  readonly days: number
  readonly legalHold: boolean
}

export interface ArchiveOptions {
  readonly objects: ObjectStore
  readonly origin: string
  /** The log's verifier keys, one a line each, Ed25519 first. */
  readonly vkeys: readonly string[]
  readonly lock?: ArchiveLock | undefined
  /** Entries are not for everyone: no shared cache may keep them. Who may read the bucket is for the bucket to say. */
  readonly privateEntries?: boolean
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** A head as an object, which may be told from others of its name. */
export interface ShownHead extends Head {
  readonly version: ObjectVersion | undefined
}

/** An archive that is this log's own. */
export interface Archive {
  readonly objects: ObjectStore
  readonly origin: string
  readonly bundleMetadata: ObjectMetadata
  /** Creates an object that never changes, and locks it. @throws as ObjectStore.create */
  keep(name: string, bytes: Uint8Array, metadata: ObjectMetadata): Promise<'created' | 'there'>
  /**
   * The head that it shows, with its signatures verified; undefined before the first. A log whose newest head is
   * smaller has lost what it once published.
   * @throws CORRUPT when what is there is not a checkpoint of this log; what the object store throws
   */
  shown(): Promise<ShownHead | undefined>
  /** The checkpoint of a size as it was first archived. @throws as shown() */
  head(size: Head['size']): Promise<Head | undefined>
}

/** What a marker says. */
export interface ArchiveMarker {
  readonly origin: string
  readonly vkeys: readonly string[]
}

/**
 * Opens the archive of a log, or begins one where nothing is. The marker is created even when it is there, so that
 * credentials which may only read are found out at once.
 * @throws USAGE when it is the archive of another log
 * @throws FOREIGN_DIRECTORY when other objects are there and no marker
 * @throws NEWER_FORMAT, and what the object store throws
 */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { objects, origin, vkeys, lock, now = Date.now } = options
  const keys = vkeys.map(parseVkey)
  const keep: Archive['keep'] = (name, bytes, metadata) =>
    objects.create(name, bytes, metadata, lock && objectLock(lock, now()))
  const marker = utf8(canonicalJson({ format: FORMAT, origin, vkeys: [...vkeys] }))
  await claim(options, () => keep(MARKER, marker, MARKER_METADATA))

  const read = async (name: string): Promise<ShownHead | undefined> => {
    const object = await objects.get(name)
    if (object === undefined) return undefined
    const head = openArchived(`${objects.place}/${name}`, object.bytes, origin, keys)
    return { ...head, version: object.version }
  }
  return {
    objects,
    origin,
    bundleMetadata: options.privateEntries === true ? PRIVATE_BUNDLE_METADATA : TILE_METADATA,
    keep,
    shown: () => read(CHECKPOINT),
    head: (size) => read(headName(size)),
  }
}

function objectLock({ mode, days, legalHold }: ArchiveLock, now: number) {
  return { mode, until: now + days * DAY_MS, legalHold }
}

/** A marker that is there must say the same; where none is, nothing else may be. */
async function claim(options: ArchiveOptions, create: () => Promise<unknown>): Promise<void> {
  const { objects } = options
  const there = await objects.get(MARKER)
  if (there !== undefined) mustBeOurs(options, there.bytes)
  else {
    const [foreign] = await objects.list('', { limit: 1 })
    // Another server of this log may have been first.
    if (foreign !== undefined && foreign !== MARKER) throw foreignObject(objects, foreign)
  }
  try {
    await create()
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'CORRUPT') throw error
    // A marker may be written differently and say the same, or another log was faster.
    mustBeOurs(options, (await objects.get(MARKER))?.bytes ?? new Uint8Array())
  }
}

function mustBeOurs({ objects, origin, vkeys }: ArchiveOptions, bytes: Uint8Array): void {
  const marker = parseMarker(bytes, objects.place)
  if (marker.origin !== origin) {
    throw usage(
      `${objects.place} is the archive of ${marker.origin}, not of ${origin}; give each log a prefix of its own`,
    )
  }
  const isSame =
    marker.vkeys.length === vkeys.length && vkeys.every((key) => marker.vkeys.includes(key))
  if (isSame) return
  throw usage(
    `${objects.place} is the archive of a log that is called ${origin} too, but has other keys (${marker.vkeys[0]}, here ` +
      `${vkeys[0]}); give each log a name and a prefix of its own`,
  )
}

/** What a marker says. @throws FOREIGN_DIRECTORY when Cairn did not write it; NEWER_FORMAT */
export function parseMarker(bytes: Uint8Array, place: string): ArchiveMarker {
  const foreign = (why: string): CairnError =>
    new CairnError('FOREIGN_DIRECTORY', `${place}/${MARKER} ${why}; choose another prefix`)
  let marker: JsonObject
  try {
    const value = parseJson(bytes, MARKER_LIMITS)
    if (!isJsonObject(value)) throw foreign('is not a marker of Cairn')
    marker = value
  } catch (error) {
    throw foreign(`is not a marker of Cairn: ${messageOf(error)}`)
  }
  const { format, origin, vkeys } = marker
  if (Number.isSafeInteger(format) && Number(format) > FORMAT) {
    throw new CairnError(
      'NEWER_FORMAT',
      `${place} was written by a newer cairn (format ${format}, this one writes ${FORMAT}); use the newer one`,
    )
  }
  const isKnown = format === FORMAT && Object.keys(marker).length === 3
  const keys = Array.isArray(vkeys) ? vkeys.filter((key) => typeof key === 'string') : []
  if (!isKnown || typeof origin !== 'string' || keys.length === 0) {
    throw foreign('is not a marker of Cairn')
  }
  if (keys.length !== (vkeys as readonly unknown[]).length) {
    throw foreign('is not a marker of Cairn')
  }
  return { origin, vkeys: keys }
}

function foreignObject({ place }: ObjectStore, name: string): CairnError {
  return new CairnError(
    'FOREIGN_DIRECTORY',
    `${place} is not the archive of a log, but holds other objects (${name}); choose an empty or new prefix`,
  )
}

/** A checkpoint as it is archived. @throws CORRUPT unless this log has signed it */
export function openArchived(
  place: string,
  bytes: Uint8Array,
  origin: string,
  keys: readonly VerifierKey[],
): Head {
  try {
    const { checkpoint } = openCheckpoint(bytes, keys)
    if (checkpoint.origin !== origin) throw usage(`it is one of ${checkpoint.origin}`)
    return { size: checkpoint.size, root: checkpoint.root, checkpoint: fromUtf8(bytes) }
  } catch (error) {
    throw new CairnError(
      'CORRUPT',
      `${place} is not a checkpoint of ${origin}, and is left as it is: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

/** Whether two heads are of one tree. */
export function isSameTree(
  one: Omit<Head, 'checkpoint'>,
  other: Omit<Head, 'checkpoint'>,
): boolean {
  return one.size === other.size && equal(one.root, other.root)
}
