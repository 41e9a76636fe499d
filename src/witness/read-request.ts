/**
 * Reads add-checkpoint. A signature whose base64 has bits after its last byte is no signature, but the request around it
 * is one: other witnesses decode such a line, find that it does not verify, and answer as to any signature that fails.
 */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { type ParsedAddCheckpoint, parseAddCheckpoint } from '../formats/add-checkpoint.ts'

export interface ReadRequest {
  readonly request: ParsedAddCheckpoint
  /** What is wrong with the spelling of a signature, if anything is: then none of them is to be trusted. */
  readonly misspelled: string | undefined
}

/** @throws MALFORMED, TOO_LARGE as parseAddCheckpoint */
export function readAddCheckpoint(body: Uint8Array): ReadRequest {
  try {
    return { request: parseAddCheckpoint(body), misspelled: undefined }
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'MALFORMED') throw error
    const mended = withoutStrayBits(body)
    if (mended === undefined) throw error
    // Still malformed when something else is wrong as well.
    return { request: parseAddCheckpoint(mended), misspelled: error.message }
  }
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const SIGNATURE_LINE = /^(\u2014 [^ ]+ [A-Za-z0-9+/]+)([A-Za-z0-9+/])(==?)$/

/** The body with canonical signature lines, or undefined when they are so already. @throws MALFORMED */
function withoutStrayBits(body: Uint8Array): Uint8Array | undefined {
  const text = fromUtf8(body, 'the request')
  const start = text.lastIndexOf('\n\n') + 2
  const block = text.slice(start)
  const mended = block.split('\n').map(withoutStrayBitsIn).join('\n')
  return mended === block ? undefined : utf8(text.slice(0, start) + mended)
}

function withoutStrayBitsIn(line: string): string {
  const [, before = '', last = '', padding = ''] = SIGNATURE_LINE.exec(line) ?? []
  if (last === '') return line
  const unused = padding.length === 1 ? 4 : 16
  const value = BASE64.indexOf(last)
  return `${before}${BASE64[value - (value % unused)]}${padding}`
}
