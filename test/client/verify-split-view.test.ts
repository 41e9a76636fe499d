import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import type { Trust } from '../../src/client/verdict.ts'
import {
  type SplitViewCheckName,
  type SplitViewVerdict,
  verifySplitView,
} from '../../src/client/verify-split-view.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote, type NoteSignature, parseNote } from '../../src/formats/note.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import {
  cosigningKey,
  ed25519SigningKey,
  mlDsaSigningKey,
  type SigningKey,
} from '../../src/formats/signing-key.ts'
import {
  formatSplitView,
  inSplitOrder,
  type SignedHead,
  type SplitView,
} from '../../src/formats/split-view.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { compareHeads } from '../../src/tiles/split-view.ts'
import { countingTree, type Hash, type NaiveTree, naiveNode } from '../merkle/naive.ts'
import { FORKED_KEY, FORKED_ORIGIN, forkedTree, headOf, signedHead } from '../support/forked-log.ts'
import { treeSource } from '../tiles/tree-source.ts'

const honest = countingTree()
const fork = forkedTree(5)
const trust: Trust = { logKeys: [FORKED_KEY.vkey] }

const verify = (evidence: SplitView, whom: Trust = trust): SplitViewVerdict =>
  verifySplitView(utf8(formatSplitView(evidence)), whom)

/** The evidence that two heads are and the prefix that is claimed for the second. */
function evidenceOf(
  first: SignedHead,
  second: SignedHead,
  prefix?: { root: Hash; proof: readonly Hash[] },
): SplitView {
  return {
    first: first.note,
    second: second.note,
    ...(prefix && { prefix: { root: rootHash(prefix.root), proof: prefix.proof.map(nodeHash) } }),
  }
}

function prefixOf(tree: NaiveTree, first: number, second: number) {
  return { root: tree.root(0, first), proof: tree.proof(first, second) }
}

/** The log forked at leaf 5: a head of 7 in one tree, of 12 in the other. */
const grown = evidenceOf(headOf(fork, 7), headOf(honest, 12), prefixOf(honest, 7, 12))
const [low, high] = inSplitOrder(headOf(fork, 12), headOf(honest, 12))
const twins = evidenceOf(low, high)

function expectRefusal(verdict: SplitViewVerdict, name: SplitViewCheckName, why: RegExp): void {
  const { checks, finding, ...rest } = verdict
  expect(rest).toEqual({ ok: false, kind: 'split-view' })
  expect(finding).toMatch(/^nothing is proven: /)
  expect(checks.map((check) => check.name)).toEqual([
    'format',
    'one log',
    'log signature',
    'contradiction',
  ])
  const at = checks.findIndex((check) => check.status === 'failed')
  expect(checks[at]).toMatchObject({ name, detail: expect.stringMatching(why) })
  for (const later of checks.slice(at + 1)) expect(later.status).toBe('skipped')
}

describe('the evidence of a split view', () => {
  it('is confirmed for two trees of one size', () => {
    const verdict = verify(twins)
    const roots = [low, high].map(({ checkpoint }) => checkpoint.root)
    expect(verdict).toMatchObject({
      ok: true,
      kind: 'split-view',
      origin: FORKED_ORIGIN,
      heads: [
        { size: 12, root: roots[0] },
        { size: 12, root: roots[1] },
      ],
      finding: `forked.example/log signed two different trees of 12 leaves, with the root hashes ${toHex(roots[0]!)} and ${toHex(roots[1]!)}`,
    })
    expect(verdict.checks.every(({ status }) => status === 'held')).toBe(true)
  })

  it('is confirmed for trees of which one is not the beginning of the other', () => {
    const verdict = verify(grown)
    expect(verdict.finding).toBe(
      'forked.example/log signed two trees that cannot both be true: the first 7 leaves under its head of 12 are not those it signed as its head of 7',
    )
    expect(verdict.checks.map(({ detail }) => detail)).toEqual([
      'the file is a well-formed split view, unchanged since it was made',
      'both heads are of forked.example/log',
      `forked.example/log signed both heads: the first with its Ed25519 key ${FORKED_KEY.vkey.keyId}, the second with its Ed25519 key ${FORKED_KEY.vkey.keyId}`,
      verdict.finding,
    ])
  })

  it('speaks of one leaf as one', () => {
    const other = forkedTree(0)
    const one = evidenceOf(headOf(other, 1), headOf(honest, 12), prefixOf(honest, 1, 12))
    expect(verify(one).finding).toMatch(
      /: the first leaf under its head of 12 is not the one it signed as its head of 1$/,
    )
    const pair = inSplitOrder(headOf(other, 1), headOf(honest, 1))
    expect(verify(evidenceOf(...pair)).finding).toMatch(/two different trees of 1 leaf, /)
  })

  it('is confirmed for a tree of no leaves that is not empty', () => {
    const lie = signedHead(0, honest.root(0, 3))
    const verdict = verify(evidenceOf(lie, headOf(honest, 12)))
    expect(verdict.finding).toMatch(
      /^forked.example\/log signed a tree of no leaves with the root hash [0-9a-f]{64}, which/,
    )
    const pair = inSplitOrder(lie, headOf(honest, 0))
    expect(verify(evidenceOf(...pair)).finding).toMatch(/two different trees of 0 leaves/)
  })

  it('needs no more than the logs of a policy, and no quorum', () => {
    const witness = cosigningKey('w', new Uint8Array(32).fill(1), 'ed25519-cosignature')
    const policy = parsePolicy(
      utf8(`log ${formatVkey(FORKED_KEY.vkey)}\nwitness w ${formatVkey(witness.vkey)}\nquorum w\n`),
    )
    expect(verify(grown, { logKeys: [], policy }).ok).toBe(true)
  })
})

const sizes = fc.oneof(
  fc.nat(300),
  fc.nat(3),
  fc.tuple(fc.nat(8), fc.integer({ min: -1, max: 1 })).map(([bits, off]) => 2 ** bits + off),
)

describe('any two heads of a log', () => {
  it('are proven to be of a fork when they are, whoever compares them', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.maxSafeNat(), async (one, other, seed) => {
        const smaller = Math.min(one, other)
        fc.pre(smaller > 0)
        const forked = forkedTree(seed % smaller)
        const larger = other > one ? forked : honest
        const result = await compareHeads(
          headOf(honest, one),
          headOf(forked, other),
          treeSource(larger, Math.max(one, other)),
        )
        if (result.kind === 'consistent') throw new Error('the fork was not seen')
        expect(verify(result.evidence)).toMatchObject({ ok: true, origin: FORKED_ORIGIN })
      }),
      { numRuns: 100 },
    )
  })

  it('are never proven to be of a fork when one tree is the beginning of the other', () => {
    fc.assert(
      fc.property(sizes, sizes, fc.constantFrom(0, 1, 2, 3), (a, b, forgery) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)]
        fc.pre(small < large)
        const [first, second] = [headOf(honest, small), headOf(honest, large)]
        if (small === 0) {
          expectRefusal(verify(evidenceOf(first, second)), 'contradiction', /empty tree/)
          return
        }
        const truth = prefixOf(honest, small, large)
        // What a forger might put in place of the prefix: the proof binds it to the second root.
        const wrong = forkedTree(small - 1)
        const lies = [
          truth,
          { ...truth, root: wrong.root(0, small) },
          prefixOf(wrong, small, large),
          { root: naiveNode(truth.root, truth.root), proof: truth.proof },
        ]
        const verdict = verify(evidenceOf(first, second, lies[forgery]))
        expectRefusal(verdict, 'contradiction', forgery === 0 ? /heads agree/ : /not shown what/)
      }),
      { numRuns: 200 },
    )
  })
})

describe('evidence is refused', () => {
  it('with any single byte changed, in any way', () => {
    for (const evidence of [grown, twins]) {
      const bytes = utf8(formatSplitView(evidence))
      for (let at = 0; at < bytes.length; at++) {
        for (const mask of [1, 0x20, 0x80, 0xff]) {
          const verdict = verifySplitView(bytes.with(at, bytes[at]! ^ mask), trust)
          if (verdict.ok) throw new Error(`byte ${at} does not matter`)
          expect(verdict.checks[0]!.status).toBe('failed')
        }
      }
    }
  })

  it('with a byte of a head changed, though the digest was made again', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, mask) => {
        const notes = [grown.first, grown.second].map((note) => utf8(note))
        const at = position % notes[0]!.length
        notes[0]![at]! ^= mask
        let changed: string
        try {
          changed = formatSplitView({ ...grown, first: Buffer.from(notes[0]!).toString() })
        } catch {
          return
        }
        expect(verifySplitView(utf8(changed), trust).ok).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('for another hash in the proof or another prefix', () => {
    const { root, proof } = grown.prefix!
    const flip = (hash: Uint8Array): Uint8Array => hash.with(0, hash[0]! ^ 1)
    const wrong = [
      { root: rootHash(flip(root)), proof },
      ...proof.map((hash, i) => ({ root, proof: proof.with(i, nodeHash(flip(hash))) })),
      { root, proof: proof.slice(1) },
      { root, proof: [...proof, proof[0]!] },
    ]
    for (const prefix of wrong) {
      expectRefusal(verify({ ...grown, prefix }), 'contradiction', /not shown what the tree of 12/)
    }
  })

  it('that is another file', () => {
    for (const text of ['', 'cairn-split-view/v1\n', 'cairn-split-view/v2\n', grown.first]) {
      expectRefusal(verifySplitView(utf8(text), trust), 'format', /split view/)
    }
  })

  it('when the heads are of two logs', () => {
    const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(1))
    const [first, second] = [headOf(fork, 7, stranger), headOf(honest, 12)]
    const verdict = verify(evidenceOf(first, second, prefixOf(honest, 7, 12)), {
      logKeys: [FORKED_KEY.vkey, stranger.vkey],
    })
    expectRefusal(verdict, 'one log', /two logs, other.example\/log and forked.example\/log/)
  })

  it('when the log is not one that is trusted', () => {
    const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(1)).vkey
    expectRefusal(
      verify(grown, { logKeys: [stranger] }),
      'log signature',
      /none of the given log keys is one of forked.example\/log/,
    )
    const twin = ed25519SigningKey(FORKED_ORIGIN, new Uint8Array(32).fill(1)).vkey
    expectRefusal(
      verify(grown, { logKeys: [twin] }),
      'log signature',
      /head of 7 is not signed by a given key of forked.example\/log: it has no signature line/,
    )
    expectRefusal(verify(grown, { logKeys: [] }), 'log signature', /none of the given/)
  })

  it('when a witness of that name has signed, and not the log', () => {
    const witness = cosigningKey(FORKED_ORIGIN, new Uint8Array(32).fill(2), 'ed25519-cosignature')
    const signs: SigningKey = { vkey: witness.vkey, sign: (text) => witness.cosign(text, 1) }
    const evidence = evidenceOf(
      headOf(fork, 7, signs),
      headOf(honest, 12, signs),
      prefixOf(honest, 7, 12),
    )
    expectRefusal(verify(evidence, { logKeys: [witness.vkey] }), 'log signature', /none of the/)
  })

  it.each(['first', 'second'] as const)('when the log has not signed the %s head', (which) => {
    const forger = ed25519SigningKey(FORKED_ORIGIN, new Uint8Array(32).fill(1))
    const claimed = (head: SignedHead): SignedHead => {
      const { text } = parseNote(utf8(head.note))
      const { signature } = forger.sign(text)
      const { name, keyId } = FORKED_KEY.vkey
      return { ...head, note: formatNote({ text, signatures: [{ name, keyId, signature }] }) }
    }
    const heads = { first: headOf(fork, 7), second: headOf(honest, 12) }
    heads[which] = claimed(heads[which])
    const verdict = verify(evidenceOf(heads.first, heads.second, prefixOf(honest, 7, 12)))
    const size = which === 'first' ? 7 : 12
    expectRefusal(verdict, 'log signature', new RegExp(`head of ${size} .* does not verify`))
  })

  it('says nothing that steers a terminal', () => {
    const origin = 'evil\u202elog'
    const key = ed25519SigningKey(origin, new Uint8Array(32).fill(3))
    const evidence = evidenceOf(
      headOf(fork, 7, key),
      headOf(honest, 12, key),
      prefixOf(honest, 7, 12),
    )
    const verdict = verify(evidence, { logKeys: [key.vkey] })
    expect(verdict.finding).toMatch(/^evil\ufffdlog signed/)
    for (const { detail } of verdict.checks) expect(detail).not.toContain('\u202e')
  })
})

describe('a head with several signatures', () => {
  const quantum = mlDsaSigningKey(FORKED_ORIGIN, new Uint8Array(32).fill(0x66))
  const keys = { logKeys: [FORKED_KEY.vkey, quantum.vkey] }

  function signed(tree: NaiveTree, size: number, lines: (text: string) => NoteSignature[]) {
    const { checkpoint } = headOf(tree, size)
    const text = formatCheckpoint(checkpoint)
    return { checkpoint, note: formatNote({ text, signatures: lines(text) }) }
  }
  const spoiled = (line: NoteSignature): NoteSignature => ({
    ...line,
    signature: line.signature.with(40, line.signature[40]! ^ 1),
  })

  it('counts by any of the log’s keys, of any type', () => {
    const both = signed(fork, 7, (text) => [quantum.sign(text), FORKED_KEY.sign(text)])
    const one = signed(honest, 12, (text) => [quantum.sign(text)])
    const verdict = verify(evidenceOf(both, one, prefixOf(honest, 7, 12)), keys)
    expect(verdict.ok).toBe(true)
    expect(verdict.checks[2]!.detail).toBe(
      `${FORKED_ORIGIN} signed both heads: the first with its ML-DSA-44 key ${quantum.vkey.keyId} and the Ed25519 key ${FORKED_KEY.vkey.keyId}, the second with its ML-DSA-44 key ${quantum.vkey.keyId}`,
    )
  })

  it('is not denied by spoiling one of them', () => {
    const half = signed(fork, 7, (text) => [spoiled(quantum.sign(text)), FORKED_KEY.sign(text)])
    const evidence = evidenceOf(half, headOf(honest, 12), prefixOf(honest, 7, 12))
    expect(verify(evidence, keys).ok).toBe(true)
    const none = signed(fork, 7, (text) => [spoiled(quantum.sign(text))])
    expectRefusal(
      verify(evidenceOf(none, headOf(honest, 12), prefixOf(honest, 7, 12)), keys),
      'log signature',
      /does not verify/,
    )
  })
})
