/**
 * The private keys of a log, in one file of its data directory:
 *
 *   keys/log.key       two lines in the form of skeys (Ed25519, ML-DSA-44), then a P-256 key as PKCS#8 PEM
 *   keys/log.key.age   the same, encrypted to a passphrase (age, armored)
 *
 * There is one or the other. Both are made once and never written again.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { formatSkey, parseSkey } from '../formats/signing-key.ts'
import { checkKeyName } from '../formats/vkey.ts'
import type { LocalKeys } from '../log/local-signer.ts'
import { durableWriteFile } from '../storage/durable-file.ts'

const PRIVATE_FILE = 0o600
const OTHERS_MAY_READ = 0o077
const SEED_SIZE = 32
const MAX_KEY_FILE_SIZE = 16_384

export interface KeyOptions {
  /** The directory for keys. */
  readonly directory: string
  /** The origin the keys must have, or get when they are made; without it, what is there, or a random one. */
  readonly origin?: string
  readonly passphrase?: string
}

export interface OpenedKeys {
  readonly keys: LocalKeys
  readonly file: string
  /** Whether users other than the owner may read the file. */
  readonly exposed: boolean
}

/** Where the keys are, plain and encrypted. */
export function keyFiles(directory: string): {
  readonly plain: string
  readonly encrypted: string
} {
  const plain = join(directory, 'log.key')
  return { plain, encrypted: `${plain}.age` }
}

/**
 * Reads the keys, or undefined when there are none yet.
 * @throws USAGE when the origin is another, or the passphrase is missing or wrong
 * @throws CORRUPT when the file is damaged; IO
 */
export async function readKeys(options: KeyOptions): Promise<OpenedKeys | undefined> {
  const { plain, encrypted } = keyFiles(options.directory)
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
  const keys = parseKeys(text, file)
  if (options.origin !== undefined && options.origin !== keys.origin) {
    throw usage(
      `this log's origin is ${keys.origin} and cannot become ${options.origin}; ` +
        'leave the origin out, or begin a new log in another data directory',
    )
  }
  return { keys, file, exposed: ((plainMode ?? encryptedMode)! & OTHERS_MAY_READ) !== 0 }
}

/** Makes keys and writes them durably. @throws USAGE on an origin that cannot be a key's name; IO */
export async function createKeys(options: KeyOptions): Promise<OpenedKeys> {
  const origin = options.origin ?? `cairn.local/${toHex(randomBytes(4))}`
  checkOrigin(origin)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keys: LocalKeys = {
    origin,
    ed25519Seed: new Uint8Array(randomBytes(SEED_SIZE)),
    mlDsaSeed: new Uint8Array(randomBytes(SEED_SIZE)),
    treeHeadKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
  const { plain, encrypted } = keyFiles(options.directory)
  const { passphrase } = options
  const file = passphrase === undefined ? plain : encrypted
  const text = formatKeys(keys)
  try {
    await durableWriteFile(
      file,
      utf8(passphrase === undefined ? text : await encrypt(text, passphrase)),
      PRIVATE_FILE,
    )
  } catch (cause) {
    throw new CairnError('IO', `cannot write the keys to ${file}: ${messageOf(cause)}`, { cause })
  }
  return { keys, file, exposed: false }
}

/** The key file's text. */
export function formatKeys({ origin, ed25519Seed, mlDsaSeed, treeHeadKey }: LocalKeys): string {
  const ed25519 = formatSkey({ name: origin, type: 'ed25519', seed: ed25519Seed })
  const mlDsa = formatSkey({ name: origin, type: 'ml-dsa-44', seed: mlDsaSeed })
  return `${ed25519}\n${mlDsa}\n${treeHeadKey}`
}

/** Reads the key file's text; `file` is for messages, which never quote a key. @throws CORRUPT */
export function parseKeys(text: string, file: string): LocalKeys {
  try {
    const [first = '', second = '', ...rest] = text.split('\n')
    const ed25519 = parseSkey(first)
    const mlDsa = parseSkey(second)
    if (ed25519.type !== 'ed25519' || mlDsa.type !== 'ml-dsa-44') {
      throw malformed('its first line is not an Ed25519 key, or its second not an ML-DSA-44 key')
    }
    if (ed25519.name !== mlDsa.name) throw malformed('its two keys have different names')
    const treeHeadKey = rest.join('\n')
    if (createPrivateKey(treeHeadKey).asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      throw malformed('its last key is not a P-256 key')
    }
    return { origin: ed25519.name, ed25519Seed: ed25519.seed, mlDsaSeed: mlDsa.seed, treeHeadKey }
  } catch (cause) {
    throw new CairnError(
      'CORRUPT',
      `the key file ${file} is damaged (${messageOf(cause)}); put its backup back`,
      { cause },
    )
  }
}

function checkOrigin(origin: string): void {
  try {
    checkKeyName(origin)
  } catch (cause) {
    throw new CairnError(
      'USAGE',
      `"${origin}" cannot be an origin: ${messageOf(cause)}; use a name such as log.example.org/audit`,
      { cause },
    )
  }
}

/** Encrypts to a passphrase: an armored age file. */
export async function encrypt(text: string, passphrase: string): Promise<string> {
  // Loaded where it is needed: most logs start without it, and sooner.
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  return armor.encode(await encrypter.encrypt(text))
}

async function decrypt(
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
function plainText(file: string, bytes: Uint8Array, { passphrase }: KeyOptions): string {
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

function usage(message: string, cause?: unknown): CairnError {
  return new CairnError('USAGE', message, cause === undefined ? {} : { cause })
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
