/** `cairn audit`: recomputes a whole log, of any kind that speaks tlog-tiles, and compares it with its signed head. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { toHex } from '../bytes.ts'
import { type AuditVerdict, auditLog } from '../client/audit-log.ts'
import { createLogClient } from '../client/log-client.ts'
import type { Trust } from '../client/verdict.ts'
import { CairnError } from '../errors.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import type { TileSource } from '../tiles/source.ts'
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
  } finally {
    progress.clear()
    await target.close()
    interrupt.done()
  }
  const kept = await keepState(verdict, target.checkpoint, flags.state)
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

/**
 * Keeps the head for the next audit. A head that contradicts the kept one is put beside it: two heads that a log
 * signed and that cannot both be true are the proof of its misbehaviour.
 */
async function keepState(
  verdict: AuditVerdict,
  checkpoint: Uint8Array,
  state: string | undefined,
): Promise<string | undefined> {
  if (state === undefined) return undefined
  if (verdict.ok) {
    await durableWriteFile(state, checkpoint, 0o644)
    return state
  }
  const contradicts = verdict.checks.some(
    ({ name, status }) => name === 'history' && status === 'failed',
  )
  if (!contradicts) return undefined
  const evidence = `${state}.conflict`
  await durableWriteFile(evidence, checkpoint, 0o644)
  return evidence
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
    line(`  both heads are kept, in ${state} and ${kept}: they prove that the log is at fault`)
  }
  line(
    verdict.ok
      ? style.green(style.bold(`audited in ${duration(elapsedMs)}: nothing wrong`))
      : style.red(style.bold('AUDIT FAILED')),
  )
}
