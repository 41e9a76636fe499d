/** From Node's requests to an app, and back. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import { toResponse } from './answer.ts'
import { FATE } from './leader.ts'
import { inviteBody } from './node-server.ts'
import { problemOf, Refusal } from './problem.ts'

/** Sees to a request that an app refused because this server does not lead. False if it does not. */
export type Refused = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array,
) => boolean

/** Leads requests to an app; to `refused` first those without a body that it refused, if they are to go on elsewhere. */
export function appListener(
  app: Hono,
  onError: (error: unknown) => void,
  refused?: Refused,
): RequestListener {
  type Bindings = { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse }
  const ask = async (request: Request, { incoming, outgoing }: Bindings): Promise<Response> => {
    const answer = await app.fetch(request, { incoming, outgoing })
    const hasNone = request.method === 'GET' || request.method === 'HEAD'
    const isSeenTo =
      hasNone && wasNotDone(answer) && refused?.(incoming, outgoing, new Uint8Array()) === true
    return isSeenTo ? RESPONSE_ALREADY_SENT : answer
  }
  const fetch = refused === undefined ? app.fetch : ask
  const listener = getRequestListener(fetch as typeof app.fetch, {
    errorHandler: (error) => toResponse(problemOf(refusalOf(error), onError)),
  })
  return (request, response) => {
    inviteBody(request, response)
    void listener(request, response)
  }
}

/** The same for requests whose bodies have been read already. */
export function bodyListener(
  app: Hono,
  onError: (error: unknown) => void,
  refused: Refused,
): (request: IncomingMessage, response: ServerResponse, body: Uint8Array) => void {
  async function ask(incoming: IncomingMessage, body: Uint8Array): Promise<Response> {
    const { method = 'GET', url, headers } = incoming
    const fields = Object.entries(headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ])
    const request = new Request(`http://${headers.host}${url}`, {
      method,
      headers: fields,
      ...(body.length > 0 && { body: body as Uint8Array<ArrayBuffer> }),
    })
    return app.fetch(request, { incoming })
  }

  async function answer(
    incoming: IncomingMessage,
    response: ServerResponse,
    body: Uint8Array,
  ): Promise<void> {
    const given = await ask(incoming, body).catch((error: unknown) =>
      toResponse(problemOf(refusalOf(error), onError)),
    )
    if (wasNotDone(given) && refused(incoming, response, body)) return
    if (response.destroyed) return given.body?.cancel()
    response.writeHead(given.status, Object.fromEntries(given.headers))
    if (given.body === null) response.end()
    else await pipeline(Readable.fromWeb(given.body as ReadableStream), response)
  }

  return (incoming, response, body) => {
    // The client went away, or the answer broke off: nothing more can be said.
    answer(incoming, response, body).catch(() => response.destroy())
  }
}

function wasNotDone({ headers }: Response): boolean {
  return headers.get(FATE) === 'not-done'
}

/** What the adapter throws before any route is asked is about the request target or its Host. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'RequestError') return error
  return new Refusal('BAD_REQUEST_TARGET', 'the request target or its Host cannot be used')
}
