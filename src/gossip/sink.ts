/**
 * The port of gossip: an outside system that is told of published heads. Whoever can read what it holds can compare,
 * without asking the log, what the log has shown to others.
 */
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'

/** A head that the log has shown to the world. */
export interface PublishedHead {
  readonly origin: string
  readonly size: TreeSize
  readonly root: RootHash
  /** The checkpoint, a signed note, as it was published. */
  readonly checkpoint: string
}

export type SinkKind = 'time-stamp-authority' | 'syslog' | 'webhook' | 'file' | 'cairn-log'

/** What a sink got for a head. */
export interface SinkReceipt {
  /** What is shown to anybody who asks for the state: a sentence without paths, addresses or secrets. */
  readonly detail: string
}

export interface HeadSink {
  /** Lowercase letters, digits and hyphens: the name of its state. */
  readonly name: string
  readonly kind: SinkKind
  /** Where heads go. State that was kept for another target is not this sink's. */
  readonly target: string
  /**
   * Hands over a head, and resolves once the other side has it as surely as its protocol can tell. Ends soon after the
   * signal fires. The same head may come again. Messages of errors are public: no paths, addresses or secrets in them.
   * @throws whatever went wrong; the same head or a newer one is sent later
   */
  send(head: PublishedHead, signal: AbortSignal): Promise<SinkReceipt | undefined>
}
