import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verifySubtreeSignature } from '../../src/formats/cosignature.ts'
import { formatNote, type NoteSignature, parseSignatureLines } from '../../src/formats/note.ts'
import { formatSignSubtree } from '../../src/formats/sign-subtree.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import { cosign, type WitnessPlace, witnessPlace } from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

const SIZE = 14

let place: WitnessPlace
let log: WitnessedLog
let witness: WitnessService
let cosignatures: NoteSignature[]
beforeAll(async () => {
  place = await witnessPlace()
  log = new WitnessedLog('log.example/one')
  witness = await place.open({ mlDsa: true, signSubtrees: true })
  await witness.watch([log.key.vkey])
  cosignatures = parseSignatureLines(
    utf8((await cosign(witness, log.request(0, SIZE))).cosignatures),
  )
})
// Some tests stop watching it.
afterEach(() => witness.watch([log.key.vkey]))
afterAll(() => place.remove())

interface Changes {
  readonly tree?: WitnessedLog
  readonly proof?: readonly Uint8Array[]
  readonly hash?: Uint8Array
  readonly text?: string
  readonly signatures?: readonly NoteSignature[]
}

function request(start: number, end: number, changes: Changes = {}): Uint8Array {
  const { tree } = changes.tree ?? log
  const { text = log.text(SIZE), signatures = cosignatures } = changes
  const proof = changes.proof ?? tree.subtreeProof(start, end, SIZE)
  const body = formatSignSubtree({
    subtree: { start: treeSize(start), end: treeSize(end) },
    hash: nodeHash(changes.hash ?? tree.root(start, end)),
    proof: proof.map(nodeHash),
    checkpoint: formatNote({ text, signatures }),
  })
  return utf8(body)
}

async function outcomeOf(body: Uint8Array): Promise<string> {
  return (await witness.signSubtree(body)).outcome
}

describe('a subtree of a tree that was cosigned', () => {
  it.each([
    [8, 13],
    [0, SIZE],
    [0, 1],
    [13, 14],
    [4, 8],
  ])('is signed with the ML-DSA-44 key, at no time: [%s, %s)', async (start, end) => {
    const outcome = await witness.signSubtree(request(start, end))
    if (outcome.outcome !== 'signed') throw new Error(JSON.stringify(outcome))
    const [signature, ...others] = parseSignatureLines(utf8(outcome.cosignatures))
    expect(others).toEqual([])
    const cosigned = {
      origin: log.origin,
      subtree: { start: treeSize(start), end: treeSize(end) },
      hash: nodeHash(log.tree.root(start, end)),
    }
    verifySubtreeSignature(cosigned, signature!, parseVkey(witness.vkeys[1]!))
  })

  it('may be shown by either cosignature, with others beside it', async () => {
    for (const one of cosignatures) {
      const signatures = [log.key.sign(log.text(SIZE)), one]
      expect(await outcomeOf(request(8, 13, { signatures }))).toBe('signed')
    }
  })

  it('needs no state: an older tree does as well', async () => {
    await cosign(witness, log.request(SIZE, 20))
    expect(await outcomeOf(request(8, 13))).toBe('signed')
  })
})

describe('a request for a subtree', () => {
  it.each([
    ['no request', () => utf8('subtree 8 13\n')],
    ['no subtree', () => request(2, 13, { hash: log.root(1), proof: [] })],
    ['an empty subtree', () => request(8, 8, { hash: log.root(1), proof: [] })],
    ['a subtree beyond the tree', () => request(8, 16, { hash: log.root(1), proof: [] })],
    ['extension lines', () => request(8, 13, { text: log.text(SIZE, { extensions: ['x'] }) })],
  ])('is malformed with %s', async (_, body) => {
    expect(await outcomeOf(body())).toBe('malformed')
  })

  it('may not be larger than any needs to be', async () => {
    expect(await outcomeOf(new Uint8Array(300_000))).toBe('too-large')
  })

  it('is about a log that is watched', async () => {
    await witness.unwatch(log.origin)
    expect(await outcomeOf(request(8, 13))).toBe('unknown-log')
  })

  it('needs a cosignature of this witness that holds', async () => {
    const [ed25519, mlDsa] = cosignatures as [NoteSignature, NoteSignature]
    const mangled = (one: NoteSignature): NoteSignature => {
      const signature = one.signature.slice()
      signature[signature.length - 1]! ^= 1
      return { ...one, signature }
    }
    const byLog = log.key.sign(log.text(SIZE))
    for (const signatures of [
      [byLog],
      [mangled(ed25519)],
      [mangled(mlDsa)],
      [ed25519, mangled(mlDsa)],
      [mangled(ed25519), mlDsa],
      [{ ...ed25519, name: 'another.example' }],
    ]) {
      expect(await outcomeOf(request(8, 13, { signatures }))).toBe('untrusted')
    }
    const other = log.text(SIZE, { root: log.root(3) })
    expect(await outcomeOf(request(8, 13, { text: other }))).toBe('untrusted')
  })

  it('is not granted on the strength of a subtree that was signed before', async () => {
    const whole = await witness.signSubtree(request(0, SIZE))
    if (whole.outcome !== 'signed') throw new Error(JSON.stringify(whole))
    const signatures = parseSignatureLines(utf8(whole.cosignatures))
    expect(await outcomeOf(request(8, 13, { signatures }))).toBe('untrusted')
  })

  it('needs a proof that holds', async () => {
    const fork = new WitnessedLog(log.origin, 'fork')
    const proof = log.tree.subtreeProof(8, 13, SIZE)
    for (const changes of [
      { tree: fork },
      { proof: [] },
      { proof: proof.slice(1) },
      { proof: [...proof, log.root(1)] },
      { hash: log.root(2) },
    ]) {
      expect(await outcomeOf(request(8, 13, changes))).toBe('inconsistent')
    }
  })

  it('is checked in the order of the standard', async () => {
    const bad = { signatures: [log.key.sign(log.text(SIZE))], proof: [] }
    expect(await outcomeOf(request(8, 13, bad))).toBe('untrusted')
    await witness.unwatch(log.origin)
    expect(await outcomeOf(request(8, 13, bad))).toBe('unknown-log')
    expect(await outcomeOf(request(8, 16, { ...bad, hash: log.root(1) }))).toBe('malformed')
  })

  it('is counted', async () => {
    const { signed, malformed, failed } = witness.statistics().subtrees
    await outcomeOf(request(8, 13))
    await outcomeOf(utf8(''))
    expect(witness.statistics().subtrees).toMatchObject({
      signed: signed + 1,
      malformed: malformed + 1,
      failed,
    })
  })
})

describe('signing subtrees', () => {
  it('is off unless it was switched on', async () => {
    const other = await witnessPlace()
    const without = await other.open({ mlDsa: true })
    expect(without.signsSubtrees).toBe(false)
    await expect(without.signSubtree(request(8, 13))).rejects.toMatchObject({ code: 'USAGE' })
    await other.remove()
  })

  it('cannot be switched on without an ML-DSA-44 key', async () => {
    const other = await witnessPlace()
    await expect(other.open({ signSubtrees: true })).rejects.toMatchObject({ code: 'USAGE' })
    await other.remove()
  })
})
