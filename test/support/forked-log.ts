/** A log that signs two trees: the same leaves up to some point, others from there on. */
import { utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote } from '../../src/formats/note.ts'
import { ed25519SigningKey, type SigningKey } from '../../src/formats/signing-key.ts'
import type { SignedHead } from '../../src/formats/split-view.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { countingLeaf, type NaiveTree, naiveLeaf, naiveTree } from '../merkle/naive.ts'

export const FORKED_ORIGIN = 'forked.example/log'
export const FORKED_KEY: SigningKey = ed25519SigningKey(
  FORKED_ORIGIN,
  new Uint8Array(32).fill(0x55),
)

/** The tree of `countingTree`, but with other leaves from `fork` on. */
export function forkedTree(fork: number): NaiveTree {
  return naiveTree((index) => naiveLeaf(index < fork ? countingLeaf(index) : utf8(`not ${index}`)))
}

/** A head that says whatever it is told to. */
export function signedHead(
  size: number,
  root: Uint8Array,
  key: SigningKey = FORKED_KEY,
): SignedHead {
  const checkpoint = {
    origin: key.vkey.name,
    size: treeSize(size),
    root: rootHash(root),
    extensions: [],
  }
  const text = formatCheckpoint(checkpoint)
  return { note: formatNote({ text, signatures: [key.sign(text)] }), checkpoint }
}

/** The head of the first `size` leaves of a tree. */
export function headOf(tree: NaiveTree, size: number, key?: SigningKey): SignedHead {
  return signedHead(size, tree.root(0, size), key)
}
