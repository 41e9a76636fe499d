/** Signed requests to one bucket of an S3 server, tried again when what is wrong may pass. Addresses are path-style. */
import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { AwsV4Signer } from 'aws4fetch'
import { CairnError } from '../errors.ts'
import { type HttpAnswer, openConnections } from './s3-connection.ts'
import type { S3CredentialSource, S3Credentials } from './s3-credentials.ts'
import {
  answerFailure,
  areCredentialsRefused,
  connectionFailure,
  isPassing,
  type S3Asked,
} from './s3-failure.ts'
import type { S3Place } from './s3-place.ts'
import { isUntrusted } from './untrusted.ts'

/** What a server counts and charges for: a request, by what it does. */
export type S3RequestKind = 'put' | 'get' | 'list' | 'delete' | 'settings'

export interface S3Usage {
  /** Requests that were sent, those that were tried again included. */
  readonly requests: Readonly<Record<S3RequestKind, number>>
  /** Bytes of bodies. */
  readonly bytesUp: number
  readonly bytesDown: number
}

export interface S3Request {
  readonly kind: S3RequestKind
  readonly method: 'GET' | 'PUT' | 'DELETE'
  /** None for the bucket itself. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** For messages, such as `read`, followed by what the key names. */
  readonly verb: string
  /** Statuses that are answers; all others are thrown. */
  readonly expected: readonly number[]
}

export interface S3Client {
  readonly place: S3Place
  /** @throws NOT_FOUND, FORBIDDEN, UNAVAILABLE, IO as ObjectStore does */
  send(request: S3Request): Promise<HttpAnswer>
  /** The error for an answer that was expected but cannot be used. */
  failure(request: S3Request, answer: HttpAnswer): CairnError
  usage(): S3Usage
  close(): void
}

export interface S3ClientOptions {
  readonly place: S3Place
  readonly endpoint: URL
  readonly region: string
  readonly credentials: S3CredentialSource
  readonly authorities?: readonly string[]
  /** Requests under way at once. */
  readonly concurrency: number
  /** Milliseconds in which an answer must be there; of silence, a third of them. */
  readonly timeout: number
}

const ATTEMPTS = 5
/** Milliseconds to wait before the second attempt at the most; doubled for each further one. */
const FIRST_WAIT = 100
const LONGEST_WAIT = 5_000
/** Milliseconds after which no further attempt is begun: whoever asks has better things to do than to wait. */
const LAST_ATTEMPT = 15_000

export function openS3Client(options: S3ClientOptions): S3Client {
  const { place, endpoint, region, credentials, timeout } = options
  const connections = openConnections(endpoint, options.concurrency, {
    idle: timeout / 3,
    whole: timeout,
    ...(options.authorities && { authorities: options.authorities }),
  })
  const closing = new AbortController()
  // As many may wait for their next attempt.
  setMaxListeners(options.concurrency + 1, closing.signal)
  const signingKeys = new Map<string, ArrayBuffer>()
  const requests: Record<S3RequestKind, number> = {
    put: 0,
    get: 0,
    list: 0,
    delete: 0,
    settings: 0,
  }
  let bytesUp = 0
  let bytesDown = 0
  let underWay = 0
  const waiting: (() => void)[] = []

  async function sendOnce(request: S3Request, as: S3Credentials): Promise<HttpAnswer> {
    const signed = await sign(request, as)
    requests[request.kind]++
    bytesUp += request.body?.length ?? 0
    const answer = await connections.send({ ...signed, body: request.body })
    bytesDown += answer.body.length
    return answer
  }

  async function sign(
    { method, key, query, headers, body }: S3Request,
    as: S3Credentials,
  ): Promise<{ method: string; url: URL; headers: Record<string, string> }> {
    if (signingKeys.size > 8) signingKeys.clear()
    const { sessionToken } = as
    const signer = new AwsV4Signer({
      method,
      url: addressOf(key, query).href,
      headers: {
        ...headers,
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
        ...(body && { 'content-md5': createHash('md5').update(body).digest('base64') }),
      },
      accessKeyId: as.accessKeyId,
      secretAccessKey: as.secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      service: 's3',
      region,
      cache: signingKeys,
      // Some servers refuse what has a content type that is not signed.
      allHeaders: true,
    })
    const signed = await signer.sign()
    const length = method === 'PUT' ? { 'content-length': `${body?.length ?? 0}` } : {}
    return {
      method,
      url: signed.url,
      headers: { ...Object.fromEntries(signed.headers), ...length },
    }
  }

  function addressOf(key = '', query: S3Request['query'] = {}): URL {
    const path = `/${place.bucket}${key === '' ? '' : `/${key}`}`
    const url = new URL(path.split('/').map(encode).join('/'), endpoint)
    url.search = Object.entries(query)
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .join('&')
    return url
  }

  function asked({ verb, key, headers }: S3Request): S3Asked {
    return {
      bucket: place.bucket,
      endpoint: endpoint.origin,
      what: `${verb} s3://${place.bucket}${key === undefined ? '' : `/${key}`}`,
      locks: headers?.['x-amz-object-lock-mode'] !== undefined,
      credentials: credentials.place,
    }
  }

  /** The first answer that is no passing fault. Credentials that are refused are renewed once, if they can be. */
  async function sendPersistently(request: S3Request): Promise<HttpAnswer> {
    const begun = performance.now()
    let as = await credentials.current()
    let isRenewed = false
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt === ATTEMPTS || performance.now() - begun > LAST_ATTEMPT
      let answer: HttpAnswer | undefined
      try {
        if (closing.signal.aborted) throw closed()
        answer = await sendOnce(request, as)
      } catch (error) {
        if (closing.signal.aborted) throw closed()
        if (isLast || isUntrusted(error)) throw connectionFailure(asked(request), error)
      }
      if (answer !== undefined) {
        if (request.expected.includes(answer.status)) return answer
        if (!isRenewed && areCredentialsRefused(answer)) {
          isRenewed = true
          const newer = await credentials.renewed(as)
          if (newer !== undefined) {
            as = newer
            continue
          }
        }
        if (isLast || !isPassing(answer)) throw answerFailure(asked(request), answer)
      }
      await pause(attempt, answer)
    }
  }

  async function pause(attempt: number, answer: HttpAnswer | undefined): Promise<void> {
    const most = Math.min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
    const asksFor = Number(answer?.headers['retry-after'] ?? 0) * 1_000
    const wait = Math.max(Math.random() * most, Math.min(asksFor || 0, LONGEST_WAIT))
    await sleep(wait, undefined, { signal: closing.signal }).catch(() => undefined)
  }

  function closed(): CairnError {
    return new CairnError('STOPPED', `${place.text} is closed`)
  }

  return {
    place,
    async send(request) {
      if (underWay >= options.concurrency) {
        await new Promise<void>((resolve) => waiting.push(resolve))
      } else {
        underWay++
      }
      try {
        return await sendPersistently(request)
      } finally {
        const next = waiting.shift()
        if (next === undefined) underWay--
        else next()
      }
    },
    failure: (request, answer) => answerFailure(asked(request), answer),
    usage: () => ({ requests: { ...requests }, bytesUp, bytesDown }),
    close() {
      closing.abort()
      connections.close()
    },
  }
}

/** As RFC 3986 has it, so that the address that is sent is the one that is signed. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
