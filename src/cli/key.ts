/** `cairn key`: the keys of a data directory, and their encryption to a passphrase. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { ed25519PublicKey } from '#ed25519'
import { mlDsaPublicKey } from '#ml-dsa'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { formatVkey, type VerifierKey, verifierKey } from '../formats/vkey.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { encrypt, keyFiles } from '../server/key-file.ts'
import { createKeys, formatKeys, type OpenedKeys, readKeys } from '../server/keys.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import { openDataDirectory } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { note, printJson, terminal, withCommonHelp } from './command.ts'
import { openStore } from './stored-log.ts'
import { printable } from './style.ts'

const PRIVATE_FILE = 0o600
const MAX_PASSPHRASE_FILE_SIZE = 4096

interface KeyFlags {
  readonly data: string
  readonly origin?: string
  readonly passphraseFile?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command.description("Show, make, encrypt and decrypt a log's signing keys.")
  const add = (
    name: string,
    summary: string,
    work: (flags: KeyFlags) => Promise<void>,
  ): Command => {
    const subcommand = command
      .command(name)
      .description(summary)
      .requiredOption('--data <folder>', 'data directory of the log')
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
  add('encrypt', 'Encrypt the keys of a stopped log to a passphrase.', encryptKeys)
  add('decrypt', 'Store the keys of a stopped log in clear again.', decryptKeys)
  command.addHelpText(
    'after',
    '\nExamples:\n  $ cairn key show --data ./cairn-data\n' +
      '  $ CAIRN_PASSPHRASE=… cairn key encrypt --data ./cairn-data\n',
  )
}

/** The public keys are in a file of their own, so encrypted keys need no passphrase to be shown. */
async function show(flags: KeyFlags): Promise<void> {
  const directory = await openDataDirectory(flags.data, { create: false })
  const { plain, encrypted } = keyFiles(directory.keys)
  if (!existsSync(directory.vkeyFile)) {
    return report(await existingKeys(flags, await passphraseOf(flags)), flags)
  }
  const vkeys = await readVkeyFile(directory.vkeyFile)
  print(vkeys, existsSync(encrypted) ? encrypted : plain, flags)
}

async function generate(flags: KeyFlags): Promise<void> {
  const directory = await openDataDirectory(flags.data, { create: true })
  const passphrase = await passphraseOf(flags)
  const options = { directory: directory.keys, ...(passphrase && { passphrase }) }
  const { plain, encrypted } = keyFiles(directory.keys)
  const found = await readKeys(options)
  if (found !== undefined) {
    throw new CairnError(
      'USAGE',
      `${found.file === plain ? plain : encrypted} exists: the keys of a log are never replaced`,
    )
  }
  report(await createKeys({ ...options, ...(flags.origin && { origin: flags.origin }) }), flags)
}

async function encryptKeys(flags: KeyFlags): Promise<void> {
  const passphrase = await passphraseOf(flags)
  if (passphrase === undefined) {
    throw new CairnError('USAGE', 'give a passphrase in CAIRN_PASSPHRASE or with --passphrase-file')
  }
  const files = keyFiles(keyFolder(flags))
  await whileStopped(flags, async () => {
    const { keys, file } = await existingKeys(flags, undefined)
    await replaceKeys(file, files.encrypted, await encrypt(formatKeys(keys), passphrase))
  })
  report(await existingKeys(flags, passphrase), flags)
}

async function decryptKeys(flags: KeyFlags): Promise<void> {
  const files = keyFiles(keyFolder(flags))
  await whileStopped(flags, async () => {
    const { keys, file } = await existingKeys(flags, await passphraseOf(flags))
    if (file === files.plain) throw new CairnError('USAGE', `${file} is not encrypted`)
    await replaceKeys(file, files.plain, formatKeys(keys))
  })
  report(await existingKeys(flags, undefined), flags)
}

/** The new file is durable before the old one goes: a cut in between leaves both, and no key is lost. */
async function replaceKeys(from: string, to: string, text: string): Promise<void> {
  await durableWriteFile(to, utf8(text), PRIVATE_FILE)
  await rm(from)
}

/** Holds the store's lock meanwhile, so that no server starts in the middle. */
async function whileStopped(flags: KeyFlags, work: () => Promise<void>): Promise<void> {
  const store = await openStore(flags.data)
  try {
    await work()
  } finally {
    await store.close()
  }
}

function keyFolder(flags: KeyFlags): string {
  return join(resolve(flags.data), 'keys')
}

async function existingKeys(flags: KeyFlags, passphrase: string | undefined): Promise<OpenedKeys> {
  const directory = await openDataDirectory(flags.data, { create: false })
  const found = await readKeys({ directory: directory.keys, ...(passphrase && { passphrase }) })
  if (found !== undefined) return found
  throw new CairnError('NOT_FOUND', `there are no keys in ${directory.keys}`)
}

/** Never a flag: other users can see the flags of a process. */
async function passphraseOf(flags: KeyFlags): Promise<string | undefined> {
  if (flags.passphraseFile === undefined) return process.env.CAIRN_PASSPHRASE
  const text = fromUtf8(await readFileUpTo(flags.passphraseFile, MAX_PASSPHRASE_FILE_SIZE))
  const line = text.split(/\r?\n/, 1)[0]!
  if (line !== '') return line
  throw new CairnError('USAGE', `the first line of ${flags.passphraseFile} is empty`)
}

function report({ keys, file }: OpenedKeys, flags: KeyFlags): void {
  const vkeys = [
    verifierKey(keys.origin, 'ed25519', ed25519PublicKey(keys.ed25519Seed)),
    verifierKey(keys.origin, 'ml-dsa-44', mlDsaPublicKey(keys.mlDsaSeed)),
  ]
  print(vkeys, file, flags)
}

function print(vkeys: readonly VerifierKey[], file: string, flags: KeyFlags): void {
  const origin = vkeys[0]!.name
  const encrypted = file.endsWith('.age')
  if (flags.json === true) {
    printJson({ origin, file, encrypted, vkeys: vkeys.map(formatVkey) })
    return
  }
  note(`${printable(origin)}: ${file}${encrypted ? ' (encrypted)' : ''}`)
  for (const key of vkeys) terminal().line(formatVkey(key))
}
