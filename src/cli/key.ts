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
import { note, printJson, terminal, withCommonHelp } from './command.ts'
import { printable } from './style.ts'
import { withSubmitterKeys } from './submitter-key.ts'

const PRIVATE_FILE = 0o600

interface KeyFlags {
  readonly data: string
  readonly origin?: string
  readonly passphraseFile?: string
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
  add('encrypt', 'Encrypt the keys of a stopped log or witness to a passphrase.', encryptKeys)
  add('decrypt', 'Store the keys of a stopped log or witness in clear again.', decryptKeys)
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
  report({ vkeys, file: existsSync(encrypted) ? encrypted : plain }, flags)
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
  report(keysOfLog(made), flags)
}

async function encryptKeys(flags: KeyFlags): Promise<void> {
  const passphrase = await passphraseOf(flags)
  if (passphrase === undefined) {
    throw new CairnError('USAGE', 'give a passphrase in CAIRN_PASSPHRASE or with --passphrase-file')
  }
  await whileStopped(flags, async ({ directory, kind }) => {
    const { text, file } = await existingKeys(flags, undefined)
    const { encrypted } = keyFiles(directory.keys, kind)
    await replaceKeys(file, encrypted, await encrypt(text, passphrase))
  })
  report(await existingKeys(flags, passphrase), flags)
}

async function decryptKeys(flags: KeyFlags): Promise<void> {
  await whileStopped(flags, async ({ directory, kind }) => {
    const { text, file } = await existingKeys(flags, await passphraseOf(flags))
    const { plain } = keyFiles(directory.keys, kind)
    if (file === plain) throw new CairnError('USAGE', `${file} is not encrypted`)
    await replaceKeys(file, plain, text)
  })
  report(await existingKeys(flags, undefined), flags)
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

/** Holds the store's lock meanwhile, so that no server starts in the middle. */
async function whileStopped(flags: KeyFlags, work: (at: Place) => Promise<void>): Promise<void> {
  const at = await place(flags)
  const store = await openDatabase(at.directory.store, { createIfMissing: false })
  try {
    await work(at)
  } finally {
    await store.close()
  }
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

function report({ vkeys, file }: Omit<Keys, 'text'>, flags: KeyFlags): void {
  const { name, type } = vkeys[0]!
  const encrypted = file.endsWith('.age')
  if (flags.json === true) {
    printJson({
      [type === 'ed25519' ? 'origin' : 'name']: name,
      file,
      encrypted,
      vkeys: vkeys.map(formatVkey),
    })
    return
  }
  note(`${printable(name)}: ${file}${encrypted ? ' (encrypted)' : ''}`)
  for (const key of vkeys) terminal().line(formatVkey(key))
}
