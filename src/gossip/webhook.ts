/**
 * A sink that posts heads as JSON to an address. With a secret each is signed as the Standard Webhooks specification
 * says (HMAC-SHA256 over id, time and body), so that the receiver knows who it is from and when it was sent; its
 * libraries check it.
 */
import { createHmac } from 'node:crypto'
import { fromBase64, toBase64, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { headName } from './head-files.ts'
import { checkSuccess, post } from './post.ts'
import type { HeadSink, PublishedHead } from './sink.ts'

export interface WebhookOptions {
  readonly name: string
  /** An http or https address. */
  readonly url: string
  /** Reads the secret, as `parseWebhookSecret` takes it, before each request: it can be replaced while the log runs. */
  readonly secret?: () => Promise<string>
  /** Reads the value of the Authorization header. */
  readonly authorization?: () => Promise<string>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const MAX_ANSWER_SIZE = 65_536
const MIN_SECRET_SIZE = 24
const MAX_SECRET_SIZE = 64

export function webhook(options: WebhookOptions): HeadSink {
  const { name, url, secret, authorization, now } = options
  return {
    name,
    kind: 'webhook',
    target: url,
    async send(head, signal) {
      const body = formatWebhookBody(head)
      const id = `head-${headName(head)}`
      const time = String(Math.floor(now() / 1000))
      const answer = await post({
        url,
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': time,
          ...(secret && { 'webhook-signature': signatureOf(await secret(), id, time, body) }),
          ...(authorization && { authorization: await authorization() }),
        },
        body: utf8(body),
        limit: MAX_ANSWER_SIZE,
        signal,
      })
      checkSuccess(answer)
      return { detail: `answered with status ${answer.status}` }
    },
  }
}

/** What is posted. */
function formatWebhookBody({ origin, size, root, checkpoint }: PublishedHead): string {
  return JSON.stringify({ type: 'cairn.head', origin, size, root: toBase64(root), checkpoint })
}

/**
 * The key of a secret: 24 to 64 bytes in base64, with or without `whsec_` before it. Errors never quote it.
 * @throws USAGE
 */
export function parseWebhookSecret(text: string): Uint8Array {
  const wrong = (cause?: unknown): CairnError =>
    new CairnError(
      'USAGE',
      `a webhook's secret is ${MIN_SECRET_SIZE} to ${MAX_SECRET_SIZE} random bytes in base64, such as openssl rand -base64 32 prints`,
      cause === undefined ? {} : { cause },
    )
  let key: Uint8Array
  try {
    key = fromBase64(text.replace(/^whsec_/, ''))
  } catch (cause) {
    throw wrong(cause)
  }
  if (key.length < MIN_SECRET_SIZE || key.length > MAX_SECRET_SIZE) throw wrong()
  return key
}

/** SPEC Standard Webhooks: `v1,` and base64 of HMAC-SHA256 over `<id>.<time>.<body>`. */
function signatureOf(secret: string, id: string, time: string, body: string): string {
  const hmac = createHmac('sha256', parseWebhookSecret(secret))
  return `v1,${toBase64(hmac.update(`${id}.${time}.${body}`).digest())}`
}
