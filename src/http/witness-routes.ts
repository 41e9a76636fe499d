/** C2SP tlog-witness: what logs ask a witness, and what it shows to anyone. */
import { CairnError } from '../errors.ts'
import { MAX_ADD_CHECKPOINT_SIZE } from '../formats/add-checkpoint.ts'
import { MAX_SIGN_SUBTREE_SIZE } from '../formats/sign-subtree.ts'
import type { WitnessService } from '../witness/service.ts'
import type { HeaderFields } from './admission.ts'
import { type Answer, answer, REVALIDATE } from './answer.ts'
import { entityTag, matchesTag, notModified } from './entity-tag.ts'
import { Refusal } from './problem.ts'
import { type Route, route, Text } from './route.ts'
import { answerFor, SIZE_TYPE, TEXT } from './witness-answers.ts'
import { OriginHash } from './witness-schema.ts'

const ADD_CHECKPOINT_ANSWERS = {
  200: { description: "Signature lines of the witness's keys.", content: { [TEXT]: Text } },
  409: {
    description: 'The last head that was cosigned has another size: this one.',
    content: { [SIZE_TYPE]: Text },
  },
}

export function witnessRoutes(witness: WitnessService): Route[] {
  return [
    route({
      method: 'POST',
      path: '/add-checkpoint',
      documentation: {
        tag: 'witness',
        summary: 'Cosigns a head that extends the last one (C2SP tlog-witness)',
        description:
          '"old <size>", a consistency proof, a blank line and a signed checkpoint. ' +
          'Refused with 400 (malformed), 404 (unknown log), 403 (no trusted signature) and 422 (not consistent).',
        body: { [TEXT]: Text },
        answers: ADD_CHECKPOINT_ANSWERS,
      },
      async handle({ headers, body }) {
        checkEncoding(headers)
        return answerFor(await witness.addCheckpoint(await body(upTo(MAX_ADD_CHECKPOINT_SIZE))))
      },
    }),
    ...(witness.signsSubtrees ? [signSubtreeRoute(witness)] : []),
    route({
      path: '/{origin_hash}/checkpoint',
      pattern: '/:origin_hash{[0-9a-f]+}/checkpoint',
      params: { origin_hash: OriginHash },
      query: 'unchecked',
      documentation: {
        tag: 'witness',
        summary: 'The newest checkpoint of a log that this witness has cosigned',
        headers: { 'If-None-Match': Text },
        answers: {
          200: {
            description: "The checkpoint, with the log's signatures and the witness's.",
            content: { [TEXT]: Text },
          },
          304: { description: 'It is still the one with that entity tag.' },
        },
      },
      handle: ({ params, headers }) => newest(witness, params.origin_hash, headers),
    }),
  ]
}

function signSubtreeRoute(witness: WitnessService): Route {
  return route({
    method: 'POST',
    path: '/sign-subtree',
    documentation: {
      tag: 'witness',
      summary: 'Signs a subtree of a tree that this witness has cosigned (C2SP tlog-witness)',
      description:
        '"subtree <start> <end>", its hash, a consistency proof, a blank line and a checkpoint with a cosignature of this witness.',
      body: { [TEXT]: Text },
      answers: {
        200: { description: 'Signature lines, at the time 0.', content: { [TEXT]: Text } },
      },
    },
    async handle({ headers, body }) {
      checkEncoding(headers)
      return answerFor(await witness.signSubtree(await body(upTo(MAX_SIGN_SUBTREE_SIZE))))
    },
  })
}

async function newest(
  witness: WitnessService,
  originHash: string,
  headers: HeaderFields,
): Promise<Answer> {
  const checkpoint = await witness.checkpoint(originHash)
  if (checkpoint === undefined) {
    throw new CairnError('NOT_FOUND', 'this witness has cosigned no checkpoint of that log')
  }
  const tag = entityTag(checkpoint)
  const body = answer(TEXT, REVALIDATE, checkpoint, { ETag: tag })
  return matchesTag(headers['if-none-match'], tag) ? notModified(body) : body
}

/** @throws Refusal when a body is sent in another encoding than its own */
export function checkEncoding(headers: HeaderFields): void {
  const encoding = headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return
  throw new Refusal('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding', {
    'Accept-Encoding': 'identity',
  })
}

export function tooLong(limit: number): CairnError {
  return new CairnError('TOO_LARGE', `the body has ${limit} bytes at most`)
}

export function upTo(limit: number): (size: number) => void {
  return (size) => {
    if (size > limit) throw tooLong(limit)
  }
}
