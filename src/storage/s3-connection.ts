/** Requests to one HTTP server over connections that are kept. It knows nothing of S3. */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'

export interface HttpRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

export interface HttpConnections {
  /** @throws Error of the connection, or when the answer is late, cut off or too large */
  send(request: HttpRequest): Promise<HttpAnswer>
  close(): void
}

/** Connections that are kept for longer than servers and what is between keep them would break as they are used. */
const KEPT_IDLE = 4_000
/** Four times the largest bundle. */
const LARGEST_ANSWER = 68 * 1024 * 1024

export interface ConnectionOptions {
  /** Milliseconds without a byte in either direction. */
  readonly idle: number
  /** Milliseconds for a request and its answer. */
  readonly whole: number
  /** PEM certificates, of which one must stand behind that of the server; those that Node knows unless given. */
  readonly authorities?: readonly string[]
}

/** @param most connections at once; requests beyond wait for one */
export function openConnections(
  server: URL,
  most: number,
  { authorities, ...times }: ConnectionOptions,
): HttpConnections {
  const isSecure = server.protocol === 'https:'
  const settings = { keepAlive: true, maxSockets: most, timeout: KEPT_IDLE, noDelay: true }
  const agent = isSecure
    ? new HttpsAgent({ ...settings, ...(authorities && { ca: [...authorities] }) })
    : new HttpAgent(settings)
  const start = isSecure ? requestHttps : requestHttp

  return {
    async send({ method, url, headers, body }) {
      return await new Promise<HttpAnswer>((resolve, reject) => {
        const request = start(url, { method, agent, headers, timeout: times.idle })
        const late = (): unknown => request.destroy(timedOut())
        const timer = setTimeout(late, times.whole)
        const fail = (error: unknown): void => {
          clearTimeout(timer)
          reject(error)
        }
        request.on('timeout', late)
        request.on('error', fail)
        request.on('response', (response) => {
          readBody(response)
            .then((bytes) => resolve(answerOf(response, bytes)), fail)
            .finally(() => clearTimeout(timer))
        })
        request.end(body)
      })
    },
    close: () => agent.destroy(),
  }
}

async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > LARGEST_ANSWER) throw new Error(`it answers with more than ${LARGEST_ANSWER} bytes`)
    chunks.push(chunk)
  }
  const announced = response.headers['content-length']
  if (announced !== undefined && response.statusCode !== 304 && Number(announced) !== size) {
    throw new Error(`its answer ends after ${size} of ${announced} bytes`)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function answerOf(response: IncomingMessage, body: Uint8Array): HttpAnswer {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(response.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return { status: response.statusCode ?? 0, headers, body }
}

function timedOut(): Error {
  return Object.assign(new Error('it does not answer in time'), { code: 'ETIMEDOUT' })
}
