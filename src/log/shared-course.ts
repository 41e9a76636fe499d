/**
 * What one server of a shared log does all the time: follows the newest head, or, while it leads, makes the tree grow; shows
 * what may be shown, and stops for good when database, signer and witnesses contradict each other.
 */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { treeSize } from '../merkle/position.ts'
import type { StoredPublication } from '../storage/port.ts'
import type { LeaderStore } from '../storage/shared-port.ts'
import { evidenceOf } from './evidence.ts'
import { checkSignature } from './recover.ts'
import type { Publication } from './service.ts'
import { LIMITS as INTEGRATION_LIMITS } from './shared-integrator.ts'
import { beginLeading, type Leading } from './shared-leading.ts'
import type { SharedLogEvent, SharedLogOptions } from './shared-log.ts'
import { Publications } from './shared-publications.ts'
import type { Replica } from './shared-replica.ts'
import { Sequencer, type SequencerOptions } from './shared-sequencer.ts'
import { Election, type Term } from './shared-term.ts'
import { HeadWaiters } from './shared-waiting.ts'
import type { StoredTiles } from './stored-tiles.ts'
import type { Disagreement } from './witness-link.ts'
import { mayBeShown } from './witness-options.ts'

export interface CourseOptions {
  readonly log: SharedLogOptions
  readonly leaseMs: number
  readonly tiles: StoredTiles
  readonly replica: Replica
  /** The newest publication in the store. */
  readonly publication: Publication | undefined
  readonly sequencer: Pick<SequencerOptions, 'queue' | 'batch' | 'dedup' | 'size'>
  /** A term has begun, and all that was sequenced before is in the tree. */
  readonly onLeading: (leader: LeaderStore) => void
}

const INTEGRATE_INTERVAL_MS = 20
const PUBLISH_INTERVAL_MS = 250
const RENEW_MS = 600_000
/** How often it is looked for what no notice has told. */
const POLL_MS = 250
/** After a failure. */
const PAUSE_MS = 100
/** How long a number of sequenced leaves is good for. */
const SIZE_AGE_MS = 100
/** How long a server that has the lease may get nowhere: so many leases, and at least so long. */
const STUCK_LEASES = 3
const STUCK_MS = 10_000

/** Why a log is not written to whose database has fewer leaves than were sequenced. */
function lostLeaves(size: number, known: number): string {
  return (
    `the data was rolled back: it holds ${size} leaves, but ${known} were sequenced and acknowledged; ` +
    'restore the newest copy of the data'
  )
}

/** Begins with start(), and goes on by itself. */
export class Course {
  readonly sequencer: Sequencer
  readonly waiters: HeadWaiters
  readonly publications: Publications
  readonly election: Election
  readonly #options: CourseOptions
  readonly #log: SharedLogOptions
  readonly #replica: Replica
  #halted: CairnError | undefined
  #leading: Leading | undefined
  /** The newest publication in the store, shown or not. */
  #published: Pick<StoredPublication, 'timestamp' | 'checkpoint'> | undefined
  #database = { errors: 0, error: undefined as string | undefined }
  #publicationIsDue = true
  #isLookDue = false
  /** Whether leaves may have been sequenced that this server does not know of. */
  #isNoticed = true
  #isPoked = false
  #wake: (() => void) | undefined
  #lastBegun = Number.NEGATIVE_INFINITY
  #sizeAt = performance.now()
  /** Since when a step of the present turn has been under way. */
  #stepSince: number | undefined
  /** Since when every turn has failed. */
  #failingSince: number | undefined
  #closing = false
  #running: Promise<void> = Promise.resolve()
  readonly #unwatch: () => void

  constructor(options: CourseOptions) {
    const { leaseMs, publication, replica } = options
    const { store, signer, holder, url, witnesses } = options.log
    this.#options = options
    this.#log = options.log
    this.#replica = replica
    this.#published = publication && asStored(publication)
    this.waiters = new HeadWaiters(replica.head)
    this.publications = new Publications(
      publication && mayBeShown(publication, signer, witnesses) ? publication : undefined,
    )
    const onDatabase = (error: unknown): void => this.#onDatabase(error)
    const onChange = (): void => {
      // At once, whatever the turn under way waits for.
      if (this.#leading !== undefined && this.election.term !== this.#leading.term) this.#endTerm()
      this.poke()
    }
    const getsOn = (): boolean => this.#getsOn()
    this.election = new Election({ store, holder, url, leaseMs, getsOn, onChange, onDatabase })
    this.sequencer = new Sequencer({
      ...options.sequencer,
      store,
      waitingElsewhere: () => this.waiters.leaves,
      onSequenced: () => this.poke(),
      onLost: (size, known) => this.halt('read-only', { reason: lostLeaves(size, known) }),
      onDatabase,
    })
    this.#unwatch = store.watch((change) => {
      if (change === 'leadership') void this.election.look()
      else if (change === 'sequenced') {
        // That is for the leader, who in turn knows of its own heads.
        if (this.#leading === undefined || !this.sequencer.notice()) return
        this.#isNoticed = true
      } else if (this.#leading !== undefined) return
      else if (change === 'publication') this.#publicationIsDue = true
      this.poke()
    })
  }

  /** Why nothing may be signed any more, once that is so. */
  get halted(): CairnError | undefined {
    return this.#halted
  }

  /** What is done while the server leads. */
  get leading(): Leading | undefined {
    return this.#leading
  }

  /** Failures of the database, and the last one until it works again. */
  get database(): { readonly errors: number; readonly error: string | undefined } {
    return this.#database
  }

  /** Leads when nobody does. The first turn is over when this resolves. */
  async start(): Promise<void> {
    await this.election.look()
    if (this.#halted === undefined) await this.#turn(true)
    this.#running = this.#run()
  }

  /** Finishes what was accepted, hands over, and ends. */
  async close(): Promise<void> {
    await this.sequencer.close()
    await this.waiters.empty(3 * this.#options.leaseMs)
    this.waiters.reject(new CairnError('STOPPED', 'the log is shutting down'))
    this.#closing = true
    this.poke()
    await this.#running
    this.#unwatch()
    if (this.#leading?.term.lasts() === true) {
      await this.#leading.close().catch(() => undefined)
    }
    await this.election.close()
    this.#endTerm()
  }

  #tell(event: SharedLogEvent): void {
    this.#log.onEvent?.(event)
  }

  #onDatabase(error: unknown): void {
    if (error === undefined) {
      if (this.#database.error !== undefined) this.#tell({ event: 'database-ok' })
      this.#database.error = undefined
      return
    }
    if (error instanceof CairnError && error.code === 'READ_ONLY') {
      this.halt('read-only', { reason: error.message })
      return
    }
    this.#database.errors++
    const isNew = this.#database.error === undefined
    this.#database.error = messageOf(error)
    if (!isNew || this.#closing) return
    this.#tell({ event: 'database-failing', reason: this.#database.error })
  }

  /** Signs nothing any more, and takes no submissions; what was there before can still be read. */
  halt(mode: 'read-only' | 'stopped', { reason, shown }: Disagreement): void {
    if (this.#halted !== undefined) return
    this.#halted = new CairnError(mode === 'stopped' ? 'STOPPED' : 'READ_ONLY', reason)
    this.sequencer.refuse({ mode, reason })
    this.waiters.reject(this.#halted)
    void this.election.withdraw()
    this.#endTerm()
    this.#tell({ event: mode, reason })
    if (shown === undefined) return
    evidenceOf(this.#replica.head, shown, this.#options.tiles).then(
      (evidence) => this.#tell({ event: 'evidence', evidence }),
      () => this.#tell({ event: 'evidence', evidence: { kind: 'checkpoint', text: shown.note } }),
    )
  }

  #endTerm(): void {
    const ended = this.#leading
    if (ended === undefined) return
    this.#leading = undefined
    const { epoch } = ended.term.leader
    ended.abandon()
    ended.term.end()
    this.#tell({ event: 'following', epoch })
    setImmediate(() => this.#log.onFollowing?.())
  }

  /**
   * Whether what this server does as a leader gets done: neither does a step hang (in an object store that does not answer),
   * nor does it begin again and again to no end. Either way it would keep a lease that others could make something of.
   */
  #getsOn(): boolean {
    const { leaseMs } = this.#options
    const before =
      performance.now() - (this.#log.stuckMs ?? Math.max(STUCK_LEASES * leaseMs, STUCK_MS))
    return (this.#stepSince ?? before) >= before && (this.#failingSince ?? before) >= before
  }

  /** A step is done, and another begins. */
  #step(): void {
    this.#stepSince = performance.now()
    this.#failingSince = undefined
  }

  #showHead(): void {
    this.sequencer.learn(this.#replica.head.size)
    this.waiters.release(this.#replica.head)
  }

  #showPublication(publication: Publication): void {
    this.publications.show(publication)
    this.#log.onPublished?.(publication)
  }

  /** Shows the newest stored publication when its signature, root and cosignatures are right. */
  async #followPublication(): Promise<void> {
    this.#publicationIsDue = false
    const { store, signer, witnesses } = this.#log
    const stored = await store.publication()
    if (stored === undefined || stored.timestamp < (this.#published?.timestamp ?? 0)) return
    const before = this.#published?.checkpoint
    if (before !== undefined && equal(stored.checkpoint, before)) return
    checkSignature(stored, signer, 'published head', [signer.ed25519])
    if (stored.size > this.#replica.head.size && (await this.#replica.follow())) this.#showHead()
    if (
      stored.size > this.#replica.head.size ||
      !equal(await this.#replica.rootAt(stored.size), stored.root)
    ) {
      throw new CairnError(
        'CORRUPT',
        `the published head of size ${stored.size} in the database is not one of this log's tree; run cairn fsck`,
      )
    }
    this.#published = stored
    const publication = { ...stored, checkpoint: fromUtf8(stored.checkpoint) }
    if (mayBeShown(publication, signer, witnesses)) this.#showPublication(publication)
  }

  async #begin(term: Term, opening: boolean): Promise<void> {
    if (await this.#replica.follow()) this.#showHead()
    await this.#followPublication()
    const { store, signer, signedState, witnesses } = this.#log
    const begun = await beginLeading({
      store,
      signer,
      signedState,
      replica: this.#replica,
      term,
      tiles: this.#options.tiles,
      witnesses,
      publication: this.publications.newest,
      after: this.#published?.timestamp ?? 0,
      consultMs: witnesses?.consultMs ?? this.#options.leaseMs,
      publishIntervalMs: this.#log.publishIntervalMs ?? PUBLISH_INTERVAL_MS,
      renewMs: this.#log.renewMs ?? RENEW_MS,
      now: this.#log.now ?? Date.now,
      onPublished: (publication) => {
        this.#published = asStored(publication)
        if (this.#halted === undefined) this.#showPublication(publication)
      },
      onDisagreement: (found) => this.halt('read-only', found),
      onEvent: (event) => this.#tell(event),
      onDatabase: (error) => this.#onDatabase(error),
    })
    if (begun === undefined) return
    try {
      const sequenced = await store.sequencedSize()
      this.#learnSize(sequenced)
      while (this.#replica.head.size < sequenced && this.#halted === undefined) {
        term.mustLast()
        const count = await begun.integrate()
        this.#step()
        this.#showHead()
        const { size } = this.#replica.head
        if (count === 0 && size < sequenced) {
          throw new CairnError('CORRUPT', lostLeaves(size, sequenced))
        }
      }
      term.mustLast()
      const { publisher } = begun
      if (this.publications.newest?.size === this.#replica.head.size) publisher.notify()
      else if (opening && witnesses?.policy.quorum === undefined) await publisher.publish()
      else publisher.notify()
    } catch (error) {
      begun.abandon()
      // What a term was too short for is the next one's.
      if (!term.lasts()) term.mustLast()
      throw error
    }
    if (this.#halted !== undefined) {
      begun.abandon()
      return
    }
    this.#leading = begun
    const { leader } = term
    this.#tell({ event: 'leading', epoch: leader.epoch })
    this.#options.onLeading(leader)
  }

  /** Leads or follows, as far as there is something to do. Never rejects. */
  async #turn(opening = false): Promise<boolean> {
    this.#stepSince = performance.now()
    const { term } = this.election
    try {
      if (this.#leading !== undefined && term !== this.#leading.term) this.#endTerm()
      if (this.#leading === undefined && term !== undefined) await this.#begin(term, opening)
      const lead = this.#leading
      if (lead !== undefined) {
        if (this.#isLookDue) await this.#mustBeOwn()
        await this.#integrate(lead)
      } else {
        if (await this.#replica.follow()) this.#showHead()
        if (this.#publicationIsDue) await this.#followPublication()
      }
      this.#step()
      this.#onDatabase(undefined)
      return true
    } catch (error) {
      // What a server without a lease cannot do keeps nobody from anything.
      if (this.election.term === undefined) this.#failingSince = undefined
      else this.#failingSince ??= performance.now()
      this.#failed(error, term)
      return false
    } finally {
      this.#stepSince = undefined
    }
  }

  /** A leader that has nothing to do looks whether the database still has its newest head. @throws CORRUPT, CONFLICT */
  async #mustBeOwn(): Promise<void> {
    this.#isLookDue = false
    if (this.#replica.tree.size !== this.#replica.head.size) return
    if (!(await this.#replica.follow())) return
    this.#showHead()
    throw new CairnError('CONFLICT', 'another server has led meanwhile')
  }

  async #integrate(lead: Leading): Promise<void> {
    const interval = this.#log.integrateIntervalMs ?? INTEGRATE_INTERVAL_MS
    let more = this.#isNoticed
    this.#isNoticed = false
    while (lead === this.#leading && lead.term.lasts()) {
      if (!more && this.sequencer.size <= this.#replica.head.size) return
      const wait = this.#lastBegun + interval - performance.now()
      // Nobody gains by waiting when nothing is on its way here.
      if (wait > 0 && this.sequencer.busy) await new Promise((resolve) => setTimeout(resolve, wait))
      const begun = performance.now()
      const known = this.sequencer.size
      const count = await lead.integrate()
      this.#step()
      // Also when there was nothing new: an earlier attempt may have got through.
      this.#showHead()
      if (count === 0 && known > this.#replica.head.size) {
        throw new CairnError('CORRUPT', lostLeaves(this.#replica.head.size, known))
      }
      more = count >= INTEGRATION_LIMITS.maxLeaves
      if (count === 0) return
      this.#lastBegun = begun
    }
  }

  /** `term` is the one that the turn has begun with. */
  #failed(error: unknown, term: Term | undefined): void {
    const code = error instanceof CairnError ? error.code : undefined
    if (code === 'CORRUPT' || code === 'NEWER_FORMAT') {
      this.halt('read-only', { reason: messageOf(error) })
    } else if (code === 'STOPPED') {
      this.halt('stopped', { reason: `the log stopped: ${messageOf(error)}` })
    } else if (code === 'CONFLICT') {
      // Another leads, or has led meanwhile.
      if (this.#leading === undefined) term?.end()
      this.#endTerm()
    } else {
      this.#onDatabase(error)
      if (code === 'UNAVAILABLE' || code === 'DISK_FULL') return
      // Another server may be able to do what this one cannot.
      void this.election.stepBack()
      this.#endTerm()
    }
  }

  #learnSize(size: number): void {
    this.#sizeAt = performance.now()
    this.sequencer.learn(treeSize(size))
  }

  /** Whether a leaf has an index, though no head yet as far as this server knows. */
  async isSequenced(index: number): Promise<boolean> {
    if (index < this.sequencer.size) return true
    if (performance.now() - this.#sizeAt < SIZE_AGE_MS) return false
    this.#learnSize(await this.#log.store.sequencedSize())
    return index < this.sequencer.size
  }

  /** There may be something to do. */
  poke(): void {
    this.#isPoked = true
    this.#wake?.()
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      if (!this.#isPoked) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, POLL_MS)
          this.#wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        this.#wake = undefined
        // What no notice has told is looked for.
        if (!this.#isPoked) this.#publicationIsDue = this.#isNoticed = this.#isLookDue = true
      }
      this.#isPoked = false
      this.waiters.expire()
      if (this.#closing || this.#halted !== undefined) continue
      if (await this.#turn()) continue
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      this.#isPoked = this.#isNoticed = true
    }
  }
}

function asStored({
  timestamp,
  checkpoint,
}: Publication): Pick<StoredPublication, 'timestamp' | 'checkpoint'> {
  return { timestamp, checkpoint: utf8(checkpoint) }
}
