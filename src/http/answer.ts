/** What a route answers, whatever carries it: Node's response on the hot path, a `Response` elsewhere. */

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
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

export function toResponse({ status, headers, body }: Answer): Response {
  if (status === 204 || status === 304) return new Response(null, { status, headers })
  // Given here rather than left to the server, so that HEAD tells it as well.
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  return new Response(body as ConstructorParameters<typeof Response>[0], {
    status,
    headers: { ...headers, 'Content-Length': String(length) },
  })
}
