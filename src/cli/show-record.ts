/** `cairn search --show`: one record, with its payload under a grant, and whether it is in the log. */
import { fromUtf8, toBase64 } from '../bytes.ts'
import { createLogClient, type LogClient } from '../client/log-client.ts'
import type { Payload, RecordReading } from '../client/record-answers.ts'
import type { Trust, Verdict } from '../client/verdict.ts'
import { verifyReceipt } from '../client/verify-receipt.ts'
import { CairnError } from '../errors.ts'
import { formatDisclosure } from '../formats/disclosure.ts'
import { type Connection, interruptible, note, printJson, terminal } from './command.ts'
import { clientOptions } from './connect.ts'
import { drawRecord } from './draw-record.ts'
import { exitFor } from './exit.ts'
import { writeWhole } from './receipt-files.ts'
import { recordsClientOf } from './records-command.ts'
import { formatChecks } from './table.ts'
import { readTrust, type TrustFlags } from './trust.ts'

interface ShowFlags extends Connection, TrustFlags {
  readonly grant?: string
  readonly out?: string
  readonly json?: boolean
}

export async function showRecord(index: number, flags: ShowFlags): Promise<void> {
  const isTrusted = flags.vkey !== undefined || flags.policy !== undefined
  const trust = isTrusted ? await readTrust(flags) : undefined
  const interrupt = interruptible()
  const { signal } = interrupt
  const { grant } = flags
  const reading = await (await recordsClientOf(flags)).read(index, {
    signal,
    ...(grant !== undefined && { grant }),
  })
  const verdict =
    trust && (await judge(createLogClient(await clientOptions(flags)), reading, trust, signal))
  interrupt.done()
  if (flags.out !== undefined) await writeWhole(flags.out, reading.leaf)
  if (verdict !== undefined) process.exitCode = exitFor(verdict.ok)
  if (flags.json === true) return printJson(jsonOf(reading, verdict))
  const { style, columns, line, text } = terminal()
  for (const one of drawRecord(reading, style, columns)) line(one)
  if (verdict === undefined) return note('not verified: name the key of the log with --vkey')
  line()
  text(formatChecks(verdict.checks, style, columns))
  line(
    verdict.ok
      ? style.green(style.bold('verified'))
      : style.red(style.bold('NOT VERIFIED: do not rely on this record')),
  )
}

/** Whether the record is in a log that is trusted. */
async function judge(
  client: LogClient,
  { index, leaf }: RecordReading,
  trust: Trust,
  signal: AbortSignal,
): Promise<Verdict> {
  const receipt = await client.receipt(index, 'json', { signal }).catch((error: unknown) => {
    if (!(error instanceof CairnError && error.code === 'NOT_FOUND')) throw error
    const message = `no published head has entry ${index} yet; try again shortly`
    throw new CairnError('NOT_FOUND', message, { cause: error })
  })
  return verifyReceipt({ leaf, receipt, trust })
}

function jsonOf({ index, leaf, leafHash, payload }: RecordReading, verdict?: Verdict): unknown {
  return {
    index,
    leaf_hash: toBase64(leafHash),
    record: JSON.parse(fromUtf8(leaf)),
    ...(payload && { payload: payloadJson(payload) }),
    ...(verdict && { verified: verdict.ok, checks: verdict.checks }),
  }
}

function payloadJson(payload: Payload): unknown {
  if (payload.state === 'erased') return payload
  const { state, submission, disclosures } = payload
  return {
    state,
    submission,
    disclosures: disclosures.map((one) => ({
      pointer: one.pointer,
      value: one.value,
      disclosure: formatDisclosure(one),
    })),
  }
}
