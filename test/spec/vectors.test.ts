import { readFileSync } from 'node:fs'
import { decode as oracleDecode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { equal, fromBase64, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import { parseAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import { decodeByteStrings } from '../../src/formats/cbor.ts'
import { verifySubtreeSignature } from '../../src/formats/cosignature.ts'
import { parseSignatureLines } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { parseSignSubtree } from '../../src/formats/sign-subtree.ts'
import { parseSkey, vkeyOf } from '../../src/formats/signing-key.ts'
import { parseTilePath } from '../../src/formats/tile.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import { hashLeaf, leafHash, type NodeHash, rootHash } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { verifySubtreeConsistency } from '../../src/merkle/subtree.ts'
import type { ReceiptVector } from '../support/receipt-vectors.ts'
import type { SplitViewVector } from '../support/split-view-vectors.ts'
import { vectorFiles } from '../support/vectors.ts'
import type { SubtreeVector, WitnessVectors } from '../support/witness-vectors.ts'

const folder = new URL('../../spec/vectors/', import.meta.url)
const files = vectorFiles()

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T
}
function refused(run: () => unknown): boolean {
  try {
    run()
  } catch {
    return true
  }
  return false
}

describe('the vectors of the specification', () => {
  it.each([...files.keys()])('%s is what this code makes, byte for byte', (name) => {
    // Not toBe: a difference would print the whole file.
    const same = readFileSync(new URL(name, folder), 'utf8') === files.get(name)
    expect(same, 'make them again with npx tsx test/support/make-vectors.ts').toBe(true)
  })
})

interface Inclusion {
  readonly reason?: string
  readonly index: number
  readonly size: number
  readonly leaf_hash: string
  readonly path: string[]
  readonly root: string
}
interface Consistency {
  readonly reason?: string
  readonly first: number
  readonly second: number
  readonly path: string[]
  readonly first_root: string
  readonly second_root: string
}
interface Tree {
  readonly leaves: { leaf: string; leaf_hash: string }[]
  readonly roots: string[]
  readonly inclusion: Inclusion[]
  readonly consistency: Consistency[]
  readonly inclusion_invalid: Inclusion[]
  readonly consistency_invalid: Consistency[]
}

describe('tree.json', () => {
  const tree = read<Tree>('tree.json')
  // Of any length: the lengths are for the verifier to judge.
  const nodes = (path: string[]): NodeHash[] => path.map((hash) => fromHex(hash) as NodeHash)
  const include = (proof: Inclusion): void => {
    const { index, size, leaf_hash, path, root } = proof
    const leaf = leafHash(fromHex(leaf_hash))
    verifyInclusion(leafIndex(index), treeSize(size), leaf, nodes(path), rootHash(fromHex(root)))
  }
  const extend = ({ first, second, path, first_root, second_root }: Consistency): void => {
    const [older, newer] = [rootHash(fromHex(first_root)), rootHash(fromHex(second_root))]
    verifyConsistency(treeSize(first), treeSize(second), nodes(path), older, newer)
  }

  it('has the hashes of its leaves', () => {
    for (const { leaf, leaf_hash } of tree.leaves)
      expect(toHex(hashLeaf(fromHex(leaf)))).toBe(leaf_hash)
  })

  it('has proofs that hold', () => {
    expect(tree.inclusion).toHaveLength(91)
    for (const proof of tree.inclusion) include(proof)
    expect(tree.consistency).toHaveLength(91)
    for (const proof of tree.consistency) extend(proof)
  })

  it.each(tree.inclusion_invalid)('has an inclusion proof that does not hold: $reason', (proof) => {
    expect(refused(() => include(proof))).toBe(true)
  })

  it.each(tree.consistency_invalid)(
    'has a consistency proof that does not hold: $reason',
    (proof) => {
      expect(refused(() => extend(proof))).toBe(true)
    },
  )
})

interface Keys {
  readonly keys: { role: string; name: string; key_id: string; vkey: string }[]
  readonly skey: string
  readonly policy: string
  readonly invalid: { reason: string; vkey: string }[]
}

describe('keys.json and checkpoints.json', () => {
  const keys = read<Keys>('keys.json')
  const checkpoints = read<{
    valid: { name: string; size: number; root: string; note: string }[]
    invalid: { reason: string; note: string }[]
  }>('checkpoints.json')
  const ofRole = (role: string) =>
    keys.keys.filter((key) => key.role === role).map(({ vkey }) => parseVkey(vkey))

  it.each(keys.keys)('have the vkey of $name, $key_id', ({ name, key_id, vkey }) => {
    expect(parseVkey(vkey)).toMatchObject({ name, keyId: key_id })
    expect(formatVkey(parseVkey(vkey))).toBe(vkey)
  })

  it('have a private key that belongs to the first vkey, and a policy', () => {
    expect(formatVkey(vkeyOf(parseSkey(keys.skey)))).toBe(keys.keys[0]!.vkey)
    expect(parsePolicy(utf8(keys.policy)).quorum).toBe('both')
  })

  it.each(keys.invalid)('have a vkey to refuse: $reason', ({ vkey }) => {
    expect(refused(() => parseVkey(vkey))).toBe(true)
  })

  it.each(checkpoints.valid)('have a checkpoint that opens: $name', ({ size, root, note }) => {
    const opened = openCheckpoint(utf8(note), ofRole('log'), ofRole('witness'))
    expect(opened.checkpoint.size).toBe(size)
    expect(toHex(opened.checkpoint.root)).toBe(root)
    // Each line is by a known key.
    expect(opened.logSignatures.length + opened.cosignatures.length).toBe(
      opened.note.signatures.length,
    )
  })

  it.each(checkpoints.invalid)('have a checkpoint to refuse: $reason', ({ note }) => {
    expect(refused(() => openCheckpoint(utf8(note), ofRole('log'), ofRole('witness')))).toBe(true)
  })
})

describe.each(['tlog-proofs.json', 'json-receipts.json', 'cose-receipts.json'])('%s', (file) => {
  const { receipts } = read<{ receipts: ReceiptVector[] }>(file)

  it.each(receipts)('$name: valid $valid', (vector) => {
    const verdict = verifyReceipt({
      leaf: fromHex(vector.leaf),
      receipt: file === 'cose-receipts.json' ? fromHex(vector.receipt) : utf8(vector.receipt),
      trust: {
        logKeys: vector.vkeys.map(parseVkey),
        ...(vector.policy !== undefined && { policy: parsePolicy(utf8(vector.policy)) }),
      },
    })
    expect(verdict.ok).toBe(vector.valid)
    expect(verdict.index).toBe(vector.index)
    expect(verdict.size).toBe(vector.size)
    const failed = verdict.checks
      .filter(({ status }) => status === 'failed')
      .map(({ name }) => name)
    expect(failed).toEqual(vector.valid ? [] : [vector.failed_check])
  })
})

describe('split-views.json', () => {
  const { split_views } = read<{ split_views: SplitViewVector[] }>('split-views.json')

  it.each(split_views)('$name: valid $valid', (vector) => {
    const verdict = verifySplitView(utf8(vector.split_view), {
      logKeys: vector.vkeys.map(parseVkey),
      ...(vector.policy !== undefined && { policy: parsePolicy(utf8(vector.policy)) }),
    })
    expect(verdict.ok).toBe(vector.valid)
    expect(verdict.origin).toBe(vector.origin)
    expect(verdict.heads?.map(({ size }) => size)).toEqual(vector.sizes)
    const failed = verdict.checks.find(({ status }) => status === 'failed')
    expect(failed?.name).toBe(vector.failed_check)
  })
})

describe('subtrees.json', () => {
  const { proofs, invalid } = read<{ proofs: SubtreeVector[]; invalid: SubtreeVector[] }>(
    'subtrees.json',
  )
  const contain = ({ start, end, size, hash, path, root }: SubtreeVector): void =>
    verifySubtreeConsistency(
      { start: treeSize(start), end: treeSize(end) },
      fromHex(hash) as NodeHash,
      treeSize(size),
      path.map((node) => fromHex(node) as NodeHash),
      rootHash(fromHex(root)),
    )

  it('has proofs that hold', () => {
    expect(proofs.length).toBeGreaterThan(50)
    for (const proof of proofs) contain(proof)
  })

  it.each(invalid)('has a proof that does not hold: $reason', (proof) => {
    expect(refused(() => contain(proof))).toBe(true)
  })
})

describe('witness.json', () => {
  const { vkeys, log_vkeys, time, steps } = read<WitnessVectors>('witness.json')
  const witnessKeys = vkeys.map(parseVkey)
  const logKeys = log_vkeys.map(parseVkey)
  const stepsOf = (path: string) => steps.filter((step) => step.path === path)

  it('has a body for every answer that a witness can give', () => {
    const statuses = (path: string) => [...new Set(stepsOf(path).map(({ status }) => status))]
    expect(statuses('/add-checkpoint').sort()).toEqual([200, 400, 403, 404, 409, 422])
    expect(statuses('/sign-subtree').sort()).toEqual([200, 400, 403, 404, 422])
  })

  it.each(stepsOf('/add-checkpoint').filter(({ status }) => status === 400))(
    'has a request that cannot be read, or never granted: $name',
    ({ body = '' }) => {
      const read = (): void => {
        const { oldSize, head } = parseAddCheckpoint(utf8(body))
        if (oldSize > head.size || head.extensions.length > 0) throw new Error('never granted')
      }
      expect(refused(read)).toBe(true)
    },
  )

  it.each(stepsOf('/add-checkpoint').filter(({ status }) => status === 200))(
    'has cosignatures at its time: $name',
    ({ body = '', answer = '' }) => {
      const { checkpoint } = parseAddCheckpoint(utf8(body))
      const opened = openCheckpoint(utf8(checkpoint + answer), logKeys, witnessKeys)
      expect(opened.cosignatures).toEqual(witnessKeys.map((key) => ({ key, timestamp: time })))
    },
  )

  it.each(steps.filter(({ body, status }) => body === undefined && status === 200))(
    'has a head to monitor, with the signatures of all: $name',
    ({ answer = '' }) => {
      const opened = openCheckpoint(utf8(answer), logKeys, witnessKeys)
      expect(opened.logSignatures).toEqual(logKeys)
      expect(opened.cosignatures).toHaveLength(2)
    },
  )

  it.each(stepsOf('/sign-subtree'))('has a subtree to sign or to refuse: $name', (step) => {
    const { status, body = '', answer = '' } = step
    if (status === 400) {
      expect(refused(() => parseSignSubtree(utf8(body)))).toBe(true)
      return
    }
    const { subtree, hash, proof, head } = parseSignSubtree(utf8(body))
    const holds = !refused(() =>
      verifySubtreeConsistency(subtree, hash, head.size, proof, head.root),
    )
    if (status === 422) expect(holds).toBe(false)
    if (status !== 200) return
    expect(holds).toBe(true)
    const lines = parseSignatureLines(utf8(answer))
    expect(lines).toHaveLength(1)
    const cosigned = { origin: head.origin, subtree, hash }
    verifySubtreeSignature(cosigned, lines[0]!, witnessKeys[1]!)
  })
})

describe('tiles.json', () => {
  const tree = read<Tree>('tree.json')
  const tiles = read<{
    bundle: string
    tile: string
    cbor_sequence: string
    paths: { level?: number; tile?: number; bundle?: number; width: number; path: string }[]
    invalid_paths: string[]
  }>('tiles.json')
  const leaves = tree.leaves.map(({ leaf }) => fromHex(leaf))

  it('has the bundle, the tile and the sequence of the leaves', () => {
    const framed = leaves.map((leaf) => leaf.length.toString(16).padStart(4, '0') + toHex(leaf))
    expect(tiles.bundle).toBe(framed.join(''))
    expect(tiles.tile).toBe(tree.leaves.map(({ leaf_hash }) => leaf_hash).join(''))
    const sequence = decodeByteStrings(fromHex(tiles.cbor_sequence), { count: 13, length: 65_535 })
    expect(sequence.every((item, i) => equal(item, leaves[i]!))).toBe(true)
    expect(oracleDecode(fromHex(tiles.cbor_sequence).subarray(0, 2))).toEqual(leaves[0])
  })

  it('has paths that are read as they were made', () => {
    for (const { path, ...coordinate } of tiles.paths)
      expect(parseTilePath(path)).toMatchObject(coordinate)
  })

  it.each(tiles.invalid_paths)('has a path to refuse: %s', (path) => {
    expect(refused(() => parseTilePath(path))).toBe(true)
  })
})

describe('the base64 and hexadecimal of the vectors', () => {
  it('agree about the root hash', () => {
    const { receipts } = read<{ receipts: ReceiptVector[] }>('json-receipts.json')
    const { roots } = read<Tree>('tree.json')
    const { root_hash, tree_size } = JSON.parse(receipts[1]!.receipt)
    expect(toHex(fromBase64(root_hash))).toBe(roots[tree_size])
  })
})
