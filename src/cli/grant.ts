/** `cairn grant`: asks for access to payloads, decides about it, ends it. */
import type { Command } from 'commander'
import type { Grant } from '../client/record-answers.ts'
import { usage } from '../errors.ts'
import { shortTime } from '../reports/words.ts'
import { allOnPages } from './all-pages.ts'
import {
  type Connection,
  decimalFlag,
  note,
  printJson,
  terminal,
  withCommonHelp,
  withConnection,
} from './command.ts'
import { recordsClientOf, snakeCased } from './records-command.ts'
import { type ScopeFlags, scopeOf, scopeWords, withScope } from './scope-flags.ts'
import { plural, printable, type Style, span } from './style.ts'
import { formatTable, wrap } from './table.ts'

/** A day. */
const MAX_MINUTES = 1_440

interface CommonFlags extends Connection {
  readonly json?: boolean
}

interface RequestFlags extends CommonFlags, ScopeFlags {
  readonly purpose: string
  readonly ticket: string
  readonly minutes?: number
}

interface ListFlags extends CommonFlags {
  readonly open?: boolean
}

export function configure(command: Command): void {
  command.description(
    'Grants: access to payloads for a purpose and a short time, approved by a second person. All of it is recorded.',
  )
  const request = command
    .command('request')
    .summary('ask for a grant')
    .description('Ask for access to the payloads of the records that have all that is named.')
    .requiredOption('--purpose <text>', 'what for; it must not name anybody')
    .requiredOption('--ticket <id>', 'where it is discussed: a ticket, a case number')
    .option(
      '--minutes <number>',
      'how long it lasts once it is approved (default: 60)',
      decimalFlag('--minutes', MAX_MINUTES),
    )
  withScope(request)
  request.action((flags: RequestFlags) => requestGrant(flags))
  withConnection(request)
  withCommonHelp(request, [
    'cairn grant request --purpose "complaint 4711" --ticket CASE-4711 --request req-1',
  ])

  const decisions = {
    approve: [
      'approve what somebody else asked for',
      'Approve a grant that somebody else asked for; its time begins.',
    ],
    refuse: ['refuse what somebody else asked for', 'Refuse a grant that somebody else asked for.'],
    revoke: [
      'end a grant',
      'End a grant before its time; whoever asked for it may give it back, too.',
    ],
  } as const
  for (const [name, [summary, description]] of Object.entries(decisions)) {
    const decide = command
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<id>', 'id of the grant')
      .action((id: string, flags: CommonFlags) => decideGrant(id, name as Decision, flags))
    withConnection(decide)
    withCommonHelp(decide, [`cairn grant ${name} 019a9bd4-5c00-7abc-8def-0123456789ab`])
  }

  const list = command
    .command('list')
    .summary('show the grants')
    .description('Show the grants of the tenant, the newest first.')
    .option('--open', 'only those that wait for a decision, or last')
    .action((flags: ListFlags) => listGrants(flags))
  withConnection(list)
  withCommonHelp(list, ['cairn grant list --open'])

  const show = command
    .command('show')
    .summary('show one grant')
    .description('Show one grant: who asked for what, and who decided.')
    .argument('<id>', 'id of the grant')
    .action((id: string, flags: CommonFlags) => showGrant(id, flags))
  withConnection(show)
  withCommonHelp(show, ['cairn grant show 019a9bd4-5c00-7abc-8def-0123456789ab'])
}

type Decision = 'approve' | 'refuse' | 'revoke'

async function requestGrant(flags: RequestFlags): Promise<void> {
  const { purpose, ticket, minutes } = flags
  const scope = scopeOf(flags)
  if (Object.keys(scope).length === 0) {
    throw usage('which payloads? name the records with flags such as --request or --subject')
  }
  if (minutes === 0) throw usage(`--minutes takes a number from 1 to ${MAX_MINUTES}`)
  const client = await recordsClientOf(flags)
  const grant = await client.requestGrant({
    purpose,
    ticket,
    scope,
    ...(minutes !== undefined && { minutes }),
  })
  if (flags.json === true) return printJson(snakeCased(grant))
  const { style, line } = terminal()
  line(`${style.green('✓')} asked for: ${printable(scopeWords(grant.scope))}`)
  line(`  somebody else now has to approve it: cairn grant approve ${printable(grant.id)}`)
}

async function decideGrant(id: string, decision: Decision, flags: CommonFlags): Promise<void> {
  const client = await recordsClientOf(flags)
  const grant = await (decision === 'revoke'
    ? client.revokeGrant(id)
    : client.decideGrant(id, decision))
  if (flags.json === true) return printJson(snakeCased(grant))
  const { style, line } = terminal()
  line(`${style.green('✓')} ${stateWords(grant, Date.now())}`)
  if (grant.state === 'approved') {
    line(`  for ${printable(grant.requestedBy)}, to read ${printable(scopeWords(grant.scope))}`)
  }
}

async function listGrants(flags: ListFlags): Promise<void> {
  const client = await recordsClientOf(flags)
  const all = await allOnPages(client.grants, ({ grants }) => grants)
  const isOpen = ({ state }: Grant): boolean => state === 'requested' || state === 'approved'
  const grants = flags.open === true ? all.filter(isOpen) : all
  if (flags.json === true) return printJson({ grants: grants.map(snakeCased) })
  if (grants.length === 0) return note(flags.open === true ? 'no grant is open' : 'no grant yet')
  const { style, columns, text } = terminal()
  for (const grant of grants) text(formatGrant(grant, style, columns))
  note(plural(grants.length, 'grant'))
}

async function showGrant(id: string, flags: CommonFlags): Promise<void> {
  const grant = await (await recordsClientOf(flags)).grant(id)
  if (flags.json === true) return printJson(snakeCased(grant))
  const { style, columns, text } = terminal()
  const { decided, decidedBy } = grant
  const rows = [
    ['grant', grant.id],
    ['state', stateWords(grant, Date.now())],
    ['records', scopeWords(grant.scope)],
    ['purpose', grant.purpose],
    ['ticket', grant.ticket],
    ['asked', `${shortTime(grant.requested)} UTC by ${grant.requestedBy}`],
    ...(decided === undefined ? [] : [['decided', `${shortTime(decided)} UTC by ${decidedBy}`]]),
  ]
  text(
    formatTable(
      rows.map((row) => row.map(printable)),
      {
        columns,
        paint: (cell, row, column) =>
          column === 0 ? style.dim(cell) : row === 1 ? toned(cell, grant, style) : cell,
      },
    ),
  )
}

/** A line that can be copied from, and below it what the grant is for. */
function formatGrant(grant: Grant, style: Style, columns: number): string {
  const { id, scope, purpose, ticket, requested, requestedBy } = grant
  const asked = `asked by ${requestedBy} on ${shortTime(requested)} UTC`
  const about = [scopeWords(scope), `${purpose} (${ticket}), ${asked}`]
  const lines = about.flatMap((text) => wrap(printable(text), columns - 2))
  const state = toned(stateWords(grant, Date.now()), grant, style)
  return [`${state}  ${style.bold(printable(id))}`, ...lines.map((line) => `  ${line}`), ''].join(
    '\n',
  )
}

/** `approved, 42 min left`. */
function stateWords({ state, until }: Grant, now: number): string {
  if (state !== 'approved' || until === undefined) return state
  return `approved, ${span(Math.max(Date.parse(until) - now, 0))} left`
}

function toned(text: string, { state }: Grant, style: Style): string {
  if (state === 'requested') return style.yellow(text)
  return state === 'approved' ? style.green(text) : style.dim(text)
}
