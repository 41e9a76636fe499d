/**
 * A head as a syslog message (RFC 5424): its content is JSON in ASCII, so that any receiver keeps it as it is. With an
 * enterprise number the same facts are structured data as well; without one there is none, because a name of one's own
 * for structured data needs a number that IANA has given to somebody.
 *
 *     <109>1 2026-01-15T12:00:00.000Z log1 cairn 4711 head - {"origin":"…","size":15,"root":"…","checkpoint":"…"}
 */
import { toBase64, utf8 } from '../bytes.ts'
import { formatNote, parseNote } from '../formats/note.ts'
import type { PublishedHead } from './sink.ts'

export interface SyslogMessageOptions {
  /** 0 to 23; 13 is that of audits. */
  readonly facility: number
  readonly hostname: string
  readonly processId: number
  /** The operator's private enterprise number, for structured data. */
  readonly enterpriseNumber?: number
  /** Milliseconds since 1970. */
  readonly time: number
}

/** SPEC RFC 5424 section 6.1: receivers should take as much; what is longer may be cut. */
export const MAX_SYSLOG_SIZE = 2_048
/** Normal, but significant. */
const NOTICE = 5
const ED25519_SIGNATURE_SIZE = 64

/**
 * The message of a head, of at most MAX_SYSLOG_SIZE bytes. It carries the checkpoint with the log's Ed25519 signature
 * alone, which makes it evidence by itself; where that is too long, no checkpoint.
 */
export function formatSyslogMessage(
  head: PublishedHead,
  options: SyslogMessageOptions,
): Uint8Array {
  const { origin, size, root } = head
  const facts = { origin, size, root: toBase64(root) }
  const checkpoint = shortCheckpoint(head)
  const contents = [...(checkpoint === undefined ? [] : [{ ...facts, checkpoint }]), facts]
  const header = formatHeader(options)
  for (const data of [structuredData(head, options.enterpriseNumber), '-']) {
    for (const content of contents) {
      const message = utf8(`${header} ${data} ${asciiJson(content)}`)
      if (message.length <= MAX_SYSLOG_SIZE) return message
    }
  }
  // An origin of 255 bytes in escapes, which is the longest there can be, is far from here.
  throw new Error('unreachable: a head without its checkpoint fits into a message')
}

function formatHeader({ facility, hostname, processId, time }: SyslogMessageOptions): string {
  const at = new Date(time).toISOString()
  const host = hostname.replace(/[^\x21-\x7e]/g, '').slice(0, 255) || '-'
  return `<${facility * 8 + NOTICE}>1 ${at} ${host} cairn ${processId} head`
}

function structuredData(
  { origin, size, root }: PublishedHead,
  enterpriseNumber: number | undefined,
): string {
  if (enterpriseNumber === undefined) return '-'
  const values = { origin, size: String(size), root: toBase64(root) }
  const parameters = Object.entries(values).map(
    ([name, value]) => ` ${name}="${value.replace(/["\\\]]/g, (character) => `\\${character}`)}"`,
  )
  return `[cairn@${enterpriseNumber}${parameters.join('')}]`
}

/** The note with the log's Ed25519 signature alone: an ML-DSA-44 signature has three thousand letters. */
function shortCheckpoint({ origin, checkpoint }: PublishedHead): string | undefined {
  const { text, signatures } = parseNote(utf8(checkpoint))
  const own = signatures.find(
    ({ name, signature }) => name === origin && signature.length === ED25519_SIGNATURE_SIZE,
  )
  return own && formatNote({ text, signatures: [own] })
}

function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
