/**
 * COSE_Sign1 (RFC 9052 section 4.2): a tagged CBOR message with one signature, here by Ed25519.
 *
 *   18([ protected: bstr .cbor map, unprotected: map, payload: bstr / nil, signature: bstr ])
 *
 * Untagged messages are refused, and so are repeated labels and critical headers that are not understood. Signatures
 * are verified over the protected bytes as they were received, in whatever order their keys are.
 */
import { ed25519Verify } from '#ed25519'
import { CairnError, malformed } from '../errors.ts'
import {
  type CborKey,
  type CborMap,
  type CborValue,
  COSE_SIGN1_TAG,
  decodeCbor,
  encodeCbor,
} from './cbor.ts'

/** Labels of header parameters (RFC 9052 section 3.1, RFC 9597, RFC 9942). */
export const HEADER = {
  alg: 1,
  crit: 2,
  contentType: 3,
  kid: 4,
  cwtClaims: 15,
  receipts: 394,
  vds: 395,
  vdp: 396,
} as const

/** Ed25519 as RFC 9864 names it, and the older EdDSA (RFC 9053), which is read with Ed25519 keys. */
export const ALGORITHM = { ed25519: -19, eddsa: -8 } as const

/** The longest message that is read, in bytes. */
export const MAX_COSE_SIZE = 1_048_576

const UNDERSTOOD: readonly CborKey[] = Object.values(HEADER)
const NO_BYTES = new Uint8Array()

export interface CoseSign1 {
  /** The protected header as it was received: what the signature covers. */
  readonly protectedBytes: Uint8Array
  readonly protectedHeader: CborMap
  readonly unprotectedHeader: CborMap
  /** Undefined when the payload is detached. */
  readonly payload: Uint8Array | undefined
  readonly signature: Uint8Array
}

export interface CoseSign1Content {
  /** The encoded payload, or the bytes that stand for it when it is detached. */
  readonly payload: Uint8Array
  readonly externalAad?: Uint8Array
}

/** The encoded protected header: no bytes at all for an empty one (RFC 9052 section 3). */
export function encodeProtectedHeader(header: CborMap): Uint8Array {
  return header.size === 0 ? NO_BYTES : encodeCbor(header)
}

/** The message, tagged; its maps in deterministic order. */
export function encodeCoseSign1(message: Omit<CoseSign1, 'protectedHeader'>): Uint8Array {
  const { protectedBytes, unprotectedHeader, payload, signature } = message
  const value = [protectedBytes, unprotectedHeader, payload ?? null, signature]
  return encodeCbor({ tag: COSE_SIGN1_TAG, value })
}

/**
 * Reads a tagged COSE_Sign1 of any author.
 * @throws MALFORMED on another structure, non-deterministic CBOR (but for the order of keys), a label that occurs
 *   twice or a critical header that is not understood; TOO_LARGE beyond MAX_COSE_SIZE
 */
export function parseCoseSign1(bytes: Uint8Array): CoseSign1 {
  if (bytes.length > MAX_COSE_SIZE) {
    throw new CairnError('TOO_LARGE', `a COSE message has ${MAX_COSE_SIZE} bytes at most`)
  }
  const tagged = decodeCbor(bytes, 'received')
  if (tagged === null || typeof tagged !== 'object' || !('tag' in tagged)) {
    throw malformed('the COSE message does not have the tag of COSE_Sign1, 18')
  }
  const parts = tagged.value
  if (!Array.isArray(parts) || parts.length !== 4) {
    throw malformed('the COSE message is not an array of four')
  }
  const [protectedBytes, unprotectedHeader, payload, signature]: CborValue[] = parts
  if (!(protectedBytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw malformed('protected header or signature of the COSE message is not a byte string')
  }
  if (!(unprotectedHeader instanceof Map)) {
    throw malformed('the unprotected header of the COSE message is not a map')
  }
  if (payload !== null && !(payload instanceof Uint8Array)) {
    throw malformed('the payload of the COSE message is neither a byte string nor nil')
  }
  const protectedHeader = parseProtectedHeader(protectedBytes)
  for (const label of protectedHeader.keys()) {
    if (unprotectedHeader.has(label)) throw malformed(`the COSE message has header ${label} twice`)
  }
  if (unprotectedHeader.has(HEADER.crit)) {
    throw malformed('the list of critical headers of the COSE message is not protected')
  }
  checkCritical(protectedHeader)
  return {
    protectedBytes,
    protectedHeader,
    unprotectedHeader,
    payload: payload ?? undefined,
    signature,
  }
}

function parseProtectedHeader(bytes: Uint8Array): CborMap {
  const header = bytes.length === 0 ? new Map() : decodeCbor(bytes, 'received')
  if (!(header instanceof Map))
    throw malformed('the protected header of the COSE message is not a map')
  return header
}

/** SPEC RFC 9052 section 3.1: a critical header that is not understood is a fatal error. */
function checkCritical(header: CborMap): void {
  if (!header.has(HEADER.crit)) return
  const labels = header.get(HEADER.crit)
  if (!Array.isArray(labels) || labels.length === 0) {
    throw malformed('the list of critical headers of the COSE message is not an array of labels')
  }
  for (const label of labels) {
    if (!UNDERSTOOD.includes(label) || !header.has(label)) {
      throw malformed(`the COSE message has a critical header that is not understood: ${label}`)
    }
  }
}

/** The bytes that are signed: Sig_structure of RFC 9052 section 4.4. */
export function toBeSigned(protectedBytes: Uint8Array, content: CoseSign1Content): Uint8Array {
  // An empty map counts as no bytes at all, even when it was sent as one.
  const isEmpty = protectedBytes.length === 1 && protectedBytes[0] === 0xa0
  const header = isEmpty ? NO_BYTES : protectedBytes
  return encodeCbor(['Signature1', header, content.externalAad ?? NO_BYTES, content.payload])
}

/**
 * Checks the signature of a message by an Ed25519 key. A payload is given exactly when it is detached, so that no
 * caller takes one payload for another. The algorithm must be protected and be Ed25519 or EdDSA.
 * @throws VERIFICATION_FAILED
 */
export function verifyCoseSign1(
  message: CoseSign1,
  publicKey: Uint8Array,
  content: Partial<CoseSign1Content> = {},
): void {
  const fail = (reason: string): never => {
    throw new CairnError('VERIFICATION_FAILED', reason)
  }
  const algorithm = message.protectedHeader.get(HEADER.alg)
  if (algorithm !== ALGORITHM.ed25519 && algorithm !== ALGORITHM.eddsa) {
    fail('the COSE message does not say in its protected header that it is signed by Ed25519')
  }
  if (message.payload !== undefined && content.payload !== undefined) {
    fail('the COSE message carries its payload, and another was given for it')
  }
  const payload = message.payload ?? content.payload
  if (payload === undefined)
    throw new RangeError('expected the detached payload of the COSE message')
  const signed = toBeSigned(message.protectedBytes, { ...content, payload })
  if (!ed25519Verify(message.signature, signed, publicKey)) {
    fail('the signature of the COSE message does not verify')
  }
}
