/**
 * The read API of RFC 6962 section 4, for tools that speak nothing newer. `leaf_input` is the leaf itself; its
 * parameters stand in the query, so these answers are not for caches.
 */
import { fromBase64, toBase64 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { LogService } from '../log/service.ts'
import { leafHash } from '../merkle/hash.ts'
import type { LeafIndex } from '../merkle/position.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import type { EntryAccess } from './authenticate.ts'
import { indexParameter, sizeParameter } from './parameters.ts'
import { type Route, route } from './route.ts'
import {
  CtConsistency,
  CtEntries,
  CtEntryAndProof,
  CtProof,
  Decimal,
  HashParameter,
  SignedTreeHead,
} from './schema.ts'

/** Entries in one answer; clients ask again for the rest. */
const MAX_ENTRIES = 256

export function ctRoutes(log: LogService, access: EntryAccess): Route[] {
  return [
    route({
      path: '/ct/v1/get-sth',
      documentation: {
        tag: 'rfc6962',
        summary: 'The newest published head, signed as RFC 6962 has it',
        answers: { 200: { description: 'It.', content: { 'application/json': SignedTreeHead } } },
      },
      handle() {
        const { size, timestamp, root, treeHeadSignature } = log.publication()
        return jsonAnswer(
          {
            tree_size: size,
            timestamp,
            sha256_root_hash: toBase64(root),
            tree_head_signature: toBase64(treeHeadSignature),
          },
          UNCACHED,
        )
      },
    }),
    route({
      path: '/ct/v1/get-sth-consistency',
      query: { first: Decimal, second: Decimal },
      documentation: {
        tag: 'rfc6962',
        summary: 'A consistency proof between two sizes',
        answers: { 200: { description: 'It.', content: { 'application/json': CtConsistency } } },
      },
      async handle({ query }) {
        const first = sizeParameter(query.first, 'first')
        const second = sizeParameter(query.second, 'second')
        const proof = await log.consistencyProof(first, second)
        return jsonAnswer({ consistency: proof.map(toBase64) }, UNCACHED)
      },
    }),
    route({
      path: '/ct/v1/get-proof-by-hash',
      query: { hash: HashParameter, tree_size: Decimal },
      documentation: {
        tag: 'rfc6962',
        summary: 'An inclusion proof for a leaf hash',
        answers: { 200: { description: 'It.', content: { 'application/json': CtProof } } },
      },
      async handle({ query }) {
        const size = sizeParameter(query.tree_size, 'tree_size')
        const index = await log.indexOf(hashParameter(query.hash))
        if (index === undefined || index >= size) {
          throw new CairnError('NOT_FOUND', `no leaf with this hash is in the tree of size ${size}`)
        }
        const proof = await log.inclusionProof(index, size)
        return jsonAnswer({ leaf_index: index, audit_path: proof.map(toBase64) }, UNCACHED)
      },
    }),
    route({
      path: '/ct/v1/get-entries',
      query: { start: Decimal, end: Decimal },
      documentation: {
        tag: 'rfc6962',
        summary: `Entries from start to end, both included; at most ${MAX_ENTRIES} at a time`,
        answers: { 200: { description: 'Them.', content: { 'application/json': CtEntries } } },
      },
      async handle({ query, headers }) {
        const refusal = await access.refusal(headers.authorization as string | undefined)
        if (refusal !== undefined) return refusal
        const start = indexParameter(query.start, 'start')
        const end = indexParameter(query.end, 'end')
        if (start > end) throw malformed('"start" is beyond "end"')
        const leaves = await readEntries(log, start, end)
        return jsonAnswer({ entries: leaves.map(entryJson) }, UNCACHED)
      },
    }),
    route({
      path: '/ct/v1/get-entry-and-proof',
      query: { leaf_index: Decimal, tree_size: Decimal },
      documentation: {
        tag: 'rfc6962',
        summary: 'An entry with its inclusion proof',
        answers: { 200: { description: 'It.', content: { 'application/json': CtEntryAndProof } } },
      },
      async handle({ query, headers }) {
        const refusal = await access.refusal(headers.authorization as string | undefined)
        if (refusal !== undefined) return refusal
        const index = indexParameter(query.leaf_index, 'leaf_index')
        const size = sizeParameter(query.tree_size, 'tree_size')
        const proof = await log.inclusionProof(index, size)
        const leaf = await log.entry(index)
        if (leaf === undefined) throw new CairnError('NOT_FOUND', `there is no leaf ${index}`)
        return jsonAnswer({ ...entryJson(leaf), audit_path: proof.map(toBase64) }, UNCACHED)
      },
    }),
  ]
}

function hashParameter(text: string): ReturnType<typeof leafHash> {
  const bytes = fromBase64(text, '"hash"')
  if (bytes.length !== 32) throw malformed('"hash" is not a hash of 32 bytes')
  return leafHash(bytes)
}

function entryJson(leaf: Uint8Array): { leaf_input: string; extra_data: string } {
  return { leaf_input: toBase64(leaf), extra_data: '' }
}

/** Entries from `start` on: to `end`, to the end of the bundle, or to the end of the log. */
async function readEntries(
  log: LogService,
  start: LeafIndex,
  end: LeafIndex,
): Promise<Uint8Array[]> {
  const size = log.head().size
  if (start >= size) throw new CairnError('NOT_FOUND', `the log has ${size} leaves`)
  const bundle = Math.floor(start / TILE_WIDTH)
  const first = bundle * TILE_WIDTH
  const width = Math.min(TILE_WIDTH, size - first)
  const framed = await log.bundle(bundle, width)
  if (framed === undefined) throw new CairnError('CORRUPT', `entry bundle ${bundle} is missing`)
  return decodeBundle(framed, width).slice(start - first, Math.min(end - first + 1, MAX_ENTRIES))
}
