import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import {
  type CborKey,
  type CborMap,
  type CborValue,
  COSE_SIGN1_TAG,
  decodeCbor,
  encodeCbor,
} from '../../src/formats/cbor.ts'
import { CLAIM, encodeCoseReceipt, parseCoseReceipt } from '../../src/formats/cose-receipt.ts'
import { verifyCoseSign1 } from '../../src/formats/cose-sign1.ts'
import { leafHash, nodeHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { coseReceiptAt, inclusionAt, LOG_KEY, ORIGIN, rootAt } from '../support/example-log.ts'
import { hasSharedVectors, sharedBytes } from '../support/shared-vectors.ts'

const bytes = coseReceiptAt(4, 13)
type Parts = [Uint8Array, CborMap, CborValue, Uint8Array]
const parts = (decodeCbor(bytes) as { value: CborValue }).value as unknown as Parts
const [protectedBytes, unprotectedHeader, , signature] = parts
const header = decodeCbor(protectedBytes) as CborMap
const claims = header.get(15) as CborMap

/** The receipt with members of its protected header or claims replaced, undefined to remove them. Its signature is stale. */
function withHeader(changes: [CborKey, CborValue | undefined][], part: CborMap = header): CborMap {
  const changed = new Map(part)
  for (const [key, value] of changes) {
    changed.delete(key)
    if (value !== undefined) changed.set(key, value)
  }
  return changed
}
function receipt(changes: {
  protected?: CborMap
  unprotected?: CborMap
  payload?: CborValue
  signature?: Uint8Array
}): Uint8Array {
  const value = [
    encodeCbor(changes.protected ?? header),
    changes.unprotected ?? unprotectedHeader,
    changes.payload ?? null,
    changes.signature ?? signature,
  ]
  return encodeCbor({ tag: COSE_SIGN1_TAG, value })
}
const withClaims = (changes: [CborKey, CborValue | undefined][]): Uint8Array =>
  receipt({ protected: withHeader([[15, withHeader(changes, claims)]]) })
const withProofs = (...proofs: CborValue[]): Uint8Array =>
  receipt({ unprotected: new Map([[396, new Map([[-1, proofs]])]]) })
const { proof: path } = inclusionAt(4, 13)
const proof = (size: CborValue, index: CborValue, hashes: CborValue = path): Uint8Array =>
  encodeCbor([size, index, hashes])

function code(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return (error as { code?: unknown }).code ?? error
  }
  return 'accepted'
}

describe('a COSE receipt', () => {
  it('states origin, index, size and leaf hash where the signature covers them', () => {
    const parsed = parseCoseReceipt(bytes)
    const { leafHash: hash, proof: hashes } = inclusionAt(4, 13)
    const { keyId, publicKey } = LOG_KEY.vkey
    expect(parsed).toMatchObject({
      origin: ORIGIN,
      index: 4,
      size: 13,
      leafHash: hash,
      proof: hashes,
      keyId,
    })
    expect([...claims]).toEqual([
      [CLAIM.iss, ORIGIN],
      [CLAIM.treeSize, 13],
      [CLAIM.leafIndex, 4],
      [CLAIM.leafHash, hash],
    ])
    verifyCoseSign1(parsed.message, publicKey, { payload: rootAt(13) })
  })

  it('has the layout of the specification', () => {
    const id = LOG_KEY.vkey.keyId
    const expected =
      `a40132` +
      `0444${id}` +
      `0fa4` +
      `0171${toHex(new TextEncoder().encode(ORIGIN))}` +
      `3a000100000d` +
      `3a0001000104` +
      `3a000100025820${toHex(inclusionAt(4, 13).leafHash)}` +
      `19018b01`
    expect(toHex(protectedBytes)).toBe(expected)
    expect(toHex(bytes)).toBe(
      `d28458${toHex(Uint8Array.of(protectedBytes.length))}${expected}` +
        `a119018ca12081${toHex(encodeCbor(proof(13, 4)))}f65840${toHex(signature)}`,
    )
  })

  it('comes back as it was made, whatever it states', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const index = fc.maxSafeNat().filter((n) => n < Number.MAX_SAFE_INTEGER)
    const origins = fc.stringMatching(/^[!-~\u00a1-\u00ff]{1,100}$/)
    fc.assert(
      fc.property(
        origins,
        index,
        fc.maxSafeNat(),
        hash,
        fc.array(hash, { minLength: 1, maxLength: 63 }),
        (...made) => {
          const [origin, at, size, leaf, hashes] = made
          const given = {
            origin,
            index: leafIndex(at),
            size: treeSize(size),
            leafHash: leafHash(leaf),
            proof: hashes.map(nodeHash),
            keyId: '0a0b0c0d',
          }
          const built = encodeCoseReceipt(given, new Uint8Array(64).fill(9))
          expect(parseCoseReceipt(built)).toMatchObject(given)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('is never made in a tree of one leaf, but one would be read', () => {
    expect(code(() => coseReceiptAt(0, 1))).toBe('NOT_FOUND')
    const changes: [CborKey, CborValue][] = [
      [CLAIM.treeSize, 1],
      [CLAIM.leafIndex, 0],
    ]
    const single = receipt({
      protected: withHeader([[15, withHeader(changes, claims)]]),
      unprotected: new Map([[396, new Map([[-1, [proof(1, 0, [])]]])]]),
    })
    expect(parseCoseReceipt(single)).toMatchObject({ size: 1, index: 0, proof: [] })
  })

  it('is refused when its proof is for another index or size than is signed', () => {
    for (const [size, index] of [
      [14, 4],
      [13, 5],
      [7, 3],
    ] as const) {
      expect(code(() => parseCoseReceipt(withProofs(proof(size, index))))).toBe(
        'VERIFICATION_FAILED',
      )
    }
  })

  it.each([
    ['any claims', receipt({ protected: withHeader([[15, undefined]]) })],
    ['an issuer', withClaims([[CLAIM.iss, undefined]])],
    ['a tree size', withClaims([[CLAIM.treeSize, undefined]])],
    ['a leaf index', withClaims([[CLAIM.leafIndex, undefined]])],
    ['a leaf hash', withClaims([[CLAIM.leafHash, undefined]])],
  ])('without %s that is signed is refused as unbound', (_, unbound) => {
    expect(code(() => parseCoseReceipt(unbound))).toBe('VERIFICATION_FAILED')
  })

  const swapped = (() => {
    const order = [...header].reverse()
    const value = [encodeCbor(new Map(order), 'received'), unprotectedHeader, null, signature]
    return encodeCbor({ tag: COSE_SIGN1_TAG, value })
  })()
  const unbound = (label: CborKey, value: CborValue | undefined): Uint8Array =>
    receipt({ protected: withHeader([[label, value]]) })
  it.each<[string, Uint8Array]>([
    ['no tag', bytes.slice(1)],
    ['more after it', Uint8Array.of(...bytes, 0)],
    ['its root hash attached', receipt({ payload: rootAt(13) })],
    ['a short signature', receipt({ signature: new Uint8Array(63) })],
    ['no algorithm', unbound(1, undefined)],
    ['the algorithm EdDSA', unbound(1, -8)],
    ['the algorithm ES256', unbound(1, -7)],
    ['no kid', unbound(4, undefined)],
    ['a kid of text', unbound(4, 'abcd')],
    ['a kid of five bytes', unbound(4, new Uint8Array(5))],
    ['no tree algorithm', unbound(395, undefined)],
    ['another tree algorithm', unbound(395, 2)],
    ['the tree algorithm as text', unbound(395, 'RFC9162_SHA256')],
    [
      'an unprotected tree algorithm',
      receipt({
        protected: withHeader([[395, undefined]]),
        unprotected: new Map<CborKey, CborValue>([[395, 1], ...unprotectedHeader]),
      }),
    ],
    [
      'the labels of the drafts',
      receipt({
        protected: withHeader([
          [395, undefined],
          [-111, 1],
        ]),
        unprotected: new Map([[-222, unprotectedHeader.get(396)!]]),
      }),
    ],
    [
      'proofs under the label of the drafts',
      receipt({ unprotected: new Map([[-222, unprotectedHeader.get(396)!]]) }),
    ],
    ['a header beyond the profile', unbound(3, 'text/plain')],
    ['a private header', unbound('note', 1)],
    ['a claim beyond the profile', withClaims([[2, 'subject']])],
    [
      'an unprotected header beyond the profile',
      receipt({ unprotected: new Map<CborKey, CborValue>([[33, 1], ...unprotectedHeader]) }),
    ],
    ['a list of critical headers', unbound(2, [395])],
    ['keys in another order', swapped],
    ['no proof', receipt({ unprotected: new Map() })],
    ['proofs that are no map', receipt({ unprotected: new Map([[396, []]]) })],
    [
      'a consistency proof',
      receipt({ unprotected: new Map([[396, new Map([[-2, [proof(4, 13)]]])]]) }),
    ],
    ['two proofs', withProofs(proof(13, 4), proof(13, 4))],
    ['a proof that is not encoded', withProofs([13, 4, path])],
    ['a proof of two parts', withProofs(encodeCbor([13, 4]))],
    ['a proof with more after it', withProofs(Uint8Array.of(...proof(13, 4), 0))],
    ['a proof of text numbers', withProofs(proof('13', '4'))],
    ['a negative index', withProofs(proof(13, -1))],
    ['a path that is no array', withProofs(proof(13, 4, new Uint8Array(32)))],
    ['a hash of 31 bytes', withProofs(proof(13, 4, [new Uint8Array(31)]))],
    ['a hash of text', withProofs(proof(13, 4, ['x'.repeat(32)]))],
    ['64 hashes', withProofs(proof(13, 4, Array(64).fill(rootAt(13))))],
    ['a size of 2^53', withClaims([[CLAIM.treeSize, 2n ** 53n]])],
    ['a size of text', withClaims([[CLAIM.treeSize, '13']])],
    ['an index of 2^53-1', withClaims([[CLAIM.leafIndex, Number.MAX_SAFE_INTEGER]])],
    ['a leaf hash of text', withClaims([[CLAIM.leafHash, 'x'.repeat(32)]])],
    ['a leaf hash of 31 bytes', withClaims([[CLAIM.leafHash, new Uint8Array(31)]])],
    ['an issuer that is no text', withClaims([[CLAIM.iss, 1]])],
    ['an empty issuer', withClaims([[CLAIM.iss, '']])],
    ['an issuer of two lines', withClaims([[CLAIM.iss, 'a\nb']])],
  ])('with %s is refused', (_, changed) => {
    expect(code(() => parseCoseReceipt(changed))).toBe('MALFORMED')
  })

  it.skipIf(!hasSharedVectors)(
    'of the plain kind is refused, since nothing signed states size and index',
    () => {
      for (const name of ['receipt-inclusion-alg-19', 'receipt-inclusion-alg-8']) {
        const plain = sharedBytes(`generated/${name}.cose`)
        expect(() => parseCoseReceipt(plain)).toThrow(/tree size and leaf index are not bound/)
        expect(code(() => parseCoseReceipt(plain))).toBe('VERIFICATION_FAILED')
      }
      // These prove no inclusion.
      for (const name of ['receipt-consistency-alg-8', 'receipt-consistency-alg-19']) {
        expect(code(() => parseCoseReceipt(sharedBytes(`generated/${name}.cose`)))).toBe(
          'MALFORMED',
        )
      }
    },
  )
})
