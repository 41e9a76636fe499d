/** A log with keys of its own that asks witnesses: its heads, honest and other, and the requests about them. */
import { utf8 } from '../../src/bytes.ts'
import { formatAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote } from '../../src/formats/note.ts'
import {
  ed25519SigningKey,
  mlDsaSigningKey,
  type SigningKey,
} from '../../src/formats/signing-key.ts'
import { type NodeHash, nodeHash, type RootHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { type NaiveTree, naiveLeaf, naiveTree } from '../merkle/naive.ts'

export interface HeadOptions {
  /** The keys that sign; the log's Ed25519 key when left out. */
  readonly keys?: readonly Pick<SigningKey, 'sign'>[]
  readonly root?: RootHash
  readonly extensions?: readonly string[]
}

export interface RequestOptions extends HeadOptions {
  readonly proof?: readonly NodeHash[]
}

export class WitnessedLog {
  readonly origin: string
  readonly key: SigningKey
  readonly mlDsaKey: SigningKey
  readonly tree: NaiveTree

  /** `leaves` is what its leaves say, before their numbers; two logs of one origin have the same keys. */
  constructor(origin: string, leaves: string | ((index: number) => string) = 'leaf') {
    const seed = (kind: number): Uint8Array => {
      const bytes = new Uint8Array(32).fill(kind)
      bytes.set(utf8(origin).subarray(0, 31), 1)
      return bytes
    }
    this.origin = origin
    const leaf = typeof leaves === 'string' ? (index: number) => `${leaves} ${index}` : leaves
    this.tree = naiveTree((index) => naiveLeaf(utf8(leaf(index))))
    this.key = ed25519SigningKey(origin, seed(1))
    this.mlDsaKey = mlDsaSigningKey(origin, seed(2))
  }

  root(size: number): RootHash {
    return rootHash(this.tree.root(0, size))
  }

  proof(from: number, to: number): readonly NodeHash[] {
    return from === 0 ? [] : this.tree.proof(from, to).map(nodeHash)
  }

  text(size: number, { root, extensions = [] }: HeadOptions = {}): string {
    return formatCheckpoint({
      origin: this.origin,
      size: treeSize(size),
      root: root ?? this.root(size),
      extensions,
    })
  }

  /** A signed head. */
  head(size: number, options: HeadOptions = {}): string {
    const text = this.text(size, options)
    const { keys = [this.key] } = options
    return formatNote({ text, signatures: keys.map((key) => key.sign(text)) })
  }

  /** The body of add-checkpoint. */
  request(from: number, to: number, options: RequestOptions = {}): Uint8Array {
    const proof = options.proof ?? (from <= to ? this.proof(from, to) : [])
    const checkpoint = this.head(to, options)
    return utf8(formatAddCheckpoint({ oldSize: treeSize(from), proof, checkpoint }))
  }
}
