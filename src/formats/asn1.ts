/**
 * ASN.1 with the strictness that signatures need: bounded, nothing after the end, and where asked for DER, so that the
 * bytes have one meaning. The decoding itself is asn1js's.
 */
import { type BaseBlock, Boolean as BooleanBlock, fromBER } from 'asn1js'
import { CairnError, malformed } from '../errors.ts'

/** Bytes of any ASN.1 that is read here; a time-stamp with a long chain of certificates has some ten thousand. */
export const MAX_ASN1_SIZE = 262_144

const LIMITS = {
  maxDepth: 40,
  maxNodes: 20_000,
  maxContentLength: MAX_ASN1_SIZE,
  // What is inside an octet string is for whoever knows its type.
  parseEmbedded: false,
} as const

const UNIVERSAL = 1
const CONSTRUCTED_TYPES: readonly number[] = [16, 17]

/** Reads one BER value that fills its bytes. @throws MALFORMED, TOO_LARGE */
export function parseBer(bytes: Uint8Array, what: string): BaseBlock {
  if (bytes.length > MAX_ASN1_SIZE) {
    throw new CairnError('TOO_LARGE', `${what} is larger than ${MAX_ASN1_SIZE} bytes`)
  }
  // It throws over some errors, and reports others.
  const { offset, result } = reading(what, () => fromBER(bytes, LIMITS))
  if (offset === -1) throw malformed(`${what} is not ASN.1: ${result.error}`)
  if (offset !== bytes.length) throw malformed(`${what} is followed by other bytes`)
  checkNesting(result as BaseBlock, what)
  return result as BaseBlock
}

/** The library lets the last value inside another one reach beyond its end. */
function checkNesting(block: BaseBlock, what: string): void {
  const { idBlock, lenBlock } = block
  if (!idBlock.isConstructed) return
  const children = childrenOf(block)
  const length = children.reduce((sum, child) => sum + bytesOf(child).length, 0)
  if (!lenBlock.isIndefiniteForm && length !== lenBlock.length) {
    throw malformed(`${what} has a value that does not fit into its place`)
  }
  for (const child of children) checkNesting(child, what)
}

/** Reads one DER value that fills its bytes. @throws MALFORMED, TOO_LARGE */
export function parseDer(bytes: Uint8Array, what: string): BaseBlock {
  const block = parseBer(bytes, what)
  checkDer(block, what)
  return block
}

/** X.690 section 10: definite lengths in their shortest form, primitive strings, one spelling of true. */
function checkDer(block: BaseBlock, what: string): void {
  const { idBlock, lenBlock } = block
  const { length, isIndefiniteForm, blockLength } = lenBlock
  const strings = idBlock.tagClass === UNIVERSAL && !CONSTRUCTED_TYPES.includes(idBlock.tagNumber)
  const wrong =
    isIndefiniteForm ||
    blockLength !== lengthOctets(length) ||
    (strings && idBlock.isConstructed) ||
    (block instanceof BooleanBlock && !isDerBoolean(block))
  if (wrong) throw malformed(`${what} is not DER`)
  for (const child of childrenOf(block)) checkDer(child, what)
}

function isDerBoolean({ valueBlock }: BooleanBlock): boolean {
  const [byte, ...rest] = valueBlock.valueHexView
  return rest.length === 0 && (byte === 0x00 || byte === 0xff)
}

/** Octets that the shortest form of a length has. */
function lengthOctets(length: number): number {
  if (length < 0x80) return 1
  let octets = 1
  for (let rest = length; rest >= 1; rest = Math.floor(rest / 256)) octets++
  return octets
}

/** The values inside a constructed one; none inside any other. */
export function childrenOf(block: BaseBlock): readonly BaseBlock[] {
  // The library keeps the parts of an object identifier there as well.
  if (!block.idBlock.isConstructed) return []
  const { value } = block.valueBlock as { value?: unknown }
  return Array.isArray(value) ? (value as BaseBlock[]) : []
}

/** The bytes of a value as they were read, with tag and length. */
export function bytesOf(block: BaseBlock): Uint8Array {
  return block.valueBeforeDecodeView
}

/** Runs a reader of the library, whose errors are many. @throws MALFORMED */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof CairnError) throw cause
    throw malformed(`${what} does not have the form it should have`, { cause })
  }
}
