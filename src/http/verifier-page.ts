/** The verifier page: one file, which a build has made and the package has with it. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { CairnError } from '../errors.ts'

let read: Promise<string> | undefined

/** Its text. @throws NOT_FOUND when there was no build; IO */
export function verifierPage(): Promise<string> {
  read ??= readPage().catch((error: unknown) => {
    // A build may follow.
    read = undefined
    throw error
  })
  return read
}

async function readPage(): Promise<string> {
  let file: string
  try {
    file = createRequire(import.meta.url).resolve('#verifier-page')
  } catch (cause) {
    const message = 'the verifier page is not here: it is made when Cairn is built'
    throw new CairnError('NOT_FOUND', message, { cause })
  }
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CairnError('IO', `cannot read ${file}`, { cause })
  }
}
