/** What a file needs beside it to be verified: a receipt its leaf, a time-stamp its checkpoint and whom to trust with the time. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { FileKind } from '../client/file-kind.ts'
import type { Check } from '../client/verdict.ts'
import { KIND_WORDS } from '../client/verify-file.ts'
import { CairnError } from '../errors.ts'
import { mayBeRecord } from '../formats/completeness-terms.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { MAX_LEAF_SIZE } from './input.ts'
import { leafFileOf } from './receipt-files.ts'
import { printable } from './style.ts'

const STAMP = '.tsr'
const CHECKPOINT = '.checkpoint'
const MAX_CERTIFICATES_SIZE = 1_000_000

export interface BesideFlags {
  /** The file of the leaf that a receipt is for. */
  readonly leaf?: string
  /** The file of certificates that are trusted with the time. */
  readonly tsa?: string
  /** The file that was time-stamped. */
  readonly data?: string
}

export interface Beside {
  readonly leaf?: Uint8Array
  readonly data?: Uint8Array
  /** Where the data is. */
  readonly dataFile?: string
  readonly authorities?: Uint8Array
}

const RECEIPTS: readonly FileKind[] = ['tlog-proof', 'json', 'cose']

/**
 * Reads what a file of a kind needs, from where the flags say, or else from where it usually lies.
 * @throws USAGE when it is nowhere, or when a flag is for another kind of file
 */
export async function readBeside(
  file: string,
  bytes: Uint8Array,
  kind: FileKind,
  flags: BesideFlags,
): Promise<Beside> {
  if (kind === 'time-stamp') {
    if (flags.leaf !== undefined) {
      throw new CairnError('USAGE', '--leaf goes with a receipt; what was time-stamped is --data')
    }
    const authorities = await readAuthorities(flags.tsa)
    const dataFile = flags.data ?? dataBeside(file)
    return { authorities, dataFile, data: await readFileUpTo(dataFile, MAX_NOTE_SIZE) }
  }
  if (flags.tsa !== undefined || flags.data !== undefined) {
    throw new CairnError(
      'USAGE',
      '--tsa and --data go with a time-stamp, or with a checkpoint that has one beside it (.tsr)',
    )
  }
  if (RECEIPTS.includes(kind)) return { leaf: await readLeaf(file, bytes, flags.leaf) }
  // Of what is not even known to be a receipt, the leaf does not matter.
  if (flags.leaf !== undefined && kind !== 'unknown') {
    throw new CairnError('USAGE', `--leaf goes with a receipt, not with ${articled(kind)}`)
  }
  return {}
}

function articled(kind: FileKind): string {
  return kind === 'checkpoint' ? 'a checkpoint' : KIND_WORDS[kind]
}

async function readLeaf(
  file: string,
  bytes: Uint8Array,
  named: string | undefined,
): Promise<Uint8Array> {
  const leafFile = named ?? leafFileOf(file)
  return readFileUpTo(leafFile, MAX_LEAF_SIZE).catch((error: unknown) => {
    if (named !== undefined || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (mayBeRecord(bytes)) {
      throw new CairnError(
        'USAGE',
        `${file} is an audit record, which proves nothing alone: verify its receipt, with --leaf ${file}`,
      )
    }
    throw new CairnError(
      'USAGE',
      `${file} is a receipt for a leaf: name the leaf's file with --leaf, or put it at ${leafFile}`,
    )
  })
}

/** The certificates of `--tsa`, in PEM. @throws USAGE without the flag */
export async function readAuthorities(tsa: string | undefined): Promise<Uint8Array> {
  if (tsa !== undefined) return readFileUpTo(tsa, MAX_CERTIFICATES_SIZE)
  throw new CairnError(
    'USAGE',
    'whose time-stamp is it? name a file with the certificate of the authority, or that which issued it, with --tsa (PEM)',
  )
}

/** With `--tsa`, a checkpoint stands for the time-stamp beside it. */
export function stampMeant(file: string, kind: FileKind, flags: BesideFlags): string | undefined {
  return flags.tsa !== undefined && kind === 'checkpoint' ? stampBeside(file) : undefined
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

/** `7-0123abcd.tsr`, and a later stamp `7-0123abcd-20260115T120000Z.tsr`, are of `7-0123abcd.checkpoint`. */
export function dataPlaces(file: string): string[] {
  const stem = file.endsWith(STAMP) ? file.slice(0, -STAMP.length) : file
  return [stem, stem.replace(/-\d{8}T\d{6}Z$/, '')].map((place) => place + CHECKPOINT)
}

function dataBeside(file: string): string {
  const places = dataPlaces(file)
  const found = places.find((place) => existsSync(place))
  if (found !== undefined) return found
  throw new CairnError(
    'USAGE',
    `${file} is a time-stamp of a checkpoint: name the checkpoint's file with --data, or put it at ${places[0]}`,
  )
}
