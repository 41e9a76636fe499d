/** A file that need not be there. */
import { readFile } from 'node:fs/promises'
import { CairnError, messageOf } from '../errors.ts'

/** What a file holds, or undefined when there is none. @throws IO */
export async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CairnError('IO', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
}
