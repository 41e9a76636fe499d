/** Files of vkeys such as `log.vkey`: one a line, with comments and empty lines. */
import { fromUtf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { readFileUpTo } from './bounded-file.ts'

/** Room for both keys of more than ten thousand logs. */
const MAX_VKEY_FILE_SIZE = 32 * 2 ** 20

/** Whether a text is meant as a vkey, right or wrong, and not as the name of a file of vkeys. */
export function looksLikeVkey(text: string): boolean {
  return /\+[0-9a-f]{8}\+/.test(text)
}

/** The keys of a file. @throws USAGE when it has none, or something else, TOO_LARGE, the file system's own errors */
export async function readVkeyFile(file: string): Promise<readonly VerifierKey[]> {
  const keys = await readFileUpTo(file, MAX_VKEY_FILE_SIZE)
    .then((bytes) => fromUtf8(bytes))
    .then((text) => text.split('\n').map((line) => line.trim()))
    .then((lines) => lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseVkey))
    .catch(inFile(file))
  if (keys.length === 0) throw new CairnError('USAGE', `${file} has no vkey in it`)
  return keys
}

/** Says which file an error of its content is about. */
export function inFile(file: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CairnError)) throw error
    throw new CairnError('USAGE', `${file}: ${error.message}`, { cause: error })
  }
}
