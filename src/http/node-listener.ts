/**
 * The HTTP server. Single submissions are most of its work, so `POST /add` and `POST /v1/leaves` go from Node's
 * request to the log and back without a `Request`, a URL or a router in between; everything else goes to the app.
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
import { getRequestListener } from '@hono/node-server'
import { CairnError } from '../errors.ts'
import { type Admission, admit, MAX_BATCH_SIZE, type SubmitRoute } from './admission.ts'
import { type Answer, toResponse } from './answer.ts'
import { createApp, type HostedLog, prefixOf, servicesOf } from './app.ts'
import { type Authenticate, unauthorized } from './authenticate.ts'
import { createMetrics, type Observe } from './metrics.ts'
import { type ProblemCode, problem, problemOf, Refusal } from './problem.ts'
import { type Submit, submitter, tooLarge } from './submit.ts'

export interface ServerOptions {
  /** The log served at `/` has the empty name. */
  readonly logs: ReadonlyMap<string, HostedLog>
  /** Told of what clients are not told: errors that are no fault of theirs. */
  readonly onError?: (error: unknown) => void
  /** In which a request has to arrive whole. */
  readonly requestTimeoutMs?: number
}

/** A server that is not listening yet, and how it ends. */
export interface LogServer {
  readonly server: Server
  /** Takes no more connections, answers what has arrived, and cuts what is left after `graceMs`. */
  close(graceMs?: number): Promise<void>
}

const DEFAULT_REQUEST_TIMEOUT_MS = 60_000
const HEADERS_TIMEOUT_MS = 15_000
/** Longer than the minute after which load balancers give up idle connections, so that they are the first to. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000
/** Less than the ten seconds after which a container is killed. */
const DEFAULT_GRACE_MS = 5_000
/** Node's own limit is none: a client that takes no answer would keep it in memory for ever. */
const SILENT_SOCKET_TIMEOUT_MS = 120_000
/** Bodies of batches that may be arriving at the same time, by the lengths they state. */
const MAX_ARRIVING_BYTES = 16 * MAX_BATCH_SIZE
/** A refused body up to this length is read and dropped, so that its connection can go on. */
const MAX_DROPPED_BYTES = 64 * 1024 * 1024

/** Where a submission path leads. */
interface Target {
  readonly route: SubmitRoute
  readonly submit: Submit
  readonly authenticate: Authenticate
  readonly observe: Observe
  /** Shared by all targets: bytes of batches that are arriving. */
  readonly arriving: { bytes: number }
}

/** A server of some logs. @throws RangeError on a log name that does not fit a path */
export function createServerFor({
  logs,
  onError = () => {},
  requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS,
}: ServerOptions): LogServer {
  const metrics = createMetrics(servicesOf(logs))
  const app = createApp({ logs, metrics, onError })
  const others = getRequestListener(app.fetch, {
    errorHandler: (error) => toResponse(problemOf(refusalOf(error), onError)),
  })
  const targets = new Map<string, Target>()
  const arriving = { bytes: 0 }
  for (const [name, { log, authenticate }] of logs) {
    const prefix = prefixOf(name)
    const submit = submitter(log, prefix)
    const add = (path: string, route: SubmitRoute): void => {
      const observe = metrics.observer('POST', prefix + path)
      targets.set(prefix + path, { route, submit, authenticate, observe, arriving })
    }
    add('/add', 'add')
    add('/v1/leaves', 'leaves')
  }

  let closing = false
  const listener: RequestListener = (request, response) => {
    if (closing) response.shouldKeepAlive = false
    if (request.headers.host === undefined) {
      dropBody(request, response)
      send(response, problem('BAD_REQUEST_TARGET', 'the header field Host is missing'))
      return
    }
    if (request.method === 'POST') {
      const url = request.url!
      const question = url.indexOf('?')
      const target = targets.get(question < 0 ? url : url.slice(0, question))
      if (target !== undefined) {
        receive(target, question < 0 ? '' : url.slice(question + 1), request, response, onError)
        return
      }
    }
    void others(request, response)
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
    listener,
  )
  server.timeout = SILENT_SOCKET_TIMEOUT_MS
  server.on('clientError', refuseUnparsed)
  return {
    server,
    close(graceMs = DEFAULT_GRACE_MS) {
      closing = true
      return closeServer(server, graceMs)
    },
  }
}

/** Reads a submission's body within its limits and answers. A client that goes away ends only its own waiting. */
function receive(
  { route, submit, authenticate, observe, arriving }: Target,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
  onError: (error: unknown) => void,
): void {
  const started = performance.now()
  const reply = (given: Answer): void => {
    observe(given.status, performance.now() - started)
    send(response, given)
  }
  const fail = (error: unknown): void => reply(problemOf(error, onError))
  const refuse = (error: unknown): void => {
    dropBody(request, response)
    fail(error)
  }

  const { headers } = request
  const submitterFound = authenticate(headers.authorization)
  if (submitterFound === undefined) {
    dropBody(request, response)
    reply(unauthorized(headers.authorization))
    return
  }
  let admission: Admission
  const declared = headers['content-length'] === undefined ? -1 : Number(headers['content-length'])
  try {
    admission = admit(route, query, headers, submitterFound)
    if (declared > admission.limit) throw tooLarge(admission)
    if (admission.batch) reserve(arriving, declared < 0 ? admission.limit : declared, request)
  } catch (error) {
    refuse(error)
    return
  }

  const finish = (body: Uint8Array): void => {
    try {
      submit(admission, body).then(reply, fail)
    } catch (error) {
      fail(error)
    }
  }
  let size = 0
  let earlier: Uint8Array[] | undefined
  request.on('data', (chunk: Uint8Array) => {
    if (size > admission.limit) return
    size += chunk.length
    if (size === declared) {
      // Usually the first and only piece. The parser vouches for the length, so its end need not be waited for.
      finish(earlier === undefined ? chunk : Buffer.concat([...earlier, chunk]))
    } else if (size > admission.limit) {
      refuse(tooLarge(admission))
    } else {
      earlier ??= []
      earlier.push(chunk)
    }
  })
  if (declared <= 0) {
    request.on('end', () => {
      if (size <= admission.limit) finish(Buffer.concat(earlier ?? []))
    })
  }
}

/** Makes room for a body until its request is over. @throws OVERLOADED when too much is arriving already */
function reserve(arriving: { bytes: number }, bytes: number, request: IncomingMessage): void {
  if (arriving.bytes + bytes > MAX_ARRIVING_BYTES) {
    throw new CairnError('OVERLOADED', 'too many batches are arriving at once; try again shortly')
  }
  arriving.bytes += bytes
  request.once('close', () => {
    arriving.bytes -= bytes
  })
}

/** Lets the rest of a refused body run out, or gives up the connection when there may be too much of it. */
function dropBody(request: IncomingMessage, response: ServerResponse): void {
  const declared = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  const chunked = request.headers['transfer-encoding'] !== undefined
  if (chunked || declared > MAX_DROPPED_BYTES) response.shouldKeepAlive = false
  request.resume()
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
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

/** What the adapter throws before any route is asked is about the request target or its Host. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'RequestError') return error
  return new Refusal('BAD_REQUEST_TARGET', 'the request target or its Host cannot be used')
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
