/** What the layers above see of a log. `log.ts` implements it; nothing above needs to know how. */
import type { LeafHash, NodeHash, RootHash } from '../merkle/hash.ts'
import type { LeafIndex, TreeSize } from '../merkle/position.ts'
import type { WitnessReport } from './witness-port.ts'

/** A signed tree head. */
export interface Head {
  readonly size: TreeSize
  readonly root: RootHash
  /** The checkpoint, a signed note. A committed head has the Ed25519 signature, a published one ML-DSA-44 as well. */
  readonly checkpoint: string
}

/** The head at `/checkpoint`, and its RFC 6962 form. */
export interface Publication extends Head {
  /** Milliseconds since 1970. */
  readonly timestamp: number
  /** The RFC 6962 `digitally-signed` structure. */
  readonly treeHeadSignature: Uint8Array
}

/** A leaf that is durably in the log. */
export interface Accepted {
  readonly index: LeafIndex
  readonly leafHash: LeafHash
  /** Whether the leaf was there before, so that this is its first index. */
  readonly duplicate: boolean
}

/** The outcome of a submission: its leaves in the order given, all under one head. */
export interface Acceptance {
  readonly leaves: readonly Accepted[]
  /** A committed head that contains every leaf above. */
  readonly head: Head
}

/** A leaf's place under a head: the content of every receipt format. */
export interface Inclusion {
  readonly index: LeafIndex
  readonly leafHash: LeafHash
  readonly proof: readonly NodeHash[]
  readonly head: Head
}

export interface SubmitOptions {
  /** Identifies a retry: who submits and the key they chose, digested to 16 bytes. */
  readonly idempotencyKey?: Uint8Array
  /**
   * 32 bytes that are the same in a retry, where its leaves are not: then a repeated key gives the indices of the first
   * request, whatever leaves came with it, marked as duplicates; `leafHash` is that of the leaves that came.
   */
  readonly request?: Uint8Array
  /** The leader's term during which the leaves are to be sequenced, or not at all; for a log of several servers. */
  readonly epoch?: number
  /** The leaves are the log's own statements about itself (spec/completeness.md), which no submitter can write. */
  readonly ownStatement?: boolean
}

export type LogMode =
  | { readonly mode: 'writable' }
  | { readonly mode: 'read-only' | 'disk-full' | 'stopped'; readonly reason: string }

/** Counters and gauges since the log was opened; times in milliseconds. */
export interface LogStatistics {
  readonly accepted: number
  readonly duplicates: number
  readonly refused: number
  readonly commits: number
  readonly queued: number
  readonly queuedBytes: number
}

export interface LogService {
  readonly origin: string
  /** Verifier keys of the published checkpoint, one a line, Ed25519 first. */
  readonly vkeys: readonly string[]
  /** DER SubjectPublicKeyInfo of the P-256 key that signs RFC 6962 tree heads. */
  readonly treeHeadKey: Uint8Array

  /**
   * Adds leaves (1 to 65,535 bytes each), all or none. Resolves once they are durable and their head is signed.
   * New leaves of one submission get consecutive indices.
   * @throws MALFORMED, also when one begins as the log's own statements do; TOO_LARGE, OVERLOADED, DISK_FULL, READ_ONLY, STOPPED
   * @throws CONFLICT when the idempotency key was used for other leaves
   */
  submit(leaves: readonly Uint8Array[], options?: SubmitOptions): Promise<Acceptance>

  /**
   * Adds leaves as submit() does, and resolves once they are durable and have their indices, which never change. They
   * may be under no head yet. @throws as submit()
   */
  sequence(leaves: readonly Uint8Array[], options?: SubmitOptions): Promise<readonly Accepted[]>

  mode(): LogMode
  statistics(): LogStatistics
  /** The newest committed head. */
  head(): Head
  /** The newest published head: with a quorum of witnesses, the newest that satisfies it. @throws NOT_FOUND */
  publication(): Publication
  /** Whom the log asks for cosignatures, and how they are doing; undefined when it has no policy. */
  witnesses(): WitnessReport | undefined
  /**
   * The published head that contains a leaf, as soon as the witnesses' quorum has cosigned one, or undefined when that
   * takes longer than so many milliseconds.
   * @throws MALFORMED when no quorum is configured
   */
  witnessed(index: LeafIndex, milliseconds: number): Promise<Head | undefined>

  /**
   * Places a leaf under the published head when that contains it (or under an earlier one that more witnesses have
   * cosigned), else under the committed head. @throws NOT_FOUND
   */
  inclusion(index: LeafIndex): Promise<Inclusion>
  /** Places a leaf under a given head synchronously where the nodes are in memory (a leaf just accepted). */
  inclusionUnder(index: LeafIndex, leafHash: LeafHash, head: Head): Promise<Inclusion> | Inclusion

  /** @throws NOT_FOUND when `size` is beyond the committed head or `index` is not below `size` */
  inclusionProof(index: LeafIndex, size: TreeSize): Promise<readonly NodeHash[]>
  /** @throws NOT_FOUND when `second` is beyond the head, MALFORMED unless `0 < first <= second` */
  consistencyProof(first: TreeSize, second: TreeSize): Promise<readonly NodeHash[]>

  /** The first `width` hashes of a tile, or undefined when the committed tree does not have them. */
  tile(level: number, tile: number, width: number): Promise<Uint8Array | undefined>
  /** The first `width` entries of a bundle, or undefined when the committed tree does not have them. */
  bundle(bundle: number, width: number): Promise<Uint8Array | undefined>
  /** One entry's bytes, or undefined beyond the committed head. */
  entry(index: LeafIndex): Promise<Uint8Array | undefined>
  /** The first index of a leaf hash, or undefined. */
  indexOf(leaf: LeafHash): Promise<LeafIndex | undefined>

  /**
   * A COSE receipt (RFC 9942) signed for this inclusion.
   * @throws NOT_FOUND for a tree of one leaf; READ_ONLY when the log must not sign
   */
  coseReceipt(inclusion: Inclusion): Promise<Uint8Array>

  /** Finishes what was accepted, publishes it, and lets go of the storage. */
  close(): Promise<void>
}
