/** `cairn audit`: recomputes a whole log, of any kind that speaks tlog-tiles, and compares it with its signed head. */
import type { Command } from 'commander'
import { auditLog, type NamedNote } from '../client/audit-log.ts'
import type { AuditVerdict } from '../client/audit-verdict.ts'
import { CairnError } from '../errors.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { parseNote } from '../formats/note.ts'
import { type AuditInputs, type InputFlags, readInputs } from './audit-inputs.ts'
import { printAudit, printAuditJson } from './audit-report.ts'
import { contradictionIn, keep, type ProgressFile, progressFile, readSaved } from './audit-state.ts'
import { openTarget, type Target, type TargetFlags } from './audit-target.ts'
import { decimalFlag, interruptible, note, withCommonHelp, withTrust } from './command.ts'
import { exitFor } from './exit.ts'
import { startProgress } from './progress.ts'
import { count } from './style.ts'

const MAX_PARALLEL = 64
const MAX_TIMEOUT = 3_600

interface AuditFlags extends TargetFlags, InputFlags {
  readonly state?: string
  readonly parallel?: number
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Recompute a whole log: every entry, every tile, the root, the signatures, that it still ' +
        'contains the heads seen before, and what its audit records say. Takes the address of any ' +
        'tlog-tiles log, a folder with a copy of one, or the data directory of a stopped cairn.',
    )
    .argument('<url-or-folder>', 'log to audit')
    .option(
      '--state <file>',
      'where the head seen last is kept; compared with, then replaced when all is well. An audit that ' +
        'is stopped goes on from <file>.progress the next time',
    )
    .option(
      '--checkpoint <file>',
      'another head of the log that must be of the same tree (repeatable)',
      repeated,
    )
    .option(
      '--evidence <file>',
      'evidence from the log: what it shows of payloads is held against the entries (repeatable)',
      repeated,
    )
    .option(
      '--submitter-key <key>',
      'key of a submitter, a vkey or a file of vkeys: its signatures are checked on records that --evidence shows (repeatable)',
      repeated,
    )
    .option(
      '--search-answer <file>',
      'what cairn search --json gave: does it leave out records that are in the log?',
    )
    .option(
      '--asked <query>',
      "what was asked, when the answer does not say it: 'tenant=acme&request_id=req-1'",
    )
    .option('--no-records', 'do not look into audit records, nor the map: faster')
    .option(
      '--parallel <number>',
      'bundles of entries to ask for at a time (default: 8)',
      decimalFlag('--parallel', MAX_PARALLEL),
    )
    .option(
      '--timeout <seconds>',
      'how long one answer of a log may take (default: 30)',
      decimalFlag('--timeout', MAX_TIMEOUT),
    )
    .option('--token <token>', 'access token, for a log whose entries are not public')
    .action((target: string, flags: AuditFlags) => audit(target, flags))
  withTrust(command)
  withCommonHelp(command, [
    'cairn audit https://log.example.com --vkey log.vkey --state log.state',
    'cairn audit ./copy-of-a-log --policy policy.txt --checkpoint from-a-receipt.checkpoint',
    'cairn audit ./cairn-data',
    'cairn audit https://log.example.com --vkey log.vkey --search-answer answer.json',
  ])
}

function repeated(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}

async function audit(where: string, flags: AuditFlags): Promise<void> {
  const started = performance.now()
  for (const name of ['parallel', 'timeout'] as const) {
    if (flags[name] === 0) throw new CairnError('USAGE', `--${name} takes a number from 1 on`)
  }
  const { state } = flags
  const inputs = await readInputs(inputsOf(flags))
  const interrupt = interruptible()
  try {
    const target = await openTarget(where, flags, interrupt.signal)
    try {
      const saved = state === undefined ? undefined : await readSaved(state)
      const file = state === undefined ? undefined : progressFile(state, inputs.digest)
      const verdict = await run(target, { inputs, flags, saved, file, signal: interrupt.signal })
      const heads: NamedNote[] = [
        ...(saved && state !== undefined ? [{ name: state, note: saved }] : []),
        ...(inputs.checkpoints ?? []),
      ]
      const contradiction = await contradictionIn(verdict, target, heads)
      const kept = await keep(verdict, target.checkpoint, contradiction, state)
      process.exitCode = exitFor(verdict.ok)
      if (flags.json === true) printAuditJson(where, verdict, kept)
      else printAudit(where, verdict, { kept, state, elapsedMs: performance.now() - started })
    } finally {
      await target.close()
    }
  } finally {
    interrupt.done()
  }
}

/** Only what changes the verdict: another number of requests at a time is the same audit. */
function inputsOf({
  checkpoint,
  evidence,
  submitterKey,
  searchAnswer,
  asked,
  records,
}: AuditFlags): InputFlags {
  return {
    ...(checkpoint && { checkpoint }),
    ...(evidence && { evidence }),
    ...(submitterKey && { submitterKey }),
    ...(searchAnswer !== undefined && { searchAnswer }),
    ...(asked !== undefined && { asked }),
    ...(records === false && { records }),
  }
}

interface Run {
  readonly inputs: AuditInputs
  readonly flags: AuditFlags
  readonly saved: Uint8Array | undefined
  readonly file: ProgressFile | undefined
  readonly signal: AbortSignal
}

async function run(
  target: Target,
  { inputs, flags, saved, file, signal }: Run,
): Promise<AuditVerdict> {
  const resume = file && (await file.read(claimsOf(target.checkpoint)))
  if (resume !== undefined)
    note(`going on from entry ${count(resume.place.size)}, where an audit was stopped`)
  const bar = startProgress({ label: 'auditing', unit: 'entries', quiet: flags.json === true })
  let verdict: AuditVerdict
  try {
    verdict = await auditLog({
      ...target,
      ...inputs,
      ...(saved && { saved }),
      ...(resume && { resume }),
      ...(flags.parallel && { concurrency: flags.parallel }),
      progress(done, total, snapshot) {
        bar.update(done, total)
        file?.note(snapshot)
      },
      signal,
    })
  } catch (error) {
    bar.clear()
    const reached = await file?.stopped()
    if (reached !== undefined)
      note(`stopped after ${count(reached)} entries: the same command goes on from there`)
    throw error
  } finally {
    bar.clear()
  }
  await file?.remove()
  return verdict
}

/** What a checkpoint says of itself; nothing when it is none, which the audit says better. */
function claimsOf(checkpoint: Uint8Array): { readonly origin: string; readonly size: number } {
  try {
    return parseCheckpoint(parseNote(checkpoint).text)
  } catch {
    return { origin: '', size: 0 }
  }
}
