/**
 * The logs that ask a witness, and what they ask. All have the same leaves and keys of their own, so that the proofs
 * need to be made once; a witness cannot tell, and checks each.
 */
import { utf8 } from '../src/bytes.ts'
import { formatAddCheckpoint } from '../src/formats/add-checkpoint.ts'
import { formatCheckpoint } from '../src/formats/checkpoint.ts'
import { formatNote } from '../src/formats/note.ts'
import { ed25519SigningKey, type SigningKey } from '../src/formats/signing-key.ts'
import { type NodeHash, nodeHash, type RootHash, rootHash } from '../src/merkle/hash.ts'
import { type TreeSize, treeSize } from '../src/merkle/position.ts'
import { naiveLeaf, naiveTree } from '../test/merkle/naive.ts'

/** Leaves of the first head, and those that each further one adds. */
const FIRST = 20_000
const STEP = 37

export interface Step {
  readonly oldSize: TreeSize
  readonly size: TreeSize
  readonly root: RootHash
  readonly proof: readonly NodeHash[]
}

export function keyOf(log: number): SigningKey {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, log + 1)
  return ed25519SigningKey(`log.example/${log}`, seed)
}

/** The heads that each log shows, the first of which the witness has never seen. */
export function stepsOf(rounds: number): Step[] {
  const tree = naiveTree((index) => naiveLeaf(utf8(`leaf ${index}`)))
  return Array.from({ length: rounds }, (_, round) => {
    const size = FIRST + STEP * round
    const before = round === 0 ? 0 : size - STEP
    return {
      oldSize: treeSize(before),
      size: treeSize(size),
      root: rootHash(tree.root(0, size)),
      proof: before === 0 ? [] : tree.proof(before, size).map(nodeHash),
    }
  })
}

export function requestOf(key: SigningKey, { oldSize, size, root, proof }: Step): string {
  const text = formatCheckpoint({ origin: key.vkey.name, size, root, extensions: [] })
  const checkpoint = formatNote({ text, signatures: [key.sign(text)] })
  return formatAddCheckpoint({ oldSize, proof, checkpoint })
}
