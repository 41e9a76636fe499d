/**
 * Patterns of secrets that an operator writes: the part of regular expressions that takes a bounded number of steps for
 * each character of the text, whatever the text is.
 *
 *     acme_(live|test)_[A-Za-z0-9]{32}
 *
 * A pattern is a sequence of characters, classes `[A-Za-z0-9_-]`, `\d` for `[0-9]` and groups of words `(live|test)`,
 * each with `?`, `{n}` or `{m,n}` after it if need be (groups: `?` only). At no place may it be open which of two ways
 * to go: what is repeated or left out begins with other characters than what follows. So there is nothing to try twice.
 */
import { malformed } from '../errors.ts'

/** The longest pattern, in characters. */
export const MAX_PATTERN_LENGTH = 256
/** The longest text that a pattern may match, in characters. */
const MAX_MATCH_LENGTH = 512

interface Piece {
  /** As a regular expression. */
  readonly source: string
  /** Codes of the characters that it can begin with. */
  readonly first: ReadonlySet<number>
  readonly least: number
  readonly most: number
  /** Whether it can be left out, or repeated more often or less. */
  readonly open: boolean
  /** As the operator wrote it. */
  readonly written: string
}

const PRINTABLE = /^[\x20-\x7e]*$/
const SPECIAL = /[\\^$.*+?()[\]{}|]/
const SPECIAL_IN_CLASS = /[\\[\]^]/

/**
 * Compiles a pattern. It matches where no letter or digit stands before and after.
 * @throws MALFORMED on whatever is not of the form above, and what could take long
 */
export function compileSecretPattern(pattern: string): RegExp {
  if (pattern === '' || pattern.length > MAX_PATTERN_LENGTH || !PRINTABLE.test(pattern)) {
    throw malformed(`a pattern has 1 to ${MAX_PATTERN_LENGTH} printable ASCII characters`)
  }
  const pieces = piecesOf(pattern)
  const least = pieces.reduce((sum, piece) => sum + piece.least, 0)
  const most = pieces.reduce((sum, piece) => sum + piece.most, 0)
  if (least < 4) throw malformed('a pattern that matches fewer than 4 characters finds anything')
  if (most > MAX_MATCH_LENGTH) {
    throw malformed(`the pattern matches up to ${most} characters; ${MAX_MATCH_LENGTH} at most`)
  }
  checkOneWay(pieces)
  const body = pieces.map(({ source }) => source).join('')
  // The n of an escaped line end, in JSON within JSON, is no letter.
  return new RegExp(`(?:(?<![A-Za-z0-9])|(?<=\\\\[nrtbf]))${body}(?![A-Za-z0-9])`, 'g')
}

/** Whatever can be left out or repeated must not begin as what can follow it. */
function checkOneWay(pieces: readonly Piece[]): void {
  pieces.forEach((piece, i) => {
    if (!piece.open) return
    for (const next of pieces.slice(i + 1)) {
      const shared = [...next.first].find((code) => piece.first.has(code))
      if (shared !== undefined) {
        const character = String.fromCharCode(shared)
        throw malformed(
          `"${piece.written}" and "${next.written}" can both begin with "${character}": give the first a fixed length`,
        )
      }
      if (next.least > 0) break
    }
  })
}

function piecesOf(pattern: string): Piece[] {
  const pieces: Piece[] = []
  for (let at = 0; at < pattern.length; ) {
    const [atom, end] = atomAt(pattern, at)
    const quantifier = /^(?:\?|\{([0-9]{1,3})(?:,([0-9]{1,3}))?\})/.exec(pattern.slice(end))
    const after = end + (quantifier?.[0].length ?? 0)
    const written = pattern.slice(at, after)
    if (quantifier === null) pieces.push({ ...atom, written })
    else pieces.push({ ...repeated(atom, quantifier, written), written })
    at = after
  }
  return pieces
}

function repeated(atom: Piece, quantifier: RegExpExecArray, written: string): Piece {
  const [all, from, to] = quantifier
  const source = `${atom.source}${all}`
  if (from === undefined) return { ...atom, source, least: 0, open: true }
  if (atom.most > 1) throw malformed(`"${written}": a group can be left out, not repeated`)
  const [least, most] = [Number(from), Number(to ?? from)]
  if (most < 1 || most < least) throw malformed(`"${written}" repeats less than once`)
  return { ...atom, source, least, most, open: least < most }
}

function atomAt(pattern: string, at: number): [atom: Piece, end: number] {
  const character = pattern[at]!
  if (character === '[') return classAt(pattern, at)
  if (character === '(') return groupAt(pattern, at)
  if (character === '\\') {
    const escaped = pattern[at + 1] ?? ''
    if (escaped === 'd') return [oneOf('[0-9]', rangeOf('0', '9')), at + 2]
    if (escaped === '' || /[A-Za-z0-9]/.test(escaped)) {
      throw malformed(`"\\${escaped}" is not known in patterns; \\d is, and \\ before punctuation`)
    }
    return [oneOf(quoted(escaped), [escaped.charCodeAt(0)]), at + 2]
  }
  if (character === '*' || character === '+') {
    throw malformed(`"${character}" has no bound: say how often at most, {1,64}`)
  }
  if (SPECIAL.test(character)) {
    throw malformed(
      `"${character}" is not known in patterns here; write \\${character} for the character`,
    )
  }
  return [oneOf(quoted(character), [character.charCodeAt(0)]), at + 1]
}

function oneOf(source: string, codes: readonly number[]): Piece {
  return { source, first: new Set(codes), least: 1, most: 1, open: false, written: source }
}

function quoted(character: string): string {
  return SPECIAL.test(character) || character === '-' || character === '/'
    ? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
    : character
}

function rangeOf(from: string, to: string): number[] {
  const [low, high] = [from.charCodeAt(0), to.charCodeAt(0)]
  return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => low + i)
}

function classAt(pattern: string, at: number): [atom: Piece, end: number] {
  const end = pattern.indexOf(']', at)
  const inside = pattern.slice(at + 1, end)
  if (end < 0 || inside === '')
    throw malformed('a class begins with [ and ends with ], with characters between')
  if (SPECIAL_IN_CLASS.test(inside)) {
    throw malformed(`[${inside}]: a class has characters and ranges, without \\, ^ and [`)
  }
  const codes: number[] = []
  for (let i = 0; i < inside.length; i++) {
    const isRange = inside[i + 1] === '-' && i + 2 < inside.length
    const range = isRange ? rangeOf(inside[i]!, inside[i + 2]!) : [inside.charCodeAt(i)]
    if (range.length === 0) throw malformed(`[${inside}]: a range goes up, as in a-z`)
    codes.push(...range)
    if (isRange) i += 2
  }
  const source = [...new Set(codes)].map((code) => `\\x${code.toString(16).padStart(2, '0')}`)
  return [oneOf(`[${source.join('')}]`, codes), end + 1]
}

function groupAt(pattern: string, at: number): [atom: Piece, end: number] {
  const end = pattern.indexOf(')', at)
  const words = pattern.slice(at + 1, end).split('|')
  if (end < 0 || words.some((word) => !/^[A-Za-z0-9_ -]+$/.test(word))) {
    throw malformed('a group has words of letters, digits, "_", "-" and spaces: (live|test)')
  }
  const other = words.find((word, i) => words.some((one, j) => i !== j && one.startsWith(word)))
  if (other !== undefined)
    throw malformed(`(${words.join('|')}): another word begins with "${other}"`)
  const lengths = words.map(({ length }) => length)
  return [
    {
      source: `(?:${words.map((word) => [...word].map(quoted).join('')).join('|')})`,
      first: new Set(words.map((word) => word.charCodeAt(0))),
      least: Math.min(...lengths),
      most: Math.max(...lengths),
      open: false,
      written: pattern.slice(at, end + 1),
    },
    end + 1,
  ]
}
