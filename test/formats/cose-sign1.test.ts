import { createPublicKey, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ed25519PublicKey, ed25519Sign } from '#ed25519'
import { concat, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import {
  type CborKey,
  type CborMap,
  type CborValue,
  COSE_SIGN1_TAG,
  encodeCbor,
} from '../../src/formats/cbor.ts'
import {
  ALGORITHM,
  encodeCoseSign1,
  encodeProtectedHeader,
  HEADER,
  MAX_COSE_SIZE,
  parseCoseSign1,
  toBeSigned,
  verifyCoseSign1,
} from '../../src/formats/cose-sign1.ts'
import { hasSharedVectors, sharedBytes, sharedText } from '../support/shared-vectors.ts'

const SEED = new Uint8Array(32).fill(5)
const PUBLIC_KEY = ed25519PublicKey(SEED)
const PAYLOAD = utf8('This is the content.')

type Header = CborMap
const ED25519: Header = new Map([[HEADER.alg, ALGORITHM.ed25519]])

function signed(
  header: Header,
  options: { unprotected?: Header; detached?: boolean } = {},
): Uint8Array {
  const { unprotected = new Map(), detached = false } = options
  const protectedBytes = encodeProtectedHeader(header)
  return encodeCoseSign1({
    protectedBytes,
    unprotectedHeader: unprotected,
    payload: detached ? undefined : PAYLOAD,
    signature: ed25519Sign(toBeSigned(protectedBytes, { payload: PAYLOAD }), SEED),
  })
}
function message(value: CborValue): Uint8Array {
  return encodeCbor({ tag: COSE_SIGN1_TAG, value })
}
function code(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return (error as { code?: unknown }).code ?? error
  }
  return 'accepted'
}

describe('a COSE_Sign1', () => {
  it('verifies with its payload attached or detached', () => {
    verifyCoseSign1(parseCoseSign1(signed(ED25519)), PUBLIC_KEY)
    verifyCoseSign1(parseCoseSign1(signed(ED25519, { detached: true })), PUBLIC_KEY, {
      payload: PAYLOAD,
    })
    verifyCoseSign1(parseCoseSign1(signed(new Map([[HEADER.alg, ALGORITHM.eddsa]]))), PUBLIC_KEY)
  })

  it('is written again to the byte', () => {
    const bytes = signed(ED25519, { unprotected: new Map([[HEADER.kid, utf8('key')]]) })
    expect(encodeCoseSign1(parseCoseSign1(bytes))).toEqual(bytes)
  })

  it('does not verify once any byte of it is changed', () => {
    const bytes = signed(ED25519, { detached: true })
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [0x01, 0x80]) {
        const changed = bytes.slice()
        changed[at]! ^= change
        const outcome = code(() =>
          verifyCoseSign1(parseCoseSign1(changed), PUBLIC_KEY, { payload: PAYLOAD }),
        )
        expect(outcome, `byte ${at}`).not.toBe('accepted')
      }
    }
  })

  it('does not verify with another key, payload or external data', () => {
    const detached = parseCoseSign1(signed(ED25519, { detached: true }))
    const other = ed25519PublicKey(new Uint8Array(32).fill(6))
    expect(code(() => verifyCoseSign1(detached, other, { payload: PAYLOAD }))).toBe(
      'VERIFICATION_FAILED',
    )
    expect(code(() => verifyCoseSign1(detached, PUBLIC_KEY, { payload: utf8('other') }))).toBe(
      'VERIFICATION_FAILED',
    )
    const content = { payload: PAYLOAD, externalAad: utf8('more') }
    expect(code(() => verifyCoseSign1(detached, PUBLIC_KEY, content))).toBe('VERIFICATION_FAILED')
  })

  it('never has its attached payload replaced by another', () => {
    const attached = parseCoseSign1(signed(ED25519))
    expect(code(() => verifyCoseSign1(attached, PUBLIC_KEY, { payload: PAYLOAD }))).toBe(
      'VERIFICATION_FAILED',
    )
  })

  it.each<[string, Header, Header]>([
    ['nowhere', new Map(), new Map()],
    ['in the unprotected header only', new Map(), ED25519],
    ['as ES256', new Map([[HEADER.alg, -7]]), new Map()],
    ['as ML-DSA-44', new Map([[HEADER.alg, -48]]), new Map()],
    ['as text', new Map([[HEADER.alg, 'EdDSA']]), new Map()],
  ])('does not verify when its algorithm is given %s', (_, header, unprotected) => {
    const parsed = parseCoseSign1(signed(header, { unprotected }))
    expect(code(() => verifyCoseSign1(parsed, PUBLIC_KEY))).toBe('VERIFICATION_FAILED')
  })

  it('verifies over its protected header as received, in whatever order', () => {
    const protectedBytes = fromHex('a2044101' + '0132')
    const signature = ed25519Sign(toBeSigned(protectedBytes, { payload: PAYLOAD }), SEED)
    const bytes = encodeCoseSign1({
      protectedBytes,
      unprotectedHeader: new Map(),
      payload: PAYLOAD,
      signature,
    })
    const parsed = parseCoseSign1(bytes)
    expect(parsed.protectedBytes).toEqual(protectedBytes)
    verifyCoseSign1(parsed, PUBLIC_KEY)
  })

  it('signs no bytes for an empty protected header, even when it is sent as an empty map', () => {
    const structure = '846a5369676e61747572653140404401020304'
    const payload = fromHex('01020304')
    expect(toHex(toBeSigned(new Uint8Array(), { payload }))).toBe(structure)
    expect(toHex(toBeSigned(fromHex('a0'), { payload }))).toBe(structure)
  })

  const header = encodeProtectedHeader(ED25519)
  const signature = new Uint8Array(64)
  it.each<[string, Uint8Array]>([
    ['no tag', encodeCbor([header, new Map(), null, signature])],
    ['another tag', concat(fromHex('d903e6'), encodeCbor([header, new Map(), null, signature]))],
    ['two tags', concat(fromHex('d2'), message([header, new Map(), null, signature]))],
    ['no array', message(header)],
    ['three parts', message([header, new Map(), null])],
    ['five parts', message([header, new Map(), null, signature, null])],
    ['a protected header that is not encoded', message([ED25519, new Map(), null, signature])],
    ['a protected header that is no map', message([encodeCbor([1]), new Map(), null, signature])],
    [
      'a protected header with more after it',
      message([concat(header, fromHex('00')), new Map(), null, signature]),
    ],
    [
      'a protected header with a key twice',
      message([fromHex('a201320132'), new Map(), null, signature]),
    ],
    [
      'a protected header of indefinite length',
      message([fromHex('bf0132ff'), new Map(), null, signature]),
    ],
    [
      'an algorithm that is not in its shortest form',
      message([fromHex('a1013812'), new Map(), null, signature]),
    ],
    ['a protected header that is not CBOR', message([fromHex('a1'), new Map(), null, signature])],
    ['an unprotected header that is no map', message([header, [], null, signature])],
    ['a payload of text', message([header, new Map(), 'payload', signature])],
    ['a signature of text', message([header, new Map(), null, 'signature'])],
    ['more after it', concat(message([header, new Map(), null, signature]), fromHex('00'))],
    [
      'an indefinite length',
      fromHex(`d29f${toHex(message([header, new Map(), null, signature])).slice(4)}ff`),
    ],
    ['a label in both headers', message([header, ED25519, null, signature])],
    [
      'an unprotected list of critical headers',
      message([header, new Map([[2, [1]]]), null, signature]),
    ],
    [
      'an unknown critical header',
      signed(new Map<CborKey, CborValue>([...ED25519, [2, [99]], [99, 1]])),
    ],
    [
      'a critical header that is absent',
      signed(new Map<CborKey, CborValue>([...ED25519, [2, [HEADER.vds]]])),
    ],
    [
      'an empty list of critical headers',
      signed(new Map<CborKey, CborValue>([...ED25519, [2, []]])),
    ],
    [
      'a list of critical headers that is none',
      signed(new Map<CborKey, CborValue>([...ED25519, [2, 1]])),
    ],
    ['nothing in it', new Uint8Array()],
  ])('with %s is refused', (_, bytes) => {
    expect(code(() => parseCoseSign1(bytes))).toBe('MALFORMED')
  })

  it('may have critical headers that are understood', () => {
    const critical = new Map<CborKey, CborValue>([...ED25519, [2, [HEADER.vds]], [HEADER.vds, 1]])
    verifyCoseSign1(parseCoseSign1(signed(critical)), PUBLIC_KEY)
  })

  it('beyond the size limit is refused', () => {
    expect(code(() => parseCoseSign1(new Uint8Array(MAX_COSE_SIZE + 1)))).toBe('TOO_LARGE')
  })
})

interface Example {
  readonly fail?: boolean
  readonly input: {
    readonly sign0: {
      readonly key: {
        readonly x_hex?: string
        readonly x?: string
        readonly y?: string
        readonly crv: string
      }
      readonly external?: string
    }
  }
  readonly intermediates: { readonly ToBeSign_hex: string }
  readonly output: { readonly cbor: string }
}

/** Verifies an example's signature over our Sig_structure, by Ed25519 here and by ECDSA with Node's crypto. */
function verifyExample({ input, output }: Example): boolean {
  const parsed = parseCoseSign1(fromHex(output.cbor.toLowerCase()))
  const externalAad = fromHex((input.sign0.external ?? '').toLowerCase())
  const content = { payload: parsed.payload!, externalAad }
  const { x_hex, x, y, crv } = input.sign0.key
  if (x_hex !== undefined) {
    verifyCoseSign1(parsed, fromHex(x_hex), { externalAad })
    return true
  }
  if (parsed.protectedHeader.size > 0 && parsed.protectedHeader.get(HEADER.alg) !== -7) return false
  const key = createPublicKey({ key: { kty: 'EC', crv, x: x!, y: y! }, format: 'jwk' })
  const data = toBeSigned(parsed.protectedBytes, content)
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, parsed.signature)
}

describe.skipIf(!hasSharedVectors)('the examples of the COSE working group', () => {
  const read = (name: string): Example => JSON.parse(sharedText(`cose-wg-examples/${name}.json`))

  it.each(['eddsa-examples/eddsa-sig-01', 'sign1-tests/sign-pass-01', 'sign1-tests/sign-pass-02'])(
    '%s verifies, over the bytes that it says are signed',
    (name) => {
      const example = read(name)
      const parsed = parseCoseSign1(fromHex(example.output.cbor.toLowerCase()))
      const externalAad = fromHex((example.input.sign0.external ?? '').toLowerCase())
      const content = { payload: parsed.payload!, externalAad }
      const expected = example.intermediates.ToBeSign_hex.toLowerCase()
      expect(toHex(toBeSigned(parsed.protectedBytes, content))).toBe(expected)
      expect(verifyExample(example)).toBe(true)
    },
  )

  it('sign-pass-01 is refused by verifyCoseSign1, since its algorithm is not protected', () => {
    const parsed = parseCoseSign1(
      fromHex(read('sign1-tests/sign-pass-01').output.cbor.toLowerCase()),
    )
    expect(code(() => verifyCoseSign1(parsed, PUBLIC_KEY))).toBe('VERIFICATION_FAILED')
  })

  it('sign-pass-03 is refused, since it has no tag', () => {
    expect(
      code(() =>
        parseCoseSign1(fromHex(read('sign1-tests/sign-pass-03').output.cbor.toLowerCase())),
      ),
    ).toBe('MALFORMED')
  })

  it('sign-fail-01 is refused for its tag', () => {
    expect(code(() => verifyExample(read('sign1-tests/sign-fail-01')))).toBe('MALFORMED')
  })

  it.each([2, 3, 4, 6, 7])('sign-fail-0%i does not verify', (number) => {
    expect(verifyExample(read(`sign1-tests/sign-fail-0${number}`))).toBe(false)
  })

  it('eddsa-sig-02 is refused: its Ed448 key and signature are none of ours', () => {
    const { output, input } = read('eddsa-examples/eddsa-sig-02')
    const parsed = parseCoseSign1(fromHex(output.cbor.toLowerCase()))
    expect(code(() => verifyCoseSign1(parsed, fromHex(input.sign0.key.x_hex!)))).toBe(
      'VERIFICATION_FAILED',
    )
  })
})

interface ReceiptVector {
  readonly sigStructureHex: string
  readonly rootHex?: string
  readonly root2Hex?: string
  readonly receiptHex: string
}

describe.skipIf(!hasSharedVectors)('plain RFC 9942 receipts made elsewhere', () => {
  const file: { publicKeyHex: string; receipts: Record<string, ReceiptVector> } = hasSharedVectors
    ? JSON.parse(sharedText('generated/cose-receipts.json'))
    : { publicKeyHex: '', receipts: {} }

  it.each(Object.keys(file.receipts))('%s verifies with the root hash as its payload', (name) => {
    const vector = file.receipts[name]!
    const bytes = sharedBytes(`generated/${name}`)
    expect(toHex(bytes)).toBe(vector.receiptHex)
    const parsed = parseCoseSign1(bytes)
    // The newer root of a consistency receipt.
    const payload = fromHex(vector.rootHex ?? vector.root2Hex!)
    expect(toHex(toBeSigned(parsed.protectedBytes, { payload }))).toBe(vector.sigStructureHex)
    verifyCoseSign1(parsed, fromHex(file.publicKeyHex), { payload })
    expect(parsed.protectedHeader.get(HEADER.vds)).toBe(1)
    expect(encodeCoseSign1(parsed)).toEqual(bytes)
    payload[0]! ^= 1
    expect(code(() => verifyCoseSign1(parsed, fromHex(file.publicKeyHex), { payload }))).toBe(
      'VERIFICATION_FAILED',
    )
  })

  it.each([
    ['inclusion', -1, [5, 3]],
    ['consistency', -2, [3, 5]],
  ] as const)(
    'the %s receipt of the drafts has the structure of the RFC',
    (name, kind, numbers) => {
      const parsed = parseCoseSign1(sharedBytes(`cose-wg-merkle-tree-proofs/${name}-receipt.cbor`))
      expect(parsed.protectedHeader.get(HEADER.vds)).toBe(1)
      expect(parsed.payload).toBeUndefined()
      const proofs = parsed.unprotectedHeader.get(HEADER.vdp) as ReadonlyMap<number, Uint8Array[]>
      const [proof] = proofs.get(kind)!
      expect([...proof!.subarray(0, 3)]).toEqual([0x83, ...numbers])
    },
  )
})
