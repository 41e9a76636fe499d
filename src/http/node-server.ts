/**
 * A server: how long requests may take, what is refused before any route is asked, and how it ends without losing what
 * has arrived.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { CairnError } from '../errors.ts'
import type { Answer } from './answer.ts'
import { type ProblemCode, problem } from './problem.ts'

/** A server that is not listening yet, and how it ends. */
export interface HttpServer {
  readonly server: Server
  /** Takes no more connections, answers what has arrived, and cuts what is left after `graceMs`. */
  close(graceMs?: number): Promise<void>
}

const DEFAULT_REQUEST_TIMEOUT_MS = 60_000
const HEADERS_TIMEOUT_MS = 15_000
/** Longer than the minute after which load balancers give up idle connections, so that they are the first to. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000
/** Less than the ten seconds after which a container is killed. */
export const DEFAULT_GRACE_MS = 5_000
/** Node's own limit is none: a client that takes no answer would keep it in memory for ever. */
const SILENT_SOCKET_TIMEOUT_MS = 120_000
/** A refused body up to this length is read and dropped, so that its connection can go on. */
const MAX_DROPPED_BYTES = 64 * 1024 * 1024

/** A server of a listener, which is asked only about requests that have a Host. */
export function nodeServer(
  listener: RequestListener,
  requestTimeoutMs: number = DEFAULT_REQUEST_TIMEOUT_MS,
): HttpServer {
  let closing = false
  /** Answers that have not begun: when the server closes, they say so. */
  const pending = new Set<ServerResponse>()
  const handle: RequestListener = (request, response) => {
    if (closing) response.shouldKeepAlive = false
    pending.add(response)
    response.once('close', () => pending.delete(response))
    if (request.headers.host === undefined) {
      dropBody(request, response)
      send(response, problem('BAD_REQUEST_TARGET', 'the header field Host is missing'))
      return
    }
    listener(request, response)
  }
  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: Math.min(5_000, Math.ceil(requestTimeoutMs / 4)),
      noDelay: true,
      // Checked by the listener, which answers with a problem.
      requireHostHeader: false,
    },
    handle,
  )
  server.on('checkContinue', (request, response) => {
    uninvited.add(request)
    handle(request, response)
  })
  server.timeout = SILENT_SOCKET_TIMEOUT_MS
  server.on('clientError', refuseUnparsed)
  return {
    server,
    close(graceMs = DEFAULT_GRACE_MS) {
      closing = true
      for (const response of pending) if (!response.headersSent) response.shouldKeepAlive = false
      return closeServer(server, graceMs)
    },
  }
}

/** Requests whose clients send their bodies when they are told to ("Expect: 100-continue"). */
const uninvited = new WeakSet<IncomingMessage>()

/** Tells a client that its body is wanted, if it waits for that; to be called before a body is read. */
export function inviteBody(request: IncomingMessage, response: ServerResponse): void {
  if (uninvited.delete(request)) response.writeContinue()
}

/** How long a body says it is; -1 when it does not. */
function declaredLength({ headers }: IncomingMessage): number {
  return headers['content-length'] === undefined ? -1 : Number(headers['content-length'])
}

/**
 * Reads a body of at most `limit` bytes, and calls one of the two, once; neither when the client goes away. The rest of
 * a body that is too large is not read: see dropBody.
 */
export function receiveBody(
  request: IncomingMessage,
  response: ServerResponse,
  limit: number,
  then: { readonly whole: (body: Uint8Array) => void; readonly tooLarge: () => void },
): void {
  inviteBody(request, response)
  const declared = declaredLength(request)
  let size = 0
  let earlier: Uint8Array[] | undefined
  request.on('data', (chunk: Uint8Array) => {
    if (size > limit) return
    size += chunk.length
    if (size === declared) {
      // Usually the first and only piece. The parser vouches for the length, so its end need not be waited for.
      then.whole(earlier === undefined ? chunk : Buffer.concat([...earlier, chunk]))
    } else if (size > limit) {
      then.tooLarge()
    } else {
      earlier ??= []
      earlier.push(chunk)
    }
  })
  if (declared <= 0) {
    request.on('end', () => {
      if (size <= limit) then.whole(Buffer.concat(earlier ?? []))
    })
  }
}

/** Bodies that are arriving at the same time, by the lengths that they state. */
export interface ArrivingBodies {
  /** Makes room for a body until its request is over. @throws OVERLOADED when too much is arriving already */
  reserve(request: IncomingMessage, limit: number): void
}

export function arrivingBodies(maxBytes: number): ArrivingBodies {
  let arriving = 0
  return {
    reserve(request, limit) {
      const declared = declaredLength(request)
      const bytes = declared < 0 ? limit : declared
      if (arriving + bytes > maxBytes) {
        throw new CairnError('OVERLOADED', 'too much is arriving at once; try again shortly')
      }
      arriving += bytes
      request.once('close', () => {
        arriving -= bytes
      })
    },
  }
}

/** Lets the rest of a refused body run out, or gives up the connection when there may be too much of it. */
export function dropBody(request: IncomingMessage, response: ServerResponse): void {
  const declared = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  const chunked = request.headers['transfer-encoding'] !== undefined
  const isUnsent = uninvited.has(request)
  if (isUnsent || chunked || declared > MAX_DROPPED_BYTES) response.shouldKeepAlive = false
  request.resume()
}

/** Writes an answer, unless nobody is there to take it. */
export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return
  if (typeof body !== 'string') {
    response.writeHead(status, { ...headers, 'Content-Length': body.length })
    response.end(body)
    return
  }
  const length = Buffer.byteLength(body)
  response.writeHead(status, { ...headers, 'Content-Length': length })
  // Head and body leave in one write; ASCII is cheaper as latin-1 than as UTF-8.
  response.end(body, length === body.length ? 'latin1' : 'utf8')
}

/** Requests that Node's parser refuses, or that did not arrive in time. */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const { status, headers, body } = unparsedProblem(error.code)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = Buffer.byteLength(body)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}Content-Length: ${length}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function unparsedProblem(code: string | undefined): Answer {
  const known: Readonly<Record<string, readonly [ProblemCode, string]>> = {
    HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'send smaller header fields'],
    ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'send the request faster, or in smaller parts'],
  }
  const [problemCode, detail] = known[code ?? ''] ?? ['MALFORMED', 'this is not HTTP/1.1']
  return problem(problemCode, detail)
}

const IDLE_CHECK_MS = 25
/** For requests that are on their way while the server closes. */
const LINGER_MS = 100

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    // Node would cut connections that seem idle at once, with requests in them that it has not read yet. So the
    // listening socket goes first, and idle connections a little later, as their last answers leave.
    let idle: NodeJS.Timeout | undefined
    const linger = setTimeout(
      () => {
        idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
      },
      Math.min(LINGER_MS, graceMs),
    )
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    NetServer.prototype.close.call(server, () => {
      clearTimeout(linger)
      clearInterval(idle)
      clearTimeout(cut)
      // Ends what http.Server keeps beside its connections; that it listens no more is no news.
      server.close(() => resolve())
    })
  })
}
