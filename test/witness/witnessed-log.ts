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
import {
  EMPTY_ROOT,
  hashLeaf,
  type LeafHash,
  type NodeHash,
  type RootHash,
  rootHash,
} from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { consistencyOf, rootOf } from '../support/example-log.ts'

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
  readonly #name: string
  readonly #hashes: LeafHash[] = []

  /** `tree` tells the leaves of forks apart; two logs of one origin have the same keys. */
  constructor(origin: string, tree = 'leaf') {
    const seed = (kind: number): Uint8Array => {
      const bytes = new Uint8Array(32).fill(kind)
      bytes.set(utf8(origin).subarray(0, 31), 1)
      return bytes
    }
    this.origin = origin
    this.#name = tree
    this.key = ed25519SigningKey(origin, seed(1))
    this.mlDsaKey = mlDsaSigningKey(origin, seed(2))
  }

  #upTo(size: number): readonly LeafHash[] {
    while (this.#hashes.length < size) {
      this.#hashes.push(hashLeaf(utf8(`${this.#name} ${this.#hashes.length}`)))
    }
    return this.#hashes.slice(0, size)
  }

  root(size: number): RootHash {
    return size === 0 ? EMPTY_ROOT : rootHash(rootOf(this.#upTo(size)))
  }

  proof(from: number, to: number): readonly NodeHash[] {
    return from === 0 ? [] : consistencyOf(from, this.#upTo(to))
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
