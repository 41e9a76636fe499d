/** One HTTP POST of a sink: no redirects, bounded answers, and errors that name no address. */
import { join } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { reasonCode } from './reason.ts'

export interface Post {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Bytes of the answer at most. */
  readonly limit: number
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status: number
  /** In lower case, without parameters. */
  readonly mediaType: string
  readonly body: Uint8Array
}

/**
 * Posts, and returns the answer of whatever status.
 * @throws IO when there is none, TOO_LARGE; the signal's reason
 */
export async function post({ url, headers, body, limit, signal }: Post): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: body as Uint8Array<ArrayBuffer>,
      // Heads are for the address that the operator chose.
      redirect: 'manual',
      signal,
    })
    const [mediaType = ''] = (response.headers.get('content-type') ?? '').split(';')
    return {
      status: response.status,
      mediaType: mediaType.trim().toLowerCase(),
      body: await readUpTo(response, limit),
    }
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof CairnError) throw cause
    throw new CairnError('IO', `cannot be reached (${reasonCode(cause)})`, { cause })
  }
}

/** @throws IO when the status is not one of success */
export function checkSuccess({ status }: Answer): void {
  if (status >= 200 && status <= 299) return
  const hint = status >= 300 && status <= 399 ? ', a redirect, which is not followed' : ''
  throw new CairnError('IO', `answered with status ${status}${hint}`)
}

async function readUpTo(response: Response, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return join(parts)
    length += value.length
    if (length > limit) {
      await reader.cancel()
      throw new CairnError('TOO_LARGE', `its answer is larger than ${limit} bytes`)
    }
    parts.push(value)
  }
}
