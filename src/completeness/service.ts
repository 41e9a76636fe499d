/** What the layers above see of the map of a log. `upkeep.ts` implements it. */
import type { CairnErrorCode } from '../errors.ts'
import type { CompletenessProof } from '../formats/completeness.ts'
import type { MapTerm } from '../formats/completeness-terms.ts'
import type { RecordLeaf } from '../formats/record.ts'
import type { LeafIndex, TreeSize } from '../merkle/position.ts'

/** A map root that is in the log. */
export interface CommittedMap {
  /** The entries that the map is of. */
  readonly size: TreeSize
  /** Where it is in the log. */
  readonly entry: LeafIndex
}

export type CompletenessEvent =
  /** The map follows the log no more; no proof is made of later entries. */
  | { readonly event: 'map-failed'; readonly reason: string; readonly code?: CairnErrorCode }
  /** A map root could not be put into the log; it is tried again. */
  | { readonly event: 'map-root-failed'; readonly reason: string }
  /** What was kept of the map could not be used, and is made again from the log. */
  | { readonly event: 'map-discarded'; readonly reason: string }

export interface CompletenessStatistics {
  /** The entries that the map has taken in. */
  readonly next: number
  /** The newest map root in the log, as far as it is known. */
  readonly committed: CommittedMap | undefined
  /** Entries of the log that the map has not taken in; none where there are no records, and no map is needed. */
  readonly lag: number
  /** The entries of the newest map root, also before a restart; 0 before the first. */
  readonly rootSize: number
  /** How long the last round took, from taking in what was new until its root was in the log; undefined before the first. */
  readonly roundMs: number | undefined
  /** Whether the map follows the log no more, or its last root could not be put into it. */
  readonly isFailing: boolean
}

export interface CompletenessService {
  /**
   * A map root of all records that were accepted before: the newest when there were none since, or else a new one.
   * @throws NOT_FOUND when the log has no entries; OVERLOADED while the map is far behind the log, as it is while it is
   *   made again; as LogService.submit(); CORRUPT, IO, STOPPED
   */
  committed(): Promise<CommittedMap>

  /**
   * Proves what a map lists under a term, against the head of a tree of `treeSize` entries, its map root among them.
   * @throws MALFORMED when no record can have the term
   * @throws OVERLOADED when there have been newer map roots meanwhile: ask for a new one
   * @throws CORRUPT, IO, STOPPED, NOT_FOUND
   */
  prove(term: MapTerm, map: CommittedMap, treeSize: TreeSize): Promise<CompletenessProof>

  /**
   * Tells what somebody who follows the log has found among the entries from `from` on and before `to`: all their records,
   * in order. They need not be read again then.
   */
  hear(
    from: number,
    to: number,
    records: readonly { readonly index: number; readonly record: RecordLeaf }[],
  ): void

  /** Resolves once the map has taken in everything accepted so far. @throws what ended it */
  settled(): Promise<void>

  statistics(): CompletenessStatistics

  /** Finishes what was begun. The log and the store stay open. */
  close(): Promise<void>
}
