/**
 * Receipts on disk. A receipt `7.tlog-proof` (or `.json`, `.cose`) lies beside the leaf it is for, `7.leaf`; a folder
 * holds any number of such pairs.
 */
import { readdir, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'

export const RECEIPT_EXTENSIONS: readonly string[] = ['.tlog-proof', '.json', '.cose']
export const LEAF_EXTENSION = '.leaf'
/** Receipts written at the same time. */
const WRITES_AT_ONCE = 32

/** The file in which the leaf of a receipt is looked for. */
export function leafFileOf(receipt: string): string {
  return join(dirname(receipt), `${basename(receipt, extname(receipt))}${LEAF_EXTENSION}`)
}

/** The receipts in a folder. */
export function receiptFiles(folder: string): Promise<string[]> {
  return filesOfFolder(folder, RECEIPT_EXTENSIONS)
}

/** The files of a folder with one of these endings, numbered ones in order of their numbers. */
export async function filesOfFolder(folder: string, endings: readonly string[]): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => endings.includes(extname(name)))
  return inOrder(names).map((name) => join(folder, name))
}

/** Names, numbered ones in order of their numbers. */
export function inOrder(names: readonly string[]): string[] {
  return [...names].sort(new Intl.Collator('en', { numeric: true }).compare)
}

/** Writes a receipt, and its leaf if it is there, under the leaf's index. */
export async function writeReceipt(
  folder: string,
  index: number,
  receipt: string | Uint8Array,
  leaf: Uint8Array | undefined,
): Promise<void> {
  await Promise.all([
    writeWhole(join(folder, `${index}.tlog-proof`), receipt),
    leaf && writeWhole(join(folder, `${index}${LEAF_EXTENSION}`), leaf),
  ])
}

export interface KeptReceipt {
  readonly index: number
  readonly receipt: string | Uint8Array
  readonly leaf: Uint8Array | undefined
}

/** As writeReceipt, for many. */
export async function writeReceipts(
  folder: string,
  receipts: readonly KeptReceipt[],
): Promise<void> {
  for (let start = 0; start < receipts.length; start += WRITES_AT_ONCE) {
    const some = receipts.slice(start, start + WRITES_AT_ONCE)
    await Promise.all(
      some.map(({ index, receipt, leaf }) => writeReceipt(folder, index, receipt, leaf)),
    )
  }
}

/** Writes a file so that it is seen whole or not at all, also when the process is stopped in between. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const draft = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`)
  await writeFile(draft, content)
  await rename(draft, file)
}
