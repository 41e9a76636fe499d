/** What a monitor tells: events as they happen, and a report of each round. Times are milliseconds since 1970. */
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { Alert, AlertKind } from './alert.ts'

/** What one place showed in a round. */
export interface PlaceReport {
  readonly role: 'log' | 'witness'
  /** An address of the log, or the witness's name. */
  readonly source: string
  /** Undefined when it showed no head that the log has signed. */
  readonly size: TreeSize | undefined
  /** Entries behind the newest head of the log; below 0 when it shows more than the log does. */
  readonly lag: number | undefined
  readonly ageMs: number | undefined
  /** Whether a cosignature says how old it is; otherwise it is how long the same head has been shown. */
  readonly isAgeSigned: boolean
  /** The kinds of the alerts about it. */
  readonly alerts: readonly AlertKind[]
}

export interface LogReport {
  readonly origin: string
  /** Size of the tree that was recomputed. */
  readonly size: TreeSize
  readonly root: RootHash
  /** Entries that this round has added to it. */
  readonly newEntries: number
  /** Whether entries were read, or only their hashes because the log does not show entries to everybody. */
  readonly entries: 'read' | 'hashes'
  /** There while the tree is on its way to a head: how many entries are kept, and how many there are. */
  readonly underWay: { readonly done: number; readonly total: number } | undefined
  readonly places: readonly PlaceReport[]
  /** All that last. */
  readonly alerts: readonly Alert[]
  /** Files of evidence that were kept. */
  readonly evidenceFiles: number
}

export interface RoundReport {
  /** 1 for the first. */
  readonly round: number
  readonly startedAt: number
  readonly durationMs: number
  readonly logs: readonly LogReport[]
}

export type MonitorEvent =
  | { readonly event: 'alert' | 'cleared'; readonly origin: string; readonly alert: Alert }
  /** The tree of a newer head was recomputed. */
  | {
      readonly event: 'head'
      readonly origin: string
      readonly size: TreeSize
      readonly root: RootHash
      readonly newEntries: number
      readonly entries: 'read' | 'hashes'
    }
  | ({ readonly event: 'round' } & RoundReport)

export type OnMonitorEvent = (event: MonitorEvent) => void

/** Told how many entries of a log are behind, of how many there are. */
export type OnProgress = (origin: string, done: number, total: number) => void
