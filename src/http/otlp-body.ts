/** The body of an OTLP/HTTP export: which encoding it has, and what is in it once it is unpacked, all of it bounded. */
import { promisify } from 'node:util'
import { gunzip, inflate, type ZlibOptions } from 'node:zlib'
import { CairnError, malformed } from '../errors.ts'
import { parseOtlpJson } from '../formats/otlp-json.ts'
import { MAX_OTLP_SIZE, type OtlpEncoding, type OtlpLogs } from '../formats/otlp-logs.ts'
import { parseOtlpProtobuf } from '../formats/otlp-protobuf.ts'
import type { HeaderFields } from './admission.ts'
import { mediaTypeOf } from './negotiate.ts'
import { Refusal } from './problem.ts'

/** The media types of OTLP/HTTP, which are those of its answers, too. */
export const OTLP_TYPES = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
} as const

const PARSERS: Readonly<Record<OtlpEncoding, (bytes: Uint8Array) => OtlpLogs>> = {
  protobuf: parseOtlpProtobuf,
  json: parseOtlpJson,
}

/** The encoding that a `Content-Type` names, or undefined when it is none of OTLP. */
export function otlpEncodingOf(headers: HeaderFields): OtlpEncoding | undefined {
  const type = headers['content-type']
  if (typeof type !== 'string') return undefined
  const mediaType = mediaTypeOf(type)
  return (['protobuf', 'json'] as const).find((encoding) => OTLP_TYPES[encoding] === mediaType)
}

/** @throws Refusal when the body is none of OTLP */
export function mustBeOtlp(headers: HeaderFields): OtlpEncoding {
  const encoding = otlpEncodingOf(headers)
  if (encoding !== undefined) return encoding
  const { protobuf, json } = OTLP_TYPES
  throw new Refusal('UNSUPPORTED_MEDIA_TYPE', `send the export as ${protobuf} or ${json}`, {
    'Accept-Post': `${protobuf}, ${json}`,
  })
}

interface Unpacked {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}
type Unpack = (body: Uint8Array, options: ZlibOptions) => Promise<unknown>

/** The content codings that are taken. What `deflate` names is the zlib format (RFC 9110 section 8.4.1.2). */
const CODINGS: Readonly<Record<string, Unpack>> = {
  gzip: promisify<Uint8Array, ZlibOptions, unknown>(gunzip),
  'x-gzip': promisify<Uint8Array, ZlibOptions, unknown>(gunzip),
  deflate: promisify<Uint8Array, ZlibOptions, unknown>(inflate),
  // What collectors call the same.
  zlib: promisify<Uint8Array, ZlibOptions, unknown>(inflate),
}

/** What undoes a content coding of the body. @throws Refusal when it is one that is not taken */
export function unpackerOf(headers: HeaderFields): (body: Uint8Array) => Promise<Uint8Array> {
  const coding = headers['content-encoding']
  if (coding === undefined || coding === 'identity') return async (body) => body
  const name = String(coding).trim().toLowerCase()
  const unpack = Object.hasOwn(CODINGS, name) ? CODINGS[name] : undefined
  if (unpack === undefined) {
    throw new Refusal(
      'UNSUPPORTED_MEDIA_TYPE',
      'send the export with "Content-Encoding: gzip" or deflate, or without any',
      { 'Accept-Encoding': 'gzip, deflate' },
    )
  }
  return (body) => unpacked(unpack, body, name)
}

async function unpacked(unpack: Unpack, body: Uint8Array, coding: string): Promise<Uint8Array> {
  let result: Unpacked
  try {
    result = (await unpack(body, { info: true, maxOutputLength: MAX_OTLP_SIZE })) as Unpacked
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge()
    throw malformed(`the body is not ${coding}: it is damaged, or was cut off`, { cause })
  }
  // The engine passes over whatever stands behind the end.
  if (result.engine.bytesWritten !== body.length) {
    throw malformed(`the body is not ${coding}: there is something behind its end`)
  }
  return result.buffer
}

/** Refuses a body by its length, before and after it is unpacked. @throws TOO_LARGE */
export function checkOtlpLength(size: number): void {
  if (size > MAX_OTLP_SIZE) throw tooLarge()
}

function tooLarge(): CairnError {
  const message = `an export has at most ${MAX_OTLP_SIZE} bytes, unpacked and on the way`
  return new CairnError('TOO_LARGE', `${message}. Export smaller batches`)
}

/** @throws MALFORMED, TOO_LARGE */
export function parseOtlp(body: Uint8Array, encoding: OtlpEncoding): OtlpLogs {
  return PARSERS[encoding](body)
}
