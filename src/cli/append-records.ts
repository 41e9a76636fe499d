/** `cairn append --records`: what AI systems did, as audit records; receipts and records are kept. */
import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { createLogClient } from '../client/log-client.ts'
import type { RecordPlace, RecordReceipt } from '../client/record-answers.ts'
import { namedRecord } from '../client/record-lines.ts'
import { createRecordsClient } from '../client/records-client.ts'
import type { SubmitRecordOptions } from '../client/submit-records.ts'
import { CairnError, malformed } from '../errors.ts'
import { formatTlogProof } from '../formats/tlog-proof.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { newOutcome, type Outcome, type OutcomeFlags, report, summary } from './append-outcome.ts'
import { type Connection, interruptible, note, printJson } from './command.ts'
import { clientOptions } from './connect.ts'
import { nameOf } from './input.ts'
import { startProgress } from './progress.ts'
import { writeReceipts } from './receipt-files.ts'
import { type RecordInput, readRecords } from './record-input.ts'
import { isRefusal, type LeafSources, leavesOf } from './record-leaves.ts'
import { plural } from './style.ts'
import { readSubmitterKey, signRecords } from './submitter-key.ts'

export interface AppendRecordsFlags extends Connection, OutcomeFlags {
  readonly lines?: boolean
  readonly idempotencyKey?: string
  readonly signKey?: string
  readonly json?: boolean
}

/** A run: what is counted, and what is kept. */
interface Run {
  readonly outcome: Outcome
  readonly ids: string[]
  /** Why the records themselves could not be kept. */
  refusal: string | undefined
}

export async function appendRecords(file: string, flags: AppendRecordsFlags): Promise<void> {
  const key = flags.idempotencyKey ?? randomUUID()
  if (!/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw new CairnError(
      'USAGE',
      '--idempotency-key takes 1 to 200 visible ASCII characters, and no space',
    )
  }
  if (flags.receipts !== undefined) await makeDirectory(flags.receipts)
  const started = performance.now()
  const run = await submitAll(file, key, flags)
  const { outcome, ids, refusal } = run
  // What was there before is known to the log alone.
  const { duplicates: _, ...counts } = summary(outcome, flags)
  if (flags.json === true) printJson({ ...counts, ids })
  else report(outcome, flags, performance.now() - started)
  if (refusal !== undefined) {
    note(`only the receipts are kept, and not the records: ${refusal}`)
  }
}

async function submitAll(file: string, key: string, flags: AppendRecordsFlags): Promise<Run> {
  const signer = flags.signKey === undefined ? undefined : await readSubmitterKey(flags.signKey)
  const interrupt = interruptible()
  const { signal } = interrupt
  const quiet = flags.json === true
  const progress = startProgress({ label: 'appending', unit: 'bytes', quiet })
  const run: Run = { outcome: newOutcome(['record', 'records']), ids: [], refusal: undefined }
  const { outcome } = run
  let read = 0
  const onBytes = (bytes: number): void => {
    read = bytes
  }
  const input = readRecords(file, { lines: flags.lines === true, onBytes, signal })
  try {
    const total = await sizeOf(file)
    progress.update(0, total)
    const onLate = (records: number): void => {
      outcome.late += records
    }
    const witnessed = flags.witnessed === true
    const options = { signal, witnessed, onLate, idempotencyKey: key }
    const records = signer === undefined ? input.records : signRecords(input.records, signer, key)
    for await (const places of submitBatches(records, run, flags, options)) {
      for (const { id, index } of places) {
        outcome.added++
        outcome.first = Math.min(outcome.first ?? index, index)
        outcome.last = Math.max(outcome.last ?? index, index)
        if (quiet) {
          run.ids.push(id)
          outcome.indices.push(index)
        }
      }
      progress.update(read, total)
    }
  } catch (error) {
    throw incomplete(placed(error, input), outcome, key)
  } finally {
    progress.clear()
    interrupt.done()
  }
  if (outcome.added > 0) return run
  throw malformed(`${nameOf(file)} has no record in it`)
}

/** Submits with or without keeping receipts; yields what became of each batch, once that is kept. */
async function* submitBatches(
  records: AsyncIterable<Uint8Array>,
  run: Run,
  flags: AppendRecordsFlags,
  options: SubmitRecordOptions,
): AsyncGenerator<readonly RecordPlace[]> {
  const connection = await clientOptions(flags)
  const client = createRecordsClient(connection)
  const folder = flags.receipts
  if (folder === undefined) {
    yield* client.submitForPlaces(records, options)
    return
  }
  const sources = { tiles: createLogClient(connection).tileSource(options), records: client }
  for await (const receipts of client.submitMany(records, options)) {
    await keep(folder, receipts, sources, run)
    run.outcome.origin ??= receipts[0]!.receipt.origin
    yield receipts
  }
}

/** Keeps receipts, each beside its record if that may be read. */
async function keep(
  folder: string,
  receipts: readonly RecordReceipt[],
  sources: LeafSources,
  run: Run,
): Promise<void> {
  const leaves =
    run.refusal === undefined
      ? await leavesOf(receipts, sources).catch((error: unknown) => {
          if (!isRefusal(error)) throw error
          run.refusal = error.message
        })
      : undefined
  await writeReceipts(
    folder,
    receipts.map(({ index, receipt }, i) => ({
      index,
      receipt: formatTlogProof(receipt),
      leaf: leaves?.[i],
    })),
  )
}

/** The size of a file that can be asked for it: not of a pipe. */
async function sizeOf(file: string): Promise<number | undefined> {
  if (file === '-') return undefined
  const found = await stat(file)
  return found.isFile() ? found.size : undefined
}

/** An error about a record, with the place where a person finds it. */
function placed(error: unknown, input: RecordInput): unknown {
  const { number, message } = namedRecord(error)
  if (number === undefined) return error
  const { code } = error as CairnError
  return new CairnError(code, `${input.place(number)}: ${message}`, { cause: error })
}

/** The error that ended a run, with how far it came and how to go on. */
function incomplete(error: unknown, { added }: Outcome, key: string): unknown {
  // Of the first batch it is known that nothing was added only if the log itself has refused it.
  const isRefused = error instanceof CairnError && error.code !== 'IO' && error.code !== 'STOPPED'
  if (added === 0 && isRefused) return error
  const code = error instanceof CairnError ? error.code : 'IO'
  const reason = error instanceof Error ? error.message : String(error)
  const done = plural(added, 'record was', 'records were')
  const hint = `repeat it with --idempotency-key ${key} to add the rest, and none twice`
  return new CairnError(code, `${reason} (${done} added before that; ${hint})`, { cause: error })
}
