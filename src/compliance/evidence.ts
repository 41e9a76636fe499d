/**
 * Evidence: the records that answer a question, in one file that proves them (spec/evidence.md). What the log says of its
 * own doings is always shown, payloads under a grant only, and then the log says so before the file is given away.
 */
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { CompletenessProof } from '../formats/completeness.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import { type Evidence, type EvidenceRecord, formatEvidenceInSteps } from '../formats/evidence.ts'
import { MAX_EVIDENCE_RECORDS, queriedTerms } from '../formats/evidence-manifest.ts'
import type { JsonObject } from '../formats/json-strict.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import { formatPolicy } from '../formats/policy.ts'
import { LOG_RECORD_TYPES } from '../formats/record-members.ts'
import { parseVkey } from '../formats/vkey.ts'
import type { Head, LogService } from '../log/service.ts'
import { verifyConsistency } from '../merkle/consistency.ts'
import type { NodeHash } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'
import { sharedInclusionPath } from '../merkle/shared-inclusion.ts'
import { resourceIn } from '../records/make-record.ts'
import type { FoundRecord } from '../search/search-index.ts'
import { committedMap, provenList } from './complete-list.ts'
import type { ComplianceContext } from './context.ts'
import { readLeaves, readManyNodes, recordIn } from './leaves.ts'
import { ownDisclosures } from './own-disclosures.ts'
import { mustBeAllowed, type Principal } from './principal.ts'
import { publishedHead } from './published-head.ts'
import { isCoveredInClear } from './scope.ts'
import type { EvidenceRequest, Grant, Scope } from './service.ts'

/** The largest evidence that a log makes, in bytes of leaves and disclosures: it is held in memory. */
const MAX_MADE_SIZE = 134_217_728
/** Records whose disclosures are read at once. */
const READ_AT_ONCE = 32
const DAY_MS = 86_400_000
/** So long after the newest record an earlier head is looked for. */
const LOOKED_AFTER_MS = 32 * DAY_MS

export interface EvidenceOptions {
  /** How long to wait for a published head that has all records, in milliseconds; 10,000 when left out. */
  readonly headWaitMs?: number
  /** The most records; 100,000 when left out. */
  readonly maxRecords?: number
  /** The most bytes of leaves and disclosures; 128 MiB when left out. */
  readonly maxBytes?: number
}

/**
 * Makes an evidence file.
 * @throws FORBIDDEN, MALFORMED; NOT_FOUND when nothing matches; TOO_LARGE beyond what one file holds
 * @throws OVERLOADED when no published head has the records yet; as ComplianceContext.note(); CORRUPT, IO
 */
export async function makeEvidence(
  context: ComplianceContext,
  request: EvidenceRequest,
  by: Principal,
  options: EvidenceOptions = {},
): Promise<Uint8Array> {
  const { log } = context
  const { tenant } = by
  mustBeAllowed(by, 'audit')
  const grant =
    request.grant === undefined ? undefined : await context.usableGrant(request.grant, by)
  const scope = await context.storedScope(request.scope, tenant)
  const { found, head, completeness } = await answer(context, scope, { tenant, grant, options })
  const newest = found.at(-1)!
  const [older, records] = await Promise.all([
    earlierHead(context, newest, head),
    read(context, found, { tenant, grant, options }),
  ])
  const indices = found.map(({ index }) => index)
  const purpose = request.purpose ?? grant?.purpose
  const file = await formatted({
    manifest: {
      origin: log.origin,
      tenant,
      query: scope,
      asked_by: by.name,
      ...(purpose !== undefined && { purpose }),
      ...(grant !== undefined && { grant: grant.id }),
      made: new Date(context.now()).toISOString(),
    },
    records,
    proof: await readManyNodes(log, head.size, sharedInclusionPath(indices, head.size)),
    checkpoint: head.checkpoint,
    policy: context.policy ?? ownPolicy(log),
    ...(older !== undefined && { older }),
    ...(completeness !== undefined && { completeness }),
  })
  if (grant === undefined) return file
  // It may have been revoked meanwhile.
  await context.usableGrant(grant.id, by)
  await context.note(
    {
      type: 'access',
      action: 'evidence',
      by,
      parentId: grant.id,
      extra: {
        purpose: purpose ?? grant.purpose,
        ticket: grant.ticket,
        scope: scope as JsonObject,
        records: records.length,
        sha256: toHex(sha256(file)),
      },
    },
    tenant,
  )
  return file
}

/** The file, made with room for others in between. */
async function formatted(evidence: Evidence): Promise<Uint8Array> {
  const steps = formatEvidenceInSteps(evidence)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await giveWay()
  }
}

/** Lets others have a turn. */
function giveWay(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** For whom, and within what. */
interface Making {
  readonly tenant: string
  readonly grant: Grant | undefined
  readonly options: EvidenceOptions
}

/** A record that belongs in the evidence. */
interface Found {
  readonly index: LeafIndex
  readonly id: string
  readonly time: number
  /** Whether the log itself has made it, so that its facts are shown. */
  readonly isOwn: boolean
  /** Whether the grant covers it, as far as its members in the clear tell. */
  readonly isGranted: boolean
}

/** What evidence is about. */
interface Answer {
  /** By their indices; 1 or more. */
  readonly found: readonly Found[]
  readonly head: Head
  readonly completeness: CompletenessProof | undefined
}

/** The records, a published head that has them, and where it can be had the proof that they are all. */
async function answer(context: ComplianceContext, scope: Scope, making: Making): Promise<Answer> {
  const { log } = context
  const { tenant, options } = making
  const begun = log.head().size
  let found = await gather(context, scope, making)
  const [term] = queriedTerms({ tenant, query: scope })
  const map = term && (await committedMap(context))
  const headOf = (): Promise<Head> => {
    const index = Math.max(found.at(-1)!.index, map?.entry ?? 0)
    return publishedHead(log, leafIndex(index), options.headWaitMs)
  }
  let head = await headOf()
  if (term === undefined || map === undefined) return { found, head, completeness: undefined }
  let completeness = await provenList(context, term, map, head)
  const missing = (): number | undefined => {
    const here = new Set<number>(found.map(({ index }) => index))
    return completeness?.blocks
      .flatMap(({ indices }) => indices)
      .findLast((index) => !here.has(index))
  }
  if ((missing() ?? 0) >= begun) {
    // It came in since they were looked for.
    found = await gather(context, scope, making)
    head = await headOf()
    completeness = await provenList(context, term, map, head)
  }
  return { found, head, completeness: missing() === undefined ? completeness : undefined }
}

/** The records that match, those that correct them, and those by which the grant was asked for and given; by index. */
async function gather(
  context: ComplianceContext,
  scope: Scope,
  { tenant, grant, options }: Making,
): Promise<readonly Found[]> {
  const { maxRecords = MAX_EVIDENCE_RECORDS } = options
  const found = new Map<string, Found>()
  const add = (record: FoundRecord): void => {
    if (found.size === maxRecords) {
      const most = `more than ${maxRecords} records match, which is the most that one file holds`
      throw new CairnError('TOO_LARGE', `${most}; narrow the question by time`)
    }
    found.set(record.id, foundOf(record, grant))
  }
  let first: string | undefined
  for await (const record of context.recordsIn(scope, tenant, 'oldest')) {
    first ??= record.time
    add(record)
  }
  if (first === undefined) throw new CairnError('NOT_FOUND', 'no record answers this')
  // A record comes after the one that it corrects, so that corrections of corrections are found in one go.
  const corrections = context.recordsIn({ type: 'correction', from: first }, tenant, 'oldest')
  for await (const record of corrections) {
    if (record.corrects !== undefined && found.has(record.corrects)) add(record)
  }
  for (const time of [grant?.requested, grant?.decided]) {
    if (time === undefined) continue
    const from = Date.parse(time)
    const then = context.ownRecords({ type: 'grant', from, before: from + 1 }, tenant)
    for await (const { record } of then) {
      const isOfGrant = record.id === grant?.id || record.parent_id === grant?.id
      if (isOfGrant && !found.has(record.id)) add(record)
    }
  }
  return [...found.values()].sort((a, b) => a.index - b.index)
}

function foundOf(record: FoundRecord, grant: Grant | undefined): Found {
  const { index, id, type } = record
  return {
    index,
    id,
    time: Date.parse(record.time),
    isOwn: LOG_RECORD_TYPES.some((own) => own === type),
    isGranted: grant !== undefined && isCoveredInClear(grant.scope, record),
  }
}

/** The leaves, and what may be shown of them. */
async function read(
  { log, records }: ComplianceContext,
  found: readonly Found[],
  { tenant, grant, options }: Making,
): Promise<readonly EvidenceRecord[]> {
  const { maxBytes = MAX_MADE_SIZE } = options
  const made: EvidenceRecord[] = []
  let size = 0
  const grow = (bytes: number): void => {
    size += bytes
    if (size > maxBytes) {
      const most = `the records and their payloads have more than ${maxBytes} bytes`
      throw new CairnError('TOO_LARGE', `${most}; narrow the question by time`)
    }
  }
  const leaves = readLeaves(
    log,
    found.map(({ index }) => index),
  )
  for (let at = 0; at < found.length; at += READ_AT_ONCE) {
    const some = found.slice(at, at + READ_AT_ONCE)
    const shown = await Promise.all(
      some.map(async (one) => {
        if (!one.isOwn && !one.isGranted) return []
        const all = one.isGranted
          ? await records.disclosures(one.id, tenant)
          : await ownDisclosures(records, one.id, tenant)
        return typeof all === 'object' ? shownOf(all, one, grant) : []
      }),
    )
    for (const disclosures of shown) {
      const { value } = await leaves.next()
      const { index, leaf } = value!
      grow(leaf.length + disclosures.reduce((sum, { json }) => sum + json.length, 0))
      // A view of its bundle, all of which it would keep in memory.
      made.push({ index, leaf: leaf.slice(), record: recordIn(leaf), disclosures })
    }
    await giveWay()
  }
  return made
}

/** What a record of the log's own always shows: its facts, and the id of the record that it is about. */
const FACTS: readonly string[] = ['/extra', '/resource']

function shownOf(
  disclosures: readonly Disclosure[],
  { isOwn, isGranted }: Found,
  grant: Grant | undefined,
): readonly Disclosure[] {
  const resource = grant?.scope.resource
  if (isGranted && (resource === undefined || resourceIn(disclosures) === resource)) {
    return disclosures
  }
  return isOwn ? disclosures.filter(({ pointer }) => FACTS.includes(pointer)) : []
}

/**
 * The first head of a day before today that was kept and has all records: with its witnesses' cosignatures it shows how
 * old they are. One that does not fit is left out here; a report is where it is named.
 */
async function earlierHead(
  { log, heads, now }: ComplianceContext,
  newest: Found,
  head: Head,
): Promise<{ checkpoint: string; proof: readonly NodeHash[] } | undefined> {
  const today = Math.floor(now() / DAY_MS) * DAY_MS
  if (heads === undefined || newest.time >= today) return undefined
  const vkeys = log.vkeys.map(parseVkey)
  const before = Math.min(today, newest.time + LOOKED_AFTER_MS)
  for (const { checkpoint } of await heads.between(newest.time, before)) {
    try {
      const { size, root } = openCheckpoint(utf8(checkpoint), vkeys).checkpoint
      if (size <= newest.index || size >= head.size) continue
      const proof = await log.consistencyProof(size, head.size)
      verifyConsistency(size, head.size, proof, root, head.root)
      return { checkpoint, proof }
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'IO') throw error
    }
  }
  return undefined
}

/** The policy of a log that asks no witnesses: its keys. */
function ownPolicy(log: LogService): Uint8Array {
  const logs = log.vkeys.map((vkey) => ({ key: parseVkey(vkey) }))
  return utf8(formatPolicy({ logs, witnesses: [], groups: [], quorum: undefined }))
}
