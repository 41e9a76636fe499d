/**
 * Alerts on their way to a webhook: one after the other, each tried several times. Nobody waits for them, and a webhook
 * that fails is a note to the operator, never a reason to stop.
 */
import { CairnError, messageOf } from '../errors.ts'

export interface WebhookOptions {
  readonly url: string
  /** Told of an alert that was given up. */
  readonly onFailure: (message: string) => void
  /** Attempts after the first one; 4 when left out. */
  readonly retries?: number
  /** Milliseconds before the first of them, doubled for each further one; 1,000 when left out. */
  readonly retryDelayMs?: number
  /** Milliseconds that one attempt may take; 10,000 when left out. */
  readonly timeoutMs?: number
}

export interface Webhook {
  /** Puts an alert into the queue. */
  send(alert: object): void
  /** Resolves when the queue is empty, or `graceMs` are over. */
  close(graceMs?: number): Promise<void>
}

/** Alerts that wait at most; more are given up. */
const MAX_WAITING = 1_000

/** @throws USAGE unless the address is one of http or https */
export function openWebhook(options: WebhookOptions): Webhook {
  const url = checkedUrl(options.url)
  const { retries = 4, retryDelayMs = 1_000, timeoutMs = 10_000, onFailure } = options
  const closing = new AbortController()
  let waiting = 0
  let last: Promise<void> = Promise.resolve()

  async function deliver(body: string): Promise<void> {
    for (let tried = 0; ; tried++) {
      const failure = await attempt(url, body, AbortSignal.timeout(timeoutMs))
      if (failure === undefined) return
      if (tried === retries || closing.signal.aborted) {
        return onFailure(`an alert could not be sent to the webhook: ${failure}`)
      }
      await pause(retryDelayMs * 2 ** tried, closing.signal)
    }
  }

  return {
    send(alert) {
      if (waiting === MAX_WAITING) {
        return onFailure(`an alert was not sent to the webhook: ${MAX_WAITING} wait already`)
      }
      waiting++
      const body = JSON.stringify(alert)
      last = last.then(() => deliver(body)).finally(() => waiting--)
    },
    async close(graceMs = 30_000) {
      const timer = setTimeout(() => closing.abort(), graceMs)
      await last
      clearTimeout(timer)
    },
  }
}

function checkedUrl(text: string): string {
  let url: URL | undefined
  try {
    url = new URL(text)
  } catch {
    // Refused below.
  }
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    const message = `the address of the webhook begins with http:// or https://, not '${text}'`
    throw new CairnError('USAGE', message)
  }
  if (url.username !== '' || url.password !== '') {
    throw new CairnError('USAGE', 'the address of the webhook has no user and no password')
  }
  return url.href
}

/** What went wrong, or undefined when it was taken. The address may be a secret, so it is not named. */
async function attempt(
  url: string,
  body: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'error', signal })
    await response.body?.cancel()
    return response.ok ? undefined : `it answered with status ${response.status}`
  } catch (error) {
    if (signal.aborted) return 'it did not answer in time'
    const { cause } = error as Error
    return `it cannot be reached: ${(cause as NodeJS.ErrnoException)?.code ?? messageOf(cause ?? error)}`
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}
