/** `cairn restore`: makes a log again from a backup, unless its witnesses know a later state of it. */
import type { Command } from 'commander'
import { usage } from '../errors.ts'
import { type BackupFile, openBackupFile } from '../server/backup-file.ts'
import type { CatchUpFrom } from '../server/catch-up.ts'
import { type Restored, type RestoreStep, restoreBackup } from '../server/restore.ts'
import { readPolicyFile } from '../server/witnesses.ts'
import { interruptible, note, printJson, terminal, withCommonHelp } from './command.ts'
import { readToken } from './connect.ts'
import { placeFlags, placeOf, withPlace } from './place-flags.ts'
import { type StepLabels, stepBars } from './progress.ts'
import { plural, printable } from './style.ts'

interface RestoreFlags {
  readonly to?: string
  readonly policy?: string
  readonly keys?: string
  readonly withoutWitnesses?: boolean
  readonly adoptHead?: boolean
  readonly catchUp?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Make a log again from a backup, in a new place. All of the backup is checked first, and then the tree that is ' +
        'made of it. Its witnesses are asked whether they know a later state of the log: if one does, the restored ' +
        'log must not go on, and this is refused.',
    )
    .argument('<file>', 'backup')
    .option('--to <folder>', 'new data directory')
  withPlace(command, 'to')
  command
    .option('--policy <file>', 'policy that names the witnesses (default: the one in the backup)')
    .option('--keys <folder>', 'folder of the private keys, where the backup has none')
    .option(
      '--catch-up <url>',
      'go on from what a mirror or the bucket of the log shows, where that is newer than the backup: entries without payloads',
    )
    .option('--token <token>', 'access token, for such an address whose entries are not public')
    .option('--token-file <file>', 'file that holds it')
    .option(
      '--without-witnesses',
      'restore although too few witnesses can be asked, or one knows more: a log to read',
    )
    .option(
      '--adopt-head',
      'let it sign from the head of the backup on, known to be the newest there is',
    )
    .action((file: string, flags: RestoreFlags) => restore(file, flags))
  withCommonHelp(command, [
    'cairn restore log.backup --to ./cairn-data --keys /mnt/safe/keys',
    'cairn restore log.backup --to ./server-1 --to-database postgres://cairn@db/cairn --keys ./keys',
    'cairn restore log.backup --to ./cairn-data --keys ./keys --catch-up https://mirror.example.com/log',
  ])
}

async function restore(file: string, flags: RestoreFlags): Promise<void> {
  const quiet = flags.json === true
  const to = await placeOf(placeFlags({ ...flags }, 'to', flags.to), 'to')
  const policy = flags.policy === undefined ? undefined : await readPolicyFile(flags.policy)
  const from = await catchUpFrom(flags)
  const interrupt = interruptible()
  const bars = stepBars(LABELS, quiet)
  let backup: BackupFile | undefined
  try {
    backup = await openBackupFile(
      file,
      (done, total) => bars.update('reading', done, total),
      interrupt.signal,
    )
    const restored = await restoreBackup({
      backup,
      to,
      policy,
      keys: flags.keys,
      withoutWitnesses: flags.withoutWitnesses === true,
      adoptHead: flags.adoptHead === true,
      catchUp: from,
      progress: bars.update,
      signal: interrupt.signal,
    })
    bars.clear()
    if (quiet) printJson(jsonOf(restored, to.data))
    else report(restored, to.data)
  } finally {
    bars.clear()
    await backup?.close()
    interrupt.done()
  }
}

/** @throws USAGE */
async function catchUpFrom({
  catchUp: url,
  token,
  tokenFile,
}: RestoreFlags): Promise<CatchUpFrom | undefined> {
  if (url === undefined) {
    if ((token ?? tokenFile) !== undefined) throw usage('a token goes with --catch-up')
    return undefined
  }
  if (!/^https?:\/\//.test(url)) throw usage('--catch-up takes the address of a tlog-tiles log')
  if (token !== undefined && tokenFile !== undefined)
    throw usage('give --token or --token-file, not both')
  return {
    url,
    token: tokenFile === undefined ? token : await readToken(tokenFile),
    onRetry: (reason) => note(`waiting: ${reason}`),
  }
}

const LABELS: StepLabels<RestoreStep | 'reading'> = {
  reading: ['checking the file', 'bytes'],
  payloads: ['restoring payloads', 'rows'],
  entries: ['restoring entries', 'entries'],
  checking: ['checking the tree', 'entries'],
}

function jsonOf({ size, caughtUp, made, keys, witnesses, maySign }: Restored, to: string) {
  return {
    to,
    size,
    caught_up: caughtUp,
    made: new Date(made).toISOString(),
    keys,
    witnesses:
      witnesses === undefined ? null : { agreed: witnesses.agreed, silent: witnesses.silent },
    may_sign: maySign,
  }
}

function report(restored: Restored, to: string): void {
  const { style, line } = terminal()
  const { size, made } = restored
  line(
    `${style.green('✓')} ${style.bold('restored')}: ${plural(size, 'entry', 'entries')} in ${to}, as of ${new Date(made).toISOString().slice(0, 19)}Z`,
  )
  for (const text of remarks(restored)) line(`  ${text}`)
}

function remarks({ caughtUp, keys, witnesses, maySign }: Restored): string[] {
  const found: string[] = []
  if (caughtUp > 0) {
    found.push(
      `${plural(caughtUp, 'entry is', 'entries are')} newer than the backup: their payloads are gone, and what idempotency keys were used for`,
    )
  }
  if (witnesses === undefined) {
    found.push('it has no witnesses that could tell whether this is its newest state')
  } else if (witnesses.disagreement !== undefined) {
    found.push(`it can be read, and must not go on: ${printable(witnesses.disagreement)}`)
  } else if (witnesses.agreed.length > 0) {
    found.push(
      `${plural(witnesses.agreed.length, 'witness', 'witnesses')} asked: none knows a later state`,
    )
  }
  if (!maySign) {
    found.push(
      'it has no right to sign yet: when this is known to be its newest state, start it once with --adopt-head',
    )
  }
  if (!keys.some((name) => name.startsWith('log.key'))) {
    found.push(
      "its private keys are not there: put them into the directory's keys/ before it is served",
    )
  }
  return found
}
