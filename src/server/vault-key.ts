/** The master key of a log's vault: a file of its own, found, or made with an empty vault. */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CairnError, messageOf, usage } from '../errors.ts'
import type { MasterKey } from '../vault/master-key.ts'
import {
  createMasterKeyFile,
  createPassphraseMasterKey,
  type OpenedMasterKey,
  openMasterKeyFile,
  openPassphraseMasterKey,
} from '../vault/master-key-file.ts'

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
    await mkdir(dirname(file), { recursive: true, mode: PRIVATE_DIRECTORY })
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

const FORM = 'cairn-master-key/'

/** Whether the master key in a file is made out of a passphrase. @throws IO */
export function needsPassphrase(file: string): Promise<boolean> {
  return startsWith(file, FORM)
}

async function open(file: string, passphrase: string | undefined): Promise<OpenedMasterKey> {
  if (!(await needsPassphrase(file))) return openMasterKeyFile(file)
  if (passphrase === undefined) {
    throw usage(
      `the master key in ${file} is made out of a passphrase; give it in CAIRN_PASSPHRASE or a passphrase file`,
    )
  }
  return openPassphraseMasterKey({ file, passphrase })
}

async function startsWith(file: string, text: string): Promise<boolean> {
  try {
    return (await readFile(file)).subarray(0, text.length).toString('latin1') === text
  } catch (cause) {
    throw new CairnError('IO', `cannot read the master key ${file}: ${messageOf(cause)}`, { cause })
  }
}
