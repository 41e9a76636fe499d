/**
 * How long the payload of a record is kept (spec/retention.md): a table of regimes, of classes that a submitter chooses
 * from, and of jurisdictions, which give what no submitter has to know. Of all that apply, the longest wins. Leaves
 * stay for ever; what ends is the life of the keys of their payload.
 */
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../bytes.ts'
import { type CairnError, malformed } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import {
  type DocumentSource,
  readDocument,
  readItems,
  readMap,
  readObject,
  readText,
  wrongAt,
} from './json-members.ts'
import type { JsonValue } from './json-strict.ts'
import {
  LOG_RECORD_TYPES,
  type LogRecordType,
  RECORD_TYPES,
  type RecordType,
} from './record-members.ts'
import { line, NAME, oneOf } from './record-values.ts'

/** `version` of every table. */
export const RETENTION_VERSION = 'cairn-retention/v1'
/** The jurisdiction in which nothing applies but what a class says. Every table that a log goes by has it. */
export const NO_JURISDICTION = 'none'
/** The largest table, in bytes. */
export const MAX_RETENTION_TABLE_SIZE = 262_144
/** The longest time that a table can ask for, in years. */
const MAX_RETENTION_YEARS = 100

/** Who says so: a law, guidance of a supervisor, a standard; or custom, where those who ask for it give no figure. */
const RETENTION_BASES = ['law', 'guidance', 'standard', 'customary'] as const
export type RetentionBasis = (typeof RETENTION_BASES)[number]

/** A time by the calendar: years and months first, then days. */
export interface CalendarDuration {
  readonly years: number
  readonly months: number
  readonly days: number
}

/** Something that asks for records to be kept. */
export interface RetentionRegime {
  readonly title: string
  /** Where it is written. */
  readonly source: string
  readonly basis: RetentionBasis
  /** The least time; without one it asks for no time of its own, and is named in reports. */
  readonly keep?: CalendarDuration
  /** The types of records that it is about; all without. */
  readonly types?: readonly (RecordType | LogRecordType)[]
}

export interface RetentionClass {
  readonly about: string
  /** How long the payload is kept when no regime asks for more. */
  readonly keep: CalendarDuration
  /** Names of regimes. */
  readonly regimes: readonly string[]
}

export interface Jurisdiction {
  readonly about: string
  /** The class of records that name none. */
  readonly class: string
  /** Names of regimes that apply to every record, whatever its class. */
  readonly regimes: readonly string[]
}

export interface RetentionTable {
  /** SHA-256 of the document as canonical JSON (RFC 8785), in hexadecimal. */
  readonly digest: string
  readonly regimes: ReadonlyMap<string, RetentionRegime>
  readonly classes: ReadonlyMap<string, RetentionClass>
  readonly jurisdictions: ReadonlyMap<string, Jurisdiction>
}

const MOST = 500
const DURATION = /^P(?=[1-9])(?:([1-9][0-9]{0,2})Y)?(?:([1-9][0-9]{0,3})M)?(?:([1-9][0-9]{0,4})D)?$/
const ALL_TYPES = [...RECORD_TYPES, ...LOG_RECORD_TYPES]
const TITLE = line(256)
const SOURCE = line(1024)

/**
 * Reads a duration of ISO 8601 in years, months and days: `P6M`, `P1Y6M`, `P30D`.
 * @throws MALFORMED on anything else, and beyond 100 years
 */
export function parseDuration(text: string): CalendarDuration {
  const parts = DURATION.exec(text)
  if (parts === null) throw malformed('expected a duration such as P6M, P1Y6M or P30D (ISO 8601)')
  const [years, months, days] = parts.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
  ]
  if (years + months / 12 + days / 365 > MAX_RETENTION_YEARS) {
    throw malformed(`expected a duration of at most ${MAX_RETENTION_YEARS} years`)
  }
  return { years, months, days }
}

/** The text that parseDuration reads. */
export function formatDuration({ years, months, days }: CalendarDuration): string {
  return `P${years > 0 ? `${years}Y` : ''}${months > 0 ? `${months}M` : ''}${days > 0 ? `${days}D` : ''}`
}

/**
 * Reads a table.
 * @throws MALFORMED with the JSON Pointer of what is wrong; TOO_LARGE beyond 256 KiB
 */
export function parseRetentionTable(source: DocumentSource): RetentionTable {
  const document = readDocument(source, { size: MAX_RETENTION_TABLE_SIZE, depth: 8 })
  const table = readObject(document, '', ['version', 'regimes', 'classes', 'jurisdictions'])
  readText(table.version, '/version', oneOf([RETENTION_VERSION]))
  const regimes = readMap(table.regimes, '/regimes', NAME, MOST, readRegime)
  const classes = readMap(table.classes, '/classes', NAME, MOST, (value, pointer) => {
    const { about, keep, ...rest } = readObject(value, pointer, ['about', 'keep'], ['regimes'])
    return {
      about: readText(about, `${pointer}/about`, TITLE),
      keep: readDuration(keep, `${pointer}/keep`),
      regimes: readNames(rest.regimes, `${pointer}/regimes`, 'regime', regimes),
    }
  })
  const jurisdictions = readMap(
    table.jurisdictions,
    '/jurisdictions',
    NAME,
    MOST,
    (value, pointer) => {
      const read = readObject(value, pointer, ['about', 'class'], ['regimes'])
      return {
        about: readText(read.about, `${pointer}/about`, TITLE),
        class: readName(read.class, `${pointer}/class`, 'class', classes),
        regimes: readNames(read.regimes, `${pointer}/regimes`, 'regime', regimes),
      }
    },
  )
  const digest = toHex(sha256(utf8(canonicalJson(document))))
  return { digest, regimes, classes, jurisdictions }
}

function readRegime(value: JsonValue, pointer: string): RetentionRegime {
  const read = readObject(value, pointer, ['title', 'source', 'basis'], ['keep', 'types'])
  const { keep, types } = read
  return {
    title: readText(read.title, `${pointer}/title`, TITLE),
    source: readText(read.source, `${pointer}/source`, SOURCE),
    basis: readText(read.basis, `${pointer}/basis`, oneOf(RETENTION_BASES)) as RetentionBasis,
    ...(keep !== undefined && { keep: readDuration(keep, `${pointer}/keep`) }),
    ...(types !== undefined && { types: readTypes(types, `${pointer}/types`) }),
  }
}

function readTypes(value: JsonValue, pointer: string): readonly (RecordType | LogRecordType)[] {
  const type = oneOf(ALL_TYPES)
  const types = readItems(value, pointer, ALL_TYPES.length, (item, at) => readText(item, at, type))
  if (types.length === 0) throw wrongAt(pointer, 'names no type; without it all are meant')
  checkDistinct(types, pointer)
  return types as readonly (RecordType | LogRecordType)[]
}

function readDuration(value: JsonValue | undefined, pointer: string): CalendarDuration {
  try {
    return parseDuration(readText(value, pointer, line(32)))
  } catch {
    throw wrongAt(
      pointer,
      `expected a duration such as P6M, P1Y6M or P30D (ISO 8601), of at most ${MAX_RETENTION_YEARS} years`,
    )
  }
}

function readName(
  value: JsonValue | undefined,
  pointer: string,
  kind: string,
  known: ReadonlyMap<string, unknown>,
): string {
  const name = readText(value, pointer, NAME)
  if (!known.has(name)) throw wrongAt(pointer, `there is no ${kind} ${name} in this table`)
  return name
}

function readNames(
  value: JsonValue | undefined,
  pointer: string,
  kind: string,
  known: ReadonlyMap<string, unknown>,
): readonly string[] {
  const names = readItems(value, pointer, MOST, (item, at) => readName(item, at, kind, known))
  checkDistinct(names, pointer)
  return names
}

function checkDistinct(names: readonly string[], pointer: string): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw wrongAt(pointer, `names ${twice} twice`)
}

export interface RetentionQuestion {
  /** `retention_class` of the record; without one the jurisdiction's. */
  readonly class?: string | undefined
  readonly type: RecordType | LogRecordType
  readonly jurisdiction: string
  readonly table: RetentionTable
}

export interface AppliedRegime extends RetentionRegime {
  readonly name: string
}

export interface Retention {
  readonly class: string
  /** All regimes that apply, in the order of their names. */
  readonly regimes: readonly AppliedRegime[]
  /** From when on the payload of a record of that time need not be kept. */
  until(time: Date): Date
  /** The names of those that ask for that long: regimes, or none when it is the class itself. */
  decidedBy(time: Date): readonly string[]
}

/**
 * How long a record is kept.
 * @throws MALFORMED when the table has no such class or jurisdiction
 */
export function retentionOf(question: RetentionQuestion): Retention {
  const { type, table } = question
  const jurisdiction = table.jurisdictions.get(question.jurisdiction)
  if (jurisdiction === undefined) {
    const known = [...table.jurisdictions.keys()].join(', ')
    throw malformed(
      `the retention table has no jurisdiction ${question.jurisdiction}; it has ${known}`,
    )
  }
  const name = question.class ?? jurisdiction.class
  const chosen = table.classes.get(name)
  if (chosen === undefined) throw unknownClass(name, table)
  const named = new Set([...chosen.regimes, ...jurisdiction.regimes])
  const regimes = [...table.regimes]
    .filter(([regime, { types }]) => named.has(regime) && (types?.includes(type) ?? true))
    .map(([regime, rest]): AppliedRegime => ({ name: regime, ...rest }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  // Which of P6M and P183D is longer depends on the months that it runs through.
  const until = (time: Date) =>
    regimes.reduce(
      (longest, { keep }) => {
        const end = keep === undefined ? longest : endOf(time, keep)
        return end > longest ? end : longest
      },
      endOf(time, chosen.keep),
    )
  return {
    class: name,
    regimes,
    until,
    decidedBy(time) {
      const end = until(time).getTime()
      return regimes
        .filter(({ keep }) => keep !== undefined && endOf(time, keep).getTime() === end)
        .map((regime) => regime.name)
    },
  }
}

/** @throws MALFORMED when the table lacks the class that a submission names */
export function checkRetentionClass(
  { retention_class: name }: { readonly retention_class?: string },
  table: Pick<RetentionTable, 'classes'>,
): void {
  if (name !== undefined && !table.classes.has(name)) throw unknownClass(name, table)
}

function unknownClass(name: string, { classes }: Pick<RetentionTable, 'classes'>): CairnError {
  const known = [...classes.keys()].join(', ')
  return malformed(`/retention_class: the retention table has no class ${name}; it has ${known}`)
}

/** The midnight, in UTC, before which records need not be kept any longer at a moment. Later ones have to be. */
export function endedBefore({ until }: Pick<Retention, 'until'>, now: Date): Date {
  // No record is kept for less than a day, and none ends before an earlier one.
  let [first, last] = [0, Math.max(0, Math.floor(now.getTime() / DAY))]
  while (first < last) {
    const day = Math.floor((first + last) / 2)
    if (until(new Date(day * DAY)) <= now) first = day + 1
    else last = day
  }
  return new Date(first * DAY)
}

const DAY = 86_400_000

/**
 * The end of a time that begins with an event: of the day with the same number, or of the last day of a month that has
 * no such day; in UTC.
 * SPEC Regulation (EEC, Euratom) 1182/71 article 3(1) and 3(2)(c): the day of the event does not count, and a period
 * of months or years ends with the last hour of that day.
 */
function endOf(event: Date, { years, months, days }: CalendarDuration): Date {
  const month = event.getUTCMonth() + months
  const first = new Date(0)
  first.setUTCFullYear(event.getUTCFullYear() + years, month, 1)
  const length = daysIn(first.getUTCFullYear(), first.getUTCMonth())
  const day = Math.min(event.getUTCDate(), length)
  return new Date(first.getTime() + (day + days) * DAY)
}

function daysIn(year: number, month: number): number {
  const last = new Date(0)
  last.setUTCFullYear(year, month + 1, 0)
  return last.getUTCDate()
}
