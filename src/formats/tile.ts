/**
 * The paths of tiles and entry bundles (C2SP tlog-tiles): `tile/<level>/<tile>` or `tile/entries/<bundle>`, followed
 * by `.p/<width>` when they are partial. Tile 1234067 of level 0 with 5 hashes is `tile/0/x001/x234/067.p/5`.
 * Every tile has one path: whatever is spelt differently is refused.
 */
import { CairnError, malformed } from '../errors.ts'

/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256

/** The highest level a path can name; a tree of 2^53-1 leaves ends at level 6. */
const MAX_TILE_LEVEL = 63

/** The first `width` hashes of the `tile`-th tile of a level. */
export interface TileCoordinate {
  readonly level: number
  readonly tile: number
  /** 1 to 256; 256 is the full tile. */
  readonly width: number
}

/** The first `width` entries of the `bundle`-th entry bundle. */
export interface BundleCoordinate {
  readonly bundle: number
  /** 1 to 256; 256 is the full bundle. */
  readonly width: number
}

/** What a path names. */
export type TilePath =
  | ({ readonly kind: 'tile' } & TileCoordinate)
  | ({ readonly kind: 'bundle' } & BundleCoordinate)

/** `x001/x234/067` for 1234067, with the width when it is partial. */
function coordinatePath(index: number, width: number): string {
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new RangeError(`expected a tile index from 0 to 2^53-1, got ${index}`)
  }
  if (!Number.isSafeInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new RangeError(`expected a tile width from 1 to ${TILE_WIDTH}, got ${width}`)
  }
  const digits = String(index)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  const groups = padded.replace(/[0-9]{3}(?=[0-9])/g, 'x$&/')
  return width === TILE_WIDTH ? groups : `${groups}.p/${width}`
}

/** The path of a tile. @throws RangeError on a level, index or width that no path can name */
export function tilePath(level: number, tile: number, width: number): string {
  if (!Number.isSafeInteger(level) || level < 0 || level > MAX_TILE_LEVEL) {
    throw new RangeError(`expected a tile level from 0 to ${MAX_TILE_LEVEL}, got ${level}`)
  }
  return `tile/${level}/${coordinatePath(tile, width)}`
}

/** The path of an entry bundle. @throws RangeError on an index or width that no path can name */
export function bundlePath(bundle: number, width: number): string {
  return `tile/entries/${coordinatePath(bundle, width)}`
}

// The longest path: seven groups hold every 64-bit index.
const MAX_PATH_LENGTH = 'tile/entries/x018/x446/x744/x073/x709/x551/615.p/255'.length
const PATH = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/
const MAX_U64 = 2n ** 64n - 1n

/**
 * What a path, without a leading slash, names.
 * @throws MALFORMED on anything that `tilePath` and `bundlePath` would not have written
 * @throws NOT_FOUND on a well-formed path whose 64-bit index is beyond 2^53-1: no tree here reaches it
 */
export function parseTilePath(path: string): TilePath {
  const match = path.length <= MAX_PATH_LENGTH ? PATH.exec(path) : null
  if (match === null) throw malformed('not the path of a tile or an entry bundle')
  const [, level = '', groups = '', partial] = match
  // `x000/001` would be a second path for tile 1.
  if (groups.startsWith('x000'))
    throw malformed('the tile index of the path has a leading group of zeros')
  const index = BigInt(groups.replace(/[x/]/g, ''))
  if (index > MAX_U64) throw malformed('the tile index of the path does not fit 64 bits')
  const width = partial === undefined ? TILE_WIDTH : Number(partial)
  if (partial !== undefined && width >= TILE_WIDTH) {
    throw malformed(`the width of a partial tile is from 1 to ${TILE_WIDTH - 1}`)
  }
  if (level !== 'entries' && (String(Number(level)) !== level || Number(level) > MAX_TILE_LEVEL)) {
    throw malformed(`the tile level of the path is not a number from 0 to ${MAX_TILE_LEVEL}`)
  }
  if (index > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new CairnError('NOT_FOUND', 'the tile index of the path is beyond 2^53-1')
  }
  return level === 'entries'
    ? { kind: 'bundle', bundle: Number(index), width }
    : { kind: 'tile', level: Number(level), tile: Number(index), width }
}
