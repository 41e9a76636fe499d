/** The dishonest part of `cairn demo`: one byte changed in a record, in a proof and in the log, each found out. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import { auditLog } from '../client/audit-log.ts'
import type { Check } from '../client/verdict.ts'
import { verifyReceipt } from '../client/verify-receipt.ts'
import { formatTlogProof, parseTlogProof } from '../formats/tlog-proof.ts'
import { nodeHash } from '../merkle/hash.ts'
import type { TileSource } from '../tiles/source.ts'
import type { Terminal } from './command.ts'
import { checks, heading, result, type Stage, type Step } from './demo-stage.ts'
import { wrap } from './table.ts'

/** Three attempts. Each step is good when the fraud is found out. */
export async function tamper(stage: Stage): Promise<Step[]> {
  heading(stage.out, 10, 'Somebody cheats')
  return [await changeRecord(stage), await changeProof(stage), await changeLog(stage)]
}

async function changeRecord({ records, trust, receipts, out }: Stage): Promise<Step> {
  const index = records.findIndex((record) => fromUtf8(record).includes('"verdict":"pass"'))
  const before = fromUtf8(records[index]!)
  const at = before.indexOf('"score":0.') + '"score":0.'.length
  const digit = before[at] === '9' ? '8' : '9'
  const after = `${before.slice(0, at)}${digit}${before.slice(at + 1)}`
  out.line(`   ${out.style.bold('One byte of a record:')} a guardrail's score in record ${index}`)
  out.line(`     logged   ${excerpt(before, at, out.style.green)}`)
  out.line(`     claimed  ${excerpt(after, at, out.style.red)}`)
  const receipt = await readFile(join(receipts, `${index}.tlog-proof`))
  const original = verifyReceipt({ leaf: utf8(before), receipt, trust })
  const forged = verifyReceipt({ leaf: utf8(after), receipt, trust })
  checks(out, forged.checks.filter(hasFailed))
  return caught(out, 'changed record', original.ok && !forged.ok)
}

/** The neighbourhood of a character, which is painted. */
function excerpt(text: string, at: number, paint: (text: string) => string): string {
  return `…${text.slice(at - 34, at)}${paint(text[at]!)}${text.slice(at + 1, at + 20)}…`
}

async function changeProof({ records, trust, receipts, out }: Stage): Promise<Step> {
  const index = 150
  const receipt = parseTlogProof(await readFile(join(receipts, `${index}.tlog-proof`)))
  const [sibling, ...rest] = receipt.proof
  const changed = Uint8Array.from(sibling!)
  changed[0] = 255 - changed[0]!
  out.line(`   ${out.style.bold('One byte of a proof:')} the first hash in receipt ${index}`)
  const before = toHex(sibling!.subarray(0, 12))
  const after = toHex(changed.subarray(0, 12))
  out.line(`     issued   ${out.style.green(before.slice(0, 2))}${before.slice(2)}…`)
  out.line(`     claimed  ${out.style.red(after.slice(0, 2))}${after.slice(2)}…`)
  const forged = formatTlogProof({ ...receipt, proof: [nodeHash(changed), ...rest] })
  const verdict = verifyReceipt({ leaf: records[index]!, receipt: utf8(forged), trust })
  checks(out, verdict.checks.filter(hasFailed))
  return caught(out, 'changed proof', !verdict.ok)
}

/** The operator itself changes an entry that was logged, and serves the changed one. */
async function changeLog({ client, trust, signal, out }: Stage): Promise<Step> {
  const honest = client.tileSource({ signal })
  const dishonest: TileSource = {
    tile: honest.tile,
    async bundle(bundle, width) {
      const framed = await honest.bundle(bundle, width)
      framed[framed.length - 10]! ^= 1
      return framed
    },
  }
  out.line(`   ${out.style.bold('One byte of the log:')} its operator rewrites the last record`)
  const checkpoint = await client.checkpoint({ signal })
  const verdict = await auditLog({ source: dishonest, checkpoint, trust, signal })
  checks(out, verdict.checks.filter(hasFailed))
  for (const { name, detail } of verdict.faults) {
    const lines = wrap(detail, out.columns - 16)
    out.line(`     ${out.style.red(name)}  ${lines.join(`\n${' '.repeat(7 + name.length)}`)}`)
  }
  return caught(out, 'changed log', !verdict.ok)
}

function hasFailed(check: Check): boolean {
  return check.status === 'failed'
}

function caught(out: Terminal, step: string, ok: boolean): Step {
  const detail = ok ? 'found out' : 'NOT FOUND OUT'
  result(out, ok, detail)
  return { step, ok, detail }
}
