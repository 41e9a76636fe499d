/** What differs from one run of a transcript to the next. None of the patterns has a group of its own. */
export interface VaryingKind {
  readonly pattern: string
  /** Whether it stands for the same thing wherever a document has it. */
  readonly isBound: boolean
}

const HEX = '[0-9a-f]'

/** The first that fits counts. */
export const VARYING: readonly VaryingKind[] = [
  // Ids, pseudonyms, keys and hashes.
  { pattern: `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`, isBound: true },
  { pattern: 'p_[\\w-]{22}', isBound: true },
  { pattern: `\\+${HEX}{8}\\+[A-Za-z0-9+/]{43,}=*`, isBound: true },
  { pattern: `\\b${HEX}{8,64}\\b`, isBound: true },
  { pattern: '[A-Za-z0-9+/]{43}=', isBound: true },
  // Times, durations, sizes of files, and how much a log has by and by.
  { pattern: '\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z?', isBound: false },
  { pattern: '\\b[\\d.]+ (?:ms|s|min)\\b', isBound: false },
  { pattern: '\\b[\\d.,]+ (?:B|KiB|MiB|bytes)\\b', isBound: false },
  { pattern: '\\b\\d{3,}(?= (?:leaves|entries)\\b)', isBound: false },
]
