/**
 * The audit of a whole log by somebody who trusts nothing but a key: the head's signatures, every entry against its
 * leaf hash, every tile against the hashes below it, the root, every other head of the log that is at hand, and what
 * the entries say that are audit records. Needs memory for a few bundles, however large the log is.
 */
import { CairnError } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { LARGE_BLOCK } from '../formats/completeness-blocks.ts'
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import { checkTree } from '../tiles/check-tree.ts'
import type { TileSource } from '../tiles/source.ts'
import type { TreePlace } from '../tiles/tree-place.ts'
import { findMapKey, MapPass } from './audit-map.ts'
import type { AuditProgress } from './audit-progress.ts'
import { RecordAudit, type RecordAuditOptions } from './audit-records.ts'
import {
  type AuditedTree,
  type AuditFault,
  type AuditVerdict,
  auditFinding,
  compareWithTree,
  historyCheck,
  treeChecks,
} from './audit-verdict.ts'
import { unproven } from './checks.ts'
import { printable } from './receipt-words.ts'
import { openTrusted } from './trust.ts'
import type { Check, Trust } from './verdict.ts'
import { verifyCheckpoint } from './verify-checkpoint.ts'

/** Faults that a verdict names one by one; the rest is counted. */
const MAX_NAMED_FAULTS = 100
/** After so many an audit ends: a log can sign a tree of any size that nobody has ever seen. */
const MAX_FAULTS = 10_000

/** A checkpoint that was given, and what it is called. */
export interface NamedNote {
  readonly name: string
  /** A signed note. */
  readonly note: Uint8Array
}

export interface AuditOptions {
  readonly source: TileSource
  /** The head to audit: a signed note. */
  readonly checkpoint: Uint8Array
  readonly trust: Trust
  /** A head of the same log that was seen before: a signed note. */
  readonly saved?: Uint8Array
  /** More heads of the log, from anywhere: each has to be signed, cosigned as the policy demands, and of this tree. */
  readonly checkpoints?: readonly NamedNote[]
  /** What to hold audit records against; `false` leaves them alone, and the map with them, which is faster. */
  readonly records?: RecordAuditOptions | false
  /** Bundles fetched ahead of the one at hand; 8 when left out. */
  readonly concurrency?: number
  /** How far an earlier audit of this log came, which was given the same. */
  readonly resume?: AuditProgress
  /** `snapshot` gives what a later audit needs to go on from here; undefined when it cannot. To be called at once. */
  readonly progress?: (
    entries: number,
    total: number,
    snapshot: () => AuditProgress | undefined,
  ) => void
  readonly signal?: AbortSignal
}

/**
 * Audits a log. What does not hold is said in the verdict.
 * @throws USAGE when the saved head is not one of this log, and whatever the source throws that is not about its data
 */
export async function auditLog(options: AuditOptions): Promise<AuditVerdict> {
  const signed = verifyCheckpoint(options.checkpoint, options.trust)
  const { opened } = signed
  const nothing = { bytes: 0, records: 0, faults: [], faultCount: 0, contradicted: [] }
  if (opened === undefined) {
    const { checks } = signed
    return { ok: false, kind: 'audit', finding: unproven(checks), checks, ...nothing }
  }
  const head = opened.checkpoint
  const saved = options.saved && openSaved(options.saved, head.origin, options.trust)
  const given = openGiven(options.checkpoints ?? [], head.origin, options.trust)
  const heads = [...(saved ? [saved] : []), ...given.flatMap(({ opened }) => opened ?? [])]

  const pass = new AuditPass(
    options,
    head,
    heads.map(({ size }) => size),
  )
  const tree = await pass.run()

  const contradicted: Uint8Array[] = []
  const history = saved && compareWithTree(head, saved, tree)
  if (history?.contradicts) contradicted.push(options.saved!)
  for (const { name, note, opened: before, problem } of given) {
    const finding = before && compareWithTree(head, before, tree)
    const detail = problem ?? (finding?.holds === false ? finding.detail : undefined)
    if (detail !== undefined) pass.fault({ kind: 'checkpoint', name, detail })
    if (finding?.contradicts) contradicted.push(note)
  }
  const checks = [
    ...signed.checks,
    ...treeChecks(head, tree, pass.counts, pass.bytes),
    historyCheck(history),
    ...givenCheck(given.length, pass.wrongCheckpoints),
    ...pass.recordChecks(),
  ]
  const ok = checks.every((check) => check.status !== 'failed')
  const { origin, size, root } = head
  return {
    ok,
    kind: 'audit',
    finding: auditFinding(head, checks),
    ...(ok && { origin, size, root }),
    head,
    bytes: pass.bytes,
    records: pass.records.counts.records,
    checks,
    faults: pass.faults,
    faultCount: pass.faultCount,
    contradicted,
  }
}

/** A saved head is the auditor's own; one that this log has not signed is a mix-up, not a finding. */
function openSaved(saved: Uint8Array, origin: string, trust: Trust): Checkpoint {
  const { checkpoint } = openTrusted(saved, trust)
  if (checkpoint.origin === origin) return checkpoint
  throw new CairnError('USAGE', `the saved head is one of ${checkpoint.origin}, not of ${origin}`)
}

interface GivenHead extends NamedNote {
  /** When the log has signed it. */
  readonly opened?: Checkpoint
  readonly problem?: string
}

function openGiven(notes: readonly NamedNote[], origin: string, trust: Trust): GivenHead[] {
  return notes.map((given) => {
    const { opened, checks } = verifyCheckpoint(given.note, trust)
    const problem = checks.find(({ status }) => status === 'failed')?.detail
    if (opened === undefined) return { ...given, problem: problem ?? 'cannot be read' }
    const { checkpoint } = opened
    if (checkpoint.origin !== origin) return { ...given, problem: `is one of ${checkpoint.origin}` }
    return { ...given, opened: checkpoint, ...(problem !== undefined && { problem }) }
  })
}

function givenCheck(given: number, wrong: number): Check[] {
  const name = 'checkpoints'
  if (given === 0) return []
  if (wrong > 0) {
    const detail = `${wrong} of the ${given} that were given are not heads of this tree, or not signed as they have to be`
    return [{ name, status: 'failed', detail }]
  }
  const detail = `all ${given} that were given are signed as they have to be, and heads of this tree`
  return [{ name, status: 'held', detail }]
}

/** One way through all entries. */
class AuditPass {
  readonly #options: AuditOptions
  readonly #head: Checkpoint
  readonly #sizes: readonly TreeSize[]
  readonly #resume: AuditProgress | undefined
  readonly #earlier: Map<number, RootHash>
  #map: MapPass | undefined
  #behind = 0
  /** At the end of the last large block of the map. */
  #waiting: AuditProgress | undefined
  readonly records: RecordAudit
  readonly counts = { entry: 0, bundle: 0, tile: 0 }
  readonly faults: AuditFault[] = []
  faultCount = 0
  wrongCheckpoints = 0
  bytes = 0

  constructor(options: AuditOptions, head: Checkpoint, sizes: readonly TreeSize[]) {
    this.#options = options
    this.#head = head
    this.#sizes = sizes.filter((size) => size <= head.size)
    const { resume } = options
    this.#resume = resume && this.#isUseful(resume) ? resume : undefined
    this.#earlier = new Map(this.#resume?.earlier)
    this.records = new RecordAudit(options.records || {}, this.#resume?.records)
    if (this.#resume === undefined) return
    Object.assign(this.counts, this.#resume.counts)
    this.faults.push(...this.#resume.faults)
    this.faultCount = this.#resume.faultCount
    this.bytes = this.#resume.bytes
  }

  /** What is behind must be in this tree, and hold the roots that are asked for now. */
  #isUseful({ origin, place, earlier }: AuditProgress): boolean {
    const known = this.#sizes.every((size) => size >= place.size || earlier.has(size))
    return origin === this.#head.origin && place.size <= this.#head.size && known
  }

  async run(): Promise<AuditedTree> {
    const { source, records, concurrency, signal } = this.#options
    const { origin, size, root } = this.#head
    const from = this.#resume?.place
    if (records !== false) {
      const { key, place } = this.#resume?.map ?? {}
      const found = from === undefined ? await findMapKey(source, size, signal) : key
      this.#map = new MapPass({ origin, key: found, from: from?.size ?? 0, place })
    }
    const pass = checkTree(source, size, {
      root,
      earlier: this.#sizes,
      ...(from && { from }),
      ...(concurrency && { concurrency }),
      ...(signal && { signal }),
      onEntries: (first, entries) => this.#look(first, entries),
      onEarlier: (at, found) => void this.#earlier.set(at, found),
      progress: (entries, place) => this.#tell(entries, place),
    })
    let step = await pass.next()
    for (; !step.done; step = await pass.next()) {
      this.counts[step.value.kind]++
      this.fault(step.value)
      if (this.faultCount < MAX_FAULTS) continue
      await pass.return(undefined as never)
      return { root: undefined, earlier: this.#earlier, endedAt: this.#behind }
    }
    return { root: step.value.root, earlier: this.#earlier }
  }

  fault(fault: AuditFault): void {
    this.faultCount++
    if (fault.kind === 'checkpoint') this.wrongCheckpoints++
    if (this.faults.length >= MAX_NAMED_FAULTS) return
    const { kind, name, detail } = fault
    this.faults.push({ kind, name: printable(name), detail: printable(detail) })
  }

  recordChecks(): Check[] {
    if (this.#options.records === false) {
      return [{ name: 'records', status: 'skipped', detail: 'audit records were not looked into' }]
    }
    const map = this.#map?.check()
    return [...this.records.checks(), ...(map === undefined ? [] : [map])]
  }

  #look(first: number, entries: readonly Uint8Array[]): void {
    for (const [i, leaf] of entries.entries()) {
      this.bytes += leaf.length
      if (this.#options.records === false) continue
      const index = first + i
      const { record, faults } = this.records.next(index, leaf)
      for (const { kind, detail } of faults) this.fault({ kind, name: `entry ${index}`, detail })
      const wrong = this.#map?.next(index, leaf, record)
      if (wrong !== undefined) this.fault({ kind: 'map', name: `entry ${index}`, detail: wrong })
    }
  }

  #tell(entries: number, place: () => TreePlace | undefined): void {
    this.#behind = entries
    const map = this.#map?.isMaking ? this.#map : undefined
    const current = (): AuditProgress | undefined => {
      const at = place()
      return at && this.#snapshot(at)
    }
    if (map !== undefined && entries % LARGE_BLOCK === 0) this.#waiting = structuredClone(current())
    const snapshot = map === undefined ? current : () => this.#withMap(map)
    this.#options.progress?.(entries, this.#head.size, snapshot)
  }

  /** A map can only go on from the end of a large block, and not before the log has gone on for a while. */
  #withMap(map: MapPass): AuditProgress | undefined {
    const waiting = this.#waiting
    const made = waiting && map.progressAt(waiting.place.size)
    return made && { ...waiting, map: made }
  }

  #snapshot(place: TreePlace): AuditProgress {
    const { counts, faults, faultCount, bytes } = this
    return {
      origin: this.#head.origin,
      place,
      bytes,
      earlier: this.#earlier,
      counts,
      records: this.records.counts,
      faults,
      faultCount,
    }
  }
}
