/** Files of vkeys such as `log.vkey`: one a line, with comments and empty lines. */
import { fromUtf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { readFileUpTo } from './bounded-file.ts'

/** Bytes of a file of keys at most: room for both keys of more than ten thousand logs. */
export const MAX_VKEY_FILE_SIZE: number = 32 * 2 ** 20

/** Whether a text is meant as a vkey, right or wrong, and not as the name of a file of vkeys. */
export function looksLikeVkey(text: string): boolean {
  return /\+[0-9a-f]{8}\+/.test(text)
}

/** The keys of a file. @throws USAGE when it has none, or something else, TOO_LARGE, the file system's own errors */
export async function readVkeyFile(file: string): Promise<readonly VerifierKey[]> {
  return readFileUpTo(file, MAX_VKEY_FILE_SIZE)
    .then((bytes) => parseVkeyLines(fromUtf8(bytes)))
    .catch(inFile(file))
}

/** The keys in the text of such a file. @throws MALFORMED when it has none, or something else */
export function parseVkeyLines(text: string): readonly VerifierKey[] {
  const lines = text.split('\n').map((line) => line.trim())
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseVkey)
  if (keys.length === 0) throw malformed('there is no vkey in it')
  return keys
}

/** Says which file an error of its content is about. */
export function inFile(file: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CairnError)) throw error
    throw new CairnError('USAGE', `${file}: ${error.message}`, { cause: error })
  }
}
