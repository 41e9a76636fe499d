/** Which logs a witness watches, for its operator; and the heads that did not fit, for everyone. */
import { sha256 } from '#sha256'
import { fromUtf8, toBase64, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { parseNote } from '../formats/note.ts'
import { formatSplitView, inSplitOrder, type SignedHead } from '../formats/split-view.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { Type } from '../typebox.ts'
import type { Conflict, LogHead, WatchedLog, WitnessService } from '../witness/service.ts'
import { type Answer, answer, COMMON, IMMUTABLE, jsonAnswer, UNCACHED } from './answer.ts'
import { type Authenticate, allowed } from './authenticate.ts'
import { mediaTypeOf } from './negotiate.ts'
import { Refusal } from './problem.ts'
import { type Route, type RouteRequest, route, Text } from './route.ts'
import { TEXT } from './witness-answers.ts'
import { upTo } from './witness-routes.ts'
import * as schema from './witness-schema.ts'

const JSON_TYPE = 'application/json'
/** Room for the most keys that a log can have. */
const MAX_KEYS_SIZE = 65_536

/** The routes that need the operator's token. */
export function logRoutes(witness: WitnessService, authenticate: Authenticate): Route[] {
  type Handle<R> = (request: R) => Answer | Promise<Answer>
  const guarded = <R extends Pick<RouteRequest, 'headers'>>(handle: Handle<R>): Handle<R> =>
    allowed(authenticate, 'watch', handle)
  return [
    route({
      path: '/v1/logs',
      documentation: {
        tag: 'operations',
        summary: 'The logs that are watched',
        token: true,
        answers: {
          200: { description: 'All of them.', content: { [JSON_TYPE]: schema.WatchedLogs } },
        },
      },
      handle: guarded(() => jsonAnswer({ logs: witness.logs().map(describeLog) }, UNCACHED)),
    }),
    route({
      method: 'POST',
      path: '/v1/logs',
      documentation: {
        tag: 'operations',
        summary: 'Watches a log, or replaces the keys of one that is watched',
        token: true,
        body: { [JSON_TYPE]: schema.LogKeys },
        answers: {
          200: { description: 'It is watched.', content: { [JSON_TYPE]: schema.WatchedLog } },
        },
      },
      handle: guarded((request) => watch(witness, request)),
    }),
    route({
      method: 'DELETE',
      path: '/v1/logs/{origin_hash}',
      params: { origin_hash: schema.OriginHash },
      documentation: {
        tag: 'operations',
        summary:
          'Stops watching a log; its last head is kept, so that it cannot start anew from an older one',
        token: true,
        answers: { 204: { description: 'It is not watched any more.' } },
      },
      handle: guarded(async ({ params }) => {
        const log = witness.log(params.origin_hash)
        if (log === undefined || !(await witness.unwatch(log.origin))) {
          throw new CairnError('NOT_FOUND', 'no log of that origin hash is watched')
        }
        return { status: 204, headers: { 'Cache-Control': UNCACHED, ...COMMON }, body: '' }
      }),
    }),
  ]
}

export function conflictRoutes(witness: WitnessService): Route[] {
  return [
    route({
      path: '/v1/conflicts',
      query: { origin_hash: Type.Optional(schema.OriginHash) },
      documentation: {
        tag: 'witness',
        summary:
          'Heads that logs have signed and that did not fit the last one; those of one log if asked for',
        answers: {
          200: { description: 'Oldest first.', content: { [JSON_TYPE]: schema.Conflicts } },
        },
      },
      async handle({ query }) {
        const all = (await witness.conflicts()).map(describeConflict)
        const wanted = query.origin_hash
        const conflicts =
          wanted === undefined ? all : all.filter(({ origin_hash }) => origin_hash === wanted)
        return jsonAnswer({ conflicts }, UNCACHED)
      },
    }),
    route({
      path: '/v1/conflicts/{id}',
      params: { id: schema.ConflictId },
      documentation: {
        tag: 'witness',
        summary: 'One conflict, with both checkpoints',
        answers: { 200: { description: 'It.', content: { [JSON_TYPE]: schema.Conflict } } },
      },
      async handle({ params }) {
        const conflict = await find(witness, params.id)
        const withNote = (head: LogHead): object => ({
          ...describeHead(head),
          checkpoint: head.checkpoint,
        })
        return jsonAnswer(
          {
            ...describeConflict(conflict),
            cosigned: withNote(conflict.cosigned),
            refused: withNote(conflict.refused),
          },
          UNCACHED,
        )
      },
    }),
    route({
      path: '/v1/conflicts/{id}/split-view',
      params: { id: schema.ConflictId },
      documentation: {
        tag: 'witness',
        summary:
          'The evidence of a split view as a file, which anybody who knows the log can verify',
        answers: { 200: { description: 'cairn-split-view/v1.', content: { [TEXT]: Text } } },
      },
      async handle({ params }) {
        const conflict = await find(witness, params.id)
        if (conflict.kind !== 'split-view') {
          throw new CairnError(
            'NOT_FOUND',
            "these heads are no evidence by themselves; only the log's tiles can show whether they fit",
          )
        }
        return answer(TEXT, IMMUTABLE, splitView(conflict))
      },
    }),
  ]
}

async function watch(
  witness: WitnessService,
  { headers, body }: Pick<RouteRequest, 'headers' | 'body'>,
): Promise<Answer> {
  const type = headers['content-type']
  if (typeof type !== 'string' || mediaTypeOf(type) !== JSON_TYPE) {
    throw new Refusal('UNSUPPORTED_MEDIA_TYPE', `send the keys as ${JSON_TYPE}`, {
      'Accept-Post': JSON_TYPE,
    })
  }
  const keys = parseKeys(await body(upTo(MAX_KEYS_SIZE)))
  try {
    await witness.watch(keys)
  } catch (error) {
    // Keys that are not those of one log are no use of ours, but a fault of what was sent.
    if (error instanceof CairnError && error.code === 'USAGE') throw malformed(error.message)
    throw error
  }
  const watched = witness.log(hashOf(keys[0]!.name))
  if (watched === undefined) throw new CairnError('NOT_FOUND', 'the log was removed meanwhile')
  return jsonAnswer(describeLog(watched), UNCACHED)
}

/** @throws MALFORMED unless it is what LogKeys says */
function parseKeys(bytes: Uint8Array): VerifierKey[] {
  let value: unknown
  try {
    value = JSON.parse(fromUtf8(bytes, 'the body'))
  } catch (cause) {
    throw malformed(`the body is not JSON: ${messageOf(cause)}`, { cause })
  }
  if (!isLogKeys(value)) throw malformed('send {"vkeys": ["<verifier key>", …]} and no more')
  return value.vkeys.map(parseVkey)
}

function isLogKeys(value: unknown): value is { vkeys: string[] } {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'vkeys') {
    return false
  }
  const { vkeys } = value as { vkeys: unknown }
  return Array.isArray(vkeys) && vkeys.length > 0 && vkeys.every((vkey) => typeof vkey === 'string')
}

async function find(witness: WitnessService, id: string): Promise<Conflict> {
  const conflict = await witness.conflict(id)
  if (conflict === undefined) throw new CairnError('NOT_FOUND', 'no conflict has this id')
  return conflict
}

function splitView({ cosigned, refused }: Conflict): string {
  const [first, second] = inSplitOrder(signedHead(cosigned), signedHead(refused))
  return formatSplitView({ first: first.note, second: second.note })
}

function signedHead({ checkpoint }: LogHead): SignedHead {
  return { note: checkpoint, checkpoint: parseCheckpoint(parseNote(utf8(checkpoint)).text) }
}

function hashOf(origin: string): string {
  return toHex(sha256(utf8(origin)))
}

function describeHead({ size, root }: Pick<LogHead, 'size' | 'root'>) {
  return { tree_size: size, root_hash: toBase64(root) }
}

function describeLog({ origin, originHash, vkeys, head }: WatchedLog) {
  return {
    origin,
    origin_hash: originHash,
    vkeys,
    ...(head && {
      ...describeHead(head),
      cosigned_at: new Date(head.timestamp * 1000).toISOString(),
    }),
  }
}

function describeConflict({ id, origin, kind, seenAt, cosigned, refused }: Conflict) {
  return {
    id,
    origin,
    origin_hash: hashOf(origin),
    kind,
    seen_at: new Date(seenAt).toISOString(),
    cosigned: describeHead(cosigned),
    refused: describeHead(refused),
  }
}
