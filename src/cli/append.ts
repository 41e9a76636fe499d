/** `cairn append`: a file, or each of its lines, becomes a leaf or an audit record; the receipts are kept. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import {
  createLogClient,
  type Leaves,
  type LogClient,
  type SubmitOptions,
} from '../client/log-client.ts'
import { CairnError } from '../errors.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import type { ParsedJsonReceipt } from '../formats/json-receipt.ts'
import { parseNote } from '../formats/note.ts'
import { formatTlogProof } from '../formats/tlog-proof.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import {
  incomplete,
  newOutcome,
  type Outcome,
  recorder,
  report,
  summary,
} from './append-outcome.ts'
import { appendRecords } from './append-records.ts'
import {
  type Connection,
  interruptible,
  printJson,
  withCommonHelp,
  withConnection,
} from './command.ts'
import { clientOptions } from './connect.ts'
import { readLeaf, readLines } from './input.ts'
import { startProgress } from './progress.ts'
import { type KeptReceipt, writeReceipts } from './receipt-files.ts'

interface AppendFlags extends Connection {
  readonly lines?: boolean
  readonly records?: boolean
  readonly idempotencyKey?: string
  readonly signKey?: string
  readonly skipEmpty?: boolean
  readonly receipts?: string
  readonly witnessed?: boolean
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Add a file to a log as one leaf, or each of its lines as a leaf. Leaves that the log has already ' +
        'keep their index, so a run that was cut short can simply be repeated. With --records, add audit ' +
        'records: the log commits to what names people and to payloads, and keeps them apart from it.',
    )
    .argument('<file>', 'file to add, - for standard input')
    .option('--lines', 'each line is a leaf, without its newline')
    .option(
      '--records',
      'each line is an audit record, or the whole file is one, or a list of them (JSON)',
    )
    .option(
      '--idempotency-key <key>',
      'to repeat a run that was cut short, and add nothing twice (with --records)',
    )
    .option('--sign-key <file>', 'sign each record with this key of a submitter (with --records)')
    .option('--skip-empty', 'leave empty lines out (with --lines)')
    .option('--receipts <folder>', 'keep each leaf and its receipt there')
    .option(
      '--witnessed',
      "wait until the log's quorum of witnesses has cosigned (with --receipts)",
    )
    .action((file: string, flags: AppendFlags) => append(file, flags))
  withConnection(command)
  withCommonHelp(command, [
    'cairn append decision.json --receipts receipts --token-file cairn-data/admin.token',
    'cat events.ndjson | cairn append - --lines --url https://log.example.com',
    'cairn append records.ndjson --records --receipts receipts --token-file app.token',
  ])
}

async function append(file: string, flags: AppendFlags): Promise<void> {
  if (flags.skipEmpty === true && flags.lines !== true) {
    throw new CairnError('USAGE', '--skip-empty goes with --lines')
  }
  if (flags.witnessed === true && flags.receipts === undefined) {
    throw new CairnError('USAGE', '--witnessed goes with --receipts')
  }
  if (flags.records === true) return appendRecords(file, flags)
  if (flags.idempotencyKey !== undefined) {
    throw new CairnError('USAGE', '--idempotency-key goes with --records')
  }
  if (flags.signKey !== undefined) throw new CairnError('USAGE', '--sign-key goes with --records')
  const client = createLogClient(await clientOptions(flags))
  if (flags.receipts !== undefined) await makeDirectory(flags.receipts)
  const started = performance.now()
  const outcome = await submitAll(client, file, flags)
  if (flags.json === true) return printJson(summary(outcome, flags))
  report(outcome, flags, performance.now() - started)
}

async function submitAll(client: LogClient, file: string, flags: AppendFlags): Promise<Outcome> {
  const interrupt = interruptible()
  const { signal } = interrupt
  const quiet = flags.json === true
  const progress = startProgress({ label: 'appending', unit: 'bytes', quiet })
  const outcome = newOutcome(['leaf', 'leaves'])
  let read = 0
  const onBytes = (bytes: number): void => {
    read = bytes
  }
  try {
    const total = flags.lines === true ? await sizeOf(file) : undefined
    const empty = flags.skipEmpty === true ? 'skip' : 'refuse'
    const leaves =
      flags.lines === true
        ? readLines(file, { empty, onBytes, signal })
        : [await readLeaf(file, signal)]
    const record = recorder(outcome, await publishedSize(client, signal), quiet)
    const onLate = (leaves: number): void => {
      outcome.late += leaves
    }
    const options = { signal, witnessed: flags.witnessed === true, onLate }
    for await (const batch of submitBatches(client, leaves, flags.receipts, options)) {
      outcome.origin ??= batch.origin
      batch.indices.forEach(record)
      progress.update(read, total)
    }
  } catch (error) {
    throw outcome.added === 0 ? error : incomplete(error, outcome, 'repeating the run is safe')
  } finally {
    progress.clear()
    interrupt.done()
  }
  if (outcome.added > 0) return outcome
  throw new CairnError('MALFORMED', `${file === '-' ? 'standard input' : file} has no leaf in it`)
}

interface Submitted {
  readonly indices: readonly number[]
  readonly origin?: string
}

/** Submits with or without keeping receipts; either way yields what became of each batch, once that is kept. */
async function* submitBatches(
  client: LogClient,
  leaves: Leaves,
  folder: string | undefined,
  options: SubmitOptions,
): AsyncGenerator<Submitted> {
  if (folder === undefined) {
    for await (const indices of client.submitForIndices(leaves, options)) yield { indices }
    return
  }
  const waiting: Uint8Array[] = []
  for await (const receipts of client.submitMany(remember(leaves, waiting), options)) {
    await writeReceipts(folder, kept(receipts, waiting.splice(0, receipts.length)))
    yield { indices: receipts.map(({ index }) => index), origin: receipts[0]!.origin }
  }
}

/** Keeps what is handed on, until its receipt has come. */
async function* remember(leaves: Leaves, waiting: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for await (const leaf of leaves) {
    waiting.push(leaf)
    yield leaf
  }
}

function kept(
  receipts: readonly ParsedJsonReceipt[],
  leaves: readonly Uint8Array[],
): KeptReceipt[] {
  return receipts.map((receipt, i) => ({
    index: receipt.index,
    receipt: formatTlogProof(receipt),
    leaf: leaves[i],
  }))
}

/** The size of a file that can be asked for it: not of a pipe. */
async function sizeOf(file: string): Promise<number | undefined> {
  if (file === '-') return undefined
  const found = await stat(file)
  return found.isFile() ? found.size : undefined
}

/** Leaves below this index were in the log before this run. */
async function publishedSize(client: LogClient, signal: AbortSignal): Promise<number> {
  try {
    const note = parseNote(await client.checkpoint({ signal }))
    return parseCheckpoint(note.text).size
  } catch (error) {
    // Its witnesses have not cosigned a head yet.
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return 0
    throw error
  }
}
