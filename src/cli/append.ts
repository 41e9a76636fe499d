/** `cairn append`: a file, or each of its lines, becomes a leaf; the receipts are kept. */
import { mkdir, stat } from 'node:fs/promises'
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
import {
  type Connection,
  interruptible,
  printJson,
  terminal,
  withCommonHelp,
  withConnection,
} from './command.ts'
import { clientOptions } from './connect.ts'
import { readLeaf, readLines } from './input.ts'
import { startProgress } from './progress.ts'
import { writeReceipt } from './receipt-files.ts'
import { count, duration, plural, printable } from './style.ts'

/** Receipt files written at the same time. */
const WRITES_AT_ONCE = 32

interface AppendFlags extends Connection {
  readonly lines?: boolean
  readonly skipEmpty?: boolean
  readonly receipts?: string
  readonly witnessed?: boolean
  readonly json?: boolean
}

/** What became of the leaves. */
interface Outcome {
  leaves: number
  /** Leaves that the log had before, or that came up twice. */
  duplicates: number
  first: number | undefined
  last: number | undefined
  origin: string | undefined
  /** Leaves whose receipts came before the witnesses had cosigned. */
  late: number
  /** In order; gathered only for --json. */
  readonly indices: number[]
}

export function configure(command: Command): void {
  command
    .description(
      'Add a file to a log as one leaf, or each of its lines as a leaf. Leaves that the log has already ' +
        'keep their index, so a run that was cut short can simply be repeated.',
    )
    .argument('<file>', 'file to add, - for standard input')
    .option('--lines', 'each line is a leaf, without its newline')
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
    'cat records.ndjson | cairn append - --lines --url https://log.example.com',
  ])
}

async function append(file: string, flags: AppendFlags): Promise<void> {
  if (flags.skipEmpty === true && flags.lines !== true) {
    throw new CairnError('USAGE', '--skip-empty goes with --lines')
  }
  if (flags.witnessed === true && flags.receipts === undefined) {
    throw new CairnError('USAGE', '--witnessed goes with --receipts')
  }
  const client = createLogClient(await clientOptions(flags))
  if (flags.receipts !== undefined) await mkdir(flags.receipts, { recursive: true })
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
  const outcome = newOutcome()
  let read = 0
  const onBytes = (bytes: number): void => {
    read = bytes
  }
  try {
    const total = flags.lines === true ? await sizeOf(file) : undefined
    const skipEmpty = flags.skipEmpty === true
    const leaves =
      flags.lines === true
        ? readLines(file, { skipEmpty, onBytes, signal })
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
    throw outcome.leaves === 0 ? error : incomplete(error, outcome)
  } finally {
    progress.clear()
    interrupt.done()
  }
  if (outcome.leaves > 0) return outcome
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
    await keep(folder, receipts, waiting.splice(0, receipts.length))
    yield { indices: receipts.map(({ index }) => index), origin: receipts[0]!.origin }
  }
}

function newOutcome(): Outcome {
  return {
    leaves: 0,
    duplicates: 0,
    first: undefined,
    last: undefined,
    origin: undefined,
    late: 0,
    indices: [],
  }
}

/** Counts indices. New leaves get ever larger ones, so one that is not larger than all before is a duplicate's. */
function recorder(
  outcome: Outcome,
  sizeBefore: number,
  keepIndices: boolean,
): (index: number) => void {
  return (index) => {
    outcome.leaves++
    if (index < sizeBefore || index <= (outcome.last ?? -1)) outcome.duplicates++
    outcome.first = Math.min(outcome.first ?? index, index)
    outcome.last = Math.max(outcome.last ?? index, index)
    if (keepIndices) outcome.indices.push(index)
  }
}

/** Keeps what is handed on, until its receipt has come. */
async function* remember(leaves: Leaves, waiting: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for await (const leaf of leaves) {
    waiting.push(leaf)
    yield leaf
  }
}

async function keep(
  folder: string,
  receipts: readonly ParsedJsonReceipt[],
  leaves: readonly Uint8Array[],
): Promise<void> {
  for (let start = 0; start < receipts.length; start += WRITES_AT_ONCE) {
    const some = receipts.slice(start, start + WRITES_AT_ONCE)
    await Promise.all(
      some.map((receipt, i) =>
        writeReceipt(folder, receipt.index, formatTlogProof(receipt), leaves[start + i]!),
      ),
    )
  }
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

/** The error that ended a run, with how far it came. */
function incomplete(error: unknown, outcome: Outcome): CairnError {
  const done = plural(outcome.leaves, 'leaf was', 'leaves were')
  const code = error instanceof CairnError ? error.code : 'IO'
  const reason = error instanceof Error ? error.message : String(error)
  const message = `${reason} (${done} appended before that; repeating the run is safe)`
  return new CairnError(code, message, { cause: error })
}

function summary(outcome: Outcome, flags: AppendFlags): Record<string, unknown> {
  return {
    leaves: outcome.leaves,
    duplicates: outcome.duplicates,
    first_index: outcome.first,
    last_index: outcome.last,
    indices: outcome.indices,
    ...(flags.receipts !== undefined && { receipts: flags.receipts }),
    ...(flags.witnessed === true && { not_yet_witnessed: outcome.late }),
  }
}

function report(outcome: Outcome, flags: AppendFlags, elapsedMs: number): void {
  const { style, line } = terminal()
  const { leaves, duplicates, first, last } = outcome
  const where = first === last ? `index ${first}` : `indices ${count(first!)} to ${count(last!)}`
  const log = outcome.origin === undefined ? flags.url : outcome.origin
  line(
    `${style.green('✓')} ${plural(leaves, 'leaf', 'leaves')} in ${printable(log)}, ${where} ` +
      style.dim(`(${duration(elapsedMs)})`),
  )
  if (duplicates > 0) line(`  ${count(duplicates)} of them there before: they keep their index`)
  if (outcome.late > 0) {
    line(
      `  ${style.red(plural(outcome.late, 'receipt'))} not witnessed in time: fetch them again later with cairn receipt`,
    )
  }
  if (flags.receipts !== undefined) {
    line(`  receipts in ${flags.receipts}: cairn verify ${flags.receipts} --vkey <log.vkey>`)
  }
}
