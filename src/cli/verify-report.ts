/** `cairn verify --report`: the verdict as a page to print or to keep. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Trust } from '../client/verdict.ts'
import type { FileVerdict } from '../client/verify-file.ts'
import { folderPage, verdictPage } from '../reports/verdict-page.ts'
import { countWords } from './folder-output.ts'
import { writeWhole } from './receipt-files.ts'
import type { BesideFlags } from './verify-beside.ts'
import type { FolderVerdict, Held } from './verify-folder.ts'
import { VERSION } from './version.ts'

export interface ReportOn {
  readonly file: string
  readonly bytes: Uint8Array
  readonly verdict: FileVerdict
  readonly trust: Trust
  readonly flags: BesideFlags
  /** The certificates of `--tsa`. */
  readonly authorities?: Uint8Array | undefined
}

export async function writeReport(out: string, on: ReportOn): Promise<void> {
  const { file, bytes, verdict, trust, flags, authorities } = on
  let time: string | undefined
  if (verdict.kind === 'time-stamp' && verdict.proven !== undefined) {
    // Its module reads ASN.1 as well, and is there by now.
    const { timeInWords } = await import('../client/verify-time-stamp.ts')
    time = timeInWords(verdict.proven)
  }
  const page = verdictPage({
    file: basename(file),
    size: bytes.length,
    sha256: hashOf(bytes),
    verdict,
    ...(authorities &&
      flags.tsa !== undefined && {
        authorities: { file: basename(flags.tsa), sha256: hashOf(authorities) },
      }),
    ...(time !== undefined && { time }),
    ...madeBy(trust),
  })
  await writeWhole(out, page)
}

export async function writeFolderReport(
  out: string,
  verdict: FolderVerdict,
  trust: Trust,
): Promise<void> {
  const { folder, ok, verified, failures, good, unchecked } = verdict
  const rowOf = ({ file, verdict: one }: Held) => ({
    file: basename(file),
    verdict: one,
  })
  const page = folderPage({
    folder: basename(folder),
    ok,
    counts: countWords(verdict),
    verified,
    failures: failures.map(rowOf),
    good: good.map(rowOf),
    unchecked,
    ...madeBy(trust),
  })
  await writeWhole(out, page)
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function madeBy(trust: Trust) {
  return { trust, checked: new Date().toISOString(), program: `cairn ${VERSION}` }
}
