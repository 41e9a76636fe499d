/**
 * HTTP requests to a log: bounded answers, and retries with growing, jittered pauses. Retrying a submission is safe,
 * because a leaf that the log holds already keeps its index.
 */
import { fromUtf8, join } from '../bytes.ts'
import { CairnError, type CairnErrorCode, messageOf } from '../errors.ts'

export interface RequesterOptions {
  /** Address of the log, with the path it is mounted under; a slash at its end makes no difference. */
  readonly url: string
  /** Access token, sent as `Authorization: Bearer`. */
  readonly token?: string
  readonly fetch?: typeof fetch
  /** Attempts after the first one; 5 when left out. */
  readonly retries?: number
  /** Milliseconds before the first retry, doubled for each further one; 200 when left out. */
  readonly retryDelayMs?: number
  /** Milliseconds that one attempt may take, body included; 60,000 when left out. */
  readonly timeoutMs?: number
  /** Told before each pause, so that it can be shown. */
  readonly onRetry?: (reason: string, pauseMs: number) => void
}

export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  /** Path below the log's address, without a leading slash. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Bytes of the answer at most. */
  readonly limit: number
  /** Not safe to repeat: tried again only where the log says that it did nothing. */
  readonly once?: boolean
  /** Told how many bytes of the answer have come. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** Told the status of the answer that is returned. */
  readonly onStatus?: ((status: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request and returns the body of its successful answer.
 * @throws UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, MALFORMED, TOO_LARGE, DISK_FULL, READ_ONLY, OVERLOADED as the log answers
 * @throws IO when it cannot be reached; the signal's reason when that fires
 */
export type Requester = (request: HttpRequest) => Promise<Uint8Array>

const MAX_PAUSE_MS = 30_000
const MAX_PROBLEM_SIZE = 64 * 1024

const CODES: Readonly<Record<number, CairnErrorCode>> = {
  400: 'MALFORMED',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'TOO_LARGE',
  415: 'MALFORMED',
  422: 'MALFORMED',
  429: 'OVERLOADED',
  503: 'OVERLOADED',
  507: 'DISK_FULL',
}

/** Answers that another attempt may better: the log is busy or restarting, or a proxy could not reach it. */
const RETRIED = new Set([429, 502, 503, 504])

/** Codes of problem documents that say more than their status. */
const SPECIFIC = new Set([
  'CONFLICT',
  'FORBIDDEN',
  'HELD',
  'READ_ONLY',
  'STOPPED',
  'VERIFICATION_FAILED',
])

/** An attempt that failed, and how long the log asked to wait before the next. */
export interface Failure {
  readonly error: CairnError
  readonly retry: boolean
  readonly waitMs?: number
}

/** `whose` is what answers, for messages. @throws USAGE when the address is not an http or https one */
export function createRequester(options: RequesterOptions, whose = 'a log'): Requester {
  const base = baseUrl(options.url, whose)
  const send = options.fetch ?? fetch
  const retries = options.retries ?? 5
  const firstDelay = options.retryDelayMs ?? 200

  const attempt = async (request: HttpRequest): Promise<Uint8Array | Failure> => {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? 60_000)
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout
    const headers: Record<string, string> = { ...request.headers }
    if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`
    try {
      const response = await send(base + request.path, {
        method: request.method ?? 'GET',
        headers,
        ...(request.body === undefined ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
        // A redirect would turn a submission into a GET, or lead to another log.
        redirect: 'error',
        signal,
      })
      if (response.ok) {
        request.onStatus?.(response.status)
        return await readBody(response, request.limit, request.onBytes)
      }
      return await failureOf(response, base + request.path)
    } catch (error) {
      request.signal?.throwIfAborted()
      if (error instanceof CairnError) throw error
      return networkError(error, base)
    }
  }

  return async (request) => {
    let isUnanswered = false
    for (let tried = 0; ; tried++) {
      request.signal?.throwIfAborted()
      const outcome = await attempt(request)
      if (outcome instanceof Uint8Array) return outcome
      const { error } = outcome
      // What it contradicts may be its own first attempt, which is under way although no answer came.
      const mayBetter = outcome.retry || (isUnanswered && error.code === 'CONFLICT')
      const mayRepeat = request.once !== true || error.code === 'OVERLOADED'
      if (!mayBetter || !mayRepeat || tried === retries) throw error
      isUnanswered ||= error.code === 'IO'
      const backoff = firstDelay * 2 ** tried * (0.5 + Math.random() / 2)
      const pause = Math.min(Math.max(backoff, outcome.waitMs ?? 0), MAX_PAUSE_MS)
      options.onRetry?.(error.message, pause)
      await sleep(pause, request.signal)
    }
  }
}

/**
 * An address with a slash at its end, to which paths are joined; `whose` is for messages.
 * @throws USAGE unless it is a plain http or https address
 */
export function baseUrl(text: string, whose: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch (cause) {
    throw new CairnError('USAGE', `'${text}' is not the address of ${whose}`, { cause })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new CairnError(
      'USAGE',
      `the address of ${whose} begins with http:// or https://, not '${text}'`,
    )
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new CairnError('USAGE', `the address of ${whose} has no user, query or fragment`)
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}/`
}

/** Reads a body of at most `limit` bytes, whatever its Content-Length says. @throws TOO_LARGE */
export async function readBody(
  response: Response,
  limit: number,
  onBytes?: (bytes: number) => void,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > limit) {
      await reader.cancel()
      throw new CairnError('TOO_LARGE', `the answer is larger than ${limit} bytes`)
    }
    parts.push(value)
    onBytes?.(length)
  }
  return parts.length === 1 ? parts[0]! : join(parts)
}

async function failureOf(response: Response, url: string): Promise<Failure> {
  const said = await readProblem(response)
  const waitMs = retryAfter(response.headers.get('retry-after'))
  // What does not say when to try again may have been done.
  const isUnsure = said.code === 'UNAVAILABLE' && waitMs === undefined
  const code =
    said.code !== undefined && (isUnsure || SPECIFIC.has(said.code))
      ? (said.code as CairnErrorCode)
      : (CODES[response.status] ?? 'IO')
  const message = said.detail ?? `${url} answered with status ${response.status}`
  return {
    error: new CairnError(code, message),
    retry: RETRIED.has(response.status) && code !== 'READ_ONLY',
    ...(waitMs === undefined ? {} : { waitMs }),
  }
}

interface Problem {
  readonly code?: string
  readonly detail?: string
}

/** What a refusal says, in a line: its problem document or short text, else its status. */
export async function saidBy(response: Response): Promise<string> {
  const { detail } = await readProblem(response)
  return detail ?? `${response.url} answered with status ${response.status}`
}

/** What an RFC 9457 problem document, or a short plain text, says. */
async function readProblem(response: Response): Promise<Problem> {
  const type = response.headers.get('content-type') ?? ''
  const text = await readBody(response, MAX_PROBLEM_SIZE).then(fromUtf8, () => '')
  if (type.startsWith('application/problem+json')) return parseProblem(text)
  const line = text.trim()
  return type.startsWith('text/plain') && line !== '' && line.length <= 500 ? { detail: line } : {}
}

function parseProblem(text: string): Problem {
  try {
    const { code, detail, title } = JSON.parse(text) as Record<string, unknown>
    const said = detail ?? title
    return {
      ...(typeof code === 'string' && { code }),
      ...(typeof said === 'string' && said !== '' && { detail: said }),
    }
  } catch {
    return {}
  }
}

/** Milliseconds that a Retry-After header asks for: seconds, or a date (RFC 9110 section 10.2.3). */
function retryAfter(value: string | null): number | undefined {
  if (value === null) return undefined
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

/** What went wrong when no answer came from `base`, and whether to try again. */
export function networkError(error: unknown, base: string): Failure {
  const cause = error instanceof Error ? error.cause : undefined
  const reason = messageOf(cause ?? error) || String((cause as { code?: unknown })?.code ?? error)
  const timedOut = error instanceof Error && error.name === 'TimeoutError'
  const redirected = reason.includes('redirect')
  const message = redirected
    ? `${base} redirects elsewhere: use the address it redirects to`
    : timedOut
      ? `${base} did not answer in time`
      : `cannot reach ${base}: ${reason}`
  return { error: new CairnError('IO', message, { cause: error }), retry: !redirected }
}

/** Waits, or rejects with the signal's reason when that fires first. */
function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
