/** What an archiver needs, what the layers above see of it, and what it has to tell. `archiver.ts` implements it. */
import type { TreeSize } from '../merkle/position.ts'
import type { ArchiveMark } from '../storage/shared-port.ts'
import type { TileSource } from '../tiles/source.ts'
import type { Archive } from './archive.ts'
import type { Head } from './service.ts'

/** Where entry bundles go once they are so many days old. */
export interface StorageTier {
  /** As the operator's object store calls it: `GLACIER_IR`. */
  readonly storageClass: string
  readonly days: number
}

export interface ArchiverOptions {
  /** Opens the archive; called again until it can be. */
  readonly open: () => Promise<Archive>
  /** The log's own tiles and bundles, of every head that `publication` gives. */
  readonly source: TileSource
  /** The newest published head, or undefined before the first. */
  readonly publication: () => Head | undefined
  /** What the database says is in the archive. */
  readonly mark: () => Promise<ArchiveMark>
  /** As LeaderStore.archived. */
  readonly archived: (size: TreeSize, release: TreeSize) => Promise<void>
  /** Whether the term of this server lasts; asked right before what only a leader may write. */
  readonly mayWrite?: () => boolean | Promise<boolean>
  readonly tier?: StorageTier | undefined
  /** Least time between the beginnings of two uploads: 1 s when left out. */
  readonly intervalMs?: number
  /**
   * How long a head has to be in the archive before its full tiles and bundles are let go of in the database, and
   * their partial ones in the archive: a minute.
   */
  readonly settleMs?: number
  /**
   * Least time between two heads that are kept under their sizes, a minute: what they are for, to be locked and to hold the
   * log to what it once published, needs no more of them than that. A log that comes to rest has its last one kept.
   */
  readonly headIntervalMs?: number
  /** How often the checkpoint is read back: once a minute. */
  readonly lookMs?: number
  /** Objects on their way at once: 16. */
  readonly concurrency?: number
  /** Leaves after which the mark is moved while a lot is to be archived: 65,536. */
  readonly stretch?: number
  /** After a first failure; doubled for each further one. */
  readonly firstPauseMs?: number
  readonly longestPauseMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onEvent?: (event: ArchiveEvent) => void
}

/** What happened to the archive of a log; of failures in a row the first only. */
export type ArchiveEvent =
  /** It is tried again, after pauses that grow. */
  | { readonly event: 'archive-failing'; readonly reason: string }
  | { readonly event: 'archive-ok'; readonly size: number }
  /** It is not tried again before the next term: somebody has to look. */
  | { readonly event: 'archive-stopped'; readonly reason: string }
  /** Now and then while a lot is to be archived. */
  | { readonly event: 'archive-progress'; readonly size: number; readonly total: number }
  /** An older checkpoint, or none, was found where a newer one had been written. */
  | {
      readonly event: 'archive-restored'
      readonly found: number | undefined
      readonly size: number
    }
  /** Partial tiles are not removed, since the credentials do not allow it. */
  | { readonly event: 'archive-keeps-partials'; readonly reason: string }
  /** The bucket has a rule that moves old bundles: it is new, or was there. */
  | {
      readonly event: 'archive-tier'
      readonly storageClass: string
      readonly days: number
      readonly rule: 'set' | 'there'
    }
  | { readonly event: 'archive-tier-failing'; readonly reason: string }

export interface ArchiveStatus {
  /** `current`: it has the newest head, or will within the interval; `behind`: a lot is on its way. */
  readonly state: 'starting' | 'current' | 'behind' | 'failing' | 'stopped'
  /** Milliseconds since 1970 at which that state began. */
  readonly since: number
  /** Leaves of the tree that it has. */
  readonly size: number
  /** Leaves of the head that it shows; undefined before that is known. */
  readonly shown: number | undefined
  /** How many more the newest published head has. */
  readonly lag: number
  readonly error: string | undefined
  readonly counts: ArchiveCounts
}

/** What was written and removed since the archiver was started. */
export interface ArchiveCounts {
  /** Objects created, and their bytes. */
  readonly created: number
  readonly createdBytes: number
  /** Objects that were there already, with the same bytes. */
  readonly there: number
  /** Checkpoints written, and their bytes. */
  readonly replaced: number
  readonly replacedBytes: number
  /** Partial tiles and bundles removed. */
  readonly removed: number
}

export interface Archiver {
  status(): ArchiveStatus
  /** Begins nothing further, and waits for what is under way. */
  close(): Promise<void>
}
