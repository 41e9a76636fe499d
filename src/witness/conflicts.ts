/**
 * Which conflicts are kept. A log that shows two trees may do so a thousand times, and anybody can send a true head with
 * a bad proof: so there is one conflict for each refused head, and a few for each log. Split views are never given up,
 * since each is evidence by itself; a head that was only not proven gives way to a newer one, but not often.
 */
import { sha256 } from '#sha256'
import { concat, equal, fromHex, toHex, u64, utf8 } from '../bytes.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { StoredConflict, WitnessChange } from '../storage/witness-port.ts'
import type { KnownConflict, LogState } from './log-state.ts'

/** Conflicts of each kind that are kept of one log. */
export const MAX_KEPT_PER_LOG = 8
/**
 * Conflicts that are kept in all. Only logs can make split views; the others are bounded apart from them and more
 * tightly, so that nobody can crowd out evidence.
 */
export const MAX_KEPT: Readonly<Record<StoredConflict['kind'], number>> = {
  'split-view': 10_000,
  unproven: 1_000,
}
/** An unproven head is kept for this long at least, so that nobody makes the disk busy with them. */
export const LEAST_KEPT_MS = 60_000

type Head = Pick<Checkpoint, 'size' | 'root'>

/** A head with the signed note that it comes from. */
export interface NotedHead extends Head {
  readonly note: Uint8Array
}

/** What has to be written, and what is kept then. */
export interface ConflictChange {
  readonly changes: readonly WitnessChange[]
  readonly kept: readonly KnownConflict[]
  /** Those that are new. */
  readonly added: readonly StoredConflict[]
}

/** The conflict of two heads, the same for the same heads. */
function conflictOf(
  log: LogState,
  kind: StoredConflict['kind'],
  cosigned: NotedHead,
  refused: NotedHead,
  seenAt: number,
): StoredConflict {
  const heads = [cosigned, refused].map(({ size, root }) => concat(u64(size), root))
  const id = sha256(concat(...heads, utf8(log.origin))).slice(0, 16)
  return { id, origin: log.origin, kind, cosigned: cosigned.note, refused: refused.note, seenAt }
}

export function knownConflict(conflict: StoredConflict, refused: Head): KnownConflict {
  const { size, root } = refused
  return { id: toHex(conflict.id), kind: conflict.kind, size, root, seenAt: conflict.seenAt }
}

function drop(log: LogState, { id }: KnownConflict): WitnessChange {
  return { kind: 'drop-conflict', origin: log.origin, id: fromHex(id) }
}

function isOf(head: Head): (conflict: KnownConflict) => boolean {
  return ({ size, root }) => size === head.size && equal(root, head.root)
}

/**
 * What to write when a head does not fit the one that was cosigned; nothing when it is known, or there is no room.
 * `total` is how many conflicts of that kind are kept of all logs.
 */
export function keepConflict(
  log: LogState,
  kind: StoredConflict['kind'],
  cosigned: NotedHead,
  refused: NotedHead,
  { now, total }: { readonly now: number; readonly total: number },
): ConflictChange | undefined {
  const known = log.conflicts.filter(isOf(refused))
  if (known.some((one) => one.kind === kind || one.kind === 'split-view')) return undefined
  const alike = log.conflicts.filter((one) => one.kind === kind)
  const given: KnownConflict[] = [...known]
  if (alike.length >= MAX_KEPT_PER_LOG) {
    const [oldest] = alike as [KnownConflict]
    if (kind === 'split-view' || now - oldest.seenAt < LEAST_KEPT_MS) return undefined
    given.push(oldest)
  }
  if (total >= MAX_KEPT[kind] && !given.some((one) => one.kind === kind)) return undefined
  const added = conflictOf(log, kind, cosigned, refused, now)
  return {
    changes: [...given.map((one) => drop(log, one)), { kind: 'keep-conflict', conflict: added }],
    kept: [...log.conflicts.filter((one) => !given.includes(one)), knownConflict(added, refused)],
    added: [added],
  }
}

/** The unproven conflicts on which a newly cosigned head throws light: those of its size. */
export function decidedBy(log: LogState, head: Head): readonly KnownConflict[] {
  return log.conflicts.filter(({ kind, size }) => kind === 'unproven' && size === head.size)
}

/**
 * What to write when the tree of a refused head's size has been cosigned: the head was true all along, or there are two
 * trees of one size. `stored` are the conflicts of `decidedBy` with their notes.
 */
export function settleConflicts(
  log: LogState,
  cosigned: NotedHead,
  stored: readonly StoredConflict[],
): ConflictChange {
  const changes: WitnessChange[] = []
  const added: StoredConflict[] = []
  let kept = log.conflicts
  for (const one of decidedBy(log, cosigned)) {
    const conflict = stored.find(({ id }) => toHex(id) === one.id)
    changes.push(drop(log, one))
    kept = kept.filter((other) => other !== one)
    if (conflict === undefined || equal(one.root, cosigned.root)) continue
    if (kept.filter(({ kind }) => kind === 'split-view').length >= MAX_KEPT_PER_LOG) continue
    const refused = { size: one.size, root: one.root, note: conflict.refused }
    const split = conflictOf(log, 'split-view', cosigned, refused, one.seenAt)
    changes.push({ kind: 'keep-conflict', conflict: split })
    kept = [...kept, knownConflict(split, refused)]
    added.push(split)
  }
  return { changes, kept, added }
}
