/**
 * COSE receipts of inclusion (RFC 9942 with RFC9162_SHA256), in a profile that binds what the RFC leaves open. The RFC
 * has only the root hash signed: the same proof then also verifies for other indices and tree sizes. Here the protected
 * header states origin, tree size, leaf index and leaf hash as CWT claims, and a receipt without them is refused.
 * spec/receipts.md has the layout, spec/cose-receipt.cddl its grammar.
 *
 * A receipt has one encoding: it is read by taking its fields out and building it again.
 */
import { equal, fromHex, toHex } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import {
  HASH_SIZE,
  type LeafHash,
  leafHash,
  type NodeHash,
  nodeHash,
  type RootHash,
} from '../merkle/hash.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts'
import { checkOrigin } from './checkpoint.ts'
import {
  ALGORITHM,
  type CoseSign1,
  encodeCoseSign1,
  encodeProtectedHeader,
  HEADER,
  parseCoseSign1,
  toBeSigned,
} from './cose-sign1.ts'
import { MAX_PROOF_HASHES } from './tlog-proof.ts'

/** The verifiable data structure RFC9162_SHA256, the value of header 395. */
export const RFC9162_SHA256 = 1
/** Key of the inclusion proofs in header 396. */
const INCLUSION_PROOFS = -1
/** Claims in header 15: `iss`, and three of the private range below -65536 (RFC 8392 section 9.1). */
export const CLAIM = { iss: 1, treeSize: -65537, leafIndex: -65538, leafHash: -65539 } as const

const ED25519_SIGNATURE_SIZE = 64

export interface CoseReceipt {
  readonly origin: string
  readonly index: LeafIndex
  readonly size: TreeSize
  readonly leafHash: LeafHash
  readonly proof: readonly NodeHash[]
  /** The key id of the log's Ed25519 vkey: 8 lowercase hexadecimal digits. */
  readonly keyId: string
}

/** A receipt as it was read; `message` is what verifyCoseSign1 takes, with the root hash as its payload. */
export interface ParsedCoseReceipt extends CoseReceipt {
  readonly message: CoseSign1
}

/**
 * The bytes that the log signs for a receipt: the protected header and the root of the tree. The root itself is not in
 * the receipt, since whoever verifies it computes the root from leaf and proof.
 * @throws NOT_FOUND for a tree of one leaf, whose empty proof the RFC's grammar cannot express
 */
export function coseReceiptToBeSigned(
  receipt: CoseReceipt & { readonly root: RootHash },
): Uint8Array {
  if (receipt.proof.length === 0) {
    throw new CairnError(
      'NOT_FOUND',
      'a COSE receipt cannot be given in a tree of one leaf; take another format or wait for the next leaf',
    )
  }
  return toBeSigned(protectedBytesOf(receipt), { payload: receipt.root })
}

function protectedBytesOf(receipt: CoseReceipt): Uint8Array {
  const claims = new Map<number, CborValue>([
    [CLAIM.iss, receipt.origin],
    [CLAIM.treeSize, receipt.size],
    [CLAIM.leafIndex, receipt.index],
    [CLAIM.leafHash, receipt.leafHash],
  ])
  return encodeProtectedHeader(
    new Map<number, CborValue>([
      [HEADER.alg, ALGORITHM.ed25519],
      [HEADER.kid, fromHex(receipt.keyId, 'key id')],
      [HEADER.cwtClaims, claims],
      [HEADER.vds, RFC9162_SHA256],
    ]),
  )
}

/** A receipt with the signature over its `coseReceiptToBeSigned`. */
export function encodeCoseReceipt(receipt: CoseReceipt, signature: Uint8Array): Uint8Array {
  const proof = encodeCbor([receipt.size, receipt.index, receipt.proof])
  const proofs = new Map([[INCLUSION_PROOFS, [proof]]])
  return encodeCoseSign1({
    protectedBytes: protectedBytesOf(receipt),
    unprotectedHeader: new Map([[HEADER.vdp, proofs]]),
    payload: undefined,
    signature,
  })
}

/**
 * Reads a receipt of inclusion. Neither its proof nor its signature is verified.
 * @throws MALFORMED, TOO_LARGE when it is not a receipt of inclusion with exactly the headers of this profile
 * @throws VERIFICATION_FAILED when it is one, but nothing signed states its origin, tree size, leaf index and leaf hash,
 *   or the proof in it is for another tree size or leaf index than the signed ones
 */
export function parseCoseReceipt(bytes: Uint8Array): ParsedCoseReceipt {
  const message = parseCoseSign1(bytes)
  checkStructure(message)
  const proven = parseInclusionProof(message)
  const stated = parseClaims(message)
  if (stated.size !== proven.size || stated.index !== proven.index) {
    throw new CairnError(
      'VERIFICATION_FAILED',
      `the receipt carries a proof for entry ${proven.index} of ${proven.size}, but what is signed in it is entry ` +
        `${stated.index} of ${stated.size}`,
    )
  }
  const receipt = { ...stated, proof: proven.proof, keyId: parseSigner(message) }
  if (!equal(encodeCoseReceipt(receipt, message.signature), bytes)) {
    throw malformed('the COSE receipt has headers beyond its profile, or another order of them')
  }
  return { ...receipt, message }
}

/** The key id; and the algorithm and signature are those of such a key. */
function parseSigner(message: CoseSign1): string {
  if (message.protectedHeader.get(HEADER.alg) !== ALGORITHM.ed25519) {
    throw malformed(
      'the COSE receipt does not say, protected, that it is signed by Ed25519 (1: -19)',
    )
  }
  if (message.signature.length !== ED25519_SIGNATURE_SIZE) {
    throw malformed('the signature of the COSE receipt is not 64 bytes long')
  }
  const kid = message.protectedHeader.get(HEADER.kid)
  if (!(kid instanceof Uint8Array) || kid.length !== 4) {
    throw malformed('the COSE receipt does not name its key by a kid of 4 bytes')
  }
  return toHex(kid)
}

/** What RFC 9942 demands of every receipt, and a detached payload. */
function checkStructure(message: CoseSign1): void {
  const structure = message.protectedHeader.get(HEADER.vds)
  if (structure !== RFC9162_SHA256) {
    throw malformed(
      'the COSE receipt does not say, protected, that its tree is RFC9162_SHA256 (395: 1)',
    )
  }
  if (message.payload !== undefined) {
    throw malformed('the COSE receipt carries a payload; the root hash must be detached')
  }
}

function parseInclusionProof(message: CoseSign1): {
  size: TreeSize
  index: LeafIndex
  proof: NodeHash[]
} {
  const proofs = message.unprotectedHeader.get(HEADER.vdp)
  const inclusion = proofs instanceof Map ? proofs.get(INCLUSION_PROOFS) : undefined
  if (!Array.isArray(inclusion) || inclusion.length !== 1) {
    throw malformed('the COSE receipt does not hold one inclusion proof (396: {-1: [proof]})')
  }
  const encoded: CborValue = inclusion[0]
  const fields = encoded instanceof Uint8Array ? decodeCbor(encoded) : undefined
  if (!Array.isArray(fields) || fields.length !== 3) {
    throw malformed('the inclusion proof is not an array of tree size, leaf index and path')
  }
  const [size, index, path]: CborValue[] = fields
  if (!Array.isArray(path) || path.length > MAX_PROOF_HASHES) {
    throw malformed(
      `the path of the inclusion proof is not an array of ${MAX_PROOF_HASHES} at most`,
    )
  }
  return {
    size: treeSize(parseInteger(size, 'tree size')),
    index: parseIndex(index),
    proof: path.map((hash: CborValue) => nodeHash(parseHash(hash, 'a hash of the path'))),
  }
}

function parseClaims(
  message: CoseSign1,
): Pick<CoseReceipt, 'origin' | 'index' | 'size' | 'leafHash'> {
  const claims = message.protectedHeader.get(HEADER.cwtClaims)
  const names = claims instanceof Map ? claims : new Map<number, CborValue>()
  const missing = Object.values(CLAIM).some((name) => !names.has(name))
  if (missing) {
    throw new CairnError(
      'VERIFICATION_FAILED',
      'the receipt is a plain RFC 9942 receipt: its signature covers the root hash only, so that tree size and leaf ' +
        'index are not bound and could have been changed by anyone; ask the log for a receipt that signs them',
    )
  }
  const origin = names.get(CLAIM.iss)
  if (typeof origin !== 'string')
    throw malformed('the issuer claim of the COSE receipt is not text')
  checkOrigin(origin)
  return {
    origin,
    size: treeSize(parseInteger(names.get(CLAIM.treeSize), 'tree size')),
    index: parseIndex(names.get(CLAIM.leafIndex)),
    leafHash: leafHash(parseHash(names.get(CLAIM.leafHash), 'the leaf hash')),
  }
}

function parseInteger(value: CborValue | undefined, what: string): number {
  if (typeof value !== 'number' || value < 0) {
    throw malformed(`${what} of the COSE receipt is not an integer from 0 to 2^53-1`)
  }
  return value
}

function parseIndex(value: CborValue | undefined): LeafIndex {
  const index = parseInteger(value, 'leaf index')
  if (index === Number.MAX_SAFE_INTEGER) throw malformed('leaf index is larger than 2^53-2')
  return leafIndex(index)
}

function parseHash(value: CborValue | undefined, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== HASH_SIZE) {
    throw malformed(`${what} of the COSE receipt is not a byte string of ${HASH_SIZE} bytes`)
  }
  return value
}
