/**
 * The private keys of a witness, `keys/witness.key`: two lines in the form of skeys, an Ed25519 key that cosigns
 * (type 04), named as the witness is, and an ML-DSA-44 key (type 06) of that name and `/ml-dsa-44`. They have a name
 * each because a signature line is found by name and key id, and a witness's name is not covered by the first.
 */
import { randomBytes } from 'node:crypto'
import { toHex } from '../bytes.ts'
import { malformed, messageOf, usage } from '../errors.ts'
import { formatSkey, parseSkey } from '../formats/signing-key.ts'
import { checkKeyName } from '../formats/vkey.ts'
import { ML_DSA_NAME, type WitnessKeys } from '../witness/local-signer.ts'
import { damagedKeyFile, type KeyFileOptions, readKeyFile, writeKeyFile } from './key-file.ts'
import type { KeptKeys } from './key-place.ts'

const SEED_SIZE = 32

export interface WitnessKeyOptions extends KeyFileOptions {
  /** The name the keys must have, or get when they are made; without it, what is there, or a random one. */
  readonly name?: string
}

export interface OpenedWitnessKeys extends KeptKeys {
  readonly keys: Required<WitnessKeys>
}

/** The name of the ML-DSA-44 key of the witness `name`. */
export function mlDsaName(name: string): string {
  return `${name}${ML_DSA_NAME}`
}

/**
 * Reads the keys, or undefined when there are none yet.
 * @throws USAGE when the name is another, or the passphrase is missing or wrong
 * @throws CORRUPT when the file is damaged; IO
 */
export async function readWitnessKeys(
  options: WitnessKeyOptions,
): Promise<OpenedWitnessKeys | undefined> {
  const found = await readKeyFile('witness', options)
  if (found === undefined) return undefined
  const { text, file, exposed } = found
  const keys = parseWitnessKeys(text, file)
  if (options.name !== undefined && options.name !== keys.name) {
    throw usage(
      `this witness's name is ${keys.name} and cannot become ${options.name}; ` +
        'leave the name out, or begin a new witness in another data directory',
    )
  }
  return { keys, file, exposed }
}

/** Makes keys and writes them durably. @throws USAGE on a name that cannot be a key's; IO */
export async function createWitnessKeys(options: WitnessKeyOptions): Promise<OpenedWitnessKeys> {
  const name = options.name ?? `witness.cairn.local/${toHex(randomBytes(4))}`
  checkName(name)
  const keys: Required<WitnessKeys> = {
    name,
    ed25519Seed: new Uint8Array(randomBytes(SEED_SIZE)),
    mlDsaSeed: new Uint8Array(randomBytes(SEED_SIZE)),
  }
  const file = await writeKeyFile('witness', formatWitnessKeys(keys), options)
  return { keys, file, exposed: false }
}

/** The key file's text. */
export function formatWitnessKeys({ name, ed25519Seed, mlDsaSeed }: Required<WitnessKeys>): string {
  const ed25519 = formatSkey({ name, type: 'ed25519-cosignature', seed: ed25519Seed })
  const mlDsa = formatSkey({ name: mlDsaName(name), type: 'ml-dsa-44', seed: mlDsaSeed })
  return `${ed25519}\n${mlDsa}\n`
}

/** Reads the key file's text; `file` is for messages, which never quote a key. @throws CORRUPT */
export function parseWitnessKeys(text: string, file: string): Required<WitnessKeys> {
  try {
    const [first = '', second = '', ...rest] = text.split('\n')
    if (rest.length !== 1 || rest[0] !== '') throw malformed('it does not have two lines')
    const ed25519 = parseSkey(first)
    const mlDsa = parseSkey(second)
    if (ed25519.type !== 'ed25519-cosignature' || mlDsa.type !== 'ml-dsa-44') {
      throw malformed(
        'its first line is not an Ed25519 cosignature key, or its second not an ML-DSA-44 key',
      )
    }
    if (mlDsa.name !== mlDsaName(ed25519.name)) {
      throw malformed('the names of its two keys do not belong together')
    }
    return { name: ed25519.name, ed25519Seed: ed25519.seed, mlDsaSeed: mlDsa.seed }
  } catch (cause) {
    throw damagedKeyFile(file, cause)
  }
}

function checkName(name: string): void {
  try {
    checkKeyName(name)
    checkKeyName(mlDsaName(name))
    // What a key name may have and a policy may not.
    if (name === 'none' || name.includes('\u007f')) throw malformed('it cannot stand in a policy')
  } catch (cause) {
    throw usage(
      `"${name}" cannot be a witness's name: ${messageOf(cause)}; use a name such as witness.example.org`,
      cause,
    )
  }
}
