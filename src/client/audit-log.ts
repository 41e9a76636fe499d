/**
 * The audit of a whole log by somebody who trusts nothing but a key: the head's signatures, every entry against its
 * leaf hash, every tile against the hashes below it, the root, and that the log still contains the head seen last.
 * Needs memory for a few bundles, however large the log is.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { RootHash } from '../merkle/hash.ts'
import { type CheckedTree, checkTree, type TreeFault } from '../tiles/check-tree.ts'
import type { TileSource } from '../tiles/source.ts'
import { openTrusted } from './trust.ts'
import type { Check, Trust } from './verdict.ts'
import { verifyCheckpoint } from './verify-checkpoint.ts'

/** Faults that a verdict names one by one; the rest is counted. */
const MAX_NAMED_FAULTS = 100

export interface AuditOptions {
  readonly source: TileSource
  /** The head to audit: a signed note. */
  readonly checkpoint: Uint8Array
  readonly trust: Trust
  /** A head of the same log that was seen before: a signed note. */
  readonly saved?: Uint8Array
  /** Bundles fetched ahead of the one at hand; 8 when left out. */
  readonly concurrency?: number
  readonly progress?: (entries: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface AuditVerdict {
  readonly ok: boolean
  readonly origin?: string
  readonly size?: number
  readonly root?: RootHash
  /** Bytes of all entries together. */
  readonly bytes: number
  readonly checks: readonly Check[]
  /** What is wrong with single entries and tiles: the first hundred. */
  readonly faults: readonly TreeFault[]
  readonly faultCount: number
}

/**
 * Audits a log. What does not hold is said in the verdict.
 * @throws USAGE when the saved head is not one of this log, and whatever the source throws that is not about its data
 */
export async function auditLog(options: AuditOptions): Promise<AuditVerdict> {
  const signed = verifyCheckpoint(options.checkpoint, options.trust)
  const { opened } = signed
  if (opened === undefined) {
    return { ok: false, bytes: 0, checks: signed.checks, faults: [], faultCount: 0 }
  }
  const head = opened.checkpoint
  const saved = options.saved && openSaved(options.saved, head.origin, options.trust)

  const faults: TreeFault[] = []
  const counts = { entry: 0, bundle: 0, tile: 0 }
  const pass = checkTree(options.source, head.size, {
    root: head.root,
    ...(saved && { earlier: [saved.size] }),
    ...(options.concurrency && { concurrency: options.concurrency }),
    ...(options.signal && { signal: options.signal }),
    progress: (entries) => options.progress?.(entries, head.size),
  })
  let step = await pass.next()
  for (; !step.done; step = await pass.next()) {
    counts[step.value.kind]++
    if (faults.length < MAX_NAMED_FAULTS) faults.push(step.value)
  }
  const tree = step.value

  const checks = [
    ...signed.checks,
    checkEntries(head, counts.entry + counts.bundle, tree.bytes),
    checkTiles(counts.tile),
    checkRoot(head, tree),
    checkHistory(head, saved, tree),
  ]
  return {
    ok: checks.every((check) => check.status !== 'failed'),
    origin: head.origin,
    size: head.size,
    root: head.root,
    bytes: tree.bytes,
    checks,
    faults,
    faultCount: counts.entry + counts.bundle + counts.tile,
  }
}

/** A saved head is the auditor's own; one that this log has not signed is a mix-up, not a finding. */
function openSaved(saved: Uint8Array, origin: string, trust: Trust): Checkpoint {
  const { checkpoint } = openTrusted(saved, trust)
  if (checkpoint.origin === origin) return checkpoint
  throw new CairnError('USAGE', `the saved head is one of ${checkpoint.origin}, not of ${origin}`)
}

function checkEntries(head: Checkpoint, wrong: number, bytes: number): Check {
  const name = 'entries'
  return wrong === 0
    ? {
        name,
        status: 'held',
        detail: `all ${head.size} entries (${bytes} bytes) hash to their place in the tree`,
      }
    : {
        name,
        status: 'failed',
        detail: `${wrong} of ${head.size} are missing, unreadable or changed`,
      }
}

function checkTiles(wrong: number): Check {
  const name = 'tiles'
  return wrong === 0
    ? { name, status: 'held', detail: 'every hash of every tile is what its children hash to' }
    : { name, status: 'failed', detail: `${wrong} missing tiles or wrong hashes in tiles` }
}

function checkRoot(head: Checkpoint, tree: CheckedTree): Check {
  const name = 'root hash'
  if (tree.root === undefined) {
    return { name, status: 'failed', detail: 'cannot be recomputed from what the log has' }
  }
  return equal(tree.root, head.root)
    ? { name, status: 'held', detail: `the tree of ${head.size} leaves has the signed root hash` }
    : { name, status: 'failed', detail: 'the tree does not have the root hash that was signed' }
}

function checkHistory(head: Checkpoint, saved: Checkpoint | undefined, tree: CheckedTree): Check {
  const name = 'history'
  if (saved === undefined) {
    return { name, status: 'skipped', detail: 'there is no head seen before to compare with' }
  }
  const failed = (detail: string): Check => ({ name, status: 'failed', detail })
  if (head.size < saved.size) {
    return failed(
      `rolled back: this log has shown ${saved.size} leaves before, and shows ${head.size} now`,
    )
  }
  if (head.size === saved.size && !equal(head.root, saved.root)) {
    return failed(`fork: this log has signed two different roots for ${head.size} leaves`)
  }
  const root = tree.earlier.get(saved.size)
  if (root === undefined) {
    return failed(`the first ${saved.size} leaves cannot be recomputed to compare them`)
  }
  if (!equal(root, saved.root)) {
    return failed(`fork: the first ${saved.size} leaves are not those that were seen before`)
  }
  const grown = head.size - saved.size
  const detail = `the ${saved.size} leaves seen before are unchanged, ${grown} were added`
  return { name, status: 'held', detail }
}
