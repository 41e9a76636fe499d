/** `cairn restore`: makes a log again from a backup, unless its witnesses know a later state of it. */
import type { Command } from 'commander'
import { type BackupFile, openBackupFile } from '../server/backup-file.ts'
import { type Restored, type RestoreStep, restoreBackup } from '../server/restore.ts'
import { readPolicyFile } from '../server/witnesses.ts'
import { interruptible, printJson, terminal, withCommonHelp } from './command.ts'
import { placeFlags, placeOf, withPlace } from './place-flags.ts'
import { type StepLabels, stepBars } from './progress.ts'
import { plural, printable } from './style.ts'

interface RestoreFlags {
  readonly to?: string
  readonly policy?: string
  readonly keys?: string
  readonly withoutWitnesses?: boolean
  readonly adoptHead?: boolean
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
  ])
}

async function restore(file: string, flags: RestoreFlags): Promise<void> {
  const quiet = flags.json === true
  const to = await placeOf(placeFlags({ ...flags }, 'to', flags.to), 'to')
  const policy = flags.policy === undefined ? undefined : await readPolicyFile(flags.policy)
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

const LABELS: StepLabels<RestoreStep | 'reading'> = {
  reading: ['checking the file', 'bytes'],
  payloads: ['restoring payloads', 'rows'],
  entries: ['restoring entries', 'entries'],
  checking: ['checking the tree', 'entries'],
}

function jsonOf({ size, made, keys, witnesses, maySign }: Restored, to: string) {
  return {
    to,
    size,
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

function remarks({ keys, witnesses, maySign }: Restored): string[] {
  const found: string[] = []
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
