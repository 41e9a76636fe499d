/** The verdict on a folder, as `cairn verify` prints it: a table of what is not a receipt, what fails, and a summary. */
import { basename } from 'node:path'
import { verdictJson } from '../client/verdict-json.ts'
import { printJson, terminal } from './command.ts'
import { exitFor } from './exit.ts'
import { plural, printable } from './style.ts'
import { formatChecks, formatTable } from './table.ts'
import { type Counts, type FolderVerdict, type Held, type Sort, sortOf } from './verify-folder.ts'
import { headline } from './verify-output.ts'

/** Failed files of a folder that are shown one by one. */
const MAX_SHOWN = 20
/** Rows of the table. */
const MAX_ROWS = 100

/** How many there are, as JSON names them; what there is none of is left out. */
const IN_JSON: readonly (readonly [name: string, sort: Sort])[] = [
  ['checkpoints', 'checkpoints'],
  ['evidence', 'evidence'],
  ['complete_lists', 'completeLists'],
  ['split_views', 'splitViews'],
]

/** Prints it, and sets the exit code. */
export function printFolder(verdict: FolderVerdict, json: boolean): void {
  const { folder, ok, counts, verified, failures, unchecked } = verdict
  process.exitCode = exitFor(ok)
  if (json) {
    const { receipts, timeStamps } = counts
    const some = IN_JSON.flatMap(([name, sort]) => (counts[sort] > 0 ? [[name, counts[sort]]] : []))
    printJson({
      folder,
      ok,
      receipts,
      ...Object.fromEntries(some),
      ...(timeStamps + unchecked > 0 && { time_stamps: timeStamps, unchecked }),
      verified,
      failed: failures.length,
      ...(isMixed(counts) && {
        files: rowsOf(verdict).map(({ file, isGood, verdict: { kind, finding } }) => {
          return { file, ok: isGood, kind, finding }
        }),
      }),
      failures: failures.map((one) => ({ file: one.file, ...verdictJson(one.verdict) })),
    })
    return
  }
  const { style, columns, line, text } = terminal()
  if (isMixed(counts)) text(formatFiles(verdict))
  for (const { file, verdict: one } of failures.slice(0, MAX_SHOWN)) {
    line(style.bold(headline(file, one)))
    text(
      formatChecks(
        one.checks.filter(({ status }) => status === 'failed'),
        style,
        columns,
      ),
    )
  }
  if (failures.length > MAX_SHOWN) {
    line(`… and ${plural(failures.length - MAX_SHOWN, 'more failure')}`)
  }
  const all = countWords(verdict)
  line(
    ok
      ? style.green(style.bold(`verified: ${all}`))
      : style.red(style.bold(`NOT VERIFIED: ${failures.length} of ${all} failed`)),
  )
  if (unchecked > 0) {
    const stamps = plural(unchecked, 'time-stamp')
    line(`${stamps} not checked: name the authority's certificate with --tsa`)
  }
}

/** Whether there is more than receipts, which are too many and too much alike for a table. */
function isMixed({ receipts: _, ...others }: Counts): boolean {
  return Object.values(others).some((count) => count > 0)
}

interface Row extends Held {
  readonly isGood: boolean
}

/** Those that fail, and then those that hold. */
function rowsOf({ failures, good }: FolderVerdict): Row[] {
  const all = [
    ...failures.map(({ file, verdict }) => ({ file, verdict, isGood: false })),
    ...good.map((one) => ({ ...one, isGood: true })),
  ]
  return all.filter((row) => sortOf(row) !== 'receipts')
}

function formatFiles(verdict: FolderVerdict): string {
  const { style, columns } = terminal()
  const rows = rowsOf(verdict)
  const shown = rows.slice(0, MAX_ROWS)
  const table = formatTable(
    shown.map(({ file, verdict: { finding }, isGood }) => [
      isGood ? '✓' : '✗',
      printable(basename(file)),
      printable(finding),
    ]),
    {
      columns,
      indent: 2,
      paint(cell, row, column) {
        if (!shown[row]!.isGood) return style.red(cell)
        return column === 0 ? style.green(cell) : cell
      },
    },
  )
  const more = rows.length - shown.length
  return more === 0 ? table : `${table}  … and ${plural(more, 'more file')}\n`
}

/** `300 receipts under 1 head, 2 checkpoints and 2 time-stamps`. */
export function countWords({ ok, counts, heads }: FolderVerdict): string {
  const under = ok ? ` under ${plural(heads, 'head')}` : ''
  const parts = [
    ...(counts.receipts > 0 ? [`${plural(counts.receipts, 'receipt')}${under}`] : []),
    ...(counts.checkpoints > 0 ? [plural(counts.checkpoints, 'checkpoint')] : []),
    ...(counts.timeStamps > 0 ? [plural(counts.timeStamps, 'time-stamp')] : []),
    ...(counts.evidence > 0
      ? [plural(counts.evidence, 'file of evidence', 'files of evidence')]
      : []),
    ...(counts.completeLists > 0 ? [plural(counts.completeLists, 'complete list')] : []),
    ...(counts.splitViews > 0 ? [plural(counts.splitViews, 'split view')] : []),
  ]
  const last = parts.pop() ?? 'nothing'
  return parts.length === 0 ? last : `${parts.join(', ')} and ${last}`
}
