/** `cairn witness add`, `remove` and `list`: which logs the running witness watches. */
import type { Command } from 'commander'
import type { WatchedLog, WitnessAdmin } from '../client/witness-admin.ts'
import { CairnError } from '../errors.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { readLogKeys, type UnusableLog } from '../server/log-keys.ts'
import { looksLikeVkey } from '../server/vkey-file.ts'
import { note, printJson, terminal, withCommonHelp } from './command.ts'
import { age, count, plural, printable } from './style.ts'
import { formatTable } from './table.ts'
import {
  explainRefusal,
  type WitnessPlace,
  withWitnessPlace,
  witnessAdmin,
} from './witness-place.ts'

/** Requests at a time when many logs are added; each is a synced write, and the witness groups them. */
const AT_ONCE = 16

interface CommonFlags extends WitnessPlace {
  readonly json?: boolean
}

interface AddFlags extends CommonFlags {
  readonly new?: boolean
}

export function withLogCommands(command: Command): void {
  const add = command
    .command('add')
    .summary('watch more logs')
    .description(
      'Watch more logs. Each is named by its vkey, by a file of vkeys such as log.vkey, or by a ' +
        'published list of logs (C2SP tlog-list); - reads one of these from standard input.',
    )
    .argument('<vkey|file...>', 'keys of logs')
    .option('--new', 'leave logs that are watched already as they are, also when their keys differ')
    .action(async (values: string[], flags: AddFlags) => addLogs(values, flags))
  withWitnessPlace(add)
  withCommonHelp(add, [
    'cairn witness add ./cairn-data/log.vkey',
    'cairn witness add ./log-list.1 --new --data /var/lib/witness',
  ])

  const remove = command
    .command('remove')
    .summary('stop watching logs')
    .description(
      'Stop watching logs. The last head of each is kept: watched again, it goes on from there.',
    )
    .argument('<origin...>', 'origins of logs')
    .action(async (origins: string[], flags: CommonFlags) => removeLogs(origins, flags))
  withWitnessPlace(remove)
  withCommonHelp(remove, ['cairn witness remove log.example.org/audit'])

  const list = command
    .command('list')
    .summary('show the logs that are watched, and how far each is')
    .description('Show the logs that are watched, and the last head of each that was cosigned.')
    .action(async (flags: CommonFlags) => listLogs(flags))
  withWitnessPlace(list)
  withCommonHelp(list, ['cairn witness list --data ./cairn-witness'])
}

type Change = 'added' | 'keys replaced' | 'watched already'

async function addLogs(values: readonly string[], flags: AddFlags): Promise<void> {
  const { logs, unusable } = await readLogKeys(values, 'log')
  const admin = await witnessAdmin(flags)
  const watched = new Map(
    (await admin.logs().catch(explainRefusal)).map((log) => [log.origin, log.vkeys]),
  )
  const changes = new Map<string, Change>()
  const waiting = [...logs]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [origin, keys] = next
      changes.set(origin, await addLog(admin, keys, watched.get(origin), flags))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  report([...logs.keys()], changes, unusable, flags)
}

async function addLog(
  admin: WitnessAdmin,
  keys: readonly VerifierKey[],
  known: readonly string[] | undefined,
  flags: AddFlags,
): Promise<Change> {
  const vkeys = keys.map(formatVkey)
  if (known !== undefined && (flags.new === true || sameKeys(known, vkeys))) {
    return 'watched already'
  }
  await admin.watch(vkeys)
  return known === undefined ? 'added' : 'keys replaced'
}

function sameKeys(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((vkey) => other.includes(vkey))
}

function report(
  origins: readonly string[],
  changes: ReadonlyMap<string, Change>,
  unusable: readonly UnusableLog[],
  { json }: AddFlags,
): void {
  if (json === true) {
    const logs = origins.map((origin) => ({ origin, change: changes.get(origin) }))
    printJson({ logs, unusable })
    return
  }
  const { columns, text } = terminal()
  const rows = origins.map((origin) => [changes.get(origin)!, printable(origin)])
  if (rows.length > 0) text(formatTable(rows, { columns }))
  for (const { origin, reason } of unusable) {
    note(`left out ${printable(origin)}: ${printable(reason)}`)
  }
}

async function removeLogs(values: readonly string[], flags: CommonFlags): Promise<void> {
  const origins = values.map((value) => (looksLikeVkey(value) ? parseVkey(value).name : value))
  const admin = await witnessAdmin(flags)
  const missing: string[] = []
  for (const origin of origins) {
    if (!(await admin.unwatch(origin).catch(explainRefusal))) missing.push(origin)
  }
  const removed = origins.filter((origin) => !missing.includes(origin))
  if (flags.json === true) printJson({ removed })
  else for (const origin of removed) terminal().line(`removed  ${printable(origin)}`)
  if (missing.length > 0) {
    throw new CairnError('NOT_FOUND', `not watched: ${missing.map(printable).join(', ')}`)
  }
}

async function listLogs(flags: CommonFlags): Promise<void> {
  const logs = await (await witnessAdmin(flags)).logs().catch(explainRefusal)
  if (flags.json === true) {
    printJson({ logs: logs.map(jsonOf) })
    return
  }
  const { style, columns, text } = terminal()
  if (logs.length === 0) {
    note('no log is watched yet: cairn witness add LOG.vkey')
    return
  }
  const now = Date.now()
  const head = ['size', 'cosigned', 'keys', 'origin']
  const rows = logs.map(({ origin, vkeys, head }) => [
    head === undefined ? '–' : count(head.size),
    head === undefined ? 'never' : age(now - head.cosignedAt.getTime()),
    vkeys.map(kindOf).join(' '),
    printable(origin),
  ])
  text(
    formatTable([head, ...rows], {
      columns,
      paint: (cell, row) => (row === 0 ? style.dim(cell) : cell),
    }),
  )
  note(plural(logs.length, 'log'))
}

function kindOf(vkey: string): string {
  return { ed25519: 'Ed25519', 'ed25519-cosignature': 'Ed25519', 'ml-dsa-44': 'ML-DSA-44' }[
    parseVkey(vkey).type
  ]
}

function jsonOf({ origin, originHash, vkeys, head }: WatchedLog): unknown {
  return {
    origin,
    origin_hash: originHash,
    vkeys,
    ...(head && {
      tree_size: head.size,
      root_hash: head.root,
      cosigned_at: head.cosignedAt.toISOString(),
    }),
  }
}
