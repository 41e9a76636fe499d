/** What a route answers, whatever carries it: Node's response on the hot path, a `Response` elsewhere. */

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** An answer that nobody should hold as a whole. Its length is not told. */
export interface StreamedAnswer extends Omit<Answer, 'body'> {
  readonly body: AsyncIterable<Uint8Array>
}

/** Public data may be read from any origin, and is never to be taken for another media type than it is. */
export const COMMON = { 'Access-Control-Allow-Origin': '*', 'X-Content-Type-Options': 'nosniff' }

/** What never changes once it exists. */
export const IMMUTABLE = 'public, max-age=31536000, immutable'
/** What may be kept, but must be asked about again before each use. */
export const REVALIDATE = 'no-cache'
/** What may not be kept at all. */
export const UNCACHED = 'no-store'

/** A representation with its media type and its caching. */
export function answer(
  mediaType: string,
  cacheControl: string,
  body: string | Uint8Array,
  headers?: Readonly<Record<string, string>>,
): Answer {
  return {
    status: 200,
    headers: {
      'Content-Type': mediaType,
      'Cache-Control': cacheControl,
      ...COMMON,
      ...headers,
    },
    body,
  }
}

export function jsonAnswer(value: unknown, cacheControl: string, status = 200): Answer {
  return { ...answer('application/json', cacheControl, JSON.stringify(value)), status }
}

export function toResponse(answer: Answer | StreamedAnswer): Response {
  const { status, headers } = answer
  if (status === 204 || status === 304) return new Response(null, { status, headers })
  if (!isWhole(answer)) return new Response(streamOf(answer.body), { status, headers })
  const { body } = answer
  // Given here rather than left to the server, so that HEAD tells it as well.
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  return new Response(body as ConstructorParameters<typeof Response>[0], {
    status,
    headers: { ...headers, 'Content-Length': String(length) },
  })
}

/** Whether an answer is there as a whole. */
export function isWhole(answer: Answer | StreamedAnswer): answer is Answer {
  return typeof answer.body === 'string' || answer.body instanceof Uint8Array
}

/** Whoever reads it sets the pace, and ends its source by going away. */
function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await source.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await source.return?.()
      },
    },
    // Nothing is made before it is asked for.
    { highWaterMark: 0 },
  )
}
