/** `cairn verify`: receipts and checkpoints against keys one trusts. Opens files, and never a socket. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { toHex } from '../bytes.ts'
import type { Check, Trust, Verdict } from '../client/verdict.ts'
import { verifyCheckpoint } from '../client/verify-checkpoint.ts'
import { type ReceiptVerifier, receiptVerifier } from '../client/verify-receipt.ts'
import { CairnError } from '../errors.ts'
import { isEvidence, MAX_EVIDENCE_SIZE } from '../formats/evidence.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { printJson, terminal, withCommonHelp, withTrust } from './command.ts'
import { reportEvidence, startsAsEvidence } from './evidence-file.ts'
import { exitFor } from './exit.ts'
import { MAX_LEAF_SIZE } from './input.ts'
import { startProgress } from './progress.ts'
import { leafFileOf, receiptFiles } from './receipt-files.ts'
import { isSplitView, reportSplitView } from './split-view.ts'
import { plural, printable } from './style.ts'
import { formatChecks } from './table.ts'
import {
  isTimeStamp,
  reportTimeStamp,
  stampBeside,
  stampNotChecked,
  type TimeStampFlags,
} from './time-stamp.ts'
import { readTrust, type TrustFlags } from './trust.ts'

/** Above the largest receipt of any format; what is larger is none. */
const MAX_FILE_SIZE = 4 * 1024 * 1024
/** Receipts of a folder that are read at the same time. */
const FILES_AT_ONCE = 32
/** Failed receipts of a folder that are shown one by one. */
const MAX_SHOWN = 20

interface VerifyFlags extends TrustFlags, TimeStampFlags {
  readonly leaf?: string
  readonly full?: boolean
}

/** A verdict on a file, as `--json` prints it. */
interface FileVerdict {
  readonly file: string
  readonly kind: Verdict['kind'] | 'checkpoint'
  readonly ok: boolean
  readonly origin?: string
  readonly index?: number
  readonly size?: number
  readonly root?: string
  readonly checks: readonly Check[]
}

export function configure(command: Command): void {
  command
    .description(
      'Check a receipt (tlog-proof, JSON or COSE), a checkpoint, the time-stamp of a checkpoint (RFC 3161), ' +
        'a folder of receipts, evidence (.cairn), or the proof that a log showed two trees (a split view). ' +
        'Works offline.',
    )
    .argument(
      '<file>',
      'receipt, checkpoint, time-stamp, folder of receipts, evidence, or split view',
    )
    .option('--leaf <file>', 'the leaf that the receipt is for (default: <file> ending in .leaf)')
    .option(
      '--tsa <file>',
      'PEM certificates of those who are trusted with the time of a time-stamp',
    )
    .option(
      '--data <file>',
      'the checkpoint that a time-stamp is of (default: <file> ending in .checkpoint)',
    )
    .option('--full', 'show all records of evidence, and their values to the end')
    .action((file: string, flags: VerifyFlags) => verify(file, flags))
  withTrust(command)
  withCommonHelp(command, [
    'cairn verify receipts/7.tlog-proof --vkey cairn-data/log.vkey',
    'cairn verify answer.cose --leaf record.json --policy policy.txt',
    'cairn verify receipts --vkey cairn-data/log.vkey',
    'cairn verify 7-0123abcd.tsr --tsa authority.pem --vkey cairn-data/log.vkey',
    'cairn verify complaint.cairn --policy policy.txt',
    'cairn verify fork.split-view --vkey cairn-data/log.vkey',
  ])
}

async function verify(path: string, flags: VerifyFlags): Promise<void> {
  const trust = await readTrust(flags)
  const found = await stat(path)
  if (found.isDirectory()) return verifyFolder(path, trust, flags)
  const isLarge = found.isFile() && found.size > MAX_FILE_SIZE && (await startsAsEvidence(path))
  const bytes = await readFileUpTo(path, isLarge ? MAX_EVIDENCE_SIZE : MAX_FILE_SIZE)
  await verifyOne(path, bytes, trust, flags)
}

async function verifyOne(
  file: string,
  bytes: Uint8Array,
  trust: Trust,
  flags: VerifyFlags,
): Promise<void> {
  const stamp = stampAskedFor(file, bytes, flags)
  if (stamp !== undefined) {
    if (flags.leaf !== undefined) {
      throw new CairnError('USAGE', '--leaf goes with a receipt; what was time-stamped is --data')
    }
    return reportTimeStamp(stamp, trust, stamp === file ? flags : { ...flags, data: file })
  }
  if (flags.tsa !== undefined || flags.data !== undefined) {
    throw new CairnError(
      'USAGE',
      '--tsa and --data go with a time-stamp, or with a checkpoint that has one beside it (.tsr)',
    )
  }
  if (isEvidence(bytes)) {
    mustHaveNoLeaf(flags, 'evidence')
    return reportEvidence(file, bytes, trust, flags)
  }
  if (isSplitView(bytes)) {
    mustHaveNoLeaf(flags, 'a split view')
    return reportSplitView(file, bytes, trust, flags.json === true)
  }
  const verdict = await judge(file, bytes, { trust, leaf: flags.leaf })
  process.exitCode = exitFor(verdict.ok)
  if (flags.json === true) return printJson(verdict)
  const { style, columns, line, text } = terminal()
  line(style.bold(headline(verdict)))
  text(formatChecks(verdict.checks, style, columns))
  line(
    verdict.ok
      ? style.green(style.bold('verified'))
      : style.red(style.bold('NOT VERIFIED: do not rely on this file')),
  )
}

function mustHaveNoLeaf({ leaf }: VerifyFlags, what: string): void {
  if (leaf === undefined) return
  throw new CairnError('USAGE', `--leaf goes with a receipt, not with ${what}`)
}

/** The time-stamp to judge: the file itself, or with `--tsa` the one beside a checkpoint. */
function stampAskedFor(file: string, bytes: Uint8Array, flags: VerifyFlags): string | undefined {
  if (isTimeStamp(bytes)) return file
  return flags.tsa !== undefined && isCheckpoint(bytes) ? stampBeside(file) : undefined
}

/** `7.tlog-proof: leaf 7 of example.com/log, tree of 12 leaves`. */
function headline({ file, kind, origin, index, size }: FileVerdict): string {
  if (origin === undefined || size === undefined) return printable(file)
  const tree = plural(size, 'leaf', 'leaves')
  const what = index === undefined ? `${kind} of` : `leaf ${index} of`
  return `${printable(file)}: ${what} ${printable(origin)}, tree of ${tree}`
}

async function verifyFolder(folder: string, trust: Trust, flags: VerifyFlags): Promise<void> {
  if (flags.tsa !== undefined || flags.data !== undefined) {
    throw new CairnError('USAGE', '--tsa and --data go with one time-stamp, not with a folder')
  }
  if (flags.leaf !== undefined) {
    throw new CairnError('USAGE', '--leaf goes with one receipt, not with a folder')
  }
  const files = await receiptFiles(folder)
  if (files.length === 0) {
    throw new CairnError('USAGE', `${folder} has no receipts (.tlog-proof, .json, .cose) in it`)
  }
  const quiet = flags.json === true
  const progress = startProgress({
    label: 'verifying',
    unit: 'receipts',
    total: files.length,
    quiet,
  })
  const verify = receiptVerifier(trust)
  const failed: FileVerdict[] = []
  const trees = new Set<string>()
  for (let done = 0; done < files.length; done += FILES_AT_ONCE) {
    const some = files.slice(done, done + FILES_AT_ONCE)
    for (const verdict of await Promise.all(
      some.map(async (file) => {
        const bytes = await readFileUpTo(file, MAX_FILE_SIZE)
        return judge(file, bytes, { trust, verify })
      }),
    )) {
      if (!verdict.ok) failed.push(verdict)
      else trees.add(`${verdict.origin} ${verdict.size}`)
    }
    progress.update(done + some.length)
  }
  progress.clear()

  const ok = failed.length === 0
  process.exitCode = exitFor(ok)
  const counts = { verified: files.length - failed.length, failed: failed.length }
  if (quiet) return printJson({ folder, ok, receipts: files.length, ...counts, failures: failed })
  const { style, columns, line, text } = terminal()
  for (const verdict of failed.slice(0, MAX_SHOWN)) {
    line(style.bold(headline(verdict)))
    text(formatChecks(verdict.checks.filter(isFailed), style, columns))
  }
  if (failed.length > MAX_SHOWN) line(`… and ${plural(failed.length - MAX_SHOWN, 'more failure')}`)
  const receipts = plural(files.length, 'receipt')
  const heads = `under ${plural(trees.size, 'head')}`
  line(
    ok
      ? style.green(style.bold(`verified: ${receipts} ${heads}`))
      : style.red(style.bold(`NOT VERIFIED: ${failed.length} of ${receipts} failed`)),
  )
}

function isFailed(check: Check): boolean {
  return check.status === 'failed'
}

interface Judging {
  readonly trust: Trust
  /** The file that `--leaf` names. */
  readonly leaf?: string | undefined
  /** One for many receipts. */
  readonly verify?: ReceiptVerifier
}

/** Verifies a file, whatever it holds. What cannot be read is an error; what does not hold is a verdict. */
async function judge(
  file: string,
  bytes: Uint8Array,
  { trust, leaf: leafFlag, verify = receiptVerifier(trust) }: Judging,
): Promise<FileVerdict> {
  if (leafFlag === undefined && isCheckpoint(bytes)) return judgeCheckpoint(file, bytes, trust)
  const leafFile = leafFlag ?? leafFileOf(file)
  const leaf = await readFileUpTo(leafFile, MAX_LEAF_SIZE).catch((error: unknown) => {
    if (leafFlag !== undefined || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new CairnError(
      'USAGE',
      `${file} is a receipt for a leaf: name the leaf's file with --leaf, or put it at ${leafFile}`,
    )
  })
  const { root, ...verdict } = verify(leaf, bytes)
  return { file, ...verdict, ...(root && { root: toHex(root) }) }
}

/** A note has a signature line after its last blank line; a tlog-proof has one too, but says so in its first line. */
function isCheckpoint(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1')
  const dash = Buffer.from('\n\n— ').toString('latin1')
  return !text.startsWith('c2sp.org/tlog-proof@') && !text.startsWith('{') && text.includes(dash)
}

function judgeCheckpoint(file: string, bytes: Uint8Array, trust: Trust): FileVerdict {
  const { ok, opened, checks: made } = verifyCheckpoint(bytes, trust)
  const stamp = stampBeside(file)
  const checks = stamp === undefined ? made : [...made, stampNotChecked(stamp)]
  if (opened === undefined) return { file, kind: 'checkpoint', ok, checks }
  const { origin, size, root } = opened.checkpoint
  return { file, kind: 'checkpoint', ok, origin, size, root: toHex(root), checks }
}
