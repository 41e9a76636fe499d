/**
 * Shows committed heads to the world, beside the write path and never in its way: signs the newest one with the
 * post-quantum key and as an RFC 6962 tree head, and, where a policy demands it, waits for the witnesses' quorum
 * before showing it. An idle log renews its head now and then, since readers take an old timestamp for a silent log
 * (RFC 6962 section 3), and an old cosignature for a log that is kept from its witnesses.
 */
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { formatNote, type NoteSignature, parseNote } from '../formats/note.ts'
import { digitallySigned, treeHeadBytes } from '../formats/tree-head.ts'
import type { LogStore } from '../storage/port.ts'
import type { Head, Publication } from './service.ts'
import type { LogSigner } from './signer.ts'
import type { Round, Witnessing } from './witnessing.ts'

export interface PublisherOptions {
  readonly store: Pick<LogStore, 'publish'>
  readonly signer: LogSigner
  /** Without it heads are shown as they are. */
  readonly witnessing?: Witnessing | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The time of the newest publication that there was, where that is not the one it begins with. */
  readonly after?: number | undefined
  /** The newest committed head. */
  readonly head: () => Head
  /** Least time between the beginnings of two publications. */
  readonly intervalMs: number
  /** The same while somebody waits for one: `intervalMs` when left out. */
  readonly hurriedIntervalMs?: number | undefined
  /** Age at which the same head is published again with a new timestamp. */
  readonly renewMs: number
  readonly onPublished?: (publication: Publication) => void
  readonly onError: (error: unknown) => void
}

/** A publication and what it was made of, so that more cosignatures can be added. */
interface Published {
  readonly publication: Publication
  readonly round: Round | undefined
  readonly text: string
  readonly logSignatures: readonly NoteSignature[]
  readonly cosignatures: number
}

/** Somebody who waits for a published head of more than so many leaves. */
interface Waiter {
  readonly size: number
  resolve(publication: Publication): void
}

/** Publications that a slow witness may still add its cosignature to. */
const AMENDABLE = 128
/** After so much calm, cosignatures that came late are stored with their publication. */
const AMENDMENT_CALM_MS = 1_000

export class Publisher {
  readonly #options: PublisherOptions
  #publication: Publication | undefined
  #newest: Published | undefined
  /** The newest publication that more witnesses have cosigned than `#newest`, if there is one. */
  #fullest: Published | undefined
  #recent: Published[] = []
  #firstRound: Round | undefined
  #publishing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  #amendment: NodeJS.Timeout | undefined
  #lastRun = Number.NEGATIVE_INFINITY
  readonly #waiters = new Set<Waiter>()
  #closed = false

  /** `publication` is the one found in the store, if it may be shown. */
  constructor(publication: Publication | undefined, options: PublisherOptions) {
    this.#publication = publication
    this.#options = options
  }

  /** The newest publication. @throws NOT_FOUND before the first */
  get publication(): Publication {
    if (this.#publication !== undefined) return this.#publication
    const what =
      this.#options.witnessing?.required === true
        ? 'its witnesses have not cosigned a head of this log yet; try again shortly'
        : 'the log has not published a head yet'
    throw new CairnError('NOT_FOUND', what)
  }

  /** The published head for the receipt of a leaf: the newest, or an earlier one that more witnesses have cosigned. */
  under(index: number): Publication | undefined {
    const full = this.#fullest?.publication
    if (full !== undefined && index < full.size) return full
    const newest = this.#publication
    return newest !== undefined && index < newest.size ? newest : undefined
  }

  /** The published head that has more than `index` leaves, as soon as there is one; undefined after so long. */
  async whenPublished(index: number, milliseconds: number): Promise<Publication | undefined> {
    const now = this.under(index)
    if (now !== undefined) return now
    return new Promise((resolve) => {
      const waiter: Waiter = {
        size: index + 1,
        resolve: (publication) => {
          clearTimeout(deadline)
          resolve(publication)
        },
      }
      const deadline = setTimeout(() => {
        this.#waiters.delete(waiter)
        resolve(undefined)
      }, milliseconds)
      this.#waiters.add(waiter)
      this.#hurry()
    })
  }

  /** Takes on a round that was begun already, when it is about the head that is published next. */
  adopt(round: Round): void {
    this.#firstRound = round
  }

  /** Tells that the head has grown. What a publication under way does not contain is looked at when it ends. */
  notify(): void {
    if (this.#closed || this.#timer !== undefined || this.#publishing !== undefined) return
    const { intervalMs, hurriedIntervalMs = intervalMs } = this.#options
    const interval = this.#waiters.size > 0 ? Math.min(hurriedIntervalMs, intervalMs) : intervalMs
    const wait = Math.max(0, this.#lastRun + interval - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.publish().catch((error: unknown) => {
        if (error instanceof CairnError && error.code === 'CONFLICT') {
          // The head that was being cosigned is out of date; the newest one is next.
          this.notify()
          return
        }
        // The next commit tries again; without one, the renewal does.
        this.#renewLater()
        const isOver = error instanceof CairnError && error.code === 'STOPPED'
        if (!this.#closed && !isOver) this.#options.onError(error)
      })
    }, wait)
  }

  /** Publishes sooner what was to be published, because somebody has begun to wait for it. */
  #hurry(): void {
    if (this.#timer === undefined || this.#options.hurriedIntervalMs === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.notify()
  }

  /** Publishes the newest head now, after a publication that is under way. */
  async publish(): Promise<void> {
    while (this.#publishing !== undefined) await this.#publishing.catch(() => undefined)
    if (this.#closed && this.#options.witnessing?.required === true) return
    const { size } = this.#options.head()
    this.#publishing = this.#publish()
    try {
      await this.#publishing
    } finally {
      this.#publishing = undefined
      if (this.#options.head().size > size) this.notify()
    }
  }

  /** Adds the cosignatures that a published head got since. */
  amend(round: Round): void {
    const at = this.#recent.findIndex((one) => one.round === round)
    const before = this.#recent[at]
    if (before === undefined) return
    const amended = compose(before, round.signatures())
    this.#recent[at] = amended
    if (before === this.#newest) {
      this.#show(amended)
      this.#storeLater()
    } else if (amended.cosignatures > (this.#fullest ?? this.#newest)!.cosignatures) {
      this.#fullest = amended
    }
  }

  /** Publishes what is not published yet unless that needs witnesses, then no more. */
  async close(): Promise<void> {
    this.abandon()
    await this.#publishing?.catch(() => undefined)
    if (this.#publication?.size !== this.#options.head().size) await this.publish()
    if (this.#amendment !== undefined) await this.#storeAmended()
  }

  /** Stops without publishing. */
  abandon(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
    clearTimeout(this.#amendment)
  }

  async #publish(): Promise<void> {
    const { signer, now } = this.#options
    this.#lastRun = performance.now()
    const head = this.#options.head()
    // A clock that jumps back must not make time run backwards for readers.
    const latest = this.#publication?.timestamp ?? this.#options.after ?? 0
    const timestamp = Math.max(now(), latest + 1)
    const { text, signatures } = parseNote(utf8(head.checkpoint))
    const treeHead = treeHeadBytes({ timestamp, size: head.size, root: head.root })
    const round = this.#roundOf(head)
    const [signed] = await Promise.all([signer.signPublication(text, treeHead), round?.quorum])
    const published = compose(
      {
        publication: {
          size: head.size,
          root: head.root,
          checkpoint: '',
          timestamp,
          treeHeadSignature: digitallySigned(signed.treeHead),
        },
        round,
        text,
        logSignatures: [...signatures, signed.mlDsa],
      },
      round?.signatures() ?? [],
    )
    clearTimeout(this.#amendment)
    this.#amendment = undefined
    await this.#store(published.publication)
    this.#show(published)
    this.#recent.push(published)
    if (this.#recent.length > AMENDABLE) this.#recent.shift()
    // Cosignatures that came while it was being stored.
    if (round !== undefined && round.signatures().length > published.cosignatures) this.amend(round)
    this.#renewLater()
  }

  #roundOf(head: Head): Round | undefined {
    const first = this.#firstRound
    this.#firstRound = undefined
    if (first !== undefined && first.head.size === head.size) return first
    return this.#options.witnessing?.begin(head)
  }

  #show(published: Published): void {
    const { publication, cosignatures } = published
    this.#newest = published
    this.#publication = publication
    if (this.#fullest !== undefined && this.#fullest.cosignatures <= cosignatures) {
      this.#fullest = undefined
    }
    this.#options.onPublished?.(publication)
    for (const waiter of this.#waiters) {
      if (waiter.size > publication.size) continue
      this.#waiters.delete(waiter)
      waiter.resolve(publication)
    }
  }

  #store(publication: Publication): Promise<void> {
    return this.#options.store.publish({ ...publication, checkpoint: utf8(publication.checkpoint) })
  }

  #storeLater(): void {
    clearTimeout(this.#amendment)
    if (this.#closed) return
    this.#amendment = setTimeout(() => {
      this.#storeAmended().catch(this.#options.onError)
    }, AMENDMENT_CALM_MS).unref()
  }

  async #storeAmended(): Promise<void> {
    this.#amendment = undefined
    const publication = this.#publication
    // A publication that is under way replaces this one.
    if (publication === undefined || this.#publishing !== undefined) return
    await this.#store(publication)
  }

  #renewLater(): void {
    clearTimeout(this.#renewal)
    if (this.#closed) return
    this.#renewal = setTimeout(() => this.notify(), this.#options.renewMs).unref()
  }
}

/** A publication with these cosignatures in its checkpoint, after the log's own signatures. */
function compose(
  made: Omit<Published, 'cosignatures'>,
  cosignatures: readonly NoteSignature[],
): Published {
  const { text, logSignatures } = made
  const checkpoint = formatNote({ text, signatures: [...logSignatures, ...cosignatures] })
  return {
    ...made,
    publication: { ...made.publication, checkpoint },
    cosignatures: cosignatures.length,
  }
}
