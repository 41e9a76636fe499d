/** Where a log keeps heads of its past, so that it can be shown later what it published, and when. */

export interface StoredHead {
  /** When it was published, in milliseconds since 1970; no two heads have the same. */
  readonly time: number
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

export interface HeadStore {
  /** The times of the heads that are kept, the earliest first. */
  times(): readonly number[]

  /** @throws NOT_FOUND when none is kept of that time; TOO_LARGE, MALFORMED when it is no text that was kept; IO */
  read(time: number): Promise<StoredHead>

  /** Keeps a head, or replaces the one of the same time. On stable storage when it resolves. @throws DISK_FULL, IO */
  keep(head: StoredHead): Promise<void>

  /** Keeps the head of a time no longer. @throws IO */
  forget(time: number): Promise<void>
}
