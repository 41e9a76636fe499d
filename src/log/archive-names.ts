/**
 * What the objects of an archive are called. Below its prefix an archive is a log of C2SP tlog-tiles:
 *
 *     cairn-log.json          whose archive this is; created first
 *     tile/…, tile/entries/…  tiles and entry bundles by their tlog-tiles paths; partial ones until the full one has settled
 *     heads/<size>            the checkpoint of that size as it was first archived, of one a minute
 *     checkpoint              the newest one; the only object that is ever replaced
 */
import { parseTilePath, type TilePath } from '../formats/tile.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { ObjectMetadata, ObjectStore } from '../storage/object-port.ts'

export const MARKER = 'cairn-log.json'
export const CHECKPOINT = 'checkpoint'
export const HEADS = 'heads/'
export const BUNDLES = 'tile/entries/'

const IMMUTABLE = 'public, max-age=31536000, immutable'

/** The same headers as the server's: a bucket behind a web server is a log that any client can read. */
export const MARKER_METADATA: ObjectMetadata = {
  contentType: 'application/json',
  cacheControl: IMMUTABLE,
}
export const CHECKPOINT_METADATA: ObjectMetadata = {
  contentType: 'text/plain; charset=utf-8',
  cacheControl: 'no-cache',
}
export const HEAD_METADATA: ObjectMetadata = {
  contentType: 'text/plain; charset=utf-8',
  cacheControl: IMMUTABLE,
}
export const TILE_METADATA: ObjectMetadata = {
  contentType: 'application/octet-stream',
  cacheControl: IMMUTABLE,
}
export const PRIVATE_BUNDLE_METADATA: ObjectMetadata = {
  ...TILE_METADATA,
  cacheControl: IMMUTABLE.replace('public', 'private'),
}

/** What a name of an archive stands for. */
export type ArchivedName =
  | { readonly kind: 'marker' | 'checkpoint' }
  | { readonly kind: 'head'; readonly size: TreeSize }
  | TilePath

export function headName(size: TreeSize): string {
  return `${HEADS}${size}`
}

/** What a name stands for; undefined when an archive has none such. */
export function parseArchivedName(name: string): ArchivedName | undefined {
  if (name === MARKER) return { kind: 'marker' }
  if (name === CHECKPOINT) return { kind: 'checkpoint' }
  if (name.startsWith(HEADS)) {
    const digits = name.slice(HEADS.length)
    const size = Number(digits)
    const isSize = /^(0|[1-9][0-9]{0,15})$/.test(digits) && Number.isSafeInteger(size)
    return isSize ? { kind: 'head', size: treeSize(size) } : undefined
  }
  try {
    return parseTilePath(name)
  } catch {
    return undefined
  }
}

/** Names asked for at once. */
const PAGE = 1_000

/** All names that begin with `prefix`, in the order of their bytes. @throws what the object store throws */
export async function* listAll(objects: ObjectStore, prefix: string): AsyncGenerator<string> {
  let after: string | undefined
  for (;;) {
    const names = await objects.list(prefix, { limit: PAGE, ...(after !== undefined && { after }) })
    yield* names
    if (names.length < PAGE) return
    after = names.at(-1)
  }
}
