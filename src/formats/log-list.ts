/**
 * Lists of logs that witnesses may watch, C2SP tlog-list, as networks of witnesses publish them:
 *
 *     logs/v0
 *
 *     vkey log.example.org+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
 *     qpd 86400
 *     contact logs@example.org
 *
 * The keys are left as text: a list may hold kinds of keys that are unknown here, and is of use all the same.
 */
import { fromDecimal, fromUtf8 } from '../bytes.ts'
import { malformed, messageOf } from '../errors.ts'

export interface ListedLog {
  readonly vkey: string
  /** The origin of its checkpoints: the key's name unless the list says otherwise. */
  readonly origin: string
  /** Requests that the log may make of a witness in a day: 1 to 2^31 - 1. */
  readonly requestsPerDay: number
  /** How people reach its operator. */
  readonly contact: string
}

const HEADER = 'logs/v0'
const MAX_REQUESTS = 2 ** 31 - 1

interface Line {
  readonly number: number
  readonly keyword: string
  readonly value: string
}

/** Whether a text means to be a list of logs: its first line that is neither empty nor a comment says so. */
export function isLogList(text: string): boolean {
  return linesOf(text)[0]?.keyword === HEADER
}

/**
 * Reads a list.
 * @throws MALFORMED, with the line's number, on anything that the standard does not allow
 */
export function parseLogList(bytes: Uint8Array): ListedLog[] {
  const [header, ...lines] = linesOf(fromUtf8(bytes, 'list of logs'))
  if (header?.keyword !== HEADER || header.value !== '') {
    throw malformed(`list of logs does not begin with ${HEADER}`)
  }
  const logs: ListedLog[] = []
  const origins = new Set<string>()
  let at = 0
  /** The value of the next line, which must have this keyword. */
  function take<T>(keyword: string, read: (value: string) => T): T {
    const line = lines[at++]
    if (line === undefined) throw malformed(`list of logs ends where ${keyword} is expected`)
    try {
      if (line.keyword !== keyword) throw malformed(`expected ${keyword}`)
      if (line.value === '') throw malformed(`${keyword} has no value`)
      return read(line.value)
    } catch (cause) {
      throw malformed(`list of logs, line ${line.number}: ${messageOf(cause)}`, { cause })
    }
  }
  while (at < lines.length) {
    const vkey = take('vkey', checkVkey)
    const origin = lines[at]?.keyword === 'origin' ? take('origin', String) : nameIn(vkey)
    // SPEC tlog-list: two logs MUST NOT share the same origin.
    if (origins.has(origin)) throw malformed(`list of logs has the origin ${origin} twice`)
    origins.add(origin)
    const requestsPerDay = take('qpd', requestsIn)
    logs.push({ vkey, origin, requestsPerDay, contact: take('contact', String) })
  }
  return logs
}

/** The lines that say something. */
function linesOf(text: string): Line[] {
  return text.split('\n').flatMap((raw, i) => {
    // SPEC tlog-list: leading and trailing space and tab are removed, blank lines and comments ignored.
    const line = trimmed(raw)
    if (line === '' || line.startsWith('#')) return []
    const [keyword = ''] = line.split(/[ \t]/, 1)
    return [{ number: i + 1, keyword, value: line.slice(keyword.length).replace(/^[ \t]+/, '') }]
  })
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

/** Step by step: a regular expression for the end of a line takes the square of any run of blanks before it. */
function trimmed(line: string): string {
  let start = 0
  let end = line.length
  while (start < end && isBlank(line[start])) start++
  while (start < end && isBlank(line[end - 1])) end--
  return line.slice(start, end)
}

function checkVkey(vkey: string): string {
  if (nameIn(vkey) === '' || /[ \t]/.test(vkey)) {
    throw malformed('vkey is not of the form <name>+<key id>+<base64 key>')
  }
  return vkey
}

function nameIn(vkey: string): string {
  return vkey.slice(0, Math.max(0, vkey.indexOf('+')))
}

function requestsIn(qpd: string): number {
  const requests = fromDecimal(qpd, 'qpd')
  if (requests >= 1 && requests <= MAX_REQUESTS) return requests
  throw malformed(`qpd is ${qpd}; it must be from 1 to ${MAX_REQUESTS}`)
}
