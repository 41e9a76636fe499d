/** `cairn migrate`: moves a log to another storage, with its keys, its payloads and everything else that is its own. */
import type { Command } from 'commander'
import { usage } from '../errors.ts'
import type { LogPlace } from '../server/log-storage.ts'
import { type Migrated, type MigrateStep, migrateLog } from '../server/migrate.ts'
import { type MovedLog, openLogAtAddress, openStoppedLog, wasMoved } from '../server/moved-log.ts'
import { undoMove } from '../server/undo-move.ts'
import { interruptible, note, printJson, terminal, withCommonHelp } from './command.ts'
import { readToken } from './connect.ts'
import { placeFlags, placeOf, placesIn, withPlace } from './place-flags.ts'
import { type StepLabels, stepBars } from './progress.ts'
import { count, plural } from './style.ts'

interface MigrateFlags {
  readonly from?: string
  readonly to?: string
  readonly keys?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly undo?: boolean
  readonly allLogs?: boolean
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Move a stopped log to another storage: same origin, same keys, every entry under the same signed head. ' +
        'What is cut off goes on when the same command is run again. The log must not be run from its old place any ' +
        'more, and says so when it is tried.',
    )
    .option(
      '--from <folder-or-url>',
      'data directory of the stopped log, or address of any tlog-tiles log',
    )
    .option('--to <folder>', 'new data directory')
  withPlace(command, 'from')
  withPlace(command, 'to')
  command
    .option('--keys <folder>', 'folder of the private keys, where the log is at an address')
    .option('--token <token>', 'access token, for an address whose entries are not public')
    .option('--token-file <file>', 'file that holds it')
    .option(
      '--all-logs',
      'move every log of --from-config to where --to-config has the one of its name',
    )
    .option(
      '--undo',
      'take a move back, as long as no server has gone on at the new place: that is closed, and the old one goes on',
    )
    .action((flags: MigrateFlags) => migrate(flags))
  withCommonHelp(command, [
    'cairn migrate --from ./cairn-data --to /mnt/larger/cairn-data',
    'cairn migrate --from ./cairn-data --to ./server-1 --to-database postgres://cairn@db/cairn',
    'cairn migrate --from-config cairn.yaml --to ./back-on-one-machine',
    'cairn migrate --from-config old.yaml --from-log finance --to ./finance',
    'cairn migrate --from https://copy.example.com/log --keys ./keys --to ./cairn-data',
    'cairn migrate --undo --from ./cairn-data --to /mnt/larger/cairn-data',
  ])
}

async function migrate(flags: MigrateFlags): Promise<void> {
  if (flags.allLogs === true) return moveAll(flags)
  if (flags.undo === true) return undo(flags)
  if (isNowhere(flags, 'from') && isNowhere(flags, 'to')) {
    throw usage(
      'say where the log is and where it is to be: --from DIR, URL or --from-config FILE, and --to DIR or --to-config FILE',
    )
  }
  const to = await placeOf(placeFlags({ ...flags }, 'to', flags.to), 'to')
  const moved = await moveOne((signal) => sourceOf(flags, to.data, signal), to, flags)
  if (flags.json === true) printJson(jsonOf(moved, to.data))
  else report(moved, to.data)
}

function isNowhere(flags: MigrateFlags, side: 'from' | 'to'): boolean {
  const said = placeFlags({ ...flags }, side, flags[side])
  return Object.values(said).every((value) => value === undefined)
}

async function moveOne(
  open: (signal: AbortSignal) => Promise<MovedLog>,
  to: LogPlace,
  { json }: MigrateFlags,
): Promise<Migrated> {
  const interrupt = interruptible()
  const { signal } = interrupt
  const bars = stepBars(LABELS, json === true)
  let from: MovedLog | undefined
  try {
    from = await open(signal)
    return await migrateLog({ from, to, progress: bars.update, signal })
  } finally {
    bars.clear()
    await from?.close()
    interrupt.done()
  }
}

/** Moves one log after the other; those that an earlier run has moved are left. */
async function moveAll(flags: MigrateFlags): Promise<void> {
  const { from, to } = {
    from: configIn(flags, 'from', flags.from),
    to: configIn(flags, 'to', flags.to),
  }
  if (flags.undo === true) throw usage('--undo takes one log at a time')
  const [sources, destinations] = await Promise.all([placesIn(from), placesIn(to)])
  for (const name of sources.keys()) {
    if (!destinations.has(name)) throw usage(`${to} has no log ${JSON.stringify(name)}`)
  }
  const done: object[] = []
  for (const [name, place] of sources) {
    const destination = destinations.get(name)!
    const log = name === '' ? 'the log at /' : `the log ${name}`
    if (await wasMoved(place, destination.data)) {
      if (flags.json !== true) terminal().line(`${log} was moved before`)
      continue
    }
    const open = (): Promise<MovedLog> => openStoppedLog(place, destination.data)
    const moved = await moveOne(open, destination, flags)
    done.push({ log: name, ...jsonOf(moved, destination.data) })
    if (flags.json === true) continue
    terminal().line(log)
    report(moved, destination.data)
  }
  if (flags.json === true) printJson({ logs: done })
}

/** The configuration of one side, which has to be all that is said of it. */
function configIn(flags: MigrateFlags, side: 'from' | 'to', data: string | undefined): string {
  const { config, ...others } = placeFlags({ ...flags }, side, data)
  if (config !== undefined && Object.values(others).every((value) => value === undefined)) {
    return config
  }
  throw usage(`--all-logs goes with --from-config and --to-config alone, which say where each is`)
}

async function undo(flags: MigrateFlags): Promise<void> {
  const { from, keys, token, tokenFile } = flags
  if ((keys ?? token ?? tokenFile) !== undefined || isAddress(from)) {
    throw usage('an address is not marked by a move, so there is nothing to be undone')
  }
  const source = await placeOf(placeFlags({ ...flags }, 'from', from), 'from')
  const to = placeFlags({ ...flags }, 'to', flags.to)
  const isNamed = Object.values(to).some((value) => value !== undefined)
  const { size, closed } = await undoMove(source, isNamed ? await placeOf(to, 'to') : undefined)
  if (flags.json === true) {
    printJson({ from: source.data, size, closed })
    return
  }
  const { style, line } = terminal()
  line(`${style.green('✓')} ${style.bold('undone')}: the log goes on in ${source.data}`)
  if (source.shared !== undefined)
    line('  a server that ran here when it was moved stays read-only until it is started anew')
  line(
    closed ? '  the new place is closed: no server starts there' : '  nothing was at the new place',
  )
}

function isAddress(from: string | undefined): from is string {
  return from !== undefined && /^https?:\/\//.test(from)
}

async function sourceOf(flags: MigrateFlags, to: string, signal: AbortSignal): Promise<MovedLog> {
  const { from, keys, token, tokenFile } = flags
  const place = placeFlags({ ...flags }, 'from', from)
  if (isAddress(from)) {
    for (const name of ['config', 'log', 'database', 'schema', 'passwordFile'] as const) {
      if (place[name] !== undefined)
        throw usage('an address says where the log is; leave the other --from flags out')
    }
    if (keys === undefined) {
      throw usage(
        'the private keys of a log are not at its address; say with --keys FOLDER where they are: without them it could not go on',
      )
    }
    if (token !== undefined && tokenFile !== undefined)
      throw usage('give --token or --token-file, not both')
    return openLogAtAddress({
      url: from,
      keys,
      token: tokenFile === undefined ? token : await readToken(tokenFile),
      passphrase: process.env.CAIRN_PASSPHRASE,
      onRetry: (reason) => note(`waiting: ${reason}`),
      signal,
    })
  }
  for (const name of ['keys', 'token', 'tokenFile'] as const) {
    if (flags[name] === undefined) continue
    throw usage(`--${name === 'tokenFile' ? 'token-file' : name} goes with the address of a log`)
  }
  return openStoppedLog(await placeOf(place, 'from'), to)
}

const LABELS: StepLabels<MigrateStep> = {
  payloads: ['copying payloads', 'rows'],
  entries: ['copying entries', 'entries'],
  checking: ['checking the copy', 'entries'],
}

function jsonOf({ size, resumedAt, keys, vault, idempotency, signerState }: Migrated, to: string) {
  return {
    to,
    size,
    resumed_at: resumedAt,
    keys,
    vault: vault ?? false,
    idempotency_records: idempotency,
    may_sign: signerState,
  }
}

function report(moved: Migrated, to: string): void {
  const { style, line } = terminal()
  const { size, resumedAt } = moved
  const resumed = resumedAt > 0 ? `, of which ${count(resumedAt)} were there before` : ''
  line(
    `${style.green('✓')} ${style.bold('moved')}: ${plural(size, 'entry', 'entries')}${resumed}; they lead to the signed root`,
  )
  line(`  it goes on in ${to}`)
  for (const text of leftBehind(moved)) line(`  ${text}`)
}

/** What did not come along, and what to do about it. */
function leftBehind({ keys, vault, idempotency, signerState }: Migrated): string[] {
  const found: string[] = []
  if (vault === undefined)
    found.push('payloads, tokens and kept heads did not come along: an address does not show them')
  if (vault === true && !keys.includes('vault.key')) {
    found.push("the vault's master key is kept elsewhere: say with --vault-key where, as before")
  }
  if (!idempotency) {
    found.push(
      'what idempotency keys were used for did not come along: a retry across the move may add its leaves again where they are no duplicates',
    )
  }
  if (!signerState) {
    found.push(
      'what its signer remembers did not come along: when this is known to be the newest head, start once with --adopt-head',
    )
  }
  return found
}
