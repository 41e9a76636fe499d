/**
 * The log's line to one witness: asks it about the newest head offered, one request at a time, remembers the size it
 * knows, and leaves it alone for growing pauses while it fails. Neither the write path nor any other witness waits.
 */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { verifyNoteSignature } from '../formats/cosignature.ts'
import { type NoteSignature, parseNote, type SignedNote } from '../formats/note.ts'
import { claimsNewest, openCheckpoint } from '../formats/open-checkpoint.ts'
import type { SignedHead } from '../formats/split-view.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import type { NodeHash, RootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { Head } from './service.ts'
import type { WitnessPort, WitnessStatus } from './witness-port.ts'

/** A cosignature that was verified. */
export interface Cosignature {
  readonly key: VerifierKey
  readonly line: NoteSignature
}

/** What a witness knows that this log does not have: the log must not sign any more. */
export interface Disagreement {
  /** What happened and how to recover, in one line. */
  readonly reason: string
  /** The head that the witness shows, when it shows one with this log's own signature. */
  readonly shown?: SignedHead
}

/** Verifies a cosignature, off the thread where that takes long. @throws VERIFICATION_FAILED */
export type VerifyCosignature = (
  note: SignedNote,
  line: NoteSignature,
  key: VerifierKey,
) => Promise<{ readonly timestamp?: number }>

export interface WitnessLinkOptions {
  readonly witness: WitnessPort
  readonly origin: string
  /** The log's own keys. */
  readonly logKeys: readonly VerifierKey[]
  /** The newest committed head. */
  readonly newest: () => Head
  consistencyProof(first: TreeSize, second: TreeSize): Promise<readonly NodeHash[]>
  /** The root of the first `size` leaves. */
  rootAt(size: TreeSize): Promise<RootHash>
  readonly verify?: VerifyCosignature
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Pauses after failures: the first, doubled for each further one up to the longest. */
  readonly firstPauseMs?: number
  readonly longestPauseMs?: number
  onCosigned(offer: Offer, cosignatures: readonly Cosignature[]): void
  /** The witness knows a newer head of this log than the one offered. */
  onSuperseded(offer: Offer): void
  onDisagreement(disagreement: Disagreement): void
  /** It is suspended, or it cosigns again after that (`reason` is undefined). */
  onState?(url: string, reason: string | undefined): void
}

/** A head to be cosigned. The same head offered again is a new offer: it asks for a newer timestamp. */
export interface Offer {
  readonly head: Head
}

type Outcome =
  | { readonly kind: 'cosigned'; readonly cosignatures: readonly Cosignature[] }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'disagreement'; readonly disagreement: Disagreement }

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 15_000
/** Failures in a row after which a witness counts as suspended. */
const SUSPENDED_AFTER = 3
/** Requests about one head: the first may tell the size that the witness knows, others may race with a second writer. */
const MAX_CONFLICTS = 4

const verifyHere: VerifyCosignature = async (note, line, key) =>
  verifyNoteSignature(note, line, key)

export class WitnessLink {
  readonly #options: WitnessLinkOptions
  readonly #closing = new AbortController()
  #offer: Offer | undefined
  #answered: Offer | undefined
  #wake: (() => void) | undefined
  #running: Promise<void> | undefined
  #settled: (() => void)[] = []
  /** The size that the witness knows, as far as it has told. */
  #known: TreeSize | undefined
  #cosignedSize: TreeSize | undefined
  #cosignedAt: number | undefined
  #latencyMs: number | undefined
  #error: string | undefined
  #failures = 0
  #retryAt: number | undefined
  readonly #counters = { cosigned: 0, failed: 0 }

  constructor(options: WitnessLinkOptions) {
    this.#options = options
  }

  /** Asks about this head, after the request that is under way, instead of any head offered before. */
  offer(offer: Offer): void {
    if (this.#closing.signal.aborted) return
    this.#offer = offer
    this.#wake?.()
    this.#running ??= this.#run()
  }

  /** Resolves at the end of the next attempt, whatever comes of it. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled.push(resolve)
    })
  }

  status(): WitnessStatus {
    const { witness, newest } = this.#options
    const suspended = this.#failures >= SUSPENDED_AFTER
    return {
      names: witness.keys.map(({ name }) => name),
      url: witness.url,
      state:
        this.#failures > 0
          ? suspended
            ? 'suspended'
            : 'retrying'
          : this.#cosignedAt === undefined
            ? 'new'
            : 'cosigning',
      size: this.#cosignedSize,
      lag: newest().size - (this.#cosignedSize ?? 0),
      cosignedAt: this.#cosignedAt,
      latencyMs: this.#latencyMs,
      failures: this.#failures,
      error: this.#error,
      retryAt: suspended ? this.#retryAt : undefined,
      ...this.#counters,
    }
  }

  /** Gives up the request that is under way, and asks no more. */
  async close(): Promise<void> {
    this.#closing.abort(new CairnError('STOPPED', 'the log is shutting down'))
    this.#wake?.()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const offer = this.#offer
      if (offer === undefined || offer === this.#answered) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      try {
        this.#take(offer, await this.#ask(offer.head, signal))
      } catch (error) {
        if (signal.aborted) return
        this.#failed(error)
      } finally {
        for (const settled of this.#settled.splice(0)) settled()
      }
      if (this.#retryAt !== undefined) await this.#pause(this.#retryAt - this.#options.now())
    }
  }

  #take(offer: Offer, outcome: Outcome): void {
    const { witness, now, onCosigned, onSuperseded, onDisagreement, onState } = this.#options
    this.#answered = offer
    if (outcome.kind === 'disagreement') {
      this.#error = outcome.disagreement.reason
      onDisagreement(outcome.disagreement)
      return
    }
    if (outcome.kind === 'superseded') {
      onSuperseded(offer)
      return
    }
    if (this.#failures >= SUSPENDED_AFTER) onState?.(witness.url, undefined)
    this.#failures = 0
    this.#error = undefined
    this.#retryAt = undefined
    this.#cosignedSize = offer.head.size
    this.#cosignedAt = now()
    this.#counters.cosigned++
    onCosigned(offer, outcome.cosignatures)
  }

  #failed(error: unknown): void {
    const { witness, now, onState, firstPauseMs, longestPauseMs } = this.#options
    this.#failures++
    this.#counters.failed++
    this.#error = messageOf(error)
    if (this.#failures === SUSPENDED_AFTER) onState?.(witness.url, this.#error)
    const pause = (firstPauseMs ?? FIRST_PAUSE_MS) * 2 ** Math.min(this.#failures - 1, 20)
    const longest = Math.min(pause, longestPauseMs ?? LONGEST_PAUSE_MS)
    this.#retryAt = now() + longest * (0.5 + Math.random() / 2)
  }

  /** Waits out a pause; a head offered meanwhile does not shorten it. */
  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#closing
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, Math.max(0, milliseconds)).unref()
      function done(): void {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }

  async #ask(head: Head, signal: AbortSignal): Promise<Outcome> {
    const { witness, newest, consistencyProof } = this.#options
    for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
      const oldSize = this.#known ?? treeSize(0)
      if (oldSize > head.size) return { kind: 'superseded' }
      const proof =
        oldSize === 0 || oldSize === head.size ? [] : await consistencyProof(oldSize, head.size)
      const started = performance.now()
      const { checkpoint } = head
      const answer = await witness.addCheckpoint({ oldSize, proof, checkpoint }, signal)
      this.#latencyMs = performance.now() - started
      switch (answer.kind) {
        case 'cosigned':
          this.#known = head.size
          return {
            kind: 'cosigned',
            cosignatures: await this.#verified(checkpoint, answer.signatures),
          }
        case 'conflict':
          if (answer.size > newest().size) return this.#isAhead(answer.size, signal)
          this.#known = answer.size
          break
        case 'inconsistent':
          return this.#isElsewhere(oldSize, answer.detail, signal)
        case 'refused':
          throw new CairnError('IO', `it refused with status ${answer.status}: ${answer.detail}`)
      }
    }
    throw new CairnError(
      'IO',
      'the size that it knows keeps changing: does another process ask it?',
    )
  }

  /** The cosignatures of this witness's own keys; lines by other keys mean nothing here. */
  async #verified(
    checkpoint: string,
    lines: readonly NoteSignature[],
  ): Promise<readonly Cosignature[]> {
    const { witness, verify = verifyHere } = this.#options
    const note = parseNote(utf8(checkpoint))
    const found: Cosignature[] = []
    for (const { key } of witness.keys) {
      const line = lines.find(({ name, keyId }) => name === key.name && keyId === key.keyId)
      if (line === undefined) continue
      const { timestamp = 0 } = await verify(note, line, key)
      if (claimsNewest(key, timestamp)) found.push({ key, line })
    }
    if (found.length > 0) return found
    const expected = witness.keys.map(({ key }) => `${key.name}+${key.keyId}`).join(' or ')
    throw new CairnError('VERIFICATION_FAILED', `its answer has no signature by ${expected}`)
  }

  async #isAhead(size: TreeSize, signal: AbortSignal): Promise<Outcome> {
    const { witness, newest } = this.#options
    const shown = await this.#shown(signal)
    // What it shows may be older than what it says, but not what this log has.
    const seen =
      shown !== undefined && shown.checkpoint.size > newest().size
        ? `shows a head of ${shown.checkpoint.size} leaves that this log has signed`
        : `says that it has cosigned a head of ${size} leaves of this log`
    return disagree(
      `the data was rolled back, or another process writes with this log's key: it holds ${newest().size} leaves, but ` +
        `the witness ${witness.url} ${seen}; restore the newest copy of the data, or, if that witness is known to be wrong, ` +
        'take it out of the policy, and start again',
      shown,
    )
  }

  async #isElsewhere(oldSize: TreeSize, detail: string, signal: AbortSignal): Promise<Outcome> {
    const { witness, newest, rootAt } = this.#options
    const shown = await this.#shown(signal)
    if (shown !== undefined && shown.checkpoint.size > newest().size) {
      return this.#isAhead(shown.checkpoint.size, signal)
    }
    if (shown !== undefined && equal(await rootAt(shown.checkpoint.size), shown.checkpoint.root)) {
      // It shows a head that is a beginning of ours, so it is the witness that is wrong.
      this.#known = undefined
      throw new CairnError('IO', `it refused a proof that holds: ${detail}`)
    }
    const size = shown?.checkpoint.size ?? oldSize
    return disagree(
      `this log has been forked: the witness ${witness.url} has cosigned a head of ${size} leaves with another root than the one here, so ` +
        'another copy of this log has signed other leaves; find out which copy is right, restore it, and keep the evidence',
      shown,
    )
  }

  /** The head that the witness shows, when it bears this log's signature. */
  async #shown(signal: AbortSignal): Promise<SignedHead | undefined> {
    const { witness, origin, logKeys } = this.#options
    try {
      const bytes = await witness.latest(origin, signal)
      if (bytes === undefined) return undefined
      const { checkpoint } = openCheckpoint(bytes, logKeys)
      return { note: fromUtf8(bytes), checkpoint }
    } catch {
      // It need not show anything; what it answered counts.
      return undefined
    }
  }
}

function disagree(reason: string, shown: SignedHead | undefined): Outcome {
  return { kind: 'disagreement', disagreement: { reason, ...(shown !== undefined && { shown }) } }
}
