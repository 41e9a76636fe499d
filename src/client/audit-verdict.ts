/** What an audit comes to, in words: the checks of the tree, and the heads that were held against it. */
import { equal } from '../bytes.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { counted, countedAll, grouped } from '../formats/count.ts'
import type { CheckedTree, TreeFault } from '../tiles/check-tree.ts'
import type { RecordFaultKind } from './audit-records.ts'
import { witnessedWords } from './checks.ts'
import { printable } from './receipt-words.ts'
import type { Check, Verdict } from './verdict.ts'

/** Something that is wrong with one part of a log. */
export interface AuditFault {
  readonly kind: TreeFault['kind'] | RecordFaultKind | 'map' | 'checkpoint'
  /** Which part: `entry 5`, `bundle 0`, `tile 1/0`, `tile 1/0 hash 3`, or the name of a checkpoint that was given. */
  readonly name: string
  /** What is wrong with it. */
  readonly detail: string
}

export interface AuditVerdict extends Verdict<'audit'> {
  /** The head that was audited, when a trusted key of its log has signed it; whatever else was found. */
  readonly head?: Checkpoint
  /** Bytes of all entries together. */
  readonly bytes: number
  /** Audit records among the entries. */
  readonly records: number
  /** What is wrong with single entries, tiles and checkpoints: the first hundred. */
  readonly faults: readonly AuditFault[]
  readonly faultCount: number
  /** Notes of heads that the log has signed, and that contradict the one audited. */
  readonly contradicted: readonly Uint8Array[]
}

/** How many parts of the tree were found to be wrong. */
export interface TreeCounts {
  entry: number
  bundle: number
  tile: number
}

/** The tree as recomputed; less of it when the pass was ended because too much was wrong. */
export interface AuditedTree extends Omit<CheckedTree, 'bytes'> {
  readonly endedAt?: number
}

/** The checks of the tree itself. */
export function treeChecks(
  head: Checkpoint,
  tree: AuditedTree,
  counts: TreeCounts,
  bytes: number,
): Check[] {
  return [
    checkEntries(head, tree, counts.entry + counts.bundle, bytes),
    checkTiles(counts.tile),
    checkRoot(head, tree),
  ]
}

function checkEntries(
  head: Checkpoint,
  { endedAt }: AuditedTree,
  wrong: number,
  bytes: number,
): Check {
  const name = 'entries'
  if (endedAt !== undefined) {
    const detail = `the audit ended at entry ${grouped(endedAt)} of ${grouped(head.size)}, because so much was wrong by then`
    return { name, status: 'failed', detail }
  }
  return wrong === 0
    ? {
        name,
        status: 'held',
        detail: `${countedAll(head.size, 'entry', 'entries')} (${counted(bytes, 'byte')}) ${head.size === 1 ? 'hashes to its' : 'hash to their'} place in the tree`,
      }
    : {
        name,
        status: 'failed',
        detail: `${grouped(wrong)} of ${grouped(head.size)} ${wrong === 1 ? 'is' : 'are'} missing, unreadable or changed`,
      }
}

function checkTiles(wrong: number): Check {
  const name = 'tiles'
  return wrong === 0
    ? { name, status: 'held', detail: 'every hash of every tile is what its children hash to' }
    : {
        name,
        status: 'failed',
        detail:
          wrong === 1
            ? '1 missing tile or wrong hash in a tile'
            : `${grouped(wrong)} missing tiles or wrong hashes in tiles`,
      }
}

function checkRoot(head: Checkpoint, tree: AuditedTree): Check {
  const name = 'root hash'
  if (tree.root === undefined) {
    return { name, status: 'failed', detail: 'cannot be recomputed from what the log has' }
  }
  return equal(tree.root, head.root)
    ? { name, status: 'held', detail: `the tree of ${leaves(head)} has the signed root hash` }
    : { name, status: 'failed', detail: 'the tree does not have the root hash that was signed' }
}

function leaves({ size }: Checkpoint): string {
  return counted(size, 'leaf', 'leaves')
}

/** A head of before, held against the tree. */
export interface HeadFinding {
  readonly holds: boolean
  readonly detail: string
  /** The log has signed both, and they cannot both be true. */
  readonly contradicts: boolean
}

export function compareWithTree(
  head: Checkpoint,
  before: Checkpoint,
  tree: AuditedTree,
): HeadFinding {
  const contradiction = (detail: string): HeadFinding => ({
    holds: false,
    detail,
    contradicts: true,
  })
  if (head.size < before.size) {
    return contradiction(
      `rolled back: this log has shown ${leaves(before)} before, and shows ${grouped(head.size)} now`,
    )
  }
  if (head.size === before.size && !equal(head.root, before.root)) {
    return contradiction(`fork: this log has signed two different roots for ${leaves(head)}`)
  }
  const root = tree.earlier.get(before.size)
  if (root === undefined) {
    const detail = `the first ${leaves(before)} cannot be recomputed to compare them`
    return { holds: false, detail, contradicts: false }
  }
  if (!equal(root, before.root)) {
    return contradiction(
      `fork: the first ${leaves(before)} ${before.size === 1 ? 'is not what was' : 'are not those that were'} seen before`,
    )
  }
  const grown = head.size - before.size
  const detail = `the ${leaves(before)} seen before ${before.size === 1 ? 'is' : 'are'} unchanged, ${grouped(grown)} ${grown === 1 ? 'was' : 'were'} added`
  return { holds: true, detail, contradicts: false }
}

export function historyCheck(finding: HeadFinding | undefined): Check {
  const name = 'history'
  if (finding === undefined) {
    return { name, status: 'skipped', detail: 'there is no head seen before to compare with' }
  }
  return { name, status: finding.holds ? 'held' : 'failed', detail: finding.detail }
}

/** The sentence that it comes to. */
export function auditFinding(head: Checkpoint, checks: readonly Check[]): string {
  const { origin, size } = head
  const [first, ...others] = checks.filter(({ status }) => status === 'failed')
  if (first === undefined) {
    const held =
      size === 1
        ? `the only entry of ${origin} is there, and is that of the tree that it has signed`
        : `the ${counted(size, 'entry', 'entries')} of ${origin} are all there, and are those of the tree that it has signed`
    return printable(held + witnessedWords(checks))
  }
  const more = others.map(({ name }) => name).join(', ')
  return printable(
    `something is wrong with ${origin}: ${first.name}: ${first.detail}${more === '' ? '' : ` (failed as well: ${more})`}`,
  )
}
