/** What is read of a log, however it is written: proofs from memory where they can be had, else from tiles; entries; receipts. */
import { CairnError } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { coseReceiptToBeSigned, encodeCoseReceipt } from '../formats/cose-receipt.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { formatVkey } from '../formats/vkey.ts'
import { HASH_SIZE, type LeafHash, leafHash, type NodeHash } from '../merkle/hash.ts'
import { inclusionPath } from '../merkle/inclusion.ts'
import { isComplete, type LeafIndex, type TreeSize } from '../merkle/position.ts'
import type { LogStore } from '../storage/port.ts'
import { bundleWidth, tileWidth } from '../tiles/geometry.ts'
import { consistencyProof, readNodes } from '../tiles/proofs.ts'
import type { CommittedHead } from './committer.ts'
import type { EdgeTree, RightEdge } from './edge-tree.ts'
import type { Head, Inclusion, LogService, Publication } from './service.ts'
import type { LogSigner } from './signer.ts'
import type { StoredTiles } from './stored-tiles.ts'

export interface ReadingOptions {
  readonly store: Pick<LogStore, 'find'>
  readonly tiles: StoredTiles
  readonly signer: LogSigner
  /** The right edge in memory; it may be ahead of the newest head. */
  readonly tree: () => Pick<EdgeTree, 'node' | 'inclusionProof'>
  /** The newest committed head. */
  readonly newest: () => CommittedHead
  /** The published head that a receipt of a leaf is to be under, if there is one. */
  readonly under: (index: LeafIndex) => Publication | undefined
  /** Why nothing may be signed any more, once that is so. */
  readonly halted: () => string | undefined
}

export type LogReading = Pick<
  LogService,
  | 'origin'
  | 'vkeys'
  | 'treeHeadKey'
  | 'head'
  | 'inclusion'
  | 'inclusionUnder'
  | 'inclusionProof'
  | 'consistencyProof'
  | 'tile'
  | 'bundle'
  | 'entry'
  | 'indexOf'
  | 'coseReceipt'
>

export function logReading(options: ReadingOptions): LogReading {
  const { store, tiles, signer, tree, newest } = options

  /** The right edge of the tree of `size` leaves, where that is the present one. */
  const presentEdge = (size: TreeSize): RightEdge | undefined =>
    size === newest().size ? newest().edge : undefined

  function proveFromMemory(
    index: LeafIndex,
    size: TreeSize,
    edge: RightEdge | undefined,
  ): readonly NodeHash[] | undefined {
    return edge && tree().inclusionProof(index, size, edge)
  }

  function proveFromTiles(
    index: LeafIndex,
    size: TreeSize,
    edge: RightEdge | undefined,
  ): Promise<readonly NodeHash[]> {
    return Promise.all(
      inclusionPath(index, size).map(async (position) => {
        if (isComplete(position, size)) return tree().node(position) ?? tiles.node(position)
        const known = edge?.[position.height]
        if (known !== undefined) return known
        const [node] = await readNodes(tiles, size, [position])
        return node!
      }),
    )
  }

  async function prove(index: LeafIndex, size: TreeSize): Promise<readonly NodeHash[]> {
    const edge = presentEdge(size)
    return proveFromMemory(index, size, edge) ?? proveFromTiles(index, size, edge)
  }

  async function leafHashAt(index: LeafIndex): Promise<LeafHash> {
    const tile = Math.floor(index / TILE_WIDTH)
    const offset = index - tile * TILE_WIDTH
    const hashes = await tiles.tile(0, tile, offset + 1)
    return leafHash(hashes.subarray(offset * HASH_SIZE, (offset + 1) * HASH_SIZE))
  }

  function mustContain(index: LeafIndex, size: TreeSize): void {
    const present = newest().size
    if (size > present)
      throw new CairnError('NOT_FOUND', `the log has ${present} leaves, not ${size}`)
    if (index >= size)
      throw new CairnError('NOT_FOUND', `there is no leaf ${index} among ${size} leaves`)
  }

  return {
    origin: signer.origin,
    vkeys: [formatVkey(signer.ed25519), formatVkey(signer.mlDsa)],
    treeHeadKey: signer.treeHeadKey,
    head: newest,

    async inclusion(index) {
      mustContain(index, newest().size)
      const under: Head = options.under(index) ?? newest()
      const [proof, leaf] = await Promise.all([prove(index, under.size), leafHashAt(index)])
      return { index, leafHash: leaf, proof, head: under }
    },

    inclusionUnder(index, leaf, under): Inclusion | Promise<Inclusion> {
      const { edge } = under as Partial<CommittedHead>
      const inclusion = (proof: readonly NodeHash[]): Inclusion => ({
        index,
        leafHash: leaf,
        proof,
        head: under,
      })
      const proof = proveFromMemory(index, under.size, edge)
      if (proof !== undefined) return inclusion(proof)
      return proveFromTiles(index, under.size, edge).then(inclusion)
    },

    async inclusionProof(index, size) {
      mustContain(index, size)
      return prove(index, size)
    },

    async consistencyProof(first, second) {
      const present = newest().size
      if (second > present)
        throw new CairnError('NOT_FOUND', `the log has ${present} leaves, not ${second}`)
      if (first < 1 || first > second) {
        throw new CairnError('MALFORMED', 'a consistency proof needs 0 < first <= second')
      }
      return consistencyProof(tiles, first, second)
    },

    async tile(level, tile, width) {
      if (width > tileWidth(level, tile, newest().size)) return undefined
      return tiles.tile(level, tile, width)
    },

    async bundle(bundle, width) {
      if (width > bundleWidth(bundle, newest().size)) return undefined
      return tiles.bundle(bundle, width)
    },

    async entry(index) {
      if (index >= newest().size) return undefined
      const bundle = Math.floor(index / TILE_WIDTH)
      const width = index - bundle * TILE_WIDTH + 1
      return decodeBundle(await tiles.bundle(bundle, width), width).at(-1)
    },

    async indexOf(leaf) {
      const [index] = await store.find([leaf])
      // The store may already hold a commit whose head is not shown yet.
      return index !== undefined && index < newest().size ? index : undefined
    },

    async coseReceipt(inclusion) {
      const halted = options.halted()
      if (halted !== undefined) throw new CairnError('READ_ONLY', halted)
      const { index, proof, head: under } = inclusion
      const receipt = {
        origin: signer.origin,
        index,
        size: under.size,
        leafHash: inclusion.leafHash,
        proof,
        root: under.root,
        keyId: signer.ed25519.keyId,
      }
      return encodeCoseReceipt(receipt, await signer.sign(coseReceiptToBeSigned(receipt)))
    },
  }
}
