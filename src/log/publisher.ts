/**
 * Shows committed heads to the world: signs the newest one with the post-quantum key and as an RFC 6962 tree head, a
 * few times a second at the most, beside the write path and never in its way. An idle log renews its RFC 6962 tree
 * head now and then, since readers take an old timestamp for a silent log (RFC 6962 section 3).
 */
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { formatNote, parseNote } from '../formats/note.ts'
import { digitallySigned, treeHeadBytes } from '../formats/tree-head.ts'
import type { LogStore } from '../storage/port.ts'
import type { Head, Publication } from './service.ts'
import type { LogSigner } from './signer.ts'

export interface PublisherOptions {
  readonly store: LogStore
  readonly signer: LogSigner
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The newest committed head. */
  readonly head: () => Head
  /** Least time between two publications. */
  readonly intervalMs: number
  /** Age at which the same head is published again with a new timestamp. */
  readonly renewMs: number
  readonly onError: (error: unknown) => void
}

export class Publisher {
  readonly #options: PublisherOptions
  #publication: Publication | undefined
  #publishing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  #lastRun = Number.NEGATIVE_INFINITY
  #closed = false

  /** `publication` is the one found in the store, if any. */
  constructor(publication: Publication | undefined, options: PublisherOptions) {
    this.#publication = publication
    this.#options = options
  }

  /** The newest publication. @throws NOT_FOUND before the first */
  get publication(): Publication {
    if (this.#publication === undefined)
      throw new CairnError('NOT_FOUND', 'the log has not published a head yet')
    return this.#publication
  }

  /** Tells that the head has grown. */
  notify(): void {
    if (this.#closed || this.#timer !== undefined) return
    const wait = Math.max(0, this.#lastRun + this.#options.intervalMs - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.publish().catch((error: unknown) => {
        // The next commit tries again; without one, the renewal does.
        this.#renewLater()
        this.#options.onError(error)
      })
    }, wait)
  }

  /** Publishes the newest head now, after a publication that is under way. */
  async publish(): Promise<void> {
    while (this.#publishing !== undefined) await this.#publishing
    this.#publishing = this.#publish().finally(() => {
      this.#publishing = undefined
    })
    await this.#publishing
  }

  /** Publishes what is not published yet, then no more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
    while (this.#publishing !== undefined) await this.#publishing
    if (this.#publication?.size !== this.#options.head().size) await this.publish()
  }

  /** Stops without publishing. */
  abandon(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
  }

  async #publish(): Promise<void> {
    const { store, signer, now, head: newest } = this.#options
    this.#lastRun = performance.now()
    const head = newest()
    // A clock that jumps back must not make time run backwards for readers.
    const timestamp = Math.max(now(), (this.#publication?.timestamp ?? 0) + 1)
    const { text, signatures } = parseNote(utf8(head.checkpoint))
    const treeHead = treeHeadBytes({ timestamp, size: head.size, root: head.root })
    const signed = await signer.signPublication(text, treeHead)
    const checkpoint = formatNote({ text, signatures: [...signatures, signed.mlDsa] })
    const publication = {
      size: head.size,
      root: head.root,
      checkpoint,
      timestamp,
      treeHeadSignature: digitallySigned(signed.treeHead),
    }
    await store.publish({ ...publication, checkpoint: utf8(checkpoint) })
    this.#publication = publication
    this.#renewLater()
    if (newest().size > head.size) this.notify()
  }

  #renewLater(): void {
    clearTimeout(this.#renewal)
    if (this.#closed) return
    this.#renewal = setTimeout(() => this.notify(), this.#options.renewMs).unref()
  }
}
