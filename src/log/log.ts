/** A log, opened: its write path, its publications and its reads behind one small interface. */
import { CairnError, malformed, messageOf } from '../errors.ts'
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
import { type CommittedHead, Committer } from './committer.ts'
import { DoubleCheck } from './double-check.ts'
import type { RightEdge } from './edge-tree.ts'
import { type Evidence, evidenceOf } from './evidence.ts'
import { Publisher } from './publisher.ts'
import type { QueueLimits } from './queue.ts'
import { disagreement, recover } from './recover.ts'
import type { Head, Inclusion, LogService, Publication } from './service.ts'
import { firstHead } from './sign-head.ts'
import type { SignedState } from './signed-state.ts'
import type { LogSigner } from './signer.ts'
import { storedTiles } from './stored-tiles.ts'
import type { Disagreement } from './witness-link.ts'
import { mayBeShown, startWitnessing, type WitnessOptions } from './witness-options.ts'

export type LogEvent =
  | { readonly event: 'read-only'; readonly reason: string }
  /** Something signed by this log's key that contradicts it: to be kept. */
  | { readonly event: 'evidence'; readonly evidence: Evidence }
  | { readonly event: 'witness-failing'; readonly witness: string; readonly reason: string }
  | { readonly event: 'witness-ok'; readonly witness: string }
  | { readonly event: 'stopped'; readonly reason: string }
  | { readonly event: 'publication-failed'; readonly reason: string }
  | { readonly event: 'disk-low'; readonly free: number }
  | { readonly event: 'disk-ok'; readonly free: number }

export interface LogOptions {
  /** Closed with the log. */
  readonly store: LogStore
  /** Closed with the log. */
  readonly signer: LogSigner
  /** Closed with the log. */
  readonly signedState: SignedState
  /** The witnesses to ask, and whose cosignatures a published head needs. */
  readonly witnesses?: WitnessOptions
  /** Takes the store's newest head as right although the signer's state is missing. */
  readonly adoptHead?: boolean
  /** What may wait for a commit. */
  readonly queue?: QueueLimits
  /** What one commit takes at the most. */
  readonly batch?: QueueLimits
  /** Whether the same leaf gets its first index again; on by default. */
  readonly dedup?: boolean
  /** Least time between two published heads. */
  readonly publishIntervalMs?: number
  /** Age at which an unchanged head is published with a new timestamp. */
  readonly renewMs?: number
  /** Submissions are refused while fewer bytes than this are free. */
  readonly freeSpaceFloor?: number
  /** How often free space is looked at. */
  readonly spaceCheckMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Told of each head that is shown to the world. */
  readonly onPublished?: (publication: Publication) => void
  readonly onEvent?: (event: LogEvent) => void
}

const DEFAULT_QUEUE: QueueLimits = { maxLeaves: 20_000, maxBytes: 64 * 2 ** 20 }
const DEFAULT_BATCH: QueueLimits = { maxLeaves: 4_096, maxBytes: 16 * 2 ** 20 }
const DEFAULT_FLOOR = 64 * 2 ** 20
const SPACE_CHECK_MS = 2_000
const PUBLISH_INTERVAL_MS = 250
const HURRIED_INTERVAL_MS = 25
const CONSULT_MS = 5_000

/**
 * Opens the log in a store, or begins one in an empty store. When the store and the signer's state disagree the log
 * opens read-only, and its mode says why.
 * @throws CORRUPT when the store contradicts itself; IO
 */
export async function openLog(options: LogOptions): Promise<LogService> {
  const { store, signer, signedState, onEvent = () => {} } = options
  const tiles = storedTiles(store)
  const recovered = await recover(store, tiles, signer)
  const { tree, frontier } = recovered

  const adopted = options.adoptHead === true && signedState.last === undefined
  const mismatch = adopted ? undefined : await disagreement(signedState, recovered.head, tiles)
  /** Why the log must not be written to, once that is known. */
  let halted: string | undefined
  const head = recovered.head ?? (await firstHead(signer))

  const witnessing =
    options.witnesses &&
    startWitnessing(options.witnesses, signer, tiles, () => committer.head, {
      now: options.now ?? Date.now,
      onLate: (round) => publisher.amend(round),
      onDisagreement: halt,
      onState: (witness, reason) =>
        onEvent(
          reason === undefined
            ? { event: 'witness-ok', witness }
            : { event: 'witness-failing', witness, reason },
        ),
    })
  const committer: Committer = new Committer({
    store,
    signer,
    signedState,
    tree,
    doubleCheck: new DoubleCheck(frontier),
    head,
    queue: options.queue ?? DEFAULT_QUEUE,
    batch: options.batch ?? DEFAULT_BATCH,
    dedup: options.dedup ?? true,
    onCommit: () => publisher.notify(),
    onStop: (reason) => {
      publisher.abandon()
      onEvent({ event: 'stopped', reason })
    },
  })
  const shown =
    recovered.publication && mayBeShown(recovered.publication, signer, options.witnesses)
      ? recovered.publication
      : undefined
  const publisher: Publisher = new Publisher(shown, {
    store,
    signer,
    witnessing,
    now: options.now ?? Date.now,
    head: () => committer.head,
    intervalMs: options.publishIntervalMs ?? PUBLISH_INTERVAL_MS,
    hurriedIntervalMs: options.witnesses?.hurriedIntervalMs ?? HURRIED_INTERVAL_MS,
    renewMs: options.renewMs ?? 600_000,
    ...(options.onPublished && { onPublished: options.onPublished }),
    onError: (error) => onEvent({ event: 'publication-failed', reason: messageOf(error) }),
  })

  function halt({ reason, shown: elsewhere }: Disagreement): void {
    if (halted !== undefined) return
    halted = reason
    committer.halt(reason)
    publisher.abandon()
    void witnessing?.close()
    onEvent({ event: 'read-only', reason })
    if (elsewhere === undefined) return
    evidenceOf(committer.head, elsewhere, tiles).then(
      (evidence) => onEvent({ event: 'evidence', evidence }),
      () => onEvent({ event: 'evidence', evidence: { kind: 'checkpoint', text: elsewhere.note } }),
    )
  }

  // Witnesses are asked before anything is signed: what they have seen may be newer than this copy of the data.
  const consulted =
    mismatch === undefined
      ? await witnessing?.consult(head, options.witnesses?.consultMs ?? CONSULT_MS)
      : undefined
  if (mismatch !== undefined) {
    halt({ reason: mismatch })
  } else if (consulted?.disagreement !== undefined) {
    halt(consulted.disagreement)
  } else {
    await signedState.record(head)
    if (consulted !== undefined) publisher.adopt(consulted.round)
    if (recovered.publication?.size !== head.size && witnessing?.required !== true) {
      await publisher.publish()
    } else {
      publisher.notify()
    }
  }
  const floor = halted === undefined ? watchSpace(committer, options, onEvent) : undefined

  const newest = (): CommittedHead => committer.head

  /** The right edge of the tree of `size` leaves, where that is the present one. */
  const presentEdge = (size: TreeSize): RightEdge | undefined =>
    size === newest().size ? newest().edge : undefined

  function proveFromMemory(
    index: LeafIndex,
    size: TreeSize,
    edge: RightEdge | undefined,
  ): readonly NodeHash[] | undefined {
    return edge && tree.inclusionProof(index, size, edge)
  }

  function proveFromTiles(
    index: LeafIndex,
    size: TreeSize,
    edge: RightEdge | undefined,
  ): Promise<readonly NodeHash[]> {
    return Promise.all(
      inclusionPath(index, size).map(async (position) => {
        if (isComplete(position, size)) return tree.node(position) ?? tiles.node(position)
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
    submit: (leaves, submitOptions) => committer.submit(leaves, submitOptions),
    mode: () => committer.mode(),
    statistics: () => committer.statistics(),
    head: newest,
    publication: () => publisher.publication,
    witnesses: () => witnessing?.report(),

    async witnessed(index, milliseconds) {
      if (witnessing?.required !== true) {
        throw malformed(
          'this log has no quorum of witnesses; leave out "wait" or use wait=integrated',
        )
      }
      return publisher.whenPublished(index, milliseconds)
    },

    async inclusion(index) {
      mustContain(index, newest().size)
      const under: Head = publisher.under(index) ?? newest()
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

    async close() {
      clearInterval(floor)
      await committer.close()
      await witnessing?.close()
      if (halted === undefined && !committer.failed) await publisher.close()
      await signer.close()
      await signedState.close()
      await store.close()
    },
  }
}

/** Refuses submissions while the disk is nearly full: a full disk found out by a failed write stops the log. */
function watchSpace(
  committer: Committer,
  options: LogOptions,
  onEvent: (event: LogEvent) => void,
): NodeJS.Timeout {
  const floor = options.freeSpaceFloor ?? DEFAULT_FLOOR
  let low = false
  const look = async (): Promise<void> => {
    const usage = await options.store.usage().catch(() => undefined)
    if (usage === undefined || usage.free < floor === low) return
    low = !low
    if (low)
      committer.refuse({
        mode: 'disk-full',
        reason: `fewer than ${floor} bytes are free on the disk; free some space`,
      })
    else committer.resume()
    onEvent({ event: low ? 'disk-low' : 'disk-ok', free: usage.free })
  }
  void look()
  return setInterval(look, options.spaceCheckMs ?? SPACE_CHECK_MS).unref()
}
