/**
 * Signatures of X.509 certificates and CMS: RSA from 2,048 bits (PKCS #1 v1.5 and PSS) and ECDSA on P-256, P-384 and
 * P-521, with SHA-2. What is older or weaker is refused. The cryptography is Web Crypto's.
 */
import type { BitString, OctetString } from 'asn1js'
import { type AlgorithmIdentifier, CryptoEngine, type PublicKeyInfo, RSASSAPSSParams } from 'pkijs'
import { messageOf, verificationFailed } from '../errors.ts'
import { parseDer } from '../formats/asn1.ts'

export interface SignatureToVerify {
  readonly message: Uint8Array
  readonly signature: BitString | OctetString
  readonly algorithm: AlgorithmIdentifier
  readonly publicKey: PublicKeyInfo
  /** Object identifier of the hash, for algorithms that do not name one. */
  readonly digestAlgorithm?: string
}

const HASHES: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
}

const RSA = '1.2.840.113549.1.1.1'
const RSA_PSS = '1.2.840.113549.1.1.10'

/** Algorithms that name their hash. */
const SIGNATURES: Readonly<Record<string, { readonly hash: string; readonly key: 'rsa' | 'ec' }>> =
  {
    '1.2.840.113549.1.1.11': { hash: 'SHA-256', key: 'rsa' },
    '1.2.840.113549.1.1.12': { hash: 'SHA-384', key: 'rsa' },
    '1.2.840.113549.1.1.13': { hash: 'SHA-512', key: 'rsa' },
    '1.2.840.10045.4.3.2': { hash: 'SHA-256', key: 'ec' },
    '1.2.840.10045.4.3.3': { hash: 'SHA-384', key: 'ec' },
    '1.2.840.10045.4.3.4': { hash: 'SHA-512', key: 'ec' },
  }

const KEYS: Readonly<Record<string, 'rsa' | 'ec'>> = {
  '1.2.840.113549.1.1.1': 'rsa',
  '1.2.840.10045.2.1': 'ec',
}

const MIN_RSA_BITS = 2_048

/** An engine of our own: the library's shared one can be replaced by anybody. */
function engine(): CryptoEngine {
  return new CryptoEngine({ name: 'web', crypto: globalThis.crypto })
}

/** @throws VERIFICATION_FAILED, MALFORMED unless the signature is valid and of an algorithm that is good enough */
export async function verifySignature(request: SignatureToVerify): Promise<void> {
  const { message, signature, algorithm, publicKey } = request
  const kind = kindOf(publicKey)
  checkLength(publicKey)
  const hash = hashFor(request)
  if (kind === 'ec') parseDer(signature.valueBlock.valueHexView, 'ECDSA signature')
  let valid: boolean
  try {
    valid = await engine().verifyWithPublicKey(
      message as Uint8Array<ArrayBuffer>,
      signature,
      publicKey,
      algorithm,
      hash,
    )
  } catch (cause) {
    throw verificationFailed(`the signature cannot be checked: ${messageOf(cause)}`, cause)
  }
  if (!valid) throw verificationFailed('the signature is not valid')
}

/** The SHA-2 of that size, or undefined for an object identifier of anything else. */
export function hashName(id: string): string | undefined {
  return HASHES[id]
}

export async function digest(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(
    await globalThis.crypto.subtle.digest(name, bytes as Uint8Array<ArrayBuffer>),
  )
}

function kindOf({ algorithm }: PublicKeyInfo): 'rsa' | 'ec' {
  const kind = KEYS[algorithm.algorithmId]
  if (kind === undefined)
    throw verificationFailed(`keys of the kind ${algorithm.algorithmId} are not supported`)
  return kind
}

function checkLength({ parsedKey }: PublicKeyInfo): void {
  if (parsedKey === undefined || !('modulus' in parsedKey)) return
  const bytes = parsedKey.modulus.valueBlock.valueHexView
  const start = bytes.findIndex((byte) => byte !== 0)
  const bits = start < 0 ? 0 : (bytes.length - start) * 8 - Math.clz32(bytes[start]!) + 24
  if (bits < MIN_RSA_BITS) throw verificationFailed(`an RSA key of ${bits} bits is too short`)
}

/** What is hashed with, after a look at whether algorithm and key fit. */
function hashFor({ algorithm, publicKey, digestAlgorithm = '' }: SignatureToVerify): string {
  const { algorithmId } = algorithm
  const key = kindOf(publicKey)
  const known = SIGNATURES[algorithmId]
  if (known !== undefined && known.key === key) return known.hash
  if (key === 'rsa' && algorithmId === RSA) {
    const hash = HASHES[digestAlgorithm]
    if (hash !== undefined) return hash
  }
  if (key === 'rsa' && algorithmId === RSA_PSS) {
    const { hashAlgorithm, trailerField } = pssParameters(algorithm)
    const hash = HASHES[hashAlgorithm.algorithmId]
    if (hash !== undefined && trailerField === 1) return hash
  }
  throw verificationFailed(
    `signatures of the kind ${algorithmId} by such a key, or their hash, are not supported`,
  )
}

function pssParameters({ algorithmParams }: AlgorithmIdentifier): RSASSAPSSParams {
  try {
    return new RSASSAPSSParams({ schema: algorithmParams })
  } catch (cause) {
    throw verificationFailed('the parameters of the RSA-PSS signature cannot be read', cause)
  }
}
