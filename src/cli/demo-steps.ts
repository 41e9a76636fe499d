/** The honest part of `cairn demo`: submit, verify, prove, audit. */
import { mkdir, readFile } from 'node:fs/promises'
import { fromUtf8 } from '../bytes.ts'
import { auditLog } from '../client/audit-log.ts'
import { verifyReceipt } from '../client/verify-receipt.ts'
import { type ParsedJsonReceipt, parseJsonReceipt } from '../formats/json-receipt.ts'
import type { RecordLeaf, SubmittedRecord } from '../formats/record.ts'
import { formatTlogProof } from '../formats/tlog-proof.ts'
import { CUSTOMER } from './demo-records.ts'
import { checks, heading, result, type Stage, type Step } from './demo-stage.ts'
import { drawInclusionPath } from './draw-path.ts'
import { startProgress } from './progress.ts'
import { leafFileOf, receiptFiles, writeReceipts } from './receipt-files.ts'
import { byteCount, duration, plural } from './style.ts'
import { wrap } from './table.ts'

export async function submitRecords(stage: Stage): Promise<Step> {
  const { people, submissions, records, receipts, signal, quiet, out } = stage
  const { application } = people
  const total = submissions.length
  heading(out, 2, `${total} records of a bank's AI systems are submitted, one by one`)
  const progress = startProgress({ label: '  submitting', unit: 'records', total, quiet })
  await mkdir(receipts)
  const times: number[] = []
  const kept: ParsedJsonReceipt[] = []
  for (const [i, submission] of submissions.entries()) {
    const asked = performance.now()
    const options = { signal, idempotencyKey: keyOf(i) }
    kept.push((await application.submit(submission, options)).receipt)
    times.push(performance.now() - asked)
    progress.update(i + 1)
  }
  progress.clear()
  const leaves = kept.map(({ index, leafHash }) => application.leaf(index, leafHash, { signal }))
  records.push(...(await Promise.all(leaves)))
  await writeReceipts(
    receipts,
    kept.map((receipt, i) => ({
      index: receipt.index,
      receipt: formatTlogProof(receipt),
      leaf: records[i],
    })),
  )
  // What belongs together stays on one line.
  const types = countTypes(submissions).map(([type, number]) => `${number}\u00a0${type}`)
  const lines = wrap(types.join(' · '), out.columns - 3)
  for (const line of lines) out.line(`   ${line.replaceAll('\u00a0', ' ')}`)
  showCommitments(stage)
  const again = await application.submit(submissions[41]!, { signal, idempotencyKey: keyOf(41) })
  const ok = again.index === 41
  const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!
  const detail = `${total} records logged, each answered with its receipt (median ${duration(median)})`
  result(out, true, detail)
  result(out, ok, 'one of them, sent again with its idempotency key, keeps its index')
  return { step: 'submit', ok, detail }
}

function keyOf(index: number): string {
  return `demo-${index}`
}

/** What becomes of a decision on its way into the log: words go to the vault, the record commits to them. */
function showCommitments({ submissions, records, out }: Stage): void {
  const index = submissions.findIndex((one) => one.request_id === CUSTOMER.request)
  const sent = submissions[index + 2]!
  const logged = JSON.parse(fromUtf8(records[index + 2]!)) as RecordLeaf
  const rows = [
    ['whose', sent.subject, logged.subject],
    ['outcome', sent.decision?.outcome, logged.commitments['/decision/outcome']],
    ['reason', sent.decision?.reason, logged.commitments['/decision/reason']],
  ]
  out.line()
  for (const [name, said, kept] of rows) {
    const label = String(name).padEnd(8)
    const clear = cut(String(said), 33).padEnd(33)
    const hidden = cut(String(kept), out.columns - 51)
    out.line(`   ${out.style.dim(label)}${clear} ${out.style.dim('→')} ${out.style.cyan(hidden)}`)
  }
  const note = 'what names people or is payload is encrypted apart; the log commits to it'
  out.line(`   ${out.style.dim(note)}`)
  out.line()
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

/** How many records there are of each type, the most frequent first. */
function countTypes(submissions: readonly SubmittedRecord[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const { type } of submissions) {
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a)
}

export async function verifyReceipts(stage: Stage): Promise<Step> {
  heading(stage.out, 3, "Each receipt is verified offline, with the log's public key alone")
  const { ok, held, total, heads } = await checkReceipts(stage)
  const detail = `${held} of ${total} receipts hold, under ${plural(heads, 'signed head')}`
  result(stage.out, ok, detail)
  return { step: 'verify', ok, detail }
}

/** Verifies all receipts that were kept. */
export async function checkReceipts({ trust, receipts, quiet }: Stage): Promise<{
  readonly ok: boolean
  readonly held: number
  readonly total: number
  /** Different heads that they are under. */
  readonly heads: number
}> {
  const files = await receiptFiles(receipts)
  const total = files.length
  const progress = startProgress({ label: '  verifying', unit: 'receipts', total, quiet })
  const heads = new Set<number | undefined>()
  let held = 0
  for (const [i, file] of files.entries()) {
    const [receipt, leaf] = await Promise.all([readFile(file), readFile(leafFileOf(file))])
    const verdict = verifyReceipt({ leaf, receipt, trust })
    if (verdict.ok) held++
    heads.add(verdict.size)
    progress.update(i + 1)
  }
  progress.clear()
  return { ok: held === total, held, total, heads: heads.size }
}

export async function explainProof(stage: Stage): Promise<Step> {
  const { client, records, trust, signal, out } = stage
  const index = 77
  heading(out, 4, `Why a receipt is proof: record ${index} on its way to the signed root`)
  const bytes = await receiptUnderAll(stage, index)
  const receipt = parseJsonReceipt(bytes)
  const lines = drawInclusionPath(receipt, out.style)
  for (const line of lines) out.line(`   ${line}`)
  out.line()
  out.line(
    `   ${out.style.green('●')} computed from the record   ${out.style.cyan('○')} in the receipt`,
  )
  const formats = [bytes, await client.receipt(index, 'cose', { signal })]
  formats.push(await client.receipt(index, 'tlog-proof', { signal }))
  const ok = formats.every(
    (form) => verifyReceipt({ leaf: records[index]!, receipt: form, trust }).ok,
  )
  const detail = `${receipt.proof.length} hashes tie one record to a tree of ${receipt.size}, in any of three formats`
  result(out, ok, detail)
  return { step: 'prove', ok, detail }
}

/** A receipt under a head that has all records. Heads are published a few times a second, so it may take a moment. */
async function receiptUnderAll(
  { client, records, signal }: Stage,
  index: number,
): Promise<Uint8Array> {
  for (;;) {
    const bytes = await client.receipt(index, 'json', { signal })
    if (parseJsonReceipt(bytes).size >= records.length) return bytes
    await new Promise((done) => setTimeout(done, 20))
  }
}

export async function audit({ client, records, trust, signal, quiet, out }: Stage): Promise<Step> {
  heading(out, 5, 'An auditor recomputes the whole log, over HTTP')
  const progress = startProgress({ label: '  auditing', unit: 'entries', quiet })
  const verdict = await auditLog({
    source: client.tileSource({ signal }),
    checkpoint: await client.checkpoint({ signal }),
    trust,
    progress: progress.update,
    signal,
  })
  progress.clear()
  checks(
    out,
    verdict.checks.filter(({ status }) => status !== 'skipped'),
  )
  const ok = verdict.ok && verdict.size === records.length
  const detail = `${plural(verdict.size ?? 0, 'entry', 'entries')} (${byteCount(verdict.bytes)}) recomputed`
  result(out, ok, detail)
  return { step: 'audit', ok, detail }
}
