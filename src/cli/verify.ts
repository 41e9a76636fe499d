/** `cairn verify`: anything that a log hands out, against keys one trusts. Opens files, and never a socket. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { fileKind } from '../client/file-kind.ts'
import type { Trust } from '../client/verdict.ts'
import { type FileVerdict, verifyFile } from '../client/verify-file.ts'
import { CairnError } from '../errors.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { inFile } from '../server/vkey-file.ts'
import { withCommonHelp, withTrust } from './command.ts'
import { largeSizeOf } from './evidence-file.ts'
import { exitFor } from './exit.ts'
import { printFolder } from './folder-output.ts'
import { readTrust, type TrustFlags } from './trust.ts'
import {
  type BesideFlags,
  readBeside,
  stampBeside,
  stampMeant,
  stampNotChecked,
} from './verify-beside.ts'
import { verifyFolder } from './verify-folder.ts'
import { type OutputFlags, printVerdict } from './verify-output.ts'

/** Above the largest receipt of any format; what is larger is none. */
const MAX_FILE_SIZE = 4 * 1024 * 1024

interface VerifyFlags extends TrustFlags, BesideFlags, OutputFlags {
  readonly report?: string
  readonly page?: string
}

export function configure(command: Command): void {
  command
    .description(
      'Check a receipt (tlog-proof, JSON or COSE), a checkpoint, the time-stamp of a checkpoint (RFC 3161), ' +
        'evidence (.cairn), the proof of a complete list, the proof that a log showed two trees (a split view), or a folder of these. ' +
        'What a file is, is told from the file. Works offline.',
    )
    .argument(
      '[file]',
      'receipt, checkpoint, time-stamp, evidence, proof of a list, split view, or folder of these',
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
    .option('--report <file>', 'write the verdict as a page to print or to keep (HTML) as well')
    .option('--page <file>', 'write the page that verifies in a browser (HTML), and check nothing')
    .action((file: string | undefined, flags: VerifyFlags) => verifyOrWrite(file, flags))
  withTrust(command)
  withCommonHelp(command, [
    'cairn verify receipts/7.tlog-proof --vkey cairn-data/log.vkey',
    'cairn verify answer.cose --leaf record.json --policy policy.txt',
    'cairn verify receipts --vkey cairn-data/log.vkey',
    'cairn verify 7-0123abcd.tsr --tsa authority.pem --vkey cairn-data/log.vkey',
    'cairn verify complaint.cairn --policy policy.txt --report complaint.html',
    'cairn verify fork.split-view --vkey cairn-data/log.vkey',
    'cairn verify --page verifier.html',
  ])
}

async function verifyOrWrite(
  file: string | undefined,
  { page, ...flags }: VerifyFlags,
): Promise<void> {
  if (page === undefined) {
    if (file !== undefined) return verify(file, flags)
    throw new CairnError('USAGE', 'name the file to verify, or the one to write with --page')
  }
  const others = Object.keys(flags).filter((name) => name !== 'json')
  if (file !== undefined || others.length > 0) {
    throw new CairnError('USAGE', '--page writes a page and checks nothing: it stands alone')
  }
  const { writePage } = await import('./verify-page.ts')
  return writePage(page, flags.json === true)
}

async function verify(path: string, flags: VerifyFlags): Promise<void> {
  const trust = await readTrust(flags)
  const found = await stat(path)
  if (flags.report !== undefined && resolve(flags.report) === resolve(path)) {
    throw new CairnError('USAGE', '--report would replace the file that is to be verified')
  }
  if (found.isDirectory()) {
    const verdict = await verifyFolder(path, trust, flags, MAX_FILE_SIZE)
    if (flags.report !== undefined) {
      const { writeFolderReport } = await import('./verify-report.ts')
      await writeFolderReport(flags.report, verdict, trust)
    }
    return printFolder(verdict, flags.json === true)
  }
  const isLarge = found.isFile() && found.size > MAX_FILE_SIZE
  const limit = isLarge ? await largeSizeOf(path) : undefined
  const bytes = await readFileUpTo(path, limit ?? MAX_FILE_SIZE)
  const stamp = stampMeant(path, fileKind(bytes), flags)
  if (stamp === undefined) return verifyOne(path, bytes, trust, flags)
  const response = await readFileUpTo(stamp, MAX_FILE_SIZE)
  return verifyOne(stamp, response, trust, { ...flags, data: path })
}

async function verifyOne(
  file: string,
  bytes: Uint8Array,
  trust: Trust,
  flags: VerifyFlags,
): Promise<void> {
  const { dataFile, ...beside } = await readBeside(file, bytes, fileKind(bytes), flags)
  const judged = await verifyFile({ bytes, trust, ...beside }).catch(inFile(flags.tsa ?? file))
  const verdict = withStampBeside(file, judged)
  process.exitCode = exitFor(verdict.ok)
  if (flags.report !== undefined) {
    const { writeReport } = await import('./verify-report.ts')
    const { authorities } = beside
    await writeReport(flags.report, { file, bytes, verdict, trust, flags, authorities })
  }
  await printVerdict(file, verdict, flags, dataFile)
}

/** Says of a checkpoint that a time-stamp lies beside it. */
function withStampBeside(file: string, verdict: FileVerdict): FileVerdict {
  const stamp = verdict.kind === 'checkpoint' ? stampBeside(file) : undefined
  if (stamp === undefined) return verdict
  return { ...verdict, checks: [...verdict.checks, stampNotChecked(stamp)] }
}
