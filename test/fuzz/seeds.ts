/** Inputs to begin with: the vectors of spec/vectors, and what the example logs of the tests sign. */
import { readFileSync } from 'node:fs'
import { concat, fromHex, toBase64, u64, utf8 } from '../../src/bytes.ts'
import { formatAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import { encodeCbor } from '../../src/formats/cbor.ts'
import { type Policy, parsePolicy } from '../../src/formats/policy.ts'
import { formatSignSubtree } from '../../src/formats/sign-subtree.ts'
import { formatSplitView, inSplitOrder } from '../../src/formats/split-view.ts'
import { digitallySigned } from '../../src/formats/tree-head.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { countingTree } from '../merkle/naive.ts'
import { FORKED_KEY, forkedTree, headOf } from '../support/forked-log.ts'

export type Seeds = ReturnType<typeof makeSeeds>

interface Receipts {
  readonly receipts: readonly { readonly leaf: string; readonly receipt: string }[]
}

interface Tree {
  readonly inclusion: readonly Inclusion[]
  readonly inclusion_invalid: readonly Inclusion[]
  readonly consistency: readonly Consistency[]
  readonly consistency_invalid: readonly Consistency[]
}

interface Inclusion {
  readonly index: number
  readonly size: number
  readonly leaf_hash: string
  readonly path: readonly string[]
  readonly root: string
}

interface Consistency {
  readonly first: number
  readonly second: number
  readonly path: readonly string[]
  readonly first_root: string
  readonly second_root: string
}

/** A claim about a tree as bytes: numbers of 64 bits, then hashes. */
function claimBytes(
  numbers: readonly number[],
  hashes: readonly (string | Uint8Array)[],
): Uint8Array {
  const bytes = hashes.map((hash) => (typeof hash === 'string' ? fromHex(hash) : hash))
  return concat(...numbers.map(u64), ...bytes)
}

/** Seeds for every target. `folder` is spec/vectors. */
export function makeSeeds(folder: URL) {
  const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T
  const keys = read<{
    keys: { type: string; role: string; vkey: string }[]
    skey: string
    policy: string
    invalid: { vkey: string }[]
  }>('keys.json')
  const checkpoints = read<{ valid: { note: string }[]; invalid: { note: string }[] }>(
    'checkpoints.json',
  )
  const tiles = read<{
    bundle: string
    cbor_sequence: string
    paths: { path: string }[]
    invalid_paths: string[]
  }>('tiles.json')
  const tree = read<Tree>('tree.json')
  const [json, proofs, cose] = ['json-receipts.json', 'tlog-proofs.json', 'cose-receipts.json'].map(
    (name) => read<Receipts>(name).receipts,
  ) as [Receipts['receipts'], Receipts['receipts'], Receipts['receipts']]

  const notes = [...checkpoints.valid, ...checkpoints.invalid].map(({ note }) => note)
  const keyOf = (type: string, role: string): VerifierKey[] =>
    keys.keys
      .filter((key) => key.role === role && key.type.startsWith(type))
      .map(({ vkey }) => parseVkey(vkey))
  const [logKey] = keyOf('01', 'log') as [VerifierKey]
  const witnessKeys = keyOf('04', 'witness')
  const policy: Policy = parsePolicy(utf8(`quorum none\n`))

  const honest = countingTree()
  const fork = forkedTree(5)
  const proof = (first: number, second: number) => honest.proof(first, second).map(nodeHash)
  const head = headOf(honest, 12).note
  const [low, high] = inSplitOrder(headOf(fork, 12), headOf(honest, 12))
  const splitViews = [
    formatSplitView({ first: low.note, second: high.note }),
    formatSplitView({
      first: headOf(fork, 7).note,
      second: head,
      prefix: { root: rootHash(honest.root(0, 7)), proof: proof(7, 12) },
    }),
  ]
  const subtreeRequest = {
    subtree: { start: treeSize(8), end: treeSize(12) },
    hash: nodeHash(honest.root(8, 12)),
    proof: [nodeHash(honest.root(0, 8))],
    checkpoint: head,
  }
  const receiptTexts = [...json, ...proofs].map(({ receipt }) => utf8(receipt))
  const coseReceipts = cose.map(({ receipt }) => fromHex(receipt))

  return {
    logKey,
    /** The log of the split views. */
    forkedKey: FORKED_KEY.vkey,
    witnessKeys,
    policy,
    leaf: fromHex(proofs[0]!.leaf),
    numbers: texts(['0', '1', '42', '9007199254740991', '9007199254740992', '01', '-1']),
    base64: texts(['', 'AA==', 'AAA=', 'AAAA', 'AR==', '-_==', toBase64(new Uint8Array(32))]),
    hex: texts(['', '00', '0aff', '0A', '0']),
    vkeys: texts([...keys.keys, ...keys.invalid].map(({ vkey }) => vkey)),
    skeys: texts([keys.skey]),
    notes: texts(notes),
    checkpoints: texts(notes.map((note) => note.slice(0, note.indexOf('\n\n') + 1))),
    signatureLines: texts(notes.map((note) => note.slice(note.indexOf('\n\n') + 2))),
    policies: texts([
      keys.policy,
      'quorum none\n',
      `# a comment\n\twitness  a ${keys.keys[2]!.vkey} https://w.example/\ngroup g any a\nquorum g`,
    ]),
    addCheckpoints: texts([
      formatAddCheckpoint({ oldSize: treeSize(0), proof: [], checkpoint: head }),
      formatAddCheckpoint({ oldSize: treeSize(7), proof: proof(7, 12), checkpoint: head }),
      ...notes.map((note) => `old 3\n\n${note}`),
    ]),
    signSubtrees: texts([formatSignSubtree(subtreeRequest)]),
    tlogProofs: proofs.map(({ receipt }) => utf8(receipt)),
    jsonReceipts: json.map(({ receipt }) => utf8(receipt)),
    coseReceipts,
    receipts: [...receiptTexts, ...coseReceipts],
    cbor: [
      ...coseReceipts,
      encodeCbor([0, -1, 2 ** 40, 'text', new Uint8Array(3), null, true, new Map([[1, []]])]),
    ],
    cborSequences: [fromHex(tiles.cbor_sequence)],
    tilePaths: texts([...tiles.paths.map(({ path }) => path), ...tiles.invalid_paths]),
    bundles: [concat(Uint8Array.of(12), fromHex(tiles.bundle)), Uint8Array.of(0, 0, 1, 7)],
    splitViews: texts(splitViews),
    digitallySigned: [digitallySigned(new Uint8Array(70))],
    inclusion: [...tree.inclusion, ...tree.inclusion_invalid].map(
      ({ index, size, leaf_hash, root, path }) =>
        claimBytes([index, size], [leaf_hash, root, ...path]),
    ),
    consistency: [...tree.consistency, ...tree.consistency_invalid].map((claim) =>
      claimBytes([claim.first, claim.second], [claim.first_root, claim.second_root, ...claim.path]),
    ),
    subtrees: [
      claimBytes([8, 12, 12], [honest.root(8, 12), honest.root(0, 12), honest.root(0, 8)]),
      claimBytes([0, 7, 12], [honest.root(0, 7), honest.root(0, 12), ...honest.proof(7, 12)]),
    ],
  }
}

function texts(all: readonly string[]): Uint8Array[] {
  return all.map(utf8)
}
