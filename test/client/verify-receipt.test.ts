import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toBase64, utf8 } from '../../src/bytes.ts'
import type { Trust, Verdict } from '../../src/client/verdict.ts'
import { receiptVerifier, verifyReceipt } from '../../src/client/verify-receipt.ts'
import {
  type CborMap,
  type CborValue,
  COSE_SIGN1_TAG,
  decodeCbor,
  encodeCbor,
} from '../../src/formats/cbor.ts'
import { type Policy, parsePolicy } from '../../src/formats/policy.ts'
import { ed25519SigningKey, mlDsaSigningKey } from '../../src/formats/signing-key.ts'
import { parseTlogProof } from '../../src/formats/tlog-proof.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { codePoint } from '../support/code-points.ts'
import {
  checkpointAt,
  coseReceiptAt,
  hashesOf,
  inclusionAt,
  jsonReceiptAt,
  LEAVES,
  LOG_KEY,
  LOG_ML_DSA_SEED,
  ORIGIN,
  rootAt,
  tlogProofAt,
  WITNESS_1,
  WITNESS_2,
} from '../support/example-log.ts'
import { hasSharedVectors, sharedBytes, sharedText } from '../support/shared-vectors.ts'

const TRUST: Trust = { logKeys: [LOG_KEY.vkey] }
const ML_DSA = mlDsaSigningKey(ORIGIN, LOG_ML_DSA_SEED)
const SIZE = LEAVES.length

function policy(quorum: string): Policy {
  const lines = [
    `log ${formatVkey(LOG_KEY.vkey)}`,
    `witness w1 ${formatVkey(WITNESS_1.vkey)}`,
    `witness w2 ${formatVkey(WITNESS_2.vkey)}`,
    'group both all w1 w2',
    `quorum ${quorum}`,
  ]
  return parsePolicy(utf8(`${lines.join('\n')}\n`))
}

function verify(receipt: string | Uint8Array, leaf: Uint8Array, trust = TRUST): Verdict {
  return verifyReceipt({
    leaf,
    receipt: typeof receipt === 'string' ? utf8(receipt) : receipt,
    trust,
  })
}
function failures(verdict: Verdict): string[] {
  return verdict.checks.filter(({ status }) => status === 'failed').map(({ name }) => name)
}
function detail(verdict: Verdict, name: string): string {
  return verdict.checks.find((check) => check.name === name)!.detail
}
/** Expects a refusal for one reason, with what was not reached marked so, and no fact claimed. */
function expectRefusal(verdict: Verdict, name: string, reason: RegExp): void {
  expect(verdict.ok).toBe(false)
  expect(failures(verdict)).toEqual([name])
  expect(detail(verdict, name)).toMatch(reason)
  expect(Object.keys(verdict).sort()).toEqual(['checks', 'finding', 'kind', 'ok'])
}

const FORMATS = [
  ['tlog-proof', (index: number, size: number): Uint8Array => utf8(tlogProofAt(index, size))],
  ['json', (index: number, size: number): Uint8Array => utf8(jsonReceiptAt(index, size))],
  ['cose', coseReceiptAt],
] as const

describe.each(FORMATS)('a %s receipt', (kind, make) => {
  it('proves every entry of every tree', () => {
    for (let size = kind === 'cose' ? 2 : 1; size <= SIZE; size++) {
      for (let index = 0; index < size; index++) {
        const verdict = verify(make(index, size), LEAVES[index]!)
        expect(verdict).toMatchObject({
          ok: true,
          kind,
          origin: ORIGIN,
          index,
          size,
          root: rootAt(size),
        })
        expect(failures(verdict)).toEqual([])
      }
    }
  })

  it('says what it proves in a sentence', () => {
    const verdict = verify(make(4, 13), LEAVES[4]!)
    expect(detail(verdict, 'inclusion')).toBe(
      "the leaf is entry 4 of the 13 in log.example/audit's tree (the first is entry 0)",
    )
    expect(detail(verdict, 'log signature')).toContain(
      'log.example/audit has signed its tree of 13 entries with the Ed25519 key',
    )
    expect(verdict.checks.map(({ name }) => name)).toEqual([
      'format',
      'signed facts',
      'leaf',
      'log signature',
      'witnesses',
      'inclusion',
    ])
  })

  it('proves nothing about another leaf', () => {
    const verdict = verify(make(4, 13), LEAVES[5]!)
    if (kind === 'tlog-proof') expectRefusal(verdict, 'inclusion', /another root hash/)
    else expectRefusal(verdict, 'leaf', /the receipt is for another leaf/)
  })

  it('takes the leaf to the byte', () => {
    expect(verify(make(4, 13), concat(LEAVES[4]!, utf8('\n'))).ok).toBe(false)
  })

  it('proves nothing about an empty leaf or one that is too long', () => {
    expectRefusal(verify(make(4, 13), new Uint8Array()), 'leaf', /empty/)
    expectRefusal(verify(make(4, 13), new Uint8Array(65_536)), 'leaf', /65536 bytes/)
  })

  it('proves nothing to someone who does not trust the log', () => {
    const other = ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(0x55)).vkey
    const namesake = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(0x11)).vkey
    for (const logKeys of [[], [other], [namesake], [ML_DSA.vkey], [other, namesake]]) {
      const verdict = verify(make(4, 13), LEAVES[4]!, { logKeys })
      expectRefusal(verdict, 'log signature', /log key/)
      expect(verdict.checks.at(-1)).toMatchObject({ name: 'inclusion', status: 'skipped' })
    }
  })

  it("is not proven by a witness's key given as the log's", () => {
    expect(verify(make(4, 13), LEAVES[4]!, { logKeys: [WITNESS_1.vkey] }).ok).toBe(false)
  })

  it('is proven by a key of the log among others, and by a policy that lists it', () => {
    const other = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(0x55)).vkey
    expect(
      verify(make(4, 13), LEAVES[4]!, { logKeys: [other, LOG_KEY.vkey, LOG_KEY.vkey] }).ok,
    ).toBe(true)
    expect(verify(make(4, 13), LEAVES[4]!, { logKeys: [], policy: policy('none') }).ok).toBe(true)
    expect(
      verify(make(4, 13), LEAVES[4]!, { logKeys: [LOG_KEY.vkey], policy: policy('none') }).ok,
    ).toBe(true)
  })

  it('does not satisfy a policy that demands witnesses when it has no cosignatures', () => {
    const verdict = verify(make(4, 13), LEAVES[4]!, { logKeys: [], policy: policy('both') })
    expectRefusal(verdict, 'witnesses', /the policy demands the quorum both/)
  })

  it('proves the same facts or nothing once it is changed anywhere', () => {
    const receipt = make(4, 13)
    const truth = verify(receipt, LEAVES[4]!)
    const change = fc.oneof(
      fc.record({ at: fc.nat(receipt.length - 1), to: fc.nat(255) }).map(({ at, to }) => {
        const changed = receipt.slice()
        changed[at] = to
        return changed
      }),
      fc
        .record({ at: fc.nat(receipt.length), length: fc.nat(40) })
        .map(({ at, length }) => concat(receipt.subarray(0, at), receipt.subarray(at + length))),
      fc
        .record({ at: fc.nat(receipt.length), bytes: fc.uint8Array({ maxLength: 40 }) })
        .map(({ at, bytes }) => concat(receipt.subarray(0, at), bytes, receipt.subarray(at))),
      fc
        .record({ from: fc.nat(receipt.length), at: fc.nat(receipt.length) })
        .map(({ from, at }) => concat(receipt.subarray(0, at), receipt.subarray(from))),
    )
    fc.assert(
      fc.property(change, (changed) => {
        const verdict = verify(changed, LEAVES[4]!)
        if (!verdict.ok) expect(failures(verdict)).toHaveLength(1)
        else expect({ ...verdict, checks: [] }).toEqual({ ...truth, checks: [] })
      }),
      { numRuns: 500 },
    )
  })

  it('proves nothing once any one bit of it is changed', () => {
    const receipt = make(12, 13)
    for (let at = 0; at < receipt.length; at++) {
      for (const bit of [0, 5]) {
        const changed = receipt.slice()
        changed[at]! ^= 2 ** bit
        // JSON may spell its white space and escapes in other ways; none of them is one bit away here.
        expect(verify(changed, LEAVES[12]!).ok, `byte ${at}, bit ${bit}`).toBe(false)
      }
    }
  })
})

describe('a receipt', () => {
  it.each([
    ['nothing', new Uint8Array()],
    ['text', utf8('receipt')],
    ['white space', utf8(' \n\t')],
    ['a checkpoint alone', utf8(checkpointAt(13))],
    ['zeros', new Uint8Array(1000)],
  ])('of %s is of no kind', (_, bytes) => {
    const verdict = verify(bytes, LEAVES[4]!)
    expect(verdict.kind).toBe('unknown')
    expectRefusal(verdict, 'format', /neither a tlog-proof, nor a JSON receipt, nor a COSE receipt/)
  })

  it('never makes verification throw, whatever its bytes', () => {
    const start = fc.constantFrom(
      '',
      'c2sp.org/tlog-proof@v1\n',
      '{',
      '{"version":"cairn-receipt/v1",',
    )
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.constantFrom(0xd2, 0x84, 0x9f, 0xbf, 0xd9), fc.uint8Array())
        .map(([first, rest]) => concat(Uint8Array.of(first), rest)),
      fc.tuple(start, fc.string({ unit: codePoint })).map(([first, rest]) => utf8(first + rest)),
      fc.json().map(utf8),
    )
    fc.assert(
      fc.property(bytes, (receipt) => {
        const verdict = verify(receipt, LEAVES[4]!)
        expect(verdict.ok).toBe(false)
        expect(failures(verdict)).toEqual(['format'])
      }),
      { numRuns: 2000 },
    )
  })

  it('that is deeply nested or very long is refused, not followed', () => {
    for (const bytes of [
      new Uint8Array(3_000_000).fill(0x81),
      concat(Uint8Array.of(0xd2), new Uint8Array(1_000_000).fill(0x81)),
      new Uint8Array(3_000_000).fill(0x7b),
      utf8(`{"index":${'['.repeat(1_000_000)}`),
      utf8(`{"checkpoint":"${'\\n'.repeat(900_000)}"}`),
      utf8(`c2sp.org/tlog-proof@v1\nindex 0\n${'\n'.repeat(1_000_000)}`),
      concat(utf8('c2sp.org/tlog-proof@v1\n'), new Uint8Array(3_000_000)),
    ]) {
      expect(failures(verify(bytes, LEAVES[4]!))).toEqual(['format'])
    }
  })

  it('quotes nothing that steers a terminal', () => {
    const json = jsonReceiptAt(4, 13).replaceAll(ORIGIN, 'a\u009b2J\u202eb')
    const verdict = verify(json, LEAVES[4]!)
    expectRefusal(verdict, 'log signature', /a\ufffd2J\ufffdb/)
  })
})

describe('the checkpoint in a receipt', () => {
  it('may be signed by the ML-DSA-44 key of the log alone, for those who trust that key', () => {
    const receipt = tlogProofAt(4, 13, { keys: [ML_DSA] })
    const verdict = verify(receipt, LEAVES[4]!, { logKeys: [ML_DSA.vkey] })
    expect(verdict.ok).toBe(true)
    expect(detail(verdict, 'log signature')).toContain(`ML-DSA-44 key ${ML_DSA.vkey.keyId}`)
    expectRefusal(verify(receipt, LEAVES[4]!), 'log signature', /no signature by a given log key/)
  })

  it('signed by both keys is proven by either, and names both', () => {
    const receipt = jsonReceiptAt(4, 13, { keys: [LOG_KEY, ML_DSA] })
    const both = verify(receipt, LEAVES[4]!, { logKeys: [LOG_KEY.vkey, ML_DSA.vkey] })
    expect(detail(both, 'log signature')).toMatch(
      /Ed25519 key [0-9a-f]{8} and the ML-DSA-44 key [0-9a-f]{8}/,
    )
    for (const logKeys of [[LOG_KEY.vkey], [ML_DSA.vkey]]) {
      expect(verify(receipt, LEAVES[4]!, { logKeys }).ok).toBe(true)
    }
  })

  it('is proven by its Ed25519 signature alone when the ML-DSA-44 key is given as well', () => {
    expect(
      verify(tlogProofAt(4, 13), LEAVES[4]!, { logKeys: [LOG_KEY.vkey, ML_DSA.vkey] }).ok,
    ).toBe(true)
  })

  it('satisfies a quorum with the cosignatures it carries', () => {
    const trust = { logKeys: [], policy: policy('both') }
    const witnesses = [WITNESS_1, WITNESS_2]
    for (const receipt of [
      tlogProofAt(4, 13, { witnesses }),
      jsonReceiptAt(4, 13, { witnesses }),
    ]) {
      const verdict = verify(receipt, LEAVES[4]!, trust)
      expect(verdict.ok).toBe(true)
      expect(detail(verdict, 'witnesses')).toBe(
        'the tree is cosigned by witness.example/one at 2023-11-14T22:13:20Z, by witness.example/two at ' +
          '2023-11-14T22:13:20Z, which satisfies the quorum both of the policy',
      )
    }
    const one = tlogProofAt(4, 13, { witnesses: [WITNESS_1] })
    expectRefusal(
      verify(one, LEAVES[4]!, trust),
      'witnesses',
      /cosigned by witness.example\/one at/,
    )
    expect(verify(one, LEAVES[4]!, { logKeys: [], policy: policy('w1') }).ok).toBe(true)
    expect(verify(one, LEAVES[4]!, { logKeys: [], policy: policy('w2') }).ok).toBe(false)
  })

  it('is refused when the cosignature of a known witness does not verify, even if no witness is demanded', () => {
    const receipt = tlogProofAt(4, 13, { witnesses: [WITNESS_1] })
    const stale = tlogProofAt(4, 12, { witnesses: [WITNESS_1] })
      .split('\n')
      .at(-2)!
    const forged = `${receipt.split('\n').slice(0, -2).join('\n')}\n${stale}\n`
    expect(verify(forged, LEAVES[4]!).ok).toBe(true)
    expectRefusal(
      verify(forged, LEAVES[4]!, { logKeys: [], policy: policy('none') }),
      'log signature',
      /witness.example\/one/,
    )
  })

  it('of another size does not fit the proof', () => {
    const { checkpoint } = parseTlogProof(utf8(tlogProofAt(4, 12)))
    const receipt = tlogProofAt(4, 13).split('\n\n')[0]
    expectRefusal(verify(`${receipt}\n\n${checkpoint}`, LEAVES[4]!), 'inclusion', /inclusion proof/)
  })
})

describe('what is not signed', () => {
  it('is the extra line of a tlog-proof: it may be changed, and proves nothing', () => {
    const first = tlogProofAt(4, 13, { extra: utf8('first') })
    const changed = first.replace(toBase64(utf8('first')), toBase64(utf8('other')))
    expect(changed).not.toBe(first)
    expect(verify(changed, LEAVES[4]!)).toEqual(verify(first, LEAVES[4]!))
  })

  it('is the index of a tlog-proof, but the signed size leaves only one that the proof fits', () => {
    const text = tlogProofAt(12, 13)
    for (let index = 0; index < 20; index++) {
      expect(verify(text.replace('index 12', `index ${index}`), LEAVES[12]!).ok).toBe(index === 12)
    }
  })

  it('is nothing that a JSON receipt states', () => {
    const receipt = JSON.parse(jsonReceiptAt(4, 13))
    const change = (members: object): Verdict =>
      verify(JSON.stringify({ ...receipt, ...members }), LEAVES[4]!)
    expectRefusal(change({ index: 5 }), 'inclusion', /another root hash/)
    expectRefusal(change({ tree_size: 14 }), 'signed facts', /another tree size/)
    expectRefusal(change({ root_hash: receipt.leaf_hash }), 'signed facts', /another root hash/)
    expectRefusal(change({ origin: 'other.example/log' }), 'signed facts', /another origin/)
    expectRefusal(change({ leaf_hash: receipt.root_hash }), 'leaf', /another leaf/)
    expectRefusal(change({ note: 1 }), 'format', /a member too many/)
  })
})

/** Indices and sizes other than the true ones for which a path still leads to the same root: RFC 9942 leaves them open. */
function aliases(index: number, size: number): [number, number][] {
  const leaf = hashesOf(LEAVES)[index]!
  const { proof } = inclusionAt(index, size)
  const found: [number, number][] = []
  for (let otherSize = 1; otherSize <= 40; otherSize++) {
    for (let other = 0; other < otherSize; other++) {
      if (other === index && otherSize === size) continue
      try {
        verifyInclusion(leafIndex(other), treeSize(otherSize), leaf, proof, rootAt(size))
        found.push([other, otherSize])
      } catch {
        // The path does not fit there.
      }
    }
  }
  return found
}

describe('a COSE receipt moved to another index or size', () => {
  const [index, size] = [12, 13]
  const tagged = decodeCbor(coseReceiptAt(index, size)) as { value: CborValue }
  const [protectedBytes, , payload, signature] = tagged.value as [
    Uint8Array,
    CborMap,
    CborValue,
    Uint8Array,
  ]

  function moved(to: [number, number], options: { claims: boolean }): Uint8Array {
    const [otherIndex, otherSize] = to
    const proof = encodeCbor([otherSize, otherIndex, inclusionAt(index, size).proof])
    const header = new Map(decodeCbor(protectedBytes) as CborMap)
    const claims = new Map(header.get(15) as CborMap).set(-65537, otherSize).set(-65538, otherIndex)
    const signedPart = options.claims ? encodeCbor(header.set(15, claims)) : protectedBytes
    const unprotected = new Map([[396, new Map([[-1, [proof]]])]])
    return encodeCbor({ tag: COSE_SIGN1_TAG, value: [signedPart, unprotected, payload, signature] })
  }

  it('would pass if only the root hash were signed', () => {
    expect(aliases(index, size).length).toBeGreaterThan(3)
  })

  it('is refused because the proof is not for what is signed', () => {
    for (const to of aliases(index, size)) {
      const verdict = verify(moved(to, { claims: false }), LEAVES[index]!)
      expectRefusal(verdict, 'signed facts', /what is signed in it is entry 12 of 13/)
    }
  })

  it('is refused because its claims are signed, when they are moved along', () => {
    for (const to of aliases(index, size)) {
      expectRefusal(
        verify(moved(to, { claims: true }), LEAVES[index]!),
        'log signature',
        /does not verify/,
      )
    }
  })
})

describe.skipIf(!hasSharedVectors)('receipts made elsewhere', () => {
  const leaves = hasSharedVectors
    ? (JSON.parse(sharedText('generated/leaves.json')) as string[]).map(utf8)
    : []
  const keys = hasSharedVectors ? JSON.parse(sharedText('generated/keys.json')).vkeys : {}
  const trust = (): Trust => ({ logKeys: [parseVkey(keys.log)] })

  it.each([
    ['idx0-size1', 0, 1],
    ['idx0-size15', 0, 15],
    ['idx3-size15', 3, 15],
    ['idx3-size15-extra', 3, 15],
    ['idx14-size15', 14, 15],
  ])('%s verifies under every policy made for it', (name, index, size) => {
    const receipt = sharedBytes(`generated/${name}.tlog-proof`)
    const facts = { ok: true, kind: 'tlog-proof', origin: 'example.com/log/testdata', index, size }
    expect(verify(receipt, leaves[index]!, trust())).toMatchObject(facts)
    for (const file of ['policy-2of3', 'policy-nested', 'policy-none']) {
      const both = { logKeys: [], policy: parsePolicy(sharedBytes(`generated/${file}.txt`)) }
      expect(verify(receipt, leaves[index]!, both)).toMatchObject(facts)
    }
  })

  it('a plain COSE receipt is refused, with the reason', () => {
    for (const name of ['receipt-inclusion-alg-19', 'receipt-inclusion-alg-8']) {
      const verdict = verify(sharedBytes(`generated/${name}.cose`), leaves[3]!, trust())
      expect(verdict.kind).toBe('cose')
      expectRefusal(
        verdict,
        'signed facts',
        /plain RFC 9942 receipt.*tree size and leaf index are not bound/,
      )
    }
  })

  it('a receipt of consistency is refused as a receipt of inclusion', () => {
    const verdict = verify(
      sharedBytes('generated/receipt-consistency-alg-19.cose'),
      leaves[3]!,
      trust(),
    )
    expectRefusal(verdict, 'format', /does not hold one inclusion proof/)
  })
})

describe('a verifier of many receipts', () => {
  it('gives each the verdict that it gets alone, good and bad in any order', () => {
    const receipts = FORMATS.flatMap(([, make]) =>
      [2, 7, SIZE].flatMap((size) => Array.from({ length: size }, (_, index) => make(index, size))),
    )
    const spoiled = receipts.map((receipt, i) => {
      const copy = receipt.slice()
      copy[(i * 37) % copy.length]! ^= 1
      return copy
    })
    const verifyOne = receiptVerifier(TRUST)
    for (let i = 0; i < receipts.length; i++) {
      for (const receipt of [receipts[i]!, spoiled[i]!, receipts[i]!]) {
        for (const leaf of [LEAVES[i % SIZE]!, LEAVES[0]!]) {
          expect(verifyOne(leaf, receipt)).toEqual(verifyReceipt({ leaf, receipt, trust: TRUST }))
        }
      }
    }
  })

  it('does not take what another verifier, with other keys, has found good', () => {
    const receipt = utf8(tlogProofAt(3, SIZE))
    const other = { logKeys: [ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(9)).vkey] }
    expect(receiptVerifier(TRUST)(LEAVES[3]!, receipt).ok).toBe(true)
    expect(receiptVerifier(other)(LEAVES[3]!, receipt).ok).toBe(false)
  })
})
