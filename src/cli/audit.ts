/** `cairn audit`: recomputes a whole log, of any kind that speaks tlog-tiles, and compares it with its signed head. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import { type AuditVerdict, auditLog } from '../client/audit-log.ts'
import { createLogClient } from '../client/log-client.ts'
import type { Trust } from '../client/verdict.ts'
import { CairnError } from '../errors.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { parseNote } from '../formats/note.ts'
import { formatSplitView, type SignedHead } from '../formats/split-view.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import type { TileSource } from '../tiles/source.ts'
import { compareHeads } from '../tiles/split-view.ts'
import { interruptible, note, printJson, terminal, withCommonHelp, withTrust } from './command.ts'
import { directorySource } from './directory-source.ts'
import { exitFor } from './exit.ts'
import { startProgress } from './progress.ts'
import { isDataDirectory, openStoredLog } from './stored-log.ts'
import { byteCount, count, duration, plural, printable } from './style.ts'
import { formatChecks } from './table.ts'
import { readTrust, type TrustFlags } from './trust.ts'

const MAX_CHECKPOINT_SIZE = 1_000_000
/** Faults that are shown; --json has more of them. */
const MAX_SHOWN = 20

interface AuditFlags extends TrustFlags {
  readonly state?: string
  readonly token?: string
  readonly json?: boolean
}

/** A log that can be read, wherever it is. */
interface Target {
  readonly source: TileSource
  readonly checkpoint: Uint8Array
  readonly trust: Trust
  close(): Promise<void>
}

export function configure(command: Command): void {
  command
    .description(
      'Recompute a whole log: every entry, every tile, the root, the signatures, and that it still ' +
        'contains the head seen last (--state). Takes the address of any tlog-tiles log, a folder ' +
        'with a copy of one, or the data directory of a stopped cairn.',
    )
    .argument('<url-or-folder>', 'log to audit')
    .option(
      '--state <file>',
      'where the head seen last is kept; compared with, then replaced when all is well',
    )
    .option('--token <token>', 'access token, for a log whose entries are not public')
    .action((target: string, flags: AuditFlags) => audit(target, flags))
  withTrust(command)
  withCommonHelp(command, [
    'cairn audit https://log.example.com --vkey log.vkey --state log.state',
    'cairn audit ./copy-of-a-log --policy policy.txt',
    'cairn audit ./cairn-data',
  ])
}

async function audit(where: string, flags: AuditFlags): Promise<void> {
  const started = performance.now()
  const interrupt = interruptible()
  const { signal } = interrupt
  const target = await openTarget(where, flags, signal)
  let verdict: AuditVerdict
  let contradiction: Contradiction | undefined
  const quiet = flags.json === true
  const progress = startProgress({ label: 'auditing', unit: 'entries', quiet })
  try {
    const saved = flags.state === undefined ? undefined : await readState(flags.state)
    verdict = await auditLog({
      ...target,
      ...(saved && { saved }),
      progress: (done, total) => progress.update(done, total),
      signal,
    })
    if (saved !== undefined && contradicts(verdict)) contradiction = await evidence(saved, target)
  } finally {
    progress.clear()
    await target.close()
    interrupt.done()
  }
  const kept = await keepState(verdict, target.checkpoint, contradiction, flags.state)
  process.exitCode = exitFor(verdict.ok)
  if (quiet) return printJson(jsonOf(where, verdict, kept))
  report(where, verdict, { kept, state: flags.state, elapsedMs: performance.now() - started })
}

async function openTarget(where: string, flags: AuditFlags, signal: AbortSignal): Promise<Target> {
  if (/^https?:\/\//.test(where)) {
    const trust = await readTrust(flags)
    const options = { url: where, ...(flags.token && { token: flags.token }) }
    // A wrong address is said at once; later on, patience saves a long audit.
    const checkpoint = await createLogClient({ ...options, retries: 1 }).checkpoint({ signal })
    const client = createLogClient(options)
    return { source: client.tileSource({ signal }), checkpoint, trust, async close() {} }
  }
  if (isDataDirectory(where)) {
    const own = flags.policy === undefined && flags.vkey === undefined
    const trust = own
      ? { logKeys: await readVkeyFile(join(where, 'log.vkey')) }
      : await readTrust(flags)
    if (own) note(`using the log's own keys, from ${join(where, 'log.vkey')}`)
    return { ...(await openStoredLog(where)), trust }
  }
  const file = join(where, 'checkpoint')
  if (!existsSync(file)) {
    const reason = existsSync(where)
      ? `${where} is neither a data directory of cairn nor a folder with a checkpoint file in it`
      : `${where} is neither an http(s) address nor an existing folder`
    throw new CairnError('USAGE', reason)
  }
  const trust = await readTrust(flags)
  const checkpoint = await readFileUpTo(file, MAX_CHECKPOINT_SIZE)
  return { source: directorySource(where), checkpoint, trust, async close() {} }
}

async function readState(file: string): Promise<Uint8Array | undefined> {
  if (!existsSync(file)) return undefined
  return readFileUpTo(file, MAX_CHECKPOINT_SIZE)
}

/** What contradicts the head seen last, and the ending of the file that keeps it. */
interface Contradiction {
  readonly ending: 'split-view' | 'conflict'
  readonly bytes: Uint8Array
}

function contradicts({ checks }: AuditVerdict): boolean {
  return checks.some(({ name, status }) => name === 'history' && status === 'failed')
}

/**
 * The proof that the log has signed two trees that cannot both be true, when its tiles give one. A log that shows fewer
 * leaves than before may have kept the larger tree's tiles to itself; then its head is all there is to keep.
 */
async function evidence(saved: Uint8Array, target: Target): Promise<Contradiction> {
  const [before, now] = [saved, target.checkpoint].map((bytes) => ({
    note: fromUtf8(bytes),
    checkpoint: parseCheckpoint(parseNote(bytes).text),
  })) as [SignedHead, SignedHead]
  const compared = await compareHeads(before, now, target.source).catch((error: unknown) => {
    if (error instanceof CairnError) return undefined
    throw error
  })
  if (compared?.kind === 'split') {
    return { ending: 'split-view', bytes: utf8(formatSplitView(compared.evidence)) }
  }
  return { ending: 'conflict', bytes: target.checkpoint }
}

/** Keeps the head for the next audit, or what contradicts the one that is kept. @returns the file */
async function keepState(
  verdict: AuditVerdict,
  checkpoint: Uint8Array,
  contradiction: Contradiction | undefined,
  state: string | undefined,
): Promise<string | undefined> {
  if (state === undefined) return undefined
  if (verdict.ok) {
    await durableWriteFile(state, checkpoint, 0o644)
    return state
  }
  if (contradiction === undefined) return undefined
  const file = `${state}.${contradiction.ending}`
  await durableWriteFile(file, contradiction.bytes, 0o644)
  return file
}

function jsonOf(target: string, verdict: AuditVerdict, kept: string | undefined): unknown {
  const { ok, origin, size, root, bytes, checks, faults, faultCount } = verdict
  return {
    target,
    ok,
    ...(origin !== undefined && { origin, size }),
    ...(root && { root: toHex(root) }),
    bytes,
    checks,
    faults,
    fault_count: faultCount,
    ...(kept !== undefined && { kept }),
  }
}

function report(
  where: string,
  verdict: AuditVerdict,
  {
    kept,
    state,
    elapsedMs,
  }: { kept: string | undefined; state: string | undefined; elapsedMs: number },
): void {
  const { style, columns, line, text } = terminal()
  const { origin, size, bytes, faults, faultCount } = verdict
  const tree = size === undefined ? '' : `, ${plural(size, 'leaf', 'leaves')}, ${byteCount(bytes)}`
  line(style.bold(`${printable(origin ?? where)}${tree}`))
  text(formatChecks(verdict.checks, style, columns))
  for (const { name, detail } of faults.slice(0, MAX_SHOWN)) {
    line(`    ${style.red(name)} ${printable(detail)}`)
  }
  if (faultCount > MAX_SHOWN) line(`    … and ${count(faultCount - MAX_SHOWN)} more`)
  if (kept !== undefined && kept !== state) {
    line(
      kept.endsWith('.split-view')
        ? `  the proof that this log has been forked is kept: cairn verify ${kept} --vkey <log.vkey>`
        : `  both heads are kept, in ${state} and ${kept}: keep them as evidence`,
    )
  }
  line(
    verdict.ok
      ? style.green(style.bold(`audited in ${duration(elapsedMs)}: nothing wrong`))
      : style.red(style.bold('AUDIT FAILED')),
  )
}
