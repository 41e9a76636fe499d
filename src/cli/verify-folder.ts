/** `cairn verify` on a folder: everything in it that a log hands out. */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { FileKind } from '../client/file-kind.ts'
import type { Trust } from '../client/verdict.ts'
import { type FileVerdict, verifyFile } from '../client/verify-file.ts'
import { type ReceiptVerifier, receiptVerifier } from '../client/verify-receipt.ts'
import { CairnError } from '../errors.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { inFile } from '../server/vkey-file.ts'
import { largeSizeOf } from './evidence-file.ts'
import { MAX_LEAF_SIZE } from './input.ts'
import { startProgress } from './progress.ts'
import { inOrder, LEAF_EXTENSION, leafFileOf, RECEIPT_EXTENSIONS } from './receipt-files.ts'
import { type BesideFlags, dataPlaces, readAuthorities } from './verify-beside.ts'

/** Files of a folder that are read at the same time. */
const FILES_AT_ONCE = 32
/** Verified files that a report lists one by one. */
const MAX_LISTED = 1000

const STAMP = '.tsr'
const CHECKPOINT = '.checkpoint'
/** What the files of each ending are, or should be. */
const ENDINGS: Readonly<Record<string, Sort>> = {
  ...Object.fromEntries(RECEIPT_EXTENSIONS.map((ending) => [ending, 'receipts'])),
  [CHECKPOINT]: 'checkpoints',
  [STAMP]: 'timeStamps',
  '.cairn': 'evidence',
  '.split-view': 'splitViews',
}

/** A file of the folder, and the verdict on it. */
export interface Judged {
  readonly file: string
  readonly verdict: FileVerdict
}

export interface FolderVerdict {
  readonly folder: string
  readonly ok: boolean
  /** How many were looked at, of each sort that was there. */
  readonly counts: Counts
  readonly verified: number
  readonly failures: readonly Judged[]
  /** The first of those that hold. */
  readonly good: readonly Held[]
  /** Different heads that receipts are under. */
  readonly heads: number
  /** Time-stamps that were left alone, since nobody is trusted with the time. */
  readonly unchecked: number
}

export type Sort =
  | 'receipts'
  | 'checkpoints'
  | 'timeStamps'
  | 'evidence'
  | 'completeLists'
  | 'splitViews'

export type Counts = Readonly<Record<Sort, number>>

/** A file that holds, without what evidence of it shows: that can be large. */
export interface Held {
  readonly file: string
  readonly verdict: Pick<FileVerdict, 'kind' | 'finding'>
}

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
  const all = await filesToVerify(folder)
  if (all.length === 0) {
    throw new CairnError(
      'USAGE',
      `${folder} has no receipts (.tlog-proof, .json, .cose), checkpoints, time-stamps (.tsr), evidence (.cairn), complete lists or split views in it`,
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
  const counts = {
    receipts: 0,
    checkpoints: 0,
    timeStamps: 0,
    evidence: 0,
    completeLists: 0,
    splitViews: 0,
  }
  const failures: Judged[] = []
  const good: Held[] = []
  const heads = new Set<string>()
  try {
    let done = 0
    for (const some of await portions(files, maxReceipt)) {
      for (const judged of await Promise.all(some.map((file) => judge(file, judging)))) {
        const { file, verdict } = judged
        const sort = sortOf(judged)
        const { ok, origin, size } = verdict
        counts[sort]++
        if (ok && sort === 'receipts') heads.add(`${origin} ${size}`)
        if (!ok) failures.push(judged)
        else if (good.length < MAX_LISTED) {
          good.push({ file, verdict: { kind: verdict.kind, finding: verdict.finding } })
        }
      }
      done += some.length
      progress.update(done)
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

/** The files of a folder with one of the endings, and others that begin as what has none of its own. */
async function filesToVerify(folder: string): Promise<string[]> {
  const names: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const { name } = entry
    const ending = extname(name)
    if (ending in ENDINGS) names.push(name)
    else if (entry.isFile() && ending !== LEAF_EXTENSION) {
      if ((await largeSizeOf(join(folder, name))) !== undefined) names.push(name)
    }
  }
  return inOrder(names).map((name) => join(folder, name))
}

/** Those that are read at the same time. Large ones, as evidence may be, alone. */
async function portions(files: readonly string[], large: number): Promise<string[][]> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size))
  const small = files.filter((_, i) => sizes[i]! <= large)
  const groups: string[][] = []
  for (let at = 0; at < small.length; at += FILES_AT_ONCE) {
    groups.push(small.slice(at, at + FILES_AT_ONCE))
  }
  return [...groups, ...files.filter((_, i) => sizes[i]! > large).map((file) => [file])]
}

const SORTS: Readonly<Partial<Record<FileKind, Sort>>> = {
  'tlog-proof': 'receipts',
  json: 'receipts',
  cose: 'receipts',
  checkpoint: 'checkpoints',
  'time-stamp': 'timeStamps',
  evidence: 'evidence',
  'complete-list': 'completeLists',
  'split-view': 'splitViews',
}

/** What it is; where that cannot be told, what its name says. */
export function sortOf({ file, verdict }: Held): Sort {
  return SORTS[verdict.kind] ?? ENDINGS[extname(file)] ?? 'completeLists'
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
  const ending = ENDINGS[extname(file)]
  const limit = ending === 'receipts' ? undefined : await largeSizeOf(file)
  const bytes = await readFileUpTo(file, limit ?? maxReceipt)
  if (ending !== 'timeStamps') {
    const leaf = ending === 'receipts' ? await ifThere(leafFileOf(file), MAX_LEAF_SIZE) : undefined
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
