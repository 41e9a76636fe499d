/** `cairn erase`: destroys what is kept of a person, and shows what was erased. */
import type { Command } from 'commander'
import type { RecordsClient } from '../client/records-client.ts'
import { CairnError, usage } from '../errors.ts'
import { shortTime } from '../reports/words.ts'
import { allOnPages } from './all-pages.ts'
import {
  type Connection,
  note,
  printJson,
  terminal,
  withCommonHelp,
  withConnection,
} from './command.ts'
import { shortPerson } from './record-words.ts'
import { recordsClientOf } from './records-command.ts'
import { count, plural, printable } from './style.ts'
import { formatTable } from './table.ts'

interface EraseFlags extends Connection {
  readonly subject?: string
  readonly basis?: string
  readonly dryRun?: boolean
  readonly list?: boolean
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Erase a person: destroy the key to all that was recorded about them. Every leaf, proof and receipt ' +
        'stays valid, and the log records the erasure. It cannot be undone.',
    )
    .option('--subject <person>', 'the person, by name or pseudonym')
    .option('--basis <text>', 'the legal basis; it must not name the person')
    .option('--dry-run', 'only say how many records are about the person')
    .option('--list', 'show the erasures so far, the newest first')
    .action((flags: EraseFlags) => erase(flags))
  withConnection(command)
  withCommonHelp(command, [
    'cairn erase --subject ann@example.com --basis "GDPR Art. 17(1)(b), request 2026-311"',
    'cairn erase --subject ann@example.com --dry-run',
    'cairn erase --list',
  ])
}

async function erase(flags: EraseFlags): Promise<void> {
  const { subject, basis, dryRun, list } = flags
  if (list === true) {
    const others = { '--subject': subject, '--basis': basis, '--dry-run': dryRun }
    for (const [name, value] of Object.entries(others)) {
      if (value !== undefined) throw usage(`${name} does not go with --list`)
    }
    return listErasures(await recordsClientOf(flags), flags)
  }
  if (subject === undefined) throw usage('whose data is to be erased? name them with --subject')
  if (dryRun === true) return tellRecords(await recordsClientOf(flags), subject, flags)
  if (basis === undefined) throw usage('an erasure needs its legal basis: --basis "GDPR Art. 17"')
  const erased = await (await recordsClientOf(flags)).erase({ subject, basis }).catch(unsure)
  if (flags.json === true) return printJson(erased)
  const { style, line } = terminal()
  const { pseudonym, records, erasure } = erased
  line(`${style.green('✓')} erased: ${plural(records, 'record')} lost what was kept of the person`)
  line(`  ${printable(pseudonym)} leads to nobody any more; proofs and receipts stay valid`)
  line(style.dim(`  recorded as ${printable(erasure.id)}, entry ${count(erasure.index)}`))
}

/** Without an answer nobody knows whether it was done; the log does. */
function unsure(error: unknown): never {
  if (!(error instanceof CairnError) || error.code !== 'IO') throw error
  const message = `${error.message}; whether it was done is shown by: cairn erase --list`
  throw new CairnError('IO', message, { cause: error })
}

async function tellRecords(
  client: RecordsClient,
  subject: string,
  { json }: EraseFlags,
): Promise<void> {
  let records = 0
  for await (const _ of client.searchAll({ subject, limit: 1000 })) records++
  if (json === true) return printJson({ records })
  terminal().line(`${plural(records, 'record')} about ${printable(subject)}; nothing was erased`)
}

async function listErasures(client: RecordsClient, { json }: EraseFlags): Promise<void> {
  const erasures = await allOnPages(client.erasures, (page) => page.erasures)
  if (json === true) return printJson({ erasures })
  if (erasures.length === 0) return note('nobody was erased yet')
  const { style, columns, text } = terminal()
  const head = ['INDEX', 'TIME (UTC)', 'ERASED', 'BY', 'BASIS']
  const rows = erasures.map(({ index, time, pseudonym, actor, basis }) => [
    count(index),
    printable(shortTime(time)),
    pseudonym === undefined ? '' : shortPerson(pseudonym),
    actor === undefined ? '' : shortPerson(actor),
    printable(basis ?? ''),
  ])
  text(
    formatTable([head, ...rows], {
      columns,
      paint: (cell, row) => (row === 0 ? style.dim(cell) : cell),
    }),
  )
  note(plural(erasures.length, 'erasure'))
}
