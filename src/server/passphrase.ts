/** The passphrase of a key file. Never a flag: other users can see the flags of a process. */
import { readFile } from 'node:fs/promises'
import { fromUtf8 } from '../bytes.ts'
import { messageOf, usage } from '../errors.ts'
import type { ConfigSources } from './read-settings.ts'

/** From CAIRN_PASSPHRASE or the first line of a file; undefined when neither is given. @throws USAGE */
export async function passphraseFrom(
  env: ConfigSources['env'],
  file: string | undefined,
): Promise<string | undefined> {
  const given = env.CAIRN_PASSPHRASE
  if (given !== undefined && file !== undefined) {
    throw usage('give either CAIRN_PASSPHRASE or a passphrase file, not both')
  }
  if (given === '') throw usage('CAIRN_PASSPHRASE is empty; unset it, or give a passphrase')
  if (file === undefined) return given
  let text: string
  try {
    text = fromUtf8(await readFile(file), file)
  } catch (cause) {
    throw usage(`cannot read the passphrase file ${file}: ${messageOf(cause)}`, cause)
  }
  const line = text.split(/\r?\n/, 1)[0]!
  if (line === '') throw usage(`the first line of ${file} is empty; it is the passphrase`)
  return line
}
