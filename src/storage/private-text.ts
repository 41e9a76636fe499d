/** Small files of text for their owner's eyes only, replaced as a whole. */
import { readFile } from 'node:fs/promises'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile } from './durable-file.ts'

const PRIVATE_FILE = 0o600

/** The text of a file, or undefined when there is none. @throws CORRUPT when it is no text; IO */
export async function readPrivateText(file: string): Promise<string | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CairnError('IO', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new CairnError('CORRUPT', `${file} is no text; mend or remove it`, { cause })
  }
}

/** Replaces it, durably. @throws IO */
export async function writePrivateText(file: string, text: string): Promise<void> {
  try {
    await durableWriteFile(file, utf8(text), PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write ${file}: ${messageOf(cause)}`, { cause })
  }
}
