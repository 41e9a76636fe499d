/** What the heads that a log has kept say of a month: those at its ends, whether they fit, and who has cosigned. */
import { utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { openCheckpoint, type VerifiedCosignature } from '../formats/open-checkpoint.ts'
import { type Policy, parsePolicy, quorumSatisfied } from '../formats/policy.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import type { LogService } from '../log/service.ts'
import { verifyConsistency } from '../merkle/consistency.ts'
import type { LeafIndex } from '../merkle/position.ts'
import type { IntegrityEvidence, ReportedHead } from '../reports/integrity.ts'
import type { Month } from '../reports/month.ts'
import type { WitnessCoverage } from '../reports/report.ts'
import type { ComplianceContext, KeptHead } from './context.ts'
import { publicationOf, publishedHead } from './published-head.ts'

/** So long after a month its last head is looked for, before the newest is taken. */
const LOOKED_AFTER_MS = 32 * 86_400_000

/**
 * What is known of the log in a month. `last` is the index of the newest record that the report counts.
 * @throws OVERLOADED when the month goes on, and no published head has that record yet; CORRUPT, IO
 */
export async function integrityOf(
  context: ComplianceContext,
  month: Month,
  last: LeafIndex | undefined,
): Promise<IntegrityEvidence> {
  const { log, heads } = context
  const from = Date.parse(month.first)
  const before = Date.parse(month.last) + 1
  const policy = context.policy === undefined ? undefined : parsePolicy(context.policy)
  const judge = headJudge(log, policy)
  const kept = (await heads?.between(from, before)) ?? []
  const during = await judgeAll(kept, judge)
  const start = await startOf(context, from, during, judge)
  const end = await endOf(context, { before, during, last }, judge)
  const known = during.filter((one): one is JudgedHead => one !== undefined && one.size > 0)
  const isListed = end === undefined || known.some(({ time }) => +time === +end.time)
  const coverage = policy && coverageOf(policy, isListed ? during : [...during, end])
  return {
    ...(start && { start }),
    ...(end && { end }),
    consistency: await consistencyOf(log, start, known, end),
    ...(coverage && { witnesses: coverage }),
  }
}

interface JudgedHead extends ReportedHead {
  readonly cosignatures: readonly VerifiedCosignature[]
}

/** Verifies a head; undefined when it is none that this log has signed. */
type HeadJudge = (head: KeptHead) => JudgedHead | undefined

function headJudge({ vkeys }: LogService, policy: Policy | undefined): HeadJudge {
  // Each signature by the post-quantum key takes milliseconds to verify, and the other one is as good here.
  const logKeys = vkeys.map(parseVkey).filter(({ type }) => type === 'ed25519')
  const witnesses = policy?.witnesses ?? []
  return ({ time, checkpoint }) => {
    try {
      const opened = openCheckpoint(
        utf8(checkpoint),
        logKeys,
        witnesses.map(({ key }) => key),
      )
      const { size, root } = opened.checkpoint
      const keys = opened.cosignatures.map(({ key }) => key)
      return {
        size,
        root,
        time: new Date(time),
        cosignatures: opened.cosignatures,
        cosignedBy: witnesses.filter(({ key }) => keys.includes(key)).map(({ name }) => name),
        ...(policy?.quorum !== undefined && { quorum: quorumSatisfied(policy, keys) }),
      }
    } catch {
      return undefined
    }
  }
}

/** Judges heads one by one, and lets others have a turn in between. */
async function judgeAll(
  heads: readonly KeptHead[],
  judge: HeadJudge,
): Promise<(JudgedHead | undefined)[]> {
  const judged: (JudgedHead | undefined)[] = []
  for (const head of heads) {
    judged.push(judge(head))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return judged
}

/** The last head before the month, or that of the empty log when it began in the month. */
async function startOf(
  { heads }: ComplianceContext,
  from: number,
  during: readonly (JudgedHead | undefined)[],
  judge: HeadJudge,
): Promise<JudgedHead | undefined> {
  const head = await heads?.lastBefore(from)
  if (head !== undefined) return judge(head)
  return during[0]?.size === 0 ? during[0] : undefined
}

interface MonthEnd {
  /** When the month is over. */
  readonly before: number
  readonly during: readonly (JudgedHead | undefined)[]
  /** Of the newest record. */
  readonly last: LeafIndex | undefined
}

/** The first head from the last day of the month on that has all records of it, else the newest. */
async function endOf(
  { log, heads, now }: ComplianceContext,
  { before, during, last }: MonthEnd,
  judge: HeadJudge,
): Promise<JudgedHead | undefined> {
  const entries = last === undefined ? 0 : last + 1
  if (now() >= before) {
    const newest = during.at(-1)
    if (newest !== undefined && newest.size >= entries) return newest
    for (const head of (await heads?.between(before, before + LOOKED_AFTER_MS)) ?? []) {
      const judged = judge(head)
      if (judged !== undefined && judged.size >= entries) return judged
    }
  }
  if (last !== undefined) await publishedHead(log, last)
  const published = publicationOf(log)
  return published && judge({ time: published.timestamp, checkpoint: published.checkpoint })
}

async function consistencyOf(
  log: LogService,
  start: JudgedHead | undefined,
  between: readonly JudgedHead[],
  end: JudgedHead | undefined,
): Promise<IntegrityEvidence['consistency']> {
  if (start === undefined || end === undefined) {
    return { outcome: 'unchecked', detail: 'it takes two heads to compare' }
  }
  for (const head of [start, ...between]) {
    // Of trees that shrank, another check tells.
    if (head.size === 0 || head.size > end.size) continue
    const words = `the head of ${head.time.toISOString()}, of ${head.size} entries`
    try {
      const proof = await log.consistencyProof(head.size, end.size)
      verifyConsistency(head.size, end.size, proof, head.root, end.root)
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      const isGone = error.code === 'NOT_FOUND'
      if (!isGone && error.code !== 'VERIFICATION_FAILED') throw error
      const detail = isGone
        ? `the log no longer has the ${end.size} entries that it signed: ${messageOf(error)}`
        : `the tree at the end does not extend ${words}`
      return { outcome: 'failed', detail }
    }
  }
  return { outcome: 'verified' }
}

/** Who has cosigned the heads of the month; undefined when the policy asks for nobody. */
function coverageOf(
  policy: Policy,
  heads: readonly (JudgedHead | undefined)[],
): WitnessCoverage | undefined {
  if (policy.quorum === undefined) return undefined
  // With the head of the empty log a history begins; it is published for nobody.
  const looked = heads.filter((head) => head?.size !== 0)
  return {
    quorum: quorumWords(policy, policy.quorum),
    heads: looked.length,
    covered: looked.filter((head) => head?.quorum === true).length,
    each: policy.witnesses.map(({ name, key }) => ({ name, ...cosignedBy(key, looked) })),
  }
}

function cosignedBy(
  key: VerifierKey,
  heads: readonly (JudgedHead | undefined)[],
): { cosigned: number; last?: string } {
  const theirs = heads.flatMap((head) => head?.cosignatures.filter((one) => one.key === key) ?? [])
  const last = Math.max(...theirs.map(({ timestamp }) => timestamp))
  // Beyond the year 275760 there is no Date.
  const isTime = theirs.length > 0 && last <= 8.64e12
  return {
    cosigned: theirs.length,
    ...(isTime && { last: new Date(last * 1000).toISOString() }),
  }
}

/** `2 of alpha, beta, gamma`, or the name of a single witness. */
function quorumWords({ groups }: Policy, quorum: string): string {
  const group = groups.find(({ name }) => name === quorum)
  if (group === undefined) return quorum
  const { threshold, members } = group
  const how = threshold === members.length && threshold > 1 ? 'all' : threshold
  return `${how} of ${members.join(', ')}`
}
