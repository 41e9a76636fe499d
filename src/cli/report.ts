/** `cairn report`: the report on a month, as a summary, as JSON, or as a page to print. */
import { extname } from 'node:path'
import { type Command, Option } from 'commander'
import { meaningOf } from '../client/read-answer.ts'
import { createRecordsClient } from '../client/records-client.ts'
import { grouped } from '../formats/count.ts'
import { parseMonth } from '../reports/month.ts'
import { type Events, REPORT_VERSION, type Report, type Verdict } from '../reports/report.ts'
import { reportHtml } from '../reports/report-html.ts'
import { CHECK_WORDS, costWords, monthWords, timeWords, typeWords } from '../reports/words.ts'
import {
  type Connection,
  interruptible,
  printJson,
  type Terminal,
  terminal,
  withCommonHelp,
  withConnection,
} from './command.ts'
import { clientOptions } from './connect.ts'
import { exitFor } from './exit.ts'
import { writeWhole } from './receipt-files.ts'
import { byteCount, printable, type Style } from './style.ts'
import { formatChecks } from './table.ts'

/** Every record of the month is read for it. */
const TIMEOUT_MS = 600_000

interface ReportFlags extends Connection {
  readonly month: string
  readonly format?: 'json' | 'html'
  readonly out?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      "Report on your tenant's month: what was recorded, who read payloads, what was erased, and whether the log can " +
        'be believed. Ends with exit code 1 when a check of the log failed.',
    )
    .requiredOption('--month <month>', 'the month, in UTC: 2026-11')
    .addOption(
      new Option('--format <format>', 'as data, or as a page to print (default: by --out)').choices(
        ['json', 'html'],
      ),
    )
    .option('--out <file>', 'write it there: november.html')
    .action((flags: ReportFlags) => report(flags))
  withConnection(command)
  withCommonHelp(command, [
    'cairn report --month 2026-11',
    'cairn report --month 2026-11 --out november.html --token-file auditor.token',
  ])
}

async function report(flags: ReportFlags): Promise<void> {
  const { text: month } = parseMonth(flags.month)
  const { made, page } = await fetchReport(month, flags)
  process.exitCode = exitFor(made.integrity.verdict !== 'broken')
  const format = flags.format ?? (flags.out === undefined ? undefined : formatOf(flags.out))
  const written = format === 'html' ? page : `${JSON.stringify(made, null, 2)}\n`
  if (flags.out !== undefined) await writeWhole(flags.out, written)
  if (flags.json === true) return printJson(made)
  const shown = terminal()
  if (flags.out === undefined && format !== undefined) return shown.text(written)
  if (flags.out === undefined) return printSummary(made, shown)
  const { style, columns, line, text } = shown
  const what = `the report on ${printable(made.tenant)} for ${monthWords(made.month)}`
  const size = byteCount(Buffer.byteLength(written))
  line(`${style.green('✓')} ${style.bold(printable(flags.out))}: ${what}, ${size}`)
  line(`  ${verdictLine(made, style)}`)
  // What it does not show stands on its page, but who has just made it should not have to look.
  const doubtful = checksOf(made).filter(({ status }) => status !== 'held')
  if (doubtful.length > 0) text(formatChecks(doubtful, style, columns))
}

/** The report as data, and its page: that is made here and not by the log, so that no more than a report gets into it. */
async function fetchReport(
  month: string,
  flags: ReportFlags,
): Promise<{ readonly made: Report; readonly page: string }> {
  const options = { ...(await clientOptions(flags)), retries: 2, timeoutMs: TIMEOUT_MS }
  const interrupt = interruptible()
  try {
    const { signal } = interrupt
    const answer = await createRecordsClient(options).report(month, 'json', { signal })
    return meaningOf(answer, 'a log with reports', (value) => {
      if (value.version !== REPORT_VERSION) throw new Error(`expected ${REPORT_VERSION}`)
      const made = value as unknown as Report
      // Whatever can be shown of a report is on its page, so what makes one can be shown.
      return { made, page: reportHtml(made) }
    })
  } finally {
    interrupt.done()
  }
}

function formatOf(file: string): 'json' | 'html' {
  return /^\.html?$/i.test(extname(file)) ? 'html' : 'json'
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  intact: 'integrity verified',
  unproven: 'integrity not fully proven',
  broken: 'INTEGRITY CHECK FAILED: do not rely on these figures before the cause is known',
}

function verdictLine({ integrity: { verdict } }: Report, style: Style): string {
  const paint = { intact: style.green, unproven: style.yellow, broken: style.red }[verdict]
  return paint(style.bold(VERDICTS[verdict]))
}

function checksOf({ integrity }: Report) {
  return integrity.checks.map(({ name, status, detail }) => ({
    name: CHECK_WORDS[name],
    status: status === 'open' ? ('skipped' as const) : status,
    detail,
  }))
}

function printSummary(made: Report, { style, columns, line, text }: Terminal): void {
  const { tenant, month, origin, generated, complete, records, usage } = made
  line(style.bold(`Audit report of ${printable(tenant)}, ${monthWords(month)}`))
  const when = `made ${timeWords(generated)}${complete ? '' : ', before the month was over'}`
  line(style.dim(`${printable(origin)} · ${when}`))
  line()
  line(verdictLine(made, style))
  text(formatChecks(checksOf(made), style, columns))
  line()
  const tokens = BigInt(usage.input_tokens) + BigInt(usage.output_tokens)
  const figures: [string, string][] = [
    ['records', grouped(records.total)],
    ...records.by_type.map(({ type, records }): [string, string] => [
      `  ${typeWords(type)}`,
      grouped(records),
    ]),
    ['tokens, in and out', grouped(String(tokens))],
    ...usage.costs.map((cost): [string, string] => ['cost as recorded', costWords(cost)]),
    ...lists(made).map(([what, { total }]): [string, string] => [what, grouped(total)]),
  ]
  text(figureLines(figures, style))
}

/** What an auditor asks for first. */
function lists(made: Report): readonly (readonly [string, Events])[] {
  return [
    ['accesses to payloads', made.accesses],
    ['records of grants', made.grants],
    ['changes of permissions', made.permission_changes],
    ['erasures', made.erasures],
    ['expiries', made.expiries],
    ['records of legal holds', made.holds],
    ['changes of retention', made.retention_changes],
  ]
}

/** What is counted, and the figures under each other. */
function figureLines(figures: readonly (readonly [string, string])[], style: Style): string {
  const widths = [0, 1].map((i) => Math.max(...figures.map((figure) => figure[i]!.length)))
  const lines = figures.map(([what, value]) => {
    const name = printable(what).padEnd(widths[0]!)
    return `  ${name}  ${style.bold(printable(value).padStart(widths[1]!))}\n`
  })
  return lines.join('')
}
