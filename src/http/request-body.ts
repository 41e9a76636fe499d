/** The bodies of requests that are no submissions: JSON, read strictly, so that a misspelt member is never ignored. */
import { CairnError, malformed } from '../errors.ts'
import { type JsonValue, parseJson } from '../formats/json-strict.ts'
import { mediaTypeOf } from './negotiate.ts'
import { Refusal } from './problem.ts'
import type { RouteRequest } from './route.ts'

const JSON_TYPE = 'application/json'
/** What people write into a request is short; their data goes another way. */
const LIMITS = { size: 65_536, depth: 4 }

type WithBody = Pick<RouteRequest, 'headers' | 'body'>

/**
 * The JSON document that a request brings.
 * @throws MALFORMED with the JSON Pointer of what is wrong; TOO_LARGE beyond 65,536 bytes
 * @throws Refusal on another media type, or a coding
 */
export async function jsonBody({ headers, body }: WithBody): Promise<JsonValue> {
  const type = headers['content-type']
  if (typeof type !== 'string' || mediaTypeOf(type) !== JSON_TYPE) {
    throw new Refusal('UNSUPPORTED_MEDIA_TYPE', `send the body as ${JSON_TYPE}`, {
      'Accept-Post': JSON_TYPE,
    })
  }
  mustBePlain(headers)
  const bytes = await body((size) => {
    if (size > LIMITS.size) {
      throw new CairnError('TOO_LARGE', `the body has at most ${LIMITS.size} bytes`)
    }
  })
  return parseJson(bytes, LIMITS)
}

/** Sees to it that a request brings nothing. @throws MALFORMED when it does */
export async function noBody({ body }: WithBody): Promise<void> {
  await body((size) => {
    if (size > 0) throw malformed('this takes no body; all it needs is in the path')
  })
}

function mustBePlain(headers: WithBody['headers']): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new Refusal('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding', {
      'Accept-Encoding': 'identity',
    })
  }
}
