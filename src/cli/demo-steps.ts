/** The honest part of `cairn demo`: submit, verify, prove, audit. */
import { mkdir, readFile } from 'node:fs/promises'
import { fromUtf8 } from '../bytes.ts'
import { auditLog } from '../client/audit-log.ts'
import { verifyReceipt } from '../client/verify-receipt.ts'
import { parseJsonReceipt } from '../formats/json-receipt.ts'
import { formatTlogProof } from '../formats/tlog-proof.ts'
import { checks, fact, heading, result, type Stage, type Step } from './demo-stage.ts'
import { drawInclusionPath } from './draw-path.ts'
import { startProgress } from './progress.ts'
import { leafFileOf, receiptFiles, writeReceipt } from './receipt-files.ts'
import { byteCount, duration, plural } from './style.ts'

export async function submitRecords(stage: Stage): Promise<Step> {
  const { client, records, receipts, signal, quiet, out } = stage
  heading(out, 2, `${records.length} records of a bank's AI systems are submitted, one by one`)
  const progress = startProgress({
    label: '  submitting',
    unit: 'records',
    total: records.length,
    quiet,
  })
  await mkdir(receipts)
  const times: number[] = []
  for (const [i, record] of records.entries()) {
    const asked = performance.now()
    const receipt = await client.submit(record, { signal })
    times.push(performance.now() - asked)
    await writeReceipt(receipts, receipt.index, formatTlogProof(receipt), record)
    progress.update(i + 1)
  }
  progress.clear()
  for (const [type, number] of countTypes(records)) fact(out, type, String(number))
  const again = await client.submit(records[41]!, { signal })
  const ok = again.index === 41
  const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!
  const detail = `${records.length} records logged, each answered with its receipt (median ${duration(median)})`
  result(out, true, detail)
  result(out, ok, 'record 41, submitted again, keeps its index')
  return { step: 'submit', ok, detail }
}

/** How many records there are of each type, the most frequent first. */
function countTypes(records: readonly Uint8Array[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const record of records) {
    const { type } = JSON.parse(fromUtf8(record)) as { type: string }
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a)
}

export async function verifyReceipts({ trust, receipts, quiet, out }: Stage): Promise<Step> {
  heading(out, 3, "Each receipt is verified offline, with the log's public key alone")
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
  const ok = held === total
  const detail = `${held} of ${total} receipts hold, under ${plural(heads.size, 'signed head')}`
  result(out, ok, detail)
  return { step: 'verify', ok, detail }
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
  checks(out, verdict.checks)
  const ok = verdict.ok && verdict.size === records.length
  const detail = `${plural(verdict.size ?? 0, 'entry', 'entries')} (${byteCount(verdict.bytes)}) recomputed`
  result(out, ok, detail)
  return { step: 'audit', ok, detail }
}
