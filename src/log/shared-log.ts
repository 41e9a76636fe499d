/**
 * A log that any number of servers share, opened on one of them. All take submissions and answer with receipts; the one
 * that leads makes the tree grow, signs and publishes, and the others follow it (see storage/shared-port.ts).
 */
import { malformed } from '../errors.ts'
import type { LeaderStore, SharedLogStore } from '../storage/shared-port.ts'
import type { CommittedHead } from './committer.ts'
import type { LogEvent, LogOptions } from './log.ts'
import type { QueueLimits } from './queue.ts'
import { logReading } from './reading.ts'
import { disagreement, recover, rolledBack } from './recover.ts'
import type { Acceptance, LogService } from './service.ts'
import { Course } from './shared-course.ts'
import { KEPT_TILES, Replica } from './shared-replica.ts'
import { firstHead } from './sign-head.ts'
import { storedTiles } from './stored-tiles.ts'

export type SharedLogEvent =
  | LogEvent
  /** This server leads from now on. */
  | { readonly event: 'leading'; readonly epoch: number }
  /** It does not any more. */
  | { readonly event: 'following'; readonly epoch: number }
  | { readonly event: 'database-failing'; readonly reason: string }
  | { readonly event: 'database-ok' }

export interface SharedLogOptions
  extends Omit<LogOptions, 'store' | 'onEvent' | 'freeSpaceFloor' | 'spaceCheckMs'> {
  /** Closed with the log. */
  readonly store: SharedLogStore
  /** What this server calls itself: another name at each start. */
  readonly holder: string
  /** The URL at which other servers reach it. */
  readonly url: string
  /** How long a server leads without a sign of life; the same on all servers. */
  readonly leaseMs?: number
  /** How long a server that leads may get nothing done before it lets others try; default three leases, and 10 seconds. */
  readonly stuckMs?: number
  /** Least time between the beginnings of two integrations while more leaves are on their way. */
  readonly integrateIntervalMs?: number
  /**
   * Called when this server has begun to lead and all that was sequenced before is in the tree, never before the log is
   * open. What is submitted through `log` gets in while the term lasts, or not at all.
   */
  readonly onLeading?: (term: LeaderStore, log: LogService) => void
  /** Called when that term is over. */
  readonly onFollowing?: () => void
  readonly onEvent?: (event: SharedLogEvent) => void
}

/** The server that leads. */
export interface LeaderAddress {
  readonly url: string
  readonly holder: string
  readonly isUs: boolean
}

/** How a server and its database are doing. */
export interface ClusterReport {
  readonly holder: string
  readonly leading: boolean
  /** The term that lasts, or lasted last, as far as this server knows. */
  readonly epoch: number | undefined
  readonly leader: LeaderAddress | undefined
  /** Leaves that have an index. */
  readonly sequenced: number
  /** Leaves of the newest head. */
  readonly integrated: number
  /** Failures of the database since the log was opened. */
  readonly databaseErrors: number
  /** The last of them, until it works again. */
  readonly databaseError: string | undefined
  /** Milliseconds since the first failure after it last worked; undefined while it works. */
  readonly databaseFailingMs: number | undefined
}

export interface SharedLog extends LogService {
  /** Who leads, as far as this server knows. */
  leader(): LeaderAddress | undefined
  cluster(): ClusterReport
}

const DEFAULT_QUEUE: QueueLimits = { maxLeaves: 20_000, maxBytes: 64 * 2 ** 20 }
const DEFAULT_BATCH: QueueLimits = { maxLeaves: 4_096, maxBytes: 16 * 2 ** 20 }
const LEASE_MS = 3_000
/** How long a reader is held who asks for a leaf that has an index and is under no head yet. */
const READER_PATIENCE_MS = 2_000

/**
 * Whether another server leads. It has compared the stored head with what its own signer remembers, so that a server
 * which joins, and remembers nothing, may go on from there.
 */
async function isVouchedFor(store: SharedLogStore, holder: string): Promise<boolean> {
  const leadership = await store.leadership()
  // Who holds the term of a stopped log has no address, and has compared nothing.
  return leadership?.valid === true && leadership.holder !== holder && leadership.url !== ''
}

/**
 * Opens the log of a shared store, or begins one in an empty store. When the store and the signer's state disagree the
 * log opens read-only, and its mode says why.
 * @throws CORRUPT when the store contradicts itself; UNAVAILABLE, IO
 */
export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { store, signer, signedState, holder, url } = options
  const leaseMs = options.leaseMs ?? LEASE_MS
  const needsWitnesses = options.witnesses?.policy.quorum !== undefined
  const tiles = storedTiles(store)
  const recovered = await recover(store, tiles, signer, KEPT_TILES)
  const adopted =
    signedState.last === undefined &&
    (options.adoptHead === true || (await isVouchedFor(store, holder)))
  const mismatch = adopted ? undefined : await disagreement(signedState, recovered.head, tiles)
  const head = recovered.head ?? (await firstHead(signer))
  const replica = new Replica({ store, tiles, signer, signedState, tree: recovered.tree, head })
  const course = new Course({
    log: options,
    leaseMs,
    tiles,
    replica,
    publication: recovered.publication,
    sequencer: {
      queue: options.queue ?? DEFAULT_QUEUE,
      batch: options.batch ?? DEFAULT_BATCH,
      dedup: options.dedup ?? true,
      size: await store.sequencedSize(),
    },
    onLeading(leader) {
      const { epoch } = leader
      const during: LogService = {
        ...log,
        submit: (leaves, given) => log.submit(leaves, { ...given, epoch }),
        sequence: (leaves, given) => log.sequence(leaves, { ...given, epoch }),
      }
      // Whoever opens the log has it by then.
      setImmediate(() => options.onLeading?.(leader, during))
    },
  })
  const { sequencer, waiters, publications, election } = course

  const reading = logReading({
    store,
    tiles,
    signer,
    tree: () => replica.tree,
    newest: (): CommittedHead => replica.head,
    under: (index) => (course.leading?.publisher ?? publications).under(index),
    halted: () => course.halted?.message,
  })

  const log: SharedLog = {
    ...reading,

    submit: (leaves, given = {}) =>
      new Promise<Acceptance>((resolve, reject) => {
        sequencer.push(leaves, given, {
          reject,
          resolve: (accepted) => {
            if (course.halted !== undefined) {
              reject(course.halted)
              return
            }
            const last = accepted.reduce((most, { index }) => Math.max(most, index), 0)
            waiters.add(last + 1, leaves.length, {
              reject,
              resolve: (under) => resolve({ leaves: accepted, head: under }),
            })
          },
        })
      }),

    sequence: (leaves, given = {}) =>
      new Promise((resolve, reject) => sequencer.push(leaves, given, { resolve, reject })),

    mode: () => sequencer.mode(),
    statistics: () => sequencer.statistics(),
    publication: () => publications.mustHave(needsWitnesses),

    witnesses: () =>
      course.leading?.witnessing?.report() ??
      (options.witnesses && { quorum: options.witnesses.policy.quorum, witnesses: [] }),

    async witnessed(index, milliseconds) {
      if (!needsWitnesses) {
        throw malformed(
          'this log has no quorum of witnesses; leave out "wait" or use wait=integrated',
        )
      }
      const here = publications.whenPublished(index, milliseconds)
      // The publisher hurries for those who wait for it.
      const { leading } = course
      if (leading === undefined) return here
      return Promise.race([here, leading.publisher.whenPublished(index, milliseconds)])
    },

    async inclusion(index) {
      const isAwaited = index >= replica.head.size && course.halted === undefined
      if (isAwaited && (await course.isSequenced(index))) {
        await waiters.reached(index + 1, READER_PATIENCE_MS)
      }
      return reading.inclusion(index)
    },

    leader() {
      if (election.term !== undefined) return { url, holder, isUs: true }
      const known = election.leadership
      if (known?.valid !== true || known.holder === holder || known.url === '') return undefined
      return { url: known.url, holder: known.holder, isUs: false }
    },

    cluster: () => ({
      holder,
      leading: election.term !== undefined,
      epoch: election.leadership?.epoch,
      leader: log.leader(),
      sequenced: sequencer.size,
      integrated: replica.head.size,
      databaseErrors: course.database.errors,
      databaseError: course.database.error,
      databaseFailingMs: course.database.failingMs,
    }),

    async close() {
      await course.close()
      await signer.close()
      await signedState.close()
      await store.close()
    },
  }

  if (mismatch !== undefined) course.halt('read-only', { reason: mismatch })
  else if (sequencer.size < head.size) {
    course.halt('read-only', { reason: rolledBack(sequencer.size, head.size) })
  } else await signedState.record(head)
  await course.start()
  return log
}
