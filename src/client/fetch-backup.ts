/** A backup from a running log, as it comes. */
import { CairnError } from '../errors.ts'
import { baseUrl, networkError, saidBy } from './request.ts'

export interface FetchBackupOptions {
  readonly url: string
  readonly token?: string | undefined
  readonly signal?: AbortSignal
}

/** @throws USAGE, UNAUTHORIZED, FORBIDDEN, OVERLOADED, NOT_FOUND; IO, also while it comes; the signal's reason */
export async function fetchBackup(options: FetchBackupOptions): Promise<AsyncIterable<Uint8Array>> {
  const { token, signal } = options
  const url = `${baseUrl(options.url, 'a log')}v1/backup`
  const failed = (error: unknown): unknown => {
    signal?.throwIfAborted()
    return error instanceof CairnError ? error : networkError(error, url).error
  }
  let response: Response
  try {
    response = await fetch(url, {
      redirect: 'error',
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
      ...(signal && { signal }),
    })
  } catch (error) {
    throw failed(error)
  }
  const { status, body } = response
  if (status !== 200 || body === null) throw refusal(status, await saidBy(response))
  return (async function* () {
    const reader = body.getReader()
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        yield value
      }
    } catch (error) {
      throw failed(error)
    } finally {
      await reader.cancel().catch(() => undefined)
    }
  })()
}

function refusal(status: number, detail: string): CairnError {
  switch (status) {
    case 401:
      return new CairnError('UNAUTHORIZED', detail)
    case 403:
      return new CairnError('FORBIDDEN', detail)
    case 404:
      return new CairnError('NOT_FOUND', detail)
    case 429:
    case 503:
      return new CairnError('OVERLOADED', detail)
    default:
      return new CairnError('IO', detail)
  }
}
