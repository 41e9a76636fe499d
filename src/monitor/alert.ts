/**
 * What a monitor alerts about. An alert stands for a condition: it is raised when the condition begins, and cleared when
 * a check has found that it ended. What could not be checked changes nothing.
 */

/** How bad it is: the log (or a witness) did what none may do, or something keeps the monitor from knowing. */
export type Severity = 'misbehaviour' | 'trouble'

/** The conditions. */
export type AlertKind =
  /** Two heads that the log signed cannot both be true. Never ends. */
  | 'split-view'
  /** An address shows a smaller head of the same history than before. */
  | 'rollback'
  /** Entries that do not hash to the root that was signed. */
  | 'wrong-entries'
  /** A head that no trusted key of the log has signed, or with a known key's signature that does not verify. */
  | 'bad-signature'
  /** A head without the cosignatures that the policy demands. */
  | 'no-quorum'
  /** A head that the log signed was seen elsewhere, and the log has not shown so large a tree in time. */
  | 'withheld-head'
  /** An address of the log gives no answer that can be used. */
  | 'unreachable'
  /** What an address gives for a checkpoint is none. */
  | 'bad-checkpoint'
  /** Tiles or entries that a signed head commits to are missing or unreadable. */
  | 'missing-tiles'
  /** The newest head is older than it may be. */
  | 'stale-head'
  /** A witness has not cosigned the log's heads for longer than it may. */
  | 'stale-cosignature'
  /** An address or a witness is further behind the log's newest head than it may be. */
  | 'lagging'
  /** A witness gives no answer that can be used. */
  | 'witness-unreachable'
  /** A witness shows something that is no head of the log with its own cosignature. */
  | 'bad-witness'
  /** A witness shows a smaller head than before. */
  | 'witness-rollback'
  /** The monitor could not do its own part, such as writing its state. */
  | 'monitor-failed'

export const SEVERITIES: Readonly<Record<AlertKind, Severity>> = {
  'split-view': 'misbehaviour',
  rollback: 'misbehaviour',
  'wrong-entries': 'misbehaviour',
  'bad-signature': 'misbehaviour',
  'no-quorum': 'misbehaviour',
  'withheld-head': 'misbehaviour',
  unreachable: 'trouble',
  'bad-checkpoint': 'trouble',
  'missing-tiles': 'trouble',
  'stale-head': 'trouble',
  'stale-cosignature': 'trouble',
  lagging: 'trouble',
  'witness-unreachable': 'trouble',
  'bad-witness': 'trouble',
  'witness-rollback': 'trouble',
  'monitor-failed': 'trouble',
}

/** A condition as a check found it. */
export interface Finding {
  readonly kind: AlertKind
  /** Whom it is about: an address of the log, or a witness's name. One alert stands for one kind and source. */
  readonly source: string
  /** One sentence that says what was found. */
  readonly message: string
  /** File that proves it. */
  readonly evidence?: string
}

/** A condition that lasts. */
export interface Alert extends Finding {
  /** Milliseconds since 1970. */
  readonly since: number
}

export interface AlertChange {
  readonly change: 'raised' | 'cleared'
  readonly alert: Alert
}

/** Characters of a message: servers have a say in what it says. */
const MAX_MESSAGE = 1_000

const keyOf = ({ kind, source }: Pick<Finding, 'kind' | 'source'>): string => `${kind} ${source}`

/** The alerts of one log: those that last, and what has changed. */
export class AlertBook {
  readonly #active: Map<string, Alert>
  readonly #found = new Set<string>()
  readonly #fine = new Set<string>()
  #changes: AlertChange[] = []

  /** Alerts that last from an earlier run. Those about what `isWatched` no longer knows are dropped, forks excepted. */
  constructor(active: readonly Alert[], isWatched: (source: string) => boolean = () => true) {
    const kept = active.filter(({ kind, source }) => kind === 'split-view' || isWatched(source))
    this.#active = new Map(kept.map((alert) => [keyOf(alert), alert]))
  }

  get active(): readonly Alert[] {
    return [...this.#active.values()]
  }

  get(kind: AlertKind, source: string): Alert | undefined {
    return this.#active.get(keyOf({ kind, source }))
  }

  /** A check found the condition. It is news when it was not known; `again` makes it news in any case. */
  found(finding: Finding, now: number, again = false): void {
    const key = keyOf(finding)
    const known = this.#active.get(key)
    const isNews = again || known === undefined
    const message = finding.message.slice(0, MAX_MESSAGE)
    const alert: Alert = { ...finding, message, since: isNews ? now : known.since }
    this.#active.set(key, alert)
    this.#found.add(key)
    if (isNews) this.#changes.push({ change: 'raised', alert })
  }

  /** A check found that the condition does not hold: it is over, unless another check of this round finds it. */
  fine(kind: AlertKind, source: string): void {
    this.#fine.add(keyOf({ kind, source }))
  }

  /** Ends a round: clears what was found to be over. */
  endRound(): void {
    for (const key of this.#fine) {
      const alert = this.#active.get(key)
      if (alert === undefined || this.#found.has(key)) continue
      this.#active.delete(key)
      this.#changes.push({ change: 'cleared', alert })
    }
    this.#found.clear()
    this.#fine.clear()
  }

  /** What has changed since the last call. */
  takeChanges(): AlertChange[] {
    const changes = this.#changes
    this.#changes = []
    return changes
  }
}
