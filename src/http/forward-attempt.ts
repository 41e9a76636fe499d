/** One attempt to have a request answered by another server of the log. */
import {
  type Agent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { FORWARDED, passedOn } from './forwarded-headers.ts'
import { FATE, type Fate } from './leader.ts'

/** A request as it arrived, with all of its body. */
export interface WholeRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

/** What became of it: an answer, whose body is still to come, or the reason why there is none. */
export type Outcome =
  | { readonly answer: IncomingMessage }
  | { readonly fate: Fate; readonly reason: string }

export interface Attempt {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
  /** Gives it up, unless there is an answer. */
  abandon(reason: string): void
  /** The same, unless it may have been done. */
  giveUpUnsent(): void
  /** Lets go of the connection, whatever is on it. */
  destroy(): void
}

export interface AttemptOptions {
  readonly agents: { readonly http: Agent; readonly https: Agent }
  /**
   * Whether the body is held back until the other server asks for it ("100 Continue", RFC 9110 section 10.1.1): before
   * that it can have done nothing. Of requests that may be repeated it need not be known.
   */
  readonly careful: boolean
  /** The other server has said something. */
  readonly onHeard: () => void
}

/** In which an address has to take a connection. */
const CONNECT_MS = 2_000
/** A leader may hold an answer for as long as a large report takes. */
const SILENCE_MS = 120_000

/** The server at an advertised address; undefined when that is none that a request could be sent to. */
export function targetAt(address: string): URL | undefined {
  if (!URL.canParse(address)) return undefined
  const url = new URL(address)
  const isPlain = url.username + url.password + url.search + url.hash === ''
  return ['http:', 'https:'].includes(url.protocol) && isPlain ? url : undefined
}

/** Sends a request. Redirects are answers like others: nothing is sent where they lead. */
export function attempt(
  { method, url, headers, body }: WholeRequest,
  target: URL,
  { agents, careful, onHeard }: AttemptOptions,
): Attempt {
  const isSecure = target.protocol === 'https:'
  const host = target.hostname.replace(/^\[|\]$/g, '')
  let settle: (outcome: Outcome) => void
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve
  })
  let fate: Fate = 'not-done'
  let answered: IncomingMessage | undefined
  const upstream = (isSecure ? httpsRequest : httpRequest)({
    protocol: target.protocol,
    hostname: host,
    port: target.port,
    path: target.pathname.replace(/\/$/, '') + url,
    method,
    headers: headersOf({ headers, body }, careful),
    agent: isSecure ? agents.https : agents.http,
    timeout: SILENCE_MS,
    // Else it would be looked for in the client's Host, and so would the certificate be.
    ...(isSecure && { servername: isIP(host) === 0 ? host : '' }),
  })
  const fail = (reason: string): void => {
    clearTimeout(connecting)
    if (answered !== undefined) return
    settle({ fate, reason })
    upstream.destroy()
  }
  const connecting = setTimeout(() => fail('it takes no connection'), CONNECT_MS)
  const connected = (): void => {
    clearTimeout(connecting)
    if (!careful) fate = 'unknown'
  }
  upstream.on('socket', (socket) => {
    if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', connected)
    else connected()
  })
  upstream.on('timeout', () => {
    if (answered === undefined) fail('it is silent')
    else answered.destroy(new Error('it has fallen silent'))
  })
  // Not the message, which names the address: clients need not know it.
  upstream.on('error', ({ code }: NodeJS.ErrnoException) => fail(code ?? 'the connection broke'))
  // Nothing here asks for another protocol.
  upstream.on('upgrade', (_, socket) => {
    socket.destroy()
    fail('it wants another protocol')
  })
  upstream.on('response', (answer) => {
    const told = answer.headers[FATE]
    if (told === 'not-done' || told === 'unknown') {
      fate = told
      fail('it does not lead any more')
      return
    }
    // One that came before the body was asked for: the connection still waits for it.
    answer.on('close', () => {
      if (!upstream.writableEnded) upstream.destroy()
    })
    answered = answer
    onHeard()
    settle({ answer })
  })
  if (careful) {
    upstream.on('continue', () => {
      onHeard()
      fate = 'unknown'
      upstream.end(body)
    })
    upstream.flushHeaders()
  } else {
    upstream.end(body.length > 0 ? body : undefined)
  }
  return {
    outcome,
    abandon: fail,
    giveUpUnsent() {
      if (fate === 'not-done') fail('it does not take the request')
    },
    destroy: () => upstream.destroy(),
  }
}

/** The length is that of the body that there is, whatever the client has said of it. */
function headersOf(
  { headers, body }: Pick<WholeRequest, 'headers' | 'body'>,
  careful: boolean,
): Record<string, string | string[]> {
  const { 'content-length': stated, ...rest } = passedOn(headers)
  const isSaid = body.length > 0 || (stated !== undefined && !careful)
  return {
    ...rest,
    ...(isSaid && { 'content-length': String(body.length) }),
    // A request without a body would be whole with its head.
    ...(careful && { expect: '100-continue', ...(!isSaid && { 'transfer-encoding': 'chunked' }) }),
    [FORWARDED]: '1',
  }
}
