/**
 * The private keys of a log, `keys/log.key`: two lines in the form of skeys (Ed25519, ML-DSA-44), then a P-256 key as
 * PKCS#8 PEM.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { toHex } from '../bytes.ts'
import { malformed, messageOf, usage } from '../errors.ts'
import { formatSkey, parseSkey } from '../formats/signing-key.ts'
import { checkKeyName } from '../formats/vkey.ts'
import type { LocalKeys } from '../log/local-signer.ts'
import { damagedKeyFile, type KeyFileOptions, readKeyFile, writeKeyFile } from './key-file.ts'

const SEED_SIZE = 32

export interface KeyOptions extends KeyFileOptions {
  /** The origin the keys must have, or get when they are made; without it, what is there, or a random one. */
  readonly origin?: string
}

export interface OpenedKeys {
  readonly keys: LocalKeys
  readonly file: string
  /** Whether users other than the owner may read the file. */
  readonly exposed: boolean
}

/**
 * Reads the keys, or undefined when there are none yet.
 * @throws USAGE when the origin is another, or the passphrase is missing or wrong
 * @throws CORRUPT when the file is damaged; IO
 */
export async function readKeys(options: KeyOptions): Promise<OpenedKeys | undefined> {
  const found = await readKeyFile('log', options)
  if (found === undefined) return undefined
  const { text, file, exposed } = found
  const keys = parseKeys(text, file)
  if (options.origin !== undefined && options.origin !== keys.origin) {
    throw usage(
      `this log's origin is ${keys.origin} and cannot become ${options.origin}; ` +
        'leave the origin out, or begin a new log in another data directory',
    )
  }
  return { keys, file, exposed }
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
  const file = await writeKeyFile('log', formatKeys(keys), options)
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
    throw damagedKeyFile(file, cause)
  }
}

function checkOrigin(origin: string): void {
  try {
    checkKeyName(origin)
  } catch (cause) {
    throw usage(
      `"${origin}" cannot be an origin: ${messageOf(cause)}; use a name such as log.example.org/audit`,
      cause,
    )
  }
}
