/** Small files of text for their owner's eyes only, replaced as a whole. */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile } from './durable-file.ts'
import { readIfThere } from './read-if-there.ts'

const PRIVATE_FILE = 0o600

/** The text of a file, or undefined when there is none. @throws CORRUPT when it is no text; IO */
export async function readPrivateText(file: string): Promise<string | undefined> {
  const bytes = await readIfThere(file)
  try {
    return bytes && fromUtf8(bytes)
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
