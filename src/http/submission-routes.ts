/** The submission routes for embedding by `app.fetch`; `node-listener.ts` serves the same paths without a `Request`. */
import type { Principal } from '../compliance/principal.ts'
import { admit, type SubmitRoute } from './admission.ts'
import type { Answer } from './answer.ts'
import { type Authenticate, allowed } from './authenticate.ts'
import { Bytes, type Route, type RouteRequest, route, Text } from './route.ts'
import { Accepted } from './schema.ts'
import { type Submit, tooLarge } from './submit.ts'

export function submissionRoutes(submit: Submit, authenticate: Authenticate): Route[] {
  async function handle(
    name: SubmitRoute,
    request: RouteRequest<unknown, unknown>,
    by: Principal,
  ): Promise<Answer> {
    const admission = admit(name, request.rawQuery, request.headers, by)
    const body = await request.body((size) => {
      if (size > admission.limit) throw tooLarge(admission)
    })
    return submit(admission, body)
  }

  return [
    route({
      method: 'POST',
      path: '/add',
      query: 'unchecked',
      documentation: {
        tag: 'submission',
        summary: 'Adds one leaf and answers with its index',
        token: true,
        headers: { 'Idempotency-Key': Text },
        body: { 'application/octet-stream': Bytes },
        answers: {
          200: {
            description: 'The index of the leaf, new or not.',
            content: { 'text/plain; charset=utf-8': Text },
          },
        },
      },
      handle: allowed(authenticate, 'submit', (request, by) => handle('add', request, by)),
    }),
    route({
      method: 'POST',
      path: '/v1/leaves',
      query: 'unchecked',
      documentation: {
        tag: 'submission',
        summary: 'Adds one leaf or many, all or none, and answers with receipts',
        description:
          '"Prefer: return=minimal" asks for indices only. "?wait=integrated" is the default; ' +
          '"?wait=witnessed" holds the answer until the quorum of witnesses has cosigned a head with the leaves ' +
          '("Prefer: wait=5" for five seconds at the most). ' +
          'Repeating a request with its Idempotency-Key has no further effect.',
        token: true,
        headers: { Accept: Text, Prefer: Text, 'Idempotency-Key': Text },
        body: { 'application/octet-stream': Bytes, 'application/cbor-seq': Bytes },
        answers: {
          200: { description: 'Every leaf was in the log already.', content: RECEIPTS },
          201: { description: 'At least one leaf is new.', content: RECEIPTS },
          202: {
            description:
              'The leaves are in the log, but the quorum of witnesses has not cosigned a head with them in time; ' +
              'ask /v1/receipts/{index} again later.',
            content: RECEIPTS,
          },
        },
      },
      handle: allowed(authenticate, 'submit', (request, by) => handle('leaves', request, by)),
    }),
  ]
}

const RECEIPTS = {
  'application/json': Accepted,
  'text/plain; charset=utf-8': Text,
  'application/cose': Bytes,
}
