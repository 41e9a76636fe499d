/**
 * The answer to add-checkpoint (C2SP tlog-witness), in this order and no other:
 *
 *     read → is the log watched? → the log's signatures → sizes → [in the log's turn:] the size it says we know → the
 *     proof → one synced write → sign → answer
 *
 * What is between the brackets happens for one request of a log at a time, so that no head is ever compared with
 * another than the newest. What is signed has been written, and what is written can be signed again after a crash.
 */
import { equal, fromUtf8, toHex, utf8 } from '../bytes.ts'
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError } from '../errors.ts'
import type { ParsedAddCheckpoint } from '../formats/add-checkpoint.ts'
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from '../formats/checkpoint.ts'
import { formatNote, formatSignatureLine, type NoteSignature, parseNote } from '../formats/note.ts'
import { verifyConsistency } from '../merkle/consistency.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import { treeSize } from '../merkle/position.ts'
import type {
  CosignedHead,
  StoredConflict,
  StoredCosignedHead,
  WitnessStore,
} from '../storage/witness-port.ts'
import { type ConflictChange, decidedBy, keepConflict, settleConflicts } from './conflicts.ts'
import type { GroupCommit } from './group-commit.ts'
import { verifiedLogSignatures } from './log-keys.ts'
import type { KnownConflict, LogState } from './log-state.ts'
import { type ReadRequest, readAddCheckpoint } from './read-request.ts'
import { refuse, unreadable } from './refusal.ts'
import type { AddCheckpointOutcome } from './service.ts'
import type { WitnessSigner } from './signer.ts'
import type { WitnessEvent } from './witness.ts'

export interface CosignerOptions {
  readonly store: WitnessStore
  readonly commit: GroupCommit
  readonly signer: WitnessSigner
  readonly mlDsa: MlDsaThread
  /** The state of a log, watched or not. */
  readonly find: (origin: string) => LogState | undefined
  /** Conflicts of each kind in the store when it was opened. */
  readonly conflicts: ConflictCounts
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onEvent: (event: WitnessEvent) => void
}

export type ConflictCounts = Readonly<Record<KnownConflict['kind'], number>>

/** A head that its log has signed. */
interface SignedHead {
  readonly head: Checkpoint
  /** The signed note, written anew. */
  readonly note: Uint8Array
}

export class Cosigner {
  readonly #options: CosignerOptions
  readonly #conflicts: Record<KnownConflict['kind'], number>

  constructor(options: CosignerOptions) {
    this.#options = options
    this.#conflicts = { ...options.conflicts }
  }

  /** Conflicts that are kept, of all logs. */
  get conflicts(): number {
    return this.#conflicts['split-view'] + this.#conflicts.unproven
  }

  async addCheckpoint(body: Uint8Array): Promise<AddCheckpointOutcome> {
    let read: ReadRequest
    try {
      read = readAddCheckpoint(body)
    } catch (error) {
      return unreadable(error)
    }
    if (read.request.head.extensions.length > 0 && this.#options.signer.mlDsa !== undefined) {
      // SPEC tlog-cosignature: an ML-DSA-44 cosignature does not cover them.
      return refuse('malformed', 'checkpoints with extension lines are not cosigned here')
    }
    for (;;) {
      const outcome = await this.#answer(read)
      if (outcome !== undefined) return outcome
    }
  }

  /** A log's newest head with all signatures, or undefined when it has none. */
  async checkpoint(log: LogState): Promise<string | undefined> {
    const stored = await this.#options.store.head(log.origin)
    if (stored === undefined) return undefined
    if (stored.cosignatures !== undefined) return noted(stored, stored.cosignatures)
    return log.inTurn(() => this.#checkpointInTurn(log))
  }

  async #checkpointInTurn(log: LogState): Promise<string> {
    const { store, commit } = this.#options
    // Before the store is read: they are here until they are there.
    const { unstored } = log
    const stored = (await store.head(log.origin))!
    const signed = unstored === undefined ? stored.cosignatures : utf8(unstored)
    if (signed !== undefined) return noted(stored, signed)
    // A head that is there now was durable before this turn, unless a write has failed: then nobody knows.
    if (commit.failure !== undefined) throw commit.failure
    const { text } = parseNote(stored.checkpoint)
    return noted(stored, utf8(await this.#sign(log, parseCheckpoint(text), stored)))
  }

  /** The answer, or undefined when the log's keys were replaced meanwhile and it must be asked for again. */
  async #answer({ request, misspelled }: ReadRequest): Promise<AddCheckpointOutcome | undefined> {
    const log = this.#options.find(request.head.origin)
    if (!log?.isWatched) return refuse('unknown-log', 'this witness does not watch that log')
    if (misspelled !== undefined) return refuse('untrusted', misspelled)
    return log.waitingIn(() => this.#answerFor(log, request))
  }

  async #answerFor(
    log: LogState,
    request: ParsedAddCheckpoint,
  ): Promise<AddCheckpointOutcome | undefined> {
    const { oldSize, note, head } = request
    const { vkeys } = log
    let signatures: NoteSignature[]
    try {
      signatures = await verifiedLogSignatures(note, log.keys, this.#options.mlDsa)
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'VERIFICATION_FAILED') throw error
      return refuse('untrusted', error.message)
    }
    // SPEC tlog-witness: the old size MUST be equal to or lower than the checkpoint size.
    if (oldSize > head.size) {
      return refuse('malformed', `the old size, ${oldSize}, is above the new one, ${head.size}`)
    }
    // What is stored and signed is what was understood; that it is what the log signed has to be seen.
    const text = formatCheckpoint(head)
    if (text !== note.text) return refuse('malformed', 'the checkpoint has another spelling')
    const signed = { head, note: utf8(formatNote({ text, signatures })) }
    return log.inTurn(async () =>
      log.vkeys === vkeys ? this.#decide(log, request, signed) : undefined,
    )
  }

  async #decide(
    log: LogState,
    { oldSize, proof, head }: ParsedAddCheckpoint,
    signed: SignedHead,
  ): Promise<AddCheckpointOutcome> {
    const known = log.head
    if (head.size === 0 && !equal(head.root, EMPTY_ROOT)) {
      await this.#keep(log, 'split-view', signed)
      return refuse('inconsistent', 'a tree of size 0 has another root hash')
    }
    // Evidence, whatever the request says about the size that we know.
    if (known?.size === head.size && !equal(known.root, head.root)) {
      await this.#keep(log, 'split-view', signed)
    }
    if (oldSize !== (known?.size ?? 0)) {
      return { outcome: 'conflict', size: known?.size ?? treeSize(0) }
    }
    if (known === undefined || oldSize === 0) {
      // SPEC tlog-witness: the proof MUST be empty if the old size is zero.
      if (proof.length > 0) return refuse('inconsistent', 'there is no proof from the empty tree')
    } else {
      try {
        verifyConsistency(oldSize, head.size, proof, known.root, head.root)
      } catch (error) {
        if (!(error instanceof CairnError) || error.code !== 'VERIFICATION_FAILED') throw error
        if (head.size > known.size) await this.#keep(log, 'unproven', signed)
        return refuse('inconsistent', error.message)
      }
    }
    return this.#advance(log, known, signed)
  }

  async #advance(
    log: LogState,
    previous: CosignedHead | undefined,
    { head: checkpoint, note }: SignedHead,
  ): Promise<AddCheckpointOutcome> {
    const { commit, now } = this.#options
    const { origin, size, root } = checkpoint
    // SPEC tlog-witness: the timestamp MUST NOT be zero. A clock that jumps back must not make it go back.
    const timestamp = Math.max(1, Math.floor(now() / 1000), previous?.timestamp ?? 0)
    const head = { size, root, timestamp }
    const settled = await this.#settle(log, checkpoint, note)
    await commit.write([
      { kind: 'advance', origin, previous, head, checkpoint: note },
      ...(settled?.changes ?? []),
    ])
    log.head = head
    log.unstored = undefined
    if (settled !== undefined) this.#kept(log, settled)
    const cosignatures = await this.#sign(log, checkpoint, head)
    return { outcome: 'cosigned', cosignatures, origin, size, timestamp }
  }

  /** Signs a log's head, which the store has, and lets the store have the signatures as well. In the log's turn. */
  async #sign(log: LogState, checkpoint: Checkpoint, head: CosignedHead): Promise<string> {
    const { commit, signer } = this.#options
    const lines = await signer.cosign(checkpoint, head.timestamp)
    const signed = lines.map(formatSignatureLine).join('')
    log.unstored = signed
    const { origin } = log
    const { size, root, timestamp } = head
    const change = {
      kind: 'keep-cosignatures',
      origin,
      head: { size, root, timestamp },
      cosignatures: utf8(signed),
    } as const
    commit.write([change]).then(
      () => {
        if (log.unstored === signed) log.unstored = undefined
      },
      // The head is durable, so they may go out. That nothing can be written any more is told by GroupCommit.
      () => undefined,
    )
    return signed
  }

  /** Keeps a head beside the one that was cosigned, which it does not fit. In the log's turn. */
  async #keep(log: LogState, kind: KnownConflict['kind'], refused: SignedHead): Promise<void> {
    const { store, commit, now } = this.#options
    const stored = await store.head(log.origin)
    if (stored === undefined) return
    const change = keepConflict(
      log,
      kind,
      { ...stored, note: stored.checkpoint },
      { ...refused.head, note: refused.note },
      { now: now(), total: this.#conflicts[kind] },
    )
    if (change === undefined) return
    await commit.write(change.changes)
    this.#kept(log, change)
  }

  /** What a new head says about heads that were refused before, if there are such. */
  async #settle(
    log: LogState,
    head: Checkpoint,
    note: Uint8Array,
  ): Promise<ConflictChange | undefined> {
    if (decidedBy(log, head).length === 0) return undefined
    const stored: StoredConflict[] = []
    for await (const conflict of this.#options.store.conflicts(log.origin)) stored.push(conflict)
    return settleConflicts(log, { ...head, note }, stored)
  }

  #kept(log: LogState, { kept, added }: ConflictChange): void {
    for (const { kind } of log.conflicts) this.#conflicts[kind]--
    for (const { kind } of kept) this.#conflicts[kind]++
    log.conflicts = kept
    for (const { id, kind } of added) {
      this.#options.onEvent({ event: 'conflict', origin: log.origin, id: toHex(id), kind })
    }
  }
}

function noted({ checkpoint }: StoredCosignedHead, signatureLines: Uint8Array): string {
  return fromUtf8(checkpoint) + fromUtf8(signatureLines)
}
