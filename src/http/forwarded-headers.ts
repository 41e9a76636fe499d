/** The header fields of requests and answers that one server of a log passes on for another. */
import type { IncomingHttpHeaders } from 'node:http'
import { FATE } from './leader.ts'

/** Says that a request was passed on already, so that it is not passed around in a circle. */
export const FORWARDED = 'cairn-forwarded'

/** What is said about one connection, and not about the request (RFC 9110 section 7.6.1). */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  FORWARDED,
  FATE,
])

/** What is passed on: all but what is about the connection, which may name further fields that are. */
export function passedOn(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set(
    (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()),
  )
  const rest: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    const stays = OF_THE_CONNECTION.has(name) || (named.has(name) && name !== 'host')
    if (value !== undefined && !stays) rest[name] = value
  }
  return rest
}
