/** The static side of the log: C2SP tlog-tiles. What a third party needs to verify everything is here. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { CairnError } from '../errors.ts'
import { parseTilePath, type TilePath } from '../formats/tile.ts'
import type { LogService, Publication } from '../log/service.ts'
import { Type } from '../typebox.ts'
import type { HeaderFields } from './admission.ts'
import { type Answer, answer, IMMUTABLE, REVALIDATE } from './answer.ts'
import type { EntryAccess } from './authenticate.ts'
import { entityTag, matchesTag, notModified } from './entity-tag.ts'
import { acceptsGzip } from './negotiate.ts'
import { Bytes, type Route, route, Text } from './route.ts'

const compress = promisify(gzip)
/** Below this a bundle is sent as it is. */
const WORTH_COMPRESSING = 512

const TILE_INDEX = Type.String({
  description:
    'index in groups of three digits, all but the last after an "x", as in x001/x234/067; ".p/<width>" follows for a partial one',
})
const BYTES_ANSWER = {
  200: { description: 'The bytes.', content: { 'application/octet-stream': Bytes } },
}

export function tlogRoutes(log: LogService, access: EntryAccess): Route[] {
  const etag = checkpointTags()
  return [
    route({
      path: '/checkpoint',
      query: 'unchecked',
      documentation: {
        tag: 'tlog',
        summary: 'The newest published checkpoint, a signed note',
        headers: { 'If-None-Match': Text },
        answers: {
          200: {
            description: 'The checkpoint.',
            content: { 'text/plain; charset=utf-8': Text },
          },
          304: { description: 'It is still the one with that entity tag.' },
        },
      },
      handle({ headers }) {
        const publication = log.publication()
        const tag = etag(publication)
        const body = answer('text/plain; charset=utf-8', REVALIDATE, publication.checkpoint, {
          ETag: tag,
        })
        return matchesTag(headers['if-none-match'], tag) ? notModified(body) : body
      },
    }),
    route({
      path: '/tile/entries/{bundle}',
      pattern: '/tile/entries/*',
      params: { bundle: TILE_INDEX },
      documentation: {
        tag: 'tlog',
        summary: 'Up to 256 entries, each after its length in 16 bits',
        headers: { 'Accept-Encoding': Text },
        answers: BYTES_ANSWER,
      },
      handle: async ({ path, headers }) =>
        (await access.refusal(headers.authorization as string | undefined)) ??
        entries(log, parseTilePath(path), headers, access),
    }),
    route({
      path: '/tile/{level}/{tile}',
      pattern: '/tile/*',
      params: {
        level: Type.String({ description: 'level of the tile, 0 to 63' }),
        tile: TILE_INDEX,
      },
      documentation: {
        tag: 'tlog',
        summary: 'Up to 256 hashes of the tree',
        answers: BYTES_ANSWER,
      },
      handle: ({ path }) => hashes(log, parseTilePath(path)),
    }),
  ]
}

async function hashes(log: LogService, path: TilePath): Promise<Answer> {
  if (path.kind !== 'tile') throw new CairnError('NOT_FOUND', 'there is no such tile')
  const bytes = await log.tile(path.level, path.tile, path.width)
  if (bytes === undefined) throw notYet()
  return answer('application/octet-stream', IMMUTABLE, bytes)
}

async function entries(
  log: LogService,
  path: TilePath,
  headers: HeaderFields,
  { cacheControl }: EntryAccess,
): Promise<Answer> {
  if (path.kind !== 'bundle') throw new CairnError('NOT_FOUND', 'there is no such entry bundle')
  const bytes = await log.bundle(path.bundle, path.width)
  if (bytes === undefined) throw notYet()
  const vary = { Vary: 'Accept-Encoding' }
  if (bytes.length < WORTH_COMPRESSING || !acceptsGzip(one(headers['accept-encoding']))) {
    return answer('application/octet-stream', cacheControl, bytes, vary)
  }
  const compressed = await compress(bytes)
  return answer('application/octet-stream', cacheControl, compressed, {
    ...vary,
    'Content-Encoding': 'gzip',
  })
}

function notYet(): CairnError {
  return new CairnError(
    'NOT_FOUND',
    'the committed tree does not have this; see /checkpoint for its size',
  )
}

function one(value: HeaderFields[string]): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(', ')
}

/** The strong entity tag of a publication, digested once. */
function checkpointTags(): (publication: Publication) => string {
  let known: string | undefined
  let tag = ''
  return ({ checkpoint }) => {
    if (checkpoint !== known) {
      tag = entityTag(checkpoint)
      known = checkpoint
    }
    return tag
  }
}
