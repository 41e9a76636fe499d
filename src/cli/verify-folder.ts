/** `cairn verify` on a folder: all receipts in it, checkpoints, and time-stamps of them. */
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import type { Trust } from '../client/verdict.ts'
import { verdictJson } from '../client/verdict-json.ts'
import { type FileVerdict, verifyFile } from '../client/verify-file.ts'
import { type ReceiptVerifier, receiptVerifier } from '../client/verify-receipt.ts'
import { CairnError } from '../errors.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { inFile } from '../server/vkey-file.ts'
import { printJson, terminal } from './command.ts'
import { exitFor } from './exit.ts'
import { MAX_LEAF_SIZE } from './input.ts'
import { startProgress } from './progress.ts'
import { filesOfFolder, leafFileOf, RECEIPT_EXTENSIONS } from './receipt-files.ts'
import { plural } from './style.ts'
import { formatChecks } from './table.ts'
import { type BesideFlags, dataPlaces, readAuthorities } from './verify-beside.ts'
import { headline } from './verify-output.ts'

/** Files of a folder that are read at the same time. */
const FILES_AT_ONCE = 32
/** Failed files of a folder that are shown one by one. */
const MAX_SHOWN = 20
/** Verified files that a report lists one by one. */
const MAX_LISTED = 1000

const STAMP = '.tsr'
const CHECKPOINT = '.checkpoint'

/** A file of the folder, and the verdict on it. */
export interface Judged {
  readonly file: string
  readonly verdict: FileVerdict
}

export interface FolderVerdict {
  readonly folder: string
  readonly ok: boolean
  /** How many were looked at, of each sort that was there. */
  readonly counts: Readonly<Record<Sort, number>>
  readonly verified: number
  readonly failures: readonly Judged[]
  /** The first of those that hold. */
  readonly good: readonly Judged[]
  /** Different heads that receipts are under. */
  readonly heads: number
  /** Time-stamps that were left alone, since nobody is trusted with the time. */
  readonly unchecked: number
}

export type Sort = 'receipts' | 'checkpoints' | 'timeStamps'

/** @throws USAGE when the folder has nothing of the sort, or a flag goes with one file only */
export async function verifyFolder(
  folder: string,
  trust: Trust,
  flags: BesideFlags & { readonly json?: boolean },
  maxReceipt: number,
): Promise<FolderVerdict> {
  if (flags.data !== undefined) {
    throw new CairnError('USAGE', '--data goes with one time-stamp, not with a folder')
  }
  if (flags.leaf !== undefined) {
    throw new CairnError('USAGE', '--leaf goes with one receipt, not with a folder')
  }
  const all = await filesOfFolder(folder, [...RECEIPT_EXTENSIONS, CHECKPOINT, STAMP])
  if (all.length === 0) {
    throw new CairnError(
      'USAGE',
      `${folder} has no receipts (.tlog-proof, .json, .cose), checkpoints or time-stamps (.tsr) in it`,
    )
  }
  const { tsa } = flags
  const isStamps = all.every((file) => extname(file) === STAMP)
  const authorities = tsa === undefined && !isStamps ? undefined : await readAuthorities(tsa)
  const files = authorities ? all : all.filter((file) => extname(file) !== STAMP)
  const judging = { trust, authorities, tsa, maxReceipt, verify: receiptVerifier(trust) }
  const progress = startProgress({
    label: 'verifying',
    unit: 'files',
    total: files.length,
    quiet: flags.json === true,
  })
  const counts = { receipts: 0, checkpoints: 0, timeStamps: 0 }
  const failures: Judged[] = []
  const good: Judged[] = []
  const heads = new Set<string>()
  try {
    for (let done = 0; done < files.length; done += FILES_AT_ONCE) {
      const some = files.slice(done, done + FILES_AT_ONCE)
      for (const judged of await Promise.all(some.map((file) => judge(file, judging)))) {
        const sort = sortOf(judged.file)
        const { ok, origin, size } = judged.verdict
        counts[sort]++
        if (ok && sort === 'receipts') heads.add(`${origin} ${size}`)
        if (!ok) failures.push(judged)
        else if (good.length < MAX_LISTED) good.push(judged)
      }
      progress.update(done + some.length)
    }
  } finally {
    progress.clear()
  }
  return {
    folder,
    ok: failures.length === 0,
    counts,
    verified: files.length - failures.length,
    failures,
    good,
    heads: heads.size,
    unchecked: all.length - files.length,
  }
}

function sortOf(file: string): Sort {
  const ending = extname(file)
  return ending === STAMP ? 'timeStamps' : ending === CHECKPOINT ? 'checkpoints' : 'receipts'
}

interface Judging {
  readonly trust: Trust
  readonly authorities: Uint8Array | undefined
  readonly tsa: string | undefined
  readonly maxReceipt: number
  readonly verify: ReceiptVerifier
}

async function judge(file: string, judging: Judging): Promise<Judged> {
  const { trust, authorities, tsa, maxReceipt, verify } = judging
  const sort = sortOf(file)
  const bytes = await readFileUpTo(file, maxReceipt)
  if (sort !== 'timeStamps') {
    const leaf = sort === 'receipts' ? await ifThere(leafFileOf(file), MAX_LEAF_SIZE) : undefined
    return { file, verdict: await verifyFile({ bytes, trust, leaf, verify }) }
  }
  const place = dataPlaces(file).find((one) => existsSync(one))
  const data = place === undefined ? undefined : await readFileUpTo(place, MAX_NOTE_SIZE)
  const verdict = await verifyFile({ bytes, trust, data, authorities }).catch(inFile(tsa ?? ''))
  return { file, verdict }
}

/** What lies beside a file; without it, the verdict says so. */
async function ifThere(file: string, limit: number): Promise<Uint8Array | undefined> {
  return readFileUpTo(file, limit).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Prints it, and sets the exit code. */
export function printFolder(verdict: FolderVerdict, json: boolean): void {
  const { folder, ok, counts, verified, failures, unchecked } = verdict
  process.exitCode = exitFor(ok)
  if (json) {
    const { receipts, checkpoints, timeStamps } = counts
    printJson({
      folder,
      ok,
      receipts,
      ...(checkpoints > 0 && { checkpoints }),
      ...(timeStamps + unchecked > 0 && { time_stamps: timeStamps, unchecked }),
      verified,
      failed: failures.length,
      failures: failures.map((one) => ({ file: one.file, ...verdictJson(one.verdict) })),
    })
    return
  }
  const { style, columns, line, text } = terminal()
  for (const { file, verdict: one } of failures.slice(0, MAX_SHOWN)) {
    line(style.bold(headline(file, one)))
    text(
      formatChecks(
        one.checks.filter(({ status }) => status === 'failed'),
        style,
        columns,
      ),
    )
  }
  if (failures.length > MAX_SHOWN) {
    line(`… and ${plural(failures.length - MAX_SHOWN, 'more failure')}`)
  }
  const all = countWords(verdict)
  line(
    ok
      ? style.green(style.bold(`verified: ${all}`))
      : style.red(style.bold(`NOT VERIFIED: ${failures.length} of ${all} failed`)),
  )
  if (unchecked > 0) {
    const stamps = plural(unchecked, 'time-stamp')
    line(`${stamps} not checked: name the authority's certificate with --tsa`)
  }
}

/** `300 receipts under 1 head, 2 checkpoints and 2 time-stamps`. */
export function countWords({ ok, counts, heads }: FolderVerdict): string {
  const { receipts, checkpoints, timeStamps } = counts
  const under = ok ? ` under ${plural(heads, 'head')}` : ''
  const parts = [
    ...(receipts > 0 ? [`${plural(receipts, 'receipt')}${under}`] : []),
    ...(checkpoints > 0 ? [plural(checkpoints, 'checkpoint')] : []),
    ...(timeStamps > 0 ? [plural(timeStamps, 'time-stamp')] : []),
  ]
  const last = parts.pop() ?? 'nothing'
  return parts.length === 0 ? last : `${parts.join(', ')} and ${last}`
}
