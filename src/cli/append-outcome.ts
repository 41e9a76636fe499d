/** What became of the leaves or records of a run of `cairn append`, and how it is said. */
import { CairnError } from '../errors.ts'
import { terminal } from './command.ts'
import { count, duration, plural, printable } from './style.ts'

/** What one of them is called, and several. */
export type Noun = readonly [one: string, many: string]

export interface Outcome {
  readonly noun: Noun
  /** How many were added. */
  added: number
  /** Those of them that the log had before, or that came up twice. */
  duplicates: number
  first: number | undefined
  last: number | undefined
  origin: string | undefined
  /** Those whose receipts came before the witnesses had cosigned. */
  late: number
  /** In order; gathered only for --json. */
  readonly indices: number[]
}

export interface OutcomeFlags {
  readonly url: string
  readonly receipts?: string
  readonly witnessed?: boolean
}

export function newOutcome(noun: Noun): Outcome {
  return {
    noun,
    added: 0,
    duplicates: 0,
    first: undefined,
    last: undefined,
    origin: undefined,
    late: 0,
    indices: [],
  }
}

/** Counts indices. New leaves get ever larger ones, so one that is not larger than all before is a duplicate's. */
export function recorder(
  outcome: Outcome,
  sizeBefore: number,
  keepIndices: boolean,
): (index: number) => void {
  return (index) => {
    outcome.added++
    if (index < sizeBefore || index <= (outcome.last ?? -1)) outcome.duplicates++
    outcome.first = Math.min(outcome.first ?? index, index)
    outcome.last = Math.max(outcome.last ?? index, index)
    if (keepIndices) outcome.indices.push(index)
  }
}

/** The error that ended a run, with how far it came. `hint` says how to go on. */
export function incomplete(error: unknown, outcome: Outcome, hint: string): CairnError {
  const [one, many] = outcome.noun
  const done = plural(outcome.added, `${one} was`, `${many} were`)
  const code = error instanceof CairnError ? error.code : 'IO'
  const reason = error instanceof Error ? error.message : String(error)
  const message = `${reason} (${done} appended before that; ${hint})`
  return new CairnError(code, message, { cause: error })
}

/** For `--json`. */
export function summary(outcome: Outcome, flags: OutcomeFlags): Record<string, unknown> {
  return {
    [outcome.noun[1]]: outcome.added,
    duplicates: outcome.duplicates,
    first_index: outcome.first,
    last_index: outcome.last,
    indices: outcome.indices,
    ...(flags.receipts !== undefined && { receipts: flags.receipts }),
    ...(flags.witnessed === true && { not_yet_witnessed: outcome.late }),
  }
}

/** For people. */
export function report(outcome: Outcome, flags: OutcomeFlags, elapsedMs: number): void {
  const { style, line } = terminal()
  const { noun, added, duplicates, first, last } = outcome
  const where = first === last ? `index ${first}` : `indices ${count(first!)} to ${count(last!)}`
  const log = outcome.origin === undefined ? flags.url : outcome.origin
  line(
    `${style.green('✓')} ${plural(added, ...noun)} in ${printable(log)}, ${where} ` +
      style.dim(`(${duration(elapsedMs)})`),
  )
  if (duplicates > 0) line(`  ${count(duplicates)} of them there before: they keep their index`)
  if (outcome.late > 0) {
    line(
      `  ${style.red(plural(outcome.late, 'receipt'))} not witnessed in time: fetch them again later with cairn receipt`,
    )
  }
  if (flags.receipts !== undefined) {
    line(`  receipts in ${flags.receipts}: cairn verify ${flags.receipts} --vkey <log.vkey>`)
  }
}
