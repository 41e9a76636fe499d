/**
 * The master key of a log's vault: a file of its own, found, or made with an empty vault. It holds the key itself, or what
 * makes it out of a passphrase (vault/master-key-file.ts), or the key encrypted to a passphrase as other keys are:
 * armored age, in it a line of base64.
 */
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fromBase64, toBase64, utf8 } from '../bytes.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { localMasterKey, type MasterKey } from '../vault/master-key.ts'
import {
  createMasterKeyFile,
  createPassphraseMasterKey,
  type OpenedMasterKey,
  openMasterKeyFile,
  openPassphraseMasterKey,
  passphraseSecret,
} from '../vault/master-key-file.ts'
import { readFileUpTo } from './bounded-file.ts'
import { damagedKeyFile, decrypt, encrypt } from './key-file.ts'

const PRIVATE_DIRECTORY = 0o700

export interface VaultKeyPlace {
  /** The file of the master key. */
  readonly file: string
  /** Whether there is a vault already, which another key would not open. */
  hasVault(): Promise<boolean>
  /** With it a new key is made out of it, and one that was is opened. */
  readonly passphrase: string | undefined
  /** Told of a new key, and of one that others may read. */
  onEvent(event: 'keys-created' | 'keys-exposed'): void
}

/**
 * The master key, made if there is no vault yet.
 * @throws USAGE when it is missing, or takes another passphrase; CORRUPT, IO
 */
export async function findOrMakeVaultKey(place: VaultKeyPlace): Promise<MasterKey> {
  const { file, hasVault, passphrase, onEvent } = place
  if (!existsSync(file)) {
    if (await hasVault()) {
      throw usage(
        `the master key of the vault is missing from ${file}; put its backup back, or say where it is with --vault-key`,
      )
    }
    await makeDirectory(dirname(file), PRIVATE_DIRECTORY)
    const made = await (passphrase === undefined
      ? createMasterKeyFile(file)
      : createPassphraseMasterKey({ file, passphrase }))
    onEvent('keys-created')
    return made
  }
  const { masterKey, exposed } = await open(file, passphrase)
  if (exposed) onEvent('keys-exposed')
  return masterKey
}

const PRIVATE_FILE = 0o600
const OTHERS_MAY_READ = 0o077
const MAX_FILE_SIZE = 16_384
const SECRET_SIZE = 32

/** How the files begin that do not hold the key itself. */
const STARTS = {
  derived: 'cairn-master-key/',
  encrypted: '-----BEGIN AGE ENCRYPTED FILE-----',
} as const

export type VaultKeyForm = 'plain' | keyof typeof STARTS

/** What is in the file of a master key; undefined when it is not there. @throws IO */
export async function vaultKeyForm(file: string): Promise<VaultKeyForm | undefined> {
  if (!existsSync(file)) return undefined
  let start: string
  try {
    start = (await readFile(file)).subarray(0, 64).toString('latin1')
  } catch (cause) {
    throw new CairnError('IO', `cannot read the master key ${file}: ${messageOf(cause)}`, { cause })
  }
  if (start.startsWith(STARTS.derived)) return 'derived'
  return start.startsWith(STARTS.encrypted) ? 'encrypted' : 'plain'
}

/** Whether the master key in a file cannot be had without a passphrase. @throws IO */
export async function needsPassphrase(file: string): Promise<boolean> {
  return (await vaultKeyForm(file)) !== 'plain'
}

/**
 * Encrypts a master key to a passphrase. One that is so already, or is made out of the passphrase, stays as it is.
 * @returns whether the file was changed
 * @throws USAGE when it takes another passphrase; CORRUPT, IO
 */
export async function encryptVaultKey(file: string, passphrase: string): Promise<boolean> {
  if ((await vaultKeyForm(file)) !== 'plain') {
    await open(file, passphrase)
    return false
  }
  // It is one, and not just some file.
  await openMasterKeyFile(file)
  const secret = await readFileUpTo(file, MAX_FILE_SIZE)
  await replace(file, utf8(await encrypt(`${toBase64(secret)}\n`, passphrase)))
  return true
}

/**
 * Stores a master key in clear.
 * @returns whether the file was changed
 * @throws USAGE when the passphrase is missing or wrong; CORRUPT, IO
 */
export async function decryptVaultKey(
  file: string,
  passphrase: string | undefined,
): Promise<boolean> {
  const form = await vaultKeyForm(file)
  if (form === undefined || form === 'plain') return false
  await replace(file, (await secretIn(file, form, passphrase)).secret)
  return true
}

async function replace(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await durableWriteFile(file, bytes, PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write the master key to ${file}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

async function open(file: string, passphrase: string | undefined): Promise<OpenedMasterKey> {
  const form = await vaultKeyForm(file)
  if (form === 'encrypted') {
    const { secret, exposed } = await secretIn(file, form, passphrase)
    return { masterKey: localMasterKey(secret), exposed }
  }
  if (form !== 'derived') return openMasterKeyFile(file)
  return openPassphraseMasterKey({ file, passphrase: given(file, passphrase) })
}

async function secretIn(
  file: string,
  form: 'derived' | 'encrypted',
  passphrase: string | undefined,
): Promise<{ readonly secret: Uint8Array; readonly exposed: boolean }> {
  if (form === 'derived') return passphraseSecret({ file, passphrase: given(file, passphrase) })
  const text = await decrypt(file, await readFileUpTo(file, MAX_FILE_SIZE), passphrase)
  const { mode } = await stat(file)
  const exposed = (mode & OTHERS_MAY_READ) !== 0
  try {
    const secret = fromBase64(text.trimEnd())
    if (secret.length !== SECRET_SIZE) throw new Error('it holds a key of another length')
    return { secret, exposed }
  } catch (cause) {
    throw damagedKeyFile(file, cause)
  }
}

function given(file: string, passphrase: string | undefined): string {
  if (passphrase !== undefined) return passphrase
  throw usage(
    `the master key in ${file} is made out of a passphrase; give it in CAIRN_PASSPHRASE or a passphrase file`,
  )
}
