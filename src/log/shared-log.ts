/**
 * A log that any number of servers share, opened on one of them. All take submissions and answer with receipts; the one
 * that leads makes the tree grow, signs and publishes, and the others follow it (see storage/shared-port.ts).
 */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { treeSize } from '../merkle/position.ts'
import type { StoredPublication } from '../storage/port.ts'
import type { LeaderStore, SharedLogStore } from '../storage/shared-port.ts'
import type { CommittedHead } from './committer.ts'
import { evidenceOf } from './evidence.ts'
import type { LogEvent, LogOptions } from './log.ts'
import type { QueueLimits } from './queue.ts'
import { logReading } from './reading.ts'
import { checkSignature, disagreement, recover, rolledBack } from './recover.ts'
import type { Acceptance, LogService, Publication } from './service.ts'
import { LIMITS as INTEGRATION_LIMITS } from './shared-integrator.ts'
import { beginLeading, type Leading } from './shared-leading.ts'
import { Publications } from './shared-publications.ts'
import { KEPT_TILES, Replica } from './shared-replica.ts'
import { Sequencer } from './shared-sequencer.ts'
import { Election } from './shared-term.ts'
import { HeadWaiters } from './shared-waiting.ts'
import { firstHead } from './sign-head.ts'
import { storedTiles } from './stored-tiles.ts'
import type { Disagreement } from './witness-link.ts'
import { mayBeShown } from './witness-options.ts'

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
}

export interface SharedLog extends LogService {
  /** Who leads, as far as this server knows. */
  leader(): LeaderAddress | undefined
  cluster(): ClusterReport
}

const DEFAULT_QUEUE: QueueLimits = { maxLeaves: 20_000, maxBytes: 64 * 2 ** 20 }
const DEFAULT_BATCH: QueueLimits = { maxLeaves: 4_096, maxBytes: 16 * 2 ** 20 }
const LEASE_MS = 3_000
const INTEGRATE_INTERVAL_MS = 20
const PUBLISH_INTERVAL_MS = 250
const RENEW_MS = 600_000
/** How often it is looked for what no notice has told. */
const POLL_MS = 250
/** After a failure. */
const PAUSE_MS = 100
/** How long a reader is held who asks for a leaf that has an index and is under no head yet. */
const READER_PATIENCE_MS = 2_000
/** How long a number of sequenced leaves is good for. */
const SIZE_AGE_MS = 100

/**
 * Whether another server leads. It has compared the stored head with what its own signer remembers, so that a server
 * which joins, and remembers nothing, may go on from there.
 */
async function isVouchedFor(store: SharedLogStore, holder: string): Promise<boolean> {
  const leadership = await store.leadership()
  return leadership?.valid === true && leadership.holder !== holder
}

/** Why a log is not written to whose database has fewer leaves than were sequenced. */
function lostLeaves(size: number, known: number): string {
  return (
    `the data was rolled back: it holds ${size} leaves, but ${known} were sequenced and acknowledged; ` +
    'restore the newest copy of the data'
  )
}

/**
 * Opens the log of a shared store, or begins one in an empty store. When the store and the signer's state disagree the
 * log opens read-only, and its mode says why.
 * @throws CORRUPT when the store contradicts itself; UNAVAILABLE, IO
 */
export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { store, signer, signedState, holder, url, onEvent = () => {} } = options
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
  const waiters = new HeadWaiters(head)
  const publications = new Publications(
    recovered.publication && mayBeShown(recovered.publication, signer, options.witnesses)
      ? recovered.publication
      : undefined,
  )
  /** The newest publication in the store, shown or not. */
  let published: Pick<StoredPublication, 'timestamp' | 'checkpoint'> | undefined =
    (await store.publication()) ?? undefined

  /** Why nothing may be signed any more, once that is so. */
  let halted: CairnError | undefined
  let leading: Leading | undefined
  let closing = false
  let publicationIsDue = true
  let isPoked = false
  let isLookDue = false
  /** Whether leaves may have been sequenced that this server does not know of. */
  let isNoticed = true
  let wake: (() => void) | undefined
  let lastBegun = Number.NEGATIVE_INFINITY
  const database = { errors: 0, error: undefined as string | undefined }

  const election = new Election({ store, holder, url, leaseMs, onChange: poke, onDatabase })
  const sequencer = new Sequencer({
    store,
    queue: options.queue ?? DEFAULT_QUEUE,
    batch: options.batch ?? DEFAULT_BATCH,
    dedup: options.dedup ?? true,
    size: await store.sequencedSize(),
    waitingElsewhere: () => waiters.leaves,
    onSequenced: poke,
    onLost: (size, known) => halt('read-only', { reason: lostLeaves(size, known) }),
    onDatabase,
  })
  let sizeAt = performance.now()
  const unwatch = store.watch((change) => {
    if (change === 'leadership') void election.look()
    else if (change === 'sequenced') {
      // That is for the leader, who in turn knows of its own heads.
      if (leading === undefined || !sequencer.notice()) return
      isNoticed = true
    } else if (leading !== undefined) return
    else if (change === 'publication') publicationIsDue = true
    poke()
  })

  function onDatabase(error: unknown): void {
    if (error === undefined) {
      if (database.error !== undefined) onEvent({ event: 'database-ok' })
      database.error = undefined
      return
    }
    database.errors++
    const isNew = database.error === undefined
    database.error = messageOf(error)
    if (isNew && !closing) onEvent({ event: 'database-failing', reason: database.error })
  }

  function halt(mode: 'read-only' | 'stopped', { reason, shown }: Disagreement): void {
    if (halted !== undefined) return
    halted = new CairnError(mode === 'stopped' ? 'STOPPED' : 'READ_ONLY', reason)
    sequencer.refuse({ mode, reason })
    waiters.reject(halted)
    void election.withdraw()
    endTerm()
    onEvent({ event: mode, reason })
    if (shown === undefined) return
    evidenceOf(replica.head, shown, tiles).then(
      (evidence) => onEvent({ event: 'evidence', evidence }),
      () => onEvent({ event: 'evidence', evidence: { kind: 'checkpoint', text: shown.note } }),
    )
  }

  function endTerm(): void {
    if (leading === undefined) return
    const { epoch } = leading.term.leader
    leading.abandon()
    leading.term.end()
    leading = undefined
    onEvent({ event: 'following', epoch })
    setImmediate(() => options.onFollowing?.())
  }

  function showHead(): void {
    sequencer.learn(replica.head.size)
    waiters.release(replica.head)
  }

  function showPublication(publication: Publication): void {
    publications.show(publication)
    options.onPublished?.(publication)
  }

  /** Shows the newest stored publication when its signature, root and cosignatures are right. */
  async function followPublication(): Promise<void> {
    publicationIsDue = false
    const stored = await store.publication()
    if (stored === undefined || stored.timestamp < (published?.timestamp ?? 0)) return
    if (published !== undefined && equal(stored.checkpoint, published.checkpoint)) return
    checkSignature(stored, signer, 'published head', [signer.ed25519])
    if (stored.size > replica.head.size && (await replica.follow())) showHead()
    if (stored.size > replica.head.size || !equal(await replica.rootAt(stored.size), stored.root)) {
      throw new CairnError(
        'CORRUPT',
        `the published head of size ${stored.size} in the database is not one of this log's tree; run cairn fsck`,
      )
    }
    published = stored
    const publication = { ...stored, checkpoint: fromUtf8(stored.checkpoint) }
    if (mayBeShown(publication, signer, options.witnesses)) showPublication(publication)
  }

  async function begin(opening: boolean): Promise<void> {
    const { term } = election
    if (term === undefined) return
    if (await replica.follow()) showHead()
    await followPublication()
    const begun = await beginLeading({
      store,
      signer,
      signedState,
      replica,
      term,
      tiles,
      witnesses: options.witnesses,
      publication: publications.newest,
      after: published?.timestamp ?? 0,
      consultMs: options.witnesses?.consultMs ?? leaseMs,
      publishIntervalMs: options.publishIntervalMs ?? PUBLISH_INTERVAL_MS,
      renewMs: options.renewMs ?? RENEW_MS,
      now: options.now ?? Date.now,
      onPublished: (publication) => {
        const { timestamp, checkpoint } = publication
        published = { timestamp, checkpoint: utf8(checkpoint) }
        if (halted === undefined) showPublication(publication)
      },
      onDisagreement: (found) => halt('read-only', found),
      onEvent,
      onDatabase,
    })
    if (begun === undefined) return
    try {
      const sequenced = await store.sequencedSize()
      learnSize(sequenced)
      while (replica.head.size < sequenced && halted === undefined) {
        term.mustLast()
        await begun.integrate()
        showHead()
      }
      term.mustLast()
      const { publisher } = begun
      if (publications.newest?.size === replica.head.size) publisher.notify()
      else if (opening && !needsWitnesses) await publisher.publish()
      else publisher.notify()
    } catch (error) {
      begun.abandon()
      throw error
    }
    if (halted !== undefined) {
      begun.abandon()
      return
    }
    leading = begun
    const { leader } = term
    onEvent({ event: 'leading', epoch: leader.epoch })
    const during = { epoch: leader.epoch }
    const own: LogService = {
      ...log,
      submit: (leaves, given) => log.submit(leaves, { ...given, ...during }),
      sequence: (leaves, given) => log.sequence(leaves, { ...given, ...during }),
    }
    // Whoever opens the log has it by then.
    setImmediate(() => options.onLeading?.(leader, own))
  }

  /** Leads or follows, as far as there is something to do. Never rejects. */
  async function turn(opening = false): Promise<boolean> {
    try {
      if (leading !== undefined && election.term !== leading.term) endTerm()
      if (leading === undefined && election.term !== undefined) await begin(opening)
      if (leading !== undefined) {
        if (isLookDue) await mustBeOwn()
        await integrate(leading)
      } else {
        if (await replica.follow()) showHead()
        if (publicationIsDue) await followPublication()
      }
      onDatabase(undefined)
      return true
    } catch (error) {
      failed(error)
      return false
    }
  }

  /** A leader that has nothing to do looks whether the database still has its newest head. @throws CORRUPT, CONFLICT */
  async function mustBeOwn(): Promise<void> {
    isLookDue = false
    if (replica.tree.size !== replica.head.size) return
    if (!(await replica.follow())) return
    showHead()
    throw new CairnError('CONFLICT', 'another server has led meanwhile')
  }

  async function integrate(lead: Leading): Promise<void> {
    const interval = options.integrateIntervalMs ?? INTEGRATE_INTERVAL_MS
    let more = isNoticed
    isNoticed = false
    while (lead === leading && lead.term.lasts()) {
      if (!more && sequencer.size <= replica.head.size) return
      const wait = lastBegun + interval - performance.now()
      // Nobody gains by waiting when nothing is on its way here.
      if (wait > 0 && sequencer.busy) await new Promise((resolve) => setTimeout(resolve, wait))
      const begun = performance.now()
      const known = sequencer.size
      const count = await lead.integrate()
      // Also when there was nothing new: an earlier attempt may have got through.
      showHead()
      if (count === 0 && known > replica.head.size) {
        throw new CairnError('CORRUPT', lostLeaves(replica.head.size, known))
      }
      more = count >= INTEGRATION_LIMITS.maxLeaves
      if (count === 0) return
      lastBegun = begun
    }
  }

  function failed(error: unknown): void {
    const code = error instanceof CairnError ? error.code : undefined
    if (code === 'CORRUPT' || code === 'NEWER_FORMAT') {
      halt('read-only', { reason: messageOf(error) })
    } else if (code === 'STOPPED') {
      halt('stopped', { reason: `the log stopped: ${messageOf(error)}` })
    } else if (code === 'CONFLICT') {
      // Another leads, or has led meanwhile.
      election.term?.end()
      endTerm()
    } else {
      onDatabase(error)
      if (code !== 'UNAVAILABLE' && code !== 'DISK_FULL') endTerm()
    }
  }

  function learnSize(size: number): void {
    sizeAt = performance.now()
    sequencer.learn(treeSize(size))
  }

  /** Whether a leaf has an index, though no head yet as far as this server knows. */
  async function isSequenced(index: number): Promise<boolean> {
    if (index < sequencer.size) return true
    if (performance.now() - sizeAt < SIZE_AGE_MS) return false
    learnSize(await store.sequencedSize())
    return index < sequencer.size
  }

  function poke(): void {
    isPoked = true
    wake?.()
  }

  async function run(): Promise<void> {
    while (!closing) {
      if (!isPoked) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, POLL_MS)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        wake = undefined
        // What no notice has told is looked for.
        if (!isPoked) publicationIsDue = isNoticed = isLookDue = true
      }
      isPoked = false
      waiters.expire()
      if (closing || halted !== undefined) continue
      if (await turn()) continue
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      isPoked = isNoticed = true
    }
  }

  const reading = logReading({
    store,
    tiles,
    signer,
    tree: () => replica.tree,
    newest: (): CommittedHead => replica.head,
    under: (index) =>
      leading !== undefined ? leading.publisher.under(index) : publications.under(index),
    halted: () => halted?.message,
  })

  const log: SharedLog = {
    ...reading,

    submit: (leaves, given = {}) =>
      new Promise<Acceptance>((resolve, reject) => {
        sequencer.push(leaves, given, {
          reject,
          resolve: (accepted) => {
            if (halted !== undefined) {
              reject(halted)
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
      leading?.witnessing?.report() ??
      (options.witnesses && { quorum: options.witnesses.policy.quorum, witnesses: [] }),

    async witnessed(index, milliseconds) {
      if (!needsWitnesses) {
        throw malformed(
          'this log has no quorum of witnesses; leave out "wait" or use wait=integrated',
        )
      }
      const here = publications.whenPublished(index, milliseconds)
      // The publisher hurries for those who wait for it.
      if (leading === undefined) return here
      return Promise.race([here, leading.publisher.whenPublished(index, milliseconds)])
    },

    async inclusion(index) {
      if (index >= replica.head.size && halted === undefined && (await isSequenced(index))) {
        await waiters.reached(index + 1, READER_PATIENCE_MS)
      }
      return reading.inclusion(index)
    },

    leader() {
      if (election.term !== undefined) return { url, holder, isUs: true }
      const known = election.leadership
      if (known?.valid !== true || known.holder === holder) return undefined
      return { url: known.url, holder: known.holder, isUs: false }
    },

    cluster: () => ({
      holder,
      leading: election.term !== undefined,
      epoch: election.leadership?.epoch,
      leader: log.leader(),
      sequenced: sequencer.size,
      integrated: replica.head.size,
      databaseErrors: database.errors,
      databaseError: database.error,
    }),

    async close() {
      await sequencer.close()
      await waiters.empty(3 * leaseMs)
      waiters.reject(new CairnError('STOPPED', 'the log is shutting down'))
      closing = true
      poke()
      await running
      unwatch()
      if (leading?.term.lasts() === true) {
        await leading.close().catch(() => undefined)
      }
      await election.close()
      endTerm()
      await signer.close()
      await signedState.close()
      await store.close()
    },
  }

  if (mismatch === undefined && sequencer.size < head.size) {
    halt('read-only', { reason: rolledBack(sequencer.size, head.size) })
  } else if (mismatch !== undefined) halt('read-only', { reason: mismatch })
  else await signedState.record(head)
  await election.look()
  if (halted === undefined) await turn(true)
  const running = run()
  return log
}
