/** Receipts and proofs. Every parameter is in the path, so no cache can answer one question with another's proof. */
import { fromHex, toBase64 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { LogService } from '../log/service.ts'
import { leafHash } from '../merkle/hash.ts'
import type { LeafIndex, TreeSize } from '../merkle/position.ts'
import { answer, IMMUTABLE, jsonAnswer, REVALIDATE } from './answer.ts'
import { negotiate } from './negotiate.ts'
import { indexParameter, sizeParameter } from './parameters.ts'
import { Refusal } from './problem.ts'
import { jsonReceiptWriter, RECEIPT_TYPES, receipt } from './receipt.ts'
import { Bytes, type Route, route, Text } from './route.ts'
import { ConsistencyProof, Decimal, InclusionProof, LeafReference, Receipt } from './schema.ts'

export function proofRoutes(log: LogService): Route[] {
  const writeJson = jsonReceiptWriter(log.origin)
  return [
    route({
      path: '/v1/receipts/{index}',
      params: { index: Decimal },
      documentation: {
        tag: 'proofs',
        summary: 'The receipt of a leaf under the newest head that fits',
        headers: { Accept: Text },
        answers: {
          200: {
            description: 'A receipt in the media type asked for.',
            content: {
              'application/json': Receipt,
              'text/plain; charset=utf-8': Text,
              'application/cose': Bytes,
            },
          },
        },
      },
      async handle({ params, headers }) {
        const type = negotiate(headers.accept as string | undefined, RECEIPT_TYPES)
        if (type === undefined) {
          throw new Refusal('NOT_ACCEPTABLE', `a receipt can be had as ${RECEIPT_TYPES.join(', ')}`)
        }
        const inclusion = await log.inclusion(indexParameter(params.index, 'index'))
        const { mediaType, body } = await receipt(log, writeJson, inclusion, type)
        return answer(mediaType, REVALIDATE, body, { Vary: 'Accept' })
      },
    }),
    route({
      path: '/v1/proofs/inclusion/{size}/{leaf}',
      params: { size: Decimal, leaf: LeafReference },
      documentation: {
        tag: 'proofs',
        summary: 'Proves that a leaf is in the tree of a size',
        answers: {
          200: { description: 'The proof.', content: { 'application/json': InclusionProof } },
        },
      },
      async handle({ params }) {
        const size = sizeParameter(params.size, 'size')
        const index = await leafOf(log, params.leaf, size)
        const proof = await log.inclusionProof(index, size)
        return jsonAnswer(
          { leaf_index: index, tree_size: size, inclusion_path: proof.map(toBase64) },
          IMMUTABLE,
        )
      },
    }),
    route({
      path: '/v1/proofs/consistency/{first}/{second}',
      params: { first: Decimal, second: Decimal },
      documentation: {
        tag: 'proofs',
        summary: 'Proves that the tree of one size is the beginning of the tree of another',
        answers: {
          200: { description: 'The proof.', content: { 'application/json': ConsistencyProof } },
        },
      },
      async handle({ params }) {
        const first = sizeParameter(params.first, 'first')
        const second = sizeParameter(params.second, 'second')
        const proof = await log.consistencyProof(first, second)
        return jsonAnswer(
          { first_size: first, second_size: second, consistency_path: proof.map(toBase64) },
          IMMUTABLE,
        )
      },
    }),
  ]
}

const HASH_DIGITS = 64

async function leafOf(log: LogService, text: string, size: TreeSize): Promise<LeafIndex> {
  if (text.length !== HASH_DIGITS) return indexParameter(text, 'leaf')
  const index = await log.indexOf(leafHash(fromHex(text, '"leaf"')))
  if (index === undefined || index >= size) {
    throw new CairnError('NOT_FOUND', `no leaf with this hash is in the tree of size ${size}`)
  }
  return index
}
