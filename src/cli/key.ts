/** `cairn key`: the keys of a data directory, and their encryption to a passphrase. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ed25519PublicKey } from '#ed25519'
import { mlDsaPublicKey } from '#ml-dsa'
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { vkeyOf } from '../formats/signing-key.ts'
import { formatVkey, type VerifierKey, verifierKey } from '../formats/vkey.ts'
import { encrypt, type KeyFileOptions, keyFiles } from '../server/key-file.ts'
import { createKeys, formatKeys, type OpenedKeys, readKeys } from '../server/keys.ts'
import { passphraseFrom } from '../server/passphrase.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import { formatWitnessKeys, mlDsaName, readWitnessKeys } from '../server/witness-keys.ts'
import {
  type DataDirectory,
  type DirectoryKind,
  directoryKind,
  openDataDirectory,
} from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { openDatabase } from '../storage/level-engine.ts'
import { type DirectoryLock, lockDirectory } from '../storage/level-lock.ts'
import { note, printJson, terminal, withCommonHelp } from './command.ts'
import { printable } from './style.ts'
import { withSubmitterKeys } from './submitter-key.ts'

const PRIVATE_FILE = 0o600

interface KeyFlags {
  readonly data: string
  readonly origin?: string
  readonly passphraseFile?: string
  readonly vaultKey?: string
  readonly json?: boolean
}

/** Keys as far as this command needs to know. */
interface Keys {
  readonly file: string
  /** What the file holds, in clear. */
  readonly text: string
  readonly vkeys: readonly VerifierKey[]
}

export function configure(command: Command): void {
  command.description('Show, make, encrypt and decrypt the signing keys of a log or a witness.')
  const add = (
    name: string,
    summary: string,
    work: (flags: KeyFlags) => Promise<void>,
  ): Command => {
    const subcommand = command
      .command(name)
      .description(summary)
      .requiredOption('--data <folder>', 'data directory of the log or witness')
      .option('--passphrase-file <file>', 'file with the passphrase (or CAIRN_PASSPHRASE)')
      .action(work)
    withCommonHelp(subcommand, [`cairn key ${name} --data ./cairn-data`])
    return subcommand
  }
  add('show', 'Print the verifier keys, which are to be given away.', show)
  add('generate', 'Make keys for a log that has none yet.', generate).option(
    '--origin <name>',
    'name of the log and its keys, such as log.example.com/audit',
  )
  const vaultKey = [
    '--vault-key <file>',
    "the vault's master key (default: <data>/keys/vault.key, where there is one)",
  ] as const
  add(
    'encrypt',
    'Encrypt the keys of a stopped log or witness to a passphrase, the master key of its vault among them.',
    encryptKeys,
  ).option(...vaultKey)
  add('decrypt', 'Store the keys of a stopped log or witness in clear again.', decryptKeys).option(
    ...vaultKey,
  )
  withSubmitterKeys(command)
  command.addHelpText(
    'after',
    '\nExamples:\n  $ cairn key show --data ./cairn-data\n' +
      '  $ CAIRN_PASSPHRASE=… cairn key encrypt --data ./cairn-data\n',
  )
}

/** The public keys are in a file of their own, so encrypted keys need no passphrase to be shown. */
async function show(flags: KeyFlags): Promise<void> {
  const { directory, kind } = await place(flags)
  const { plain, encrypted } = keyFiles(directory.keys, kind)
  if (!existsSync(directory.vkeyFile)) {
    return report(await existingKeys(flags, await passphraseOf(flags)), flags)
  }
  const vkeys = await readVkeyFile(directory.vkeyFile)
  await report({ vkeys, file: existsSync(encrypted) ? encrypted : plain }, flags)
}

async function generate(flags: KeyFlags): Promise<void> {
  const directory = await openDataDirectory(flags.data, { create: true })
  const passphrase = await passphraseOf(flags)
  const options = fileOptions(directory, passphrase)
  const found = await readKeys(options)
  if (found !== undefined) {
    throw new CairnError('USAGE', `${found.file} exists: the keys of a log are never replaced`)
  }
  const made = await createKeys({ ...options, ...(flags.origin && { origin: flags.origin }) })
  // With it the folder of keys is whole: it can be copied to every server of a log that several share.
  const { findOrMakeVaultKey } = await import('../server/vault-key.ts')
  await findOrMakeVaultKey({
    file: join(directory.keys, 'vault.key'),
    hasVault: async () => false,
    passphrase,
    onEvent: () => undefined,
  })
  await report(keysOfLog(made), flags)
}

async function encryptKeys(flags: KeyFlags): Promise<void> {
  const passphrase = await passphraseOf(flags)
  if (passphrase === undefined) {
    throw new CairnError('USAGE', 'give a passphrase in CAIRN_PASSPHRASE or with --passphrase-file')
  }
  const { encryptVaultKey } = await import('../server/vault-key.ts')
  const keys = await whileStopped(flags, async ({ directory, kind }) => {
    const { plain, encrypted } = keyFiles(directory.keys, kind)
    const isEncrypted = existsSync(encrypted) && !existsSync(plain)
    // What is encrypted already must take the same passphrase: a server is given one.
    const { text, vkeys } = await existingKeys(flags, isEncrypted ? passphrase : undefined)
    const vaultFile = vaultKeyOf(flags, directory, kind)
    const isNew = vaultFile !== undefined && (await encryptVaultKey(vaultFile, passphrase))
    if (!isEncrypted) await replaceKeys(plain, encrypted, await encrypt(text, passphrase))
    else if (!isNew) throw new CairnError('USAGE', `${encrypted} is encrypted already`)
    return { vkeys, file: encrypted }
  })
  await report(keys, flags)
}

async function decryptKeys(flags: KeyFlags): Promise<void> {
  const passphrase = await passphraseOf(flags)
  const { decryptVaultKey } = await import('../server/vault-key.ts')
  const keys = await whileStopped(flags, async ({ directory, kind }) => {
    const { plain, encrypted } = keyFiles(directory.keys, kind)
    const isPlain = existsSync(plain) && !existsSync(encrypted)
    const { text, vkeys } = await existingKeys(flags, isPlain ? undefined : passphrase)
    const vaultFile = vaultKeyOf(flags, directory, kind)
    const isNew = vaultFile !== undefined && (await decryptVaultKey(vaultFile, passphrase))
    if (!isPlain) await replaceKeys(encrypted, plain, text)
    else if (!isNew) throw new CairnError('USAGE', `${plain} is not encrypted`)
    return { vkeys, file: plain }
  })
  await report(keys, flags)
}

/** Where the master key of the vault is; undefined when there is none. @throws USAGE when it is not where it is said to be */
function vaultKeyOf(
  { vaultKey }: KeyFlags,
  { keys }: DataDirectory,
  kind: DirectoryKind,
): string | undefined {
  const file = vaultKey ?? join(keys, 'vault.key')
  if (existsSync(file)) return kind === 'log' ? file : undefined
  if (vaultKey === undefined) return undefined
  throw new CairnError('USAGE', `there is no master key in ${vaultKey}`)
}

/** The new file is durable before the old one goes: a cut in between leaves both, and no key is lost. */
async function replaceKeys(from: string, to: string, text: string): Promise<void> {
  await durableWriteFile(to, utf8(text), PRIVATE_FILE)
  await rm(from)
}

interface Place {
  readonly directory: DataDirectory
  readonly kind: DirectoryKind
}

async function place({ data }: KeyFlags): Promise<Place> {
  const kind = (await directoryKind(data)) ?? 'log'
  return { directory: await openDataDirectory(data, { create: false, kind }), kind }
}

/** Holds the directory's lock meanwhile, so that no server starts in the middle. */
async function whileStopped<T>(flags: KeyFlags, work: (at: Place) => Promise<T>): Promise<T> {
  const at = await place(flags)
  const lock = join(at.directory.path, 'lock')
  // That of a server whose log is in a database.
  const { release } = existsSync(lock) ? await lockDirectory(lock) : await lockStore(at.directory)
  try {
    return await work(at)
  } finally {
    await release()
  }
}

async function lockStore({ store }: DataDirectory): Promise<DirectoryLock> {
  const database = await openDatabase(store, { createIfMissing: false })
  return { release: () => database.close() }
}

function fileOptions({ keys }: DataDirectory, passphrase: string | undefined): KeyFileOptions {
  return { directory: keys, ...(passphrase === undefined ? {} : { passphrase }) }
}

async function existingKeys(flags: KeyFlags, passphrase: string | undefined): Promise<Keys> {
  const { directory, kind } = await place(flags)
  const options = fileOptions(directory, passphrase)
  const found =
    kind === 'log'
      ? await readKeys(options).then((keys) => keys && keysOfLog(keys))
      : await keysOfWitness(options)
  if (found !== undefined) return found
  throw new CairnError('NOT_FOUND', `there are no keys in ${directory.keys}`)
}

function keysOfLog({ keys, file }: OpenedKeys): Keys {
  const vkeys = [
    verifierKey(keys.origin, 'ed25519', ed25519PublicKey(keys.ed25519Seed)),
    verifierKey(keys.origin, 'ml-dsa-44', mlDsaPublicKey(keys.mlDsaSeed)),
  ]
  return { vkeys, file, text: formatKeys(keys) }
}

async function keysOfWitness(options: KeyFileOptions): Promise<Keys | undefined> {
  const found = await readWitnessKeys(options)
  if (found === undefined) return undefined
  const { name, ed25519Seed, mlDsaSeed } = found.keys
  const vkeys = [
    vkeyOf({ name, type: 'ed25519-cosignature', seed: ed25519Seed }),
    vkeyOf({ name: mlDsaName(name), type: 'ml-dsa-44', seed: mlDsaSeed }),
  ]
  return { vkeys, file: found.file, text: formatWitnessKeys(found.keys) }
}

/** Never a flag: other users can see the flags of a process. */
function passphraseOf({ passphraseFile }: KeyFlags): Promise<string | undefined> {
  return passphraseFrom(process.env, passphraseFile)
}

async function report({ vkeys, file }: Omit<Keys, 'text'>, flags: KeyFlags): Promise<void> {
  const { directory, kind } = await place(flags)
  const vaultFile = vaultKeyOf(flags, directory, kind)
  const { needsPassphrase } = await import('../server/vault-key.ts')
  const vaultKey = vaultFile && { file: vaultFile, encrypted: await needsPassphrase(vaultFile) }
  const { name, type } = vkeys[0]!
  const encrypted = file.endsWith('.age')
  if (flags.json === true) {
    printJson({
      [type === 'ed25519' ? 'origin' : 'name']: name,
      file,
      encrypted,
      ...(vaultKey && { vault_key: vaultKey }),
      vkeys: vkeys.map(formatVkey),
    })
    return
  }
  note(`${printable(name)}: ${file}${encrypted ? ' (encrypted)' : ''}`)
  if (vaultKey) {
    const { file: where, encrypted: isEncrypted } = vaultKey
    note(`master key of the vault: ${printable(where)}${isEncrypted ? ' (encrypted)' : ''}`)
  }
  for (const key of vkeys) terminal().line(formatVkey(key))
}
