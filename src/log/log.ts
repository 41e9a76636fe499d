/** A log, opened: its write path, its publications and its reads behind one small interface. */
import { malformed, messageOf } from '../errors.ts'
import type { LogStore } from '../storage/port.ts'
import { Committer } from './committer.ts'
import { DoubleCheck } from './double-check.ts'
import { type Evidence, evidenceOf } from './evidence.ts'
import { Publisher } from './publisher.ts'
import type { QueueLimits } from './queue.ts'
import { logReading } from './reading.ts'
import { disagreement, recover } from './recover.ts'
import type { LogService, Publication } from './service.ts'
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

  const reading = logReading({
    store,
    tiles,
    signer,
    tree: () => tree,
    newest: () => committer.head,
    under: (index) => publisher.under(index),
    halted: () => halted,
  })

  return {
    ...reading,
    submit: (leaves, submitOptions) => committer.submit(leaves, submitOptions),
    sequence: async (leaves, submitOptions) =>
      (await committer.submit(leaves, submitOptions)).leaves,
    mode: () => committer.mode(),
    statistics: () => committer.statistics(),
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
