/**
 * What one server of a shared log does all the time: follows the newest head, or, while it leads, makes the tree grow; shows
 * what may be shown, and stops for good when database, signer and witnesses contradict each other.
 */
import { CairnError, messageOf } from '../errors.ts'
import { treeSize } from '../merkle/position.ts'
import type { LeaderStore } from '../storage/shared-port.ts'
import { evidenceOf } from './evidence.ts'
import type { Publication } from './service.ts'
import { DatabaseHealth, type DatabaseState } from './shared-database.ts'
import { Headway } from './shared-headway.ts'
import { Integrating, lostLeaves } from './shared-integrating.ts'
import { beginLeading, type Leading } from './shared-leading.ts'
import type { SharedLogEvent, SharedLogOptions } from './shared-log.ts'
import { Publications } from './shared-publications.ts'
import { Published } from './shared-published.ts'
import { Pulse } from './shared-pulse.ts'
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
  readonly #published: Published
  readonly #database: DatabaseHealth
  readonly #headway: Headway
  readonly #integrating: Integrating
  readonly #pulse = new Pulse(POLL_MS)
  #publicationIsDue = true
  #isLookDue = false
  #sizeAt = performance.now()
  #closing = false
  #running: Promise<void> = Promise.resolve()
  readonly #unwatch: () => void

  constructor(options: CourseOptions) {
    const { leaseMs, publication, replica } = options
    const { store, signer, holder, url, witnesses } = options.log
    this.#options = options
    this.#log = options.log
    this.#replica = replica
    const onHead = (): void => this.#showHead()
    this.#published = new Published(publication, { store, signer, replica, onHead })
    this.#database = new DatabaseHealth(
      (reason) => this.#closing || this.#tell({ event: 'database-failing', reason }),
      () => this.#tell({ event: 'database-ok' }),
    )
    this.#headway = new Headway(options.log.stuckMs ?? Math.max(STUCK_LEASES * leaseMs, STUCK_MS))
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
    const getsOn = (): boolean => this.#headway.isMade
    this.election = new Election({ store, holder, url, leaseMs, getsOn, onChange, onDatabase })
    this.sequencer = new Sequencer({
      ...options.sequencer,
      store,
      waitingElsewhere: () => this.waiters.leaves,
      onSequenced: () => this.poke(),
      onLost: (size, known) => this.halt('read-only', { reason: lostLeaves(size, known) }),
      onDatabase,
    })
    this.#integrating = new Integrating({
      replica,
      sequencer: this.sequencer,
      intervalMs: options.log.integrateIntervalMs ?? INTEGRATE_INTERVAL_MS,
      mayGoOn: () => this.#halted === undefined,
      onDone: () => {
        this.#headway.step()
        this.#showHead()
      },
    })
    this.#unwatch = store.watch((change) => {
      if (change === 'leadership') void this.election.look()
      else if (change === 'sequenced') {
        // That is for the leader, who in turn knows of its own heads.
        if (this.#leading === undefined || !this.sequencer.notice()) return
        this.#integrating.notice()
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
  get database(): DatabaseState {
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
    if (error === undefined) this.#database.works()
    else if (error instanceof CairnError && error.code === 'READ_ONLY') {
      this.halt('read-only', { reason: error.message })
    } else this.#database.fails(error)
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
    const { signer, witnesses } = this.#log
    const publication = await this.#published.follow()
    if (publication === undefined) return
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
      after: this.#published.timestamp,
      consultMs: witnesses?.consultMs ?? this.#options.leaseMs,
      publishIntervalMs: this.#log.publishIntervalMs ?? PUBLISH_INTERVAL_MS,
      renewMs: this.#log.renewMs ?? RENEW_MS,
      now: this.#log.now ?? Date.now,
      onPublished: (publication) => {
        this.#published.note(publication)
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
      await this.#integrating.upTo(sequenced, begun)
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
    this.#headway.begin()
    const { term } = this.election
    try {
      if (this.#leading !== undefined && term !== this.#leading.term) this.#endTerm()
      if (this.#leading === undefined && term !== undefined) await this.#begin(term, opening)
      const lead = this.#leading
      if (lead !== undefined) {
        if (this.#isLookDue) await this.#mustBeOwn()
        await this.#integrating.newest(lead, () => lead === this.#leading && lead.term.lasts())
      } else {
        if (await this.#replica.follow()) this.#showHead()
        if (this.#publicationIsDue) await this.#followPublication()
      }
      this.#headway.step()
      this.#onDatabase(undefined)
      return true
    } catch (error) {
      this.#headway.fail(this.election.term !== undefined)
      this.#failed(error, term)
      return false
    } finally {
      this.#headway.end()
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
    this.#pulse.poke()
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      // What no notice has told is looked for.
      if (!(await this.#pulse.next())) {
        this.#publicationIsDue = this.#isLookDue = true
        this.#integrating.notice()
      }
      this.waiters.expire()
      if (this.#closing || this.#halted !== undefined) continue
      if (await this.#turn()) continue
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      this.#integrating.notice()
      this.poke()
    }
  }
}
