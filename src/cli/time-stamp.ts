/** The verdict on a time-stamp of a checkpoint, as `cairn verify` gives it. Reading ASN.1 is loaded only for that. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { toHex } from '../bytes.ts'
import type { Check, Trust } from '../client/verdict.ts'
import { verifyCheckpoint } from '../client/verify-checkpoint.ts'
import type { ProvenTime } from '../client/verify-time-stamp.ts'
import { CairnError } from '../errors.ts'
import type { X509Certificate } from '../formats/certificate.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { inFile } from '../server/vkey-file.ts'
import { printJson, terminal } from './command.ts'
import { exitFor } from './exit.ts'
import { plural, printable } from './style.ts'
import { formatChecks, wrap } from './table.ts'

const STAMP = '.tsr'
const CHECKPOINT = '.checkpoint'
const MAX_CERTIFICATES_SIZE = 1_000_000

export interface TimeStampFlags {
  /** The file of certificates that are trusted with the time. */
  readonly tsa?: string
  /** The file that was time-stamped. */
  readonly data?: string
  readonly json?: boolean
}

/** Whether bytes begin as an RFC 3161 response does: a sequence with, first, a sequence that begins with a number. */
export function isTimeStamp(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes
  const content = length < 0x80 ? 2 : 2 + (length & 0x7f)
  const [inner, , number, octets] = bytes.subarray(content, content + 4)
  return tag === 0x30 && inner === 0x30 && number === 0x02 && octets === 0x01
}

/** The time-stamp beside a checkpoint, or undefined. */
export function stampBeside(checkpoint: string): string | undefined {
  if (!checkpoint.endsWith(CHECKPOINT)) return undefined
  const file = checkpoint.slice(0, -CHECKPOINT.length) + STAMP
  return existsSync(file) ? file : undefined
}

/** What a checkpoint's verdict says of a time-stamp beside it that was not asked about. */
export function stampNotChecked(file: string): Check {
  const detail = `${basename(file)} is beside it; name the authority's certificate with --tsa to check it as well`
  return { name: 'time-stamp', status: 'skipped', detail: printable(detail) }
}

/**
 * Judges a time-stamp and the checkpoint that it is of, and prints the verdict.
 * @throws USAGE when the authority or the checkpoint is not named
 */
export async function reportTimeStamp(
  file: string,
  trust: Trust,
  flags: TimeStampFlags,
): Promise<void> {
  const anchors = await readAnchors(flags.tsa)
  const dataFile = flags.data ?? dataBeside(file)
  const [response, data] = await Promise.all([
    readFileUpTo(file, MAX_NOTE_SIZE),
    readFileUpTo(dataFile, MAX_NOTE_SIZE),
  ])
  const { verifyTimeStamp } = await import('../client/verify-time-stamp.ts')
  const stamp = await verifyTimeStamp({ data, response, anchors })
  const head = verifyCheckpoint(data, trust)
  const { checkpoint } = head.opened ?? {}
  const proven = head.ok ? stamp.proven : undefined
  const verdict = { checks: [...stamp.checks, ...head.checks], checkpoint, proven }
  process.exitCode = exitFor(proven !== undefined)
  if (flags.json === true) printJson(jsonOf(file, dataFile, verdict))
  else await printVerdict(file, verdict)
}

interface StampVerdict {
  readonly checks: readonly Check[]
  readonly checkpoint: Checkpoint | undefined
  /** Only when the checkpoint holds as well. */
  readonly proven: ProvenTime | undefined
}

function jsonOf(file: string, data: string, { checks, checkpoint, proven }: StampVerdict): unknown {
  const head = checkpoint && {
    origin: checkpoint.origin,
    size: checkpoint.size,
    root: toHex(checkpoint.root),
  }
  const facts = proven && { ...proven, time: new Date(proven.time).toISOString() }
  return { file, kind: 'time-stamp', ok: proven !== undefined, data, ...head, ...facts, checks }
}

async function printVerdict(
  file: string,
  { checks, checkpoint, proven }: StampVerdict,
): Promise<void> {
  const { style, columns, line, text } = terminal()
  const of = checkpoint === undefined ? '' : ` of ${printable(checkpoint.origin)}`
  line(style.bold(`${printable(file)}: time-stamp of a checkpoint${of}`))
  text(formatChecks(checks, style, columns))
  if (proven === undefined || checkpoint === undefined) {
    line(style.red(style.bold('NOT VERIFIED: do not rely on this file')))
    return
  }
  const { timeInWords } = await import('../client/verify-time-stamp.ts')
  line(style.green(style.bold(`verified: ${timeInWords(proven)}`)))
  const leaves = plural(checkpoint.size, 'leaf', 'leaves')
  const statement = `${proven.authority} states that it was shown this checkpoint at that time. So the checkpoint existed by then, and with it the tree of ${leaves} that it commits to.`
  for (const row of wrap(statement, columns)) line(row)
}

async function readAnchors(tsa: string | undefined): Promise<readonly X509Certificate[]> {
  if (tsa === undefined) {
    throw new CairnError(
      'USAGE',
      'whose time-stamp is it? name a file with the certificate of the authority, or that which issued it, with --tsa (PEM)',
    )
  }
  const { parseCertificates } = await import('../formats/certificate.ts')
  return readFileUpTo(tsa, MAX_CERTIFICATES_SIZE).then(parseCertificates).catch(inFile(tsa))
}

/** `7-0123abcd.tsr`, and a later stamp `7-0123abcd-20260115T120000Z.tsr`, are of `7-0123abcd.checkpoint`. */
function dataBeside(file: string): string {
  const stem = file.endsWith(STAMP) ? file.slice(0, -STAMP.length) : file
  const places = [stem, stem.replace(/-\d{8}T\d{6}Z$/, '')].map((place) => place + CHECKPOINT)
  const found = places.find((place) => existsSync(place))
  if (found !== undefined) return found
  throw new CairnError(
    'USAGE',
    `${file} is a time-stamp of a checkpoint: name the checkpoint's file with --data, or put it at ${places[0]}`,
  )
}
