/**
 * A file of private keys in a data directory, plain or encrypted:
 *
 *   keys/<kind>.key       the keys as text, for the owner's eyes only
 *   keys/<kind>.key.age   the same, encrypted to a passphrase (age, armored)
 *
 * There is one or the other. Both are made once and never written again. What the text means is for its owner to know.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import type { DirectoryKind } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'

const PRIVATE_FILE = 0o600
const OTHERS_MAY_READ = 0o077
const MAX_KEY_FILE_SIZE = 16_384

export interface KeyFileOptions {
  /** The directory for keys. */
  readonly directory: string
  readonly passphrase?: string
}

export interface KeyFile {
  readonly text: string
  readonly file: string
  /** Whether users other than the owner may read the file. */
  readonly exposed: boolean
}

/** Where the keys are, plain and encrypted. */
export function keyFiles(
  directory: string,
  kind: DirectoryKind = 'log',
): { readonly plain: string; readonly encrypted: string } {
  const plain = join(directory, `${kind}.key`)
  return { plain, encrypted: `${plain}.age` }
}

/**
 * Reads the keys, or undefined when there are none yet.
 * @throws USAGE when the passphrase is missing or wrong
 * @throws CORRUPT when the file is damaged; IO
 */
export async function readKeyFile(
  kind: DirectoryKind,
  options: KeyFileOptions,
): Promise<KeyFile | undefined> {
  const { plain, encrypted } = keyFiles(options.directory, kind)
  const [plainMode, encryptedMode] = await Promise.all([modeOf(plain), modeOf(encrypted)])
  if (plainMode === undefined && encryptedMode === undefined) return undefined
  if (plainMode !== undefined && encryptedMode !== undefined) {
    throw usage(`both ${plain} and ${encrypted} exist; remove the one that is not wanted`)
  }
  const file = plainMode === undefined ? encrypted : plain
  const bytes = await readBounded(file)
  const text =
    file === encrypted
      ? await decrypt(file, bytes, options.passphrase)
      : plainText(file, bytes, options)
  return { text, file, exposed: ((plainMode ?? encryptedMode)! & OTHERS_MAY_READ) !== 0 }
}

/** Writes keys durably, encrypted when there is a passphrase, and returns where they are. @throws IO */
export async function writeKeyFile(
  kind: DirectoryKind,
  text: string,
  { directory, passphrase }: KeyFileOptions,
): Promise<string> {
  const { plain, encrypted } = keyFiles(directory, kind)
  const file = passphrase === undefined ? plain : encrypted
  try {
    await durableWriteFile(
      file,
      utf8(passphrase === undefined ? text : await encrypt(text, passphrase)),
      PRIVATE_FILE,
    )
  } catch (cause) {
    throw new CairnError('IO', `cannot write the keys to ${file}: ${messageOf(cause)}`, { cause })
  }
  return file
}

/** The error of a key file that cannot be what was written; the cause never quotes a key. */
export function damagedKeyFile(file: string, cause: unknown): CairnError {
  return new CairnError(
    'CORRUPT',
    `the key file ${file} is damaged (${messageOf(cause)}); put its backup back`,
    { cause },
  )
}

/** Encrypts to a passphrase: an armored age file. */
export async function encrypt(text: string, passphrase: string): Promise<string> {
  // Loaded where it is needed: most logs start without it, and sooner.
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  return armor.encode(await encrypter.encrypt(text))
}

/** What encrypt() made, as it lies in `file`. @throws USAGE when the passphrase is missing or wrong */
export async function decrypt(
  file: string,
  bytes: Uint8Array,
  passphrase: string | undefined,
): Promise<string> {
  if (passphrase === undefined) {
    throw usage(
      `${file} is encrypted; give its passphrase in CAIRN_PASSPHRASE or a passphrase file`,
    )
  }
  const { armor, Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  try {
    return await decrypter.decrypt(armor.decode(fromUtf8(bytes)), 'text')
  } catch (cause) {
    throw usage(`cannot decrypt ${file}: the passphrase is wrong, or the file is damaged`, cause)
  }
}

/** A passphrase for a plain file is more likely a mistake about what protects it than a wish to ignore it. */
function plainText(file: string, bytes: Uint8Array, { passphrase }: KeyFileOptions): string {
  if (passphrase !== undefined) {
    throw usage(`a passphrase is given, but ${file} is not encrypted; encrypt it, or give none`)
  }
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new CairnError('CORRUPT', `the key file ${file} is damaged; put its backup back`, {
      cause,
    })
  }
}

async function modeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mode
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CairnError('IO', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
}

async function readBounded(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw new CairnError('IO', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
  if (bytes.length > MAX_KEY_FILE_SIZE) {
    throw new CairnError('CORRUPT', `${file} is too large to be a key file; put its backup back`)
  }
  return bytes
}
