/** `cairn hold`: places, lifts and lists legal holds. */
import type { Command } from 'commander'
import type { Hold } from '../client/record-answers.ts'
import { usage } from '../errors.ts'
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
import { recordsClientOf, snakeCased } from './records-command.ts'
import { type ScopeFlags, scopeOf, scopeWords, withScope } from './scope-flags.ts'
import { plural, printable, type Style } from './style.ts'
import { wrap } from './table.ts'

interface CommonFlags extends Connection {
  readonly json?: boolean
}

interface PlaceFlags extends CommonFlags, ScopeFlags {
  readonly reason: string
  readonly everything?: boolean
}

interface LiftFlags extends CommonFlags {
  readonly reason: string
}

interface ListFlags extends CommonFlags {
  readonly active?: boolean
}

export function configure(command: Command): void {
  command.description(
    'Legal holds: what one covers is neither erased nor expires, until it is lifted. All of it is recorded.',
  )
  const place = command
    .command('place')
    .summary('place a hold')
    .description('Place a legal hold over the records that have all that is named.')
    .argument('<name>', 'short, and unique among the active holds: acme-v-smith')
    .requiredOption('--reason <text>', 'why; it must not name anybody')
    .option('--everything', 'hold all records of the tenant')
  withScope(place)
  place.action((name: string, flags: PlaceFlags) => placeHold(name, flags))
  withConnection(place)
  withCommonHelp(place, [
    'cairn hold place acme-v-smith --reason "case 26-1183" --subject smith@example.com',
    'cairn hold place audit-2026 --reason "supervisory audit" --from 2026-01-01 --before 2027-01-01',
  ])

  const lift = command
    .command('lift')
    .summary('lift a hold')
    .description('Lift a legal hold: what it covered can be erased and expire again.')
    .argument('<hold>', 'its name, or the id of the record that placed it')
    .requiredOption('--reason <text>', 'why; it must not name anybody')
    .action((hold: string, flags: LiftFlags) => liftHold(hold, flags))
  withConnection(lift)
  withCommonHelp(lift, ['cairn hold lift acme-v-smith --reason "settled on 2026-11-20"'])

  const list = command
    .command('list')
    .summary('show the holds')
    .description('Show the legal holds of the tenant, the newest first.')
    .option('--active', 'only those that are not lifted')
    .action((flags: ListFlags) => listHolds(flags))
  withConnection(list)
  withCommonHelp(list, ['cairn hold list --active'])
}

async function placeHold(name: string, flags: PlaceFlags): Promise<void> {
  const scope = scopeOf(flags)
  const isEmpty = Object.keys(scope).length === 0
  if (isEmpty && flags.everything !== true) {
    throw usage('what is to be held? name it with flags such as --subject, or pass --everything')
  }
  if (!isEmpty && flags.everything === true) {
    throw usage('--everything goes with no other flag that says which records are meant')
  }
  const hold = await (await recordsClientOf(flags)).placeHold({ name, reason: flags.reason, scope })
  if (flags.json === true) return printJson(snakeCased(hold))
  const { style, line } = terminal()
  line(`${style.green('✓')} hold ${printable(hold.name)} is in force`)
  line(`  over ${printable(scopeWords(hold.scope))}`)
  line(style.dim(`  recorded as ${printable(hold.id)}`))
}

async function liftHold(named: string, flags: LiftFlags): Promise<void> {
  const hold = await (await recordsClientOf(flags)).liftHold(named, flags.reason)
  if (flags.json === true) return printJson(snakeCased(hold))
  const { style, line } = terminal()
  line(`${style.green('✓')} hold ${printable(hold.name)} is lifted`)
}

async function listHolds(flags: ListFlags): Promise<void> {
  const client = await recordsClientOf(flags)
  const all = await allOnPages(client.holds, ({ holds }) => holds)
  const holds = flags.active === true ? all.filter(({ state }) => state === 'active') : all
  if (flags.json === true) return printJson({ holds: holds.map(snakeCased) })
  if (holds.length === 0) return note(flags.active === true ? 'no hold is active' : 'no hold yet')
  const { style, columns, text } = terminal()
  for (const hold of holds) text(formatHold(hold, style, columns))
  note(plural(holds.length, 'hold'))
}

/** The name that it goes by, and below it what it is about. */
function formatHold(hold: Hold, style: Style, columns: number): string {
  const { id, name, state, reason, scope, placed, placedBy, lifted, liftedBy } = hold
  const about = [
    `over ${scopeWords(scope)}`,
    reason,
    `placed by ${placedBy} on ${shortTime(placed)} UTC, recorded as ${id}`,
    ...(lifted === undefined ? [] : [`lifted by ${liftedBy} on ${shortTime(lifted)} UTC`]),
  ]
  const lines = about.flatMap((text) => wrap(printable(text), columns - 2))
  const isActive = state === 'active'
  const head = `${isActive ? style.yellow(state) : style.dim(state)}  ${style.bold(printable(name))}`
  return [head, ...lines.map((line) => `  ${isActive ? line : style.dim(line)}`), ''].join('\n')
}
