/** `cairn fsck`: checks every value in the data directory of a stopped log. */
import { createPublicKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { type Finding, type FsckOptions, type FsckSummary, fsck } from '../log/fsck.ts'
import { openSignedState, type SignedHead } from '../log/signed-state.ts'
import { readKeys } from '../server/keys.ts'
import { defaultSignerState } from '../server/open.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import { interruptible, note, printJson, terminal, withCommonHelp } from './command.ts'
import { exitFor } from './exit.ts'
import { startProgress } from './progress.ts'
import { openStore } from './stored-log.ts'
import { byteCount, duration, plural, printable } from './style.ts'

interface FsckFlags {
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Check the data directory of a stopped log: heads and signatures, every entry, every hash of ' +
        'every tile, every deduplication key. Goes on after a finding, and changes nothing.',
    )
    .argument('<folder>', 'data directory')
    .action((folder: string, flags: FsckFlags) => check(folder, flags))
  withCommonHelp(command, ['cairn fsck ./cairn-data'])
}

async function check(folder: string, flags: FsckFlags): Promise<void> {
  const started = performance.now()
  const quiet = flags.json === true
  const { style, line } = terminal()
  const store = await openStore(folder)
  const interrupt = interruptible()
  const progress = startProgress({ label: 'checking', unit: 'entries', quiet })
  const findings: Finding[] = []
  let found = 0
  let summary: FsckSummary
  try {
    const pass = fsck(store, {
      ...(await knownTo(folder)),
      progress: (done, total) => progress.update(done, total),
      signal: interrupt.signal,
    })
    let step = await pass.next()
    for (; !step.done; step = await pass.next()) {
      found++
      if (quiet) findings.push(step.value)
      else {
        progress.clear()
        line(`${style.red('✗')} ${style.bold(step.value.name)} ${printable(step.value.detail)}`)
      }
    }
    summary = step.value
  } finally {
    progress.clear()
    await store.close()
    interrupt.done()
  }
  process.exitCode = exitFor(found === 0)
  const { size, bytes } = summary
  if (quiet) return printJson({ folder, ok: found === 0, size, bytes, findings })
  const checked = `${plural(size, 'entry', 'entries')}, ${byteCount(bytes)}`
  const time = duration(performance.now() - started)
  line(
    found === 0
      ? `${style.green('✓')} ${style.bold('nothing wrong')}: ${checked} ${style.dim(`(${time})`)}`
      : style.red(style.bold(`${plural(found, 'finding')} in ${checked} (${time})`)),
  )
}

/** What the data directory knows beside its store: public keys, and the signer's memory where it is kept here. */
async function knownTo(folder: string): Promise<Omit<FsckOptions, 'progress' | 'signal'>> {
  const vkeys = await readVkeyFile(join(folder, 'log.vkey'))
  const keys = await readOwnKeys(join(folder, 'keys'))
  const signed = await readSignedHead(folder, vkeys[0]!)
  const treeHeadKey =
    keys && createPublicKey(keys.treeHeadKey).export({ type: 'spki', format: 'der' })
  return { vkeys, ...(treeHeadKey && { treeHeadKey }), ...(signed && { signed }) }
}

/** The public half of the tree head key is only to be had from the private one. */
async function readOwnKeys(directory: string): Promise<{ treeHeadKey: string } | undefined> {
  const passphrase = process.env.CAIRN_PASSPHRASE
  if (!existsSync(join(directory, 'log.key')) && passphrase === undefined) {
    note('the keys are encrypted and no CAIRN_PASSPHRASE is given: one signature is not checked')
    return undefined
  }
  return (await readKeys({ directory, ...(passphrase && { passphrase }) }))?.keys
}

/** Looks where the signer's state is unless the configuration says otherwise. */
async function readSignedHead(
  folder: string,
  ed25519: VerifierKey,
): Promise<SignedHead | undefined> {
  const file = defaultSignerState(folder, { ed25519 })
  if (!existsSync(file)) return undefined
  const state = await openSignedState(file, formatVkey(ed25519))
  await state.close()
  return state.last
}
