/** `cairn search`: finds records, and shows one of them. */
import { type Command, Option } from 'commander'
import type { FoundRecord, RecordPage } from '../client/record-answers.ts'
import type { RecordSearch, RecordsClient } from '../client/records-client.ts'
import { usage } from '../errors.ts'
import {
  type Connection,
  decimalFlag,
  interruptible,
  note,
  printJson,
  terminal,
  withCommonHelp,
  withConnection,
  withTrust,
} from './command.ts'
import { startProgress } from './progress.ts'
import { proveList } from './prove-list.ts'
import { formatRecords } from './record-table.ts'
import { recordsClientOf } from './records-command.ts'
import { type ScopeFlags, scopeOf, withScope } from './scope-flags.ts'
import { showRecord } from './show-record.ts'
import { count, plural } from './style.ts'
import type { TrustFlags } from './trust.ts'

/** What a log gives on a page at the most. */
const MAX_PAGE = 1000
const MAX_LIMIT = 1_000_000
const DEFAULT_LIMIT = 50

interface SearchFlags extends Connection, ScopeFlags, TrustFlags {
  readonly order?: RecordSearch['order']
  readonly limit?: number
  readonly all?: boolean
  readonly cursor?: string
  readonly show?: number
  readonly grant?: string
  readonly prove?: boolean
  readonly record?: string
  readonly out?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command.description(
    'Find records of your tenant: those that have all that is asked for, the newest first. Or show one ' +
      'of them, and under a grant its payload; reading a payload is itself recorded. Or get the proof of all entries ' +
      'that the log lists of one request, session, person or record, or that it lists none.',
  )
  withScope(command, { trace: false })
  command
    .addOption(
      new Option('--order <order>', 'order of the records (default: newest)').choices([
        'newest',
        'oldest',
        'costliest',
        'cheapest',
      ]),
    )
    .option(
      '--limit <number>',
      `records to show at the most (default: ${DEFAULT_LIMIT})`,
      decimalFlag('--limit', MAX_LIMIT),
    )
    .addOption(new Option('--all', 'show all that there are').conflicts('limit'))
    .option('--cursor <cursor>', 'go on where an earlier search ended')
    .option(
      '--show <index>',
      'show the record at this index, from what went in to what came of it',
      decimalFlag('--show', Number.MAX_SAFE_INTEGER - 1),
    )
    .option('--grant <id>', 'show its payload, under this grant (with --show)')
    .option(
      '--prove',
      'get the proof of all entries that the log lists, or that there are none, as a file for "cairn verify" (with --out)',
    )
    .option('--record <id>', 'of this record, and those that correct it (with --prove)')
    .option('--out <file>', 'write there: the bytes that are hashed (with --show), or the proof')
    .action((flags: SearchFlags) => search(flags))
  withTrust(command)
  withConnection(command)
  withCommonHelp(command, [
    'cairn search --type llm_request --model gpt-5 --from 2026-11-01',
    'cairn search --subject ann@example.com --all --json',
    'cairn search --prove --request req-9 --out req-9.list --vkey cairn-data/log.vkey',
    'cairn search --show 41 --grant 019a9bd4-5c00-7abc-8def-0123456789ab --vkey cairn-data/log.vkey',
  ])
}

async function search(flags: SearchFlags): Promise<void> {
  const query = scopeOf(flags)
  const { order, limit, all, cursor, record } = flags
  if (flags.prove === true) {
    const { request_id, session_id, subject, actor, ...others } = query
    const { grant, show } = flags
    const more = { ...others, order, limit, all, cursor, grant, show }
    if (Object.values(more).some((one) => one !== undefined)) {
      throw usage('--prove takes what records are listed by, and nothing else to look for')
    }
    const listed = { request_id, session_id, subject, actor, id: record }
    const given = Object.entries(listed).filter(([, value]) => value !== undefined)
    return proveList(Object.fromEntries(given), flags)
  }
  if (record !== undefined) throw usage('--record goes with --prove')
  if (flags.show !== undefined) {
    if (Object.values({ ...query, order, limit, all, cursor }).some((one) => one !== undefined)) {
      throw usage('--show takes one record by its index, and nothing to look for beside it')
    }
    return showRecord(flags.show, flags)
  }
  for (const name of ['grant', 'out', 'policy', 'vkey'] as const) {
    if (flags[name] !== undefined)
      throw usage(`--${name} goes with --show${name === 'grant' ? '' : ' or --prove'}`)
  }
  if (flags.limit === 0) throw usage(`--limit takes a number from 1 to ${MAX_LIMIT}`)
  const client = await recordsClientOf(flags)
  const found = await collect(client, query, flags)
  if (flags.json === true) printJson({ ...found, asked: askedBy(query, flags) })
  else report(found, flags)
}

/** What an answer is an answer to: without it, nobody can tell whether something is missing from it. */
function askedBy(query: RecordSearch, { order, cursor }: SearchFlags): object {
  return { query, ...(order !== undefined && { order }), ...(cursor !== undefined && { cursor }) }
}

/** Follows the pages until there are as many records as are wanted. */
async function collect(
  client: RecordsClient,
  query: RecordSearch,
  flags: SearchFlags,
): Promise<RecordPage> {
  const wanted = flags.all === true ? Number.POSITIVE_INFINITY : (flags.limit ?? DEFAULT_LIMIT)
  const interrupt = interruptible()
  const progress = startProgress({
    label: 'searching',
    unit: 'records',
    quiet: flags.json === true || wanted <= MAX_PAGE,
  })
  const records: FoundRecord[] = []
  let { cursor } = flags
  try {
    for (;;) {
      const page: RecordPage = await client.search(
        {
          ...query,
          ...(flags.order !== undefined && { order: flags.order }),
          ...(cursor !== undefined && { cursor }),
          limit: Math.min(MAX_PAGE, wanted - records.length),
        },
        { signal: interrupt.signal },
      )
      records.push(...page.records)
      cursor = page.cursor
      progress.update(records.length)
      if (cursor === undefined || records.length >= wanted) {
        return { records, size: page.size, ...(cursor !== undefined && { cursor }) }
      }
    }
  } finally {
    progress.clear()
    interrupt.done()
  }
}

function report({ records, size, cursor }: RecordPage, flags: SearchFlags): void {
  if (records.length === 0) {
    const entries = plural(size, 'entry', 'entries')
    note(`no record of yours among the ${entries} of the log is one of these`)
    return
  }
  const { style, columns, text } = terminal()
  const isAboutCost =
    flags.minCost !== undefined || flags.order === 'costliest' || flags.order === 'cheapest'
  text(formatRecords(records, style, columns, isAboutCost ? 'COST' : undefined))
  const more = cursor === undefined ? '' : `; more with --limit ${next(flags)} or --all`
  note(`${plural(records.length, 'record')} of ${plural(size, 'entry', 'entries')}${more}`)
}

function next({ limit = DEFAULT_LIMIT }: SearchFlags): string {
  return count(Math.min(limit * 10, MAX_LIMIT)).replaceAll(',', '')
}
