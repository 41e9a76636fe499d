/** `cairn fsck`: checks every value in the data directory of a stopped log. */
import { createPublicKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { MapFinding } from '../completeness/inspect-map.ts'
import { CairnError, usage } from '../errors.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { type Finding, type FsckOptions, type FsckSummary, fsck } from '../log/fsck.ts'
import { openSignedState, type SignedHead } from '../log/signed-state.ts'
import { readKeys } from '../server/keys.ts'
import { defaultSignerState } from '../server/log-parts.ts'
import type { LogStorage } from '../server/log-storage.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import type { LogStore } from '../storage/port.ts'
import type { Vault } from '../vault/vault.ts'
import { interruptible, note, printJson, terminal, withCommonHelp } from './command.ts'
import { exitFor } from './exit.ts'
import { type CheckedLog, checkMap, isOfStoredMap, rebuildMap } from './fsck-map.ts'
import {
  checkVault,
  missingVault,
  openVaultIn,
  openVaultOf,
  type RecordsPlace,
  rebuildIndex,
  type VaultFinding,
  withoutKey,
} from './fsck-records.ts'
import { placeFlags, placeOf } from './place-flags.ts'
import { startProgress } from './progress.ts'
import { openStore } from './stored-log.ts'
import { byteCount, duration, plural, printable } from './style.ts'

interface FsckFlags {
  readonly database?: string
  readonly reindex?: boolean
  readonly remap?: boolean
  readonly vaultKey?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Check the data directory of a stopped log: heads and signatures, every entry, every hash of ' +
        'every tile, every deduplication key, every payload in the vault, the map of records. Goes on after a finding, and ' +
        'changes nothing; with --reindex, the index that records are found by is then dropped and built again, ' +
        'and with --remap the map.',
    )
    .argument('<folder>', 'data directory')
    .option('--reindex', 'build the search index again, from the log and the vault')
    .option('--remap', 'make the map of records again, from the log')
    .option('--vault-key <file>', "the vault's master key (default: <folder>/keys/vault.key)")
    .option('--database <url>', 'PostgreSQL database that holds what is not in the data directory')
    .option('--database-schema <name>', 'schema of that database (default: cairn)')
    .option('--database-password-file <file>', 'file with the password of that database')
    .action((folder: string, flags: FsckFlags) => check(folder, flags))
  withCommonHelp(command, [
    'cairn fsck ./cairn-data',
    'cairn fsck ./cairn-data --reindex',
    'cairn fsck ./server-1 --database postgres://owner@db.example.org/cairn',
  ])
}

async function check(folder: string, flags: FsckFlags): Promise<void> {
  const started = performance.now()
  const quiet = flags.json === true
  const { line } = terminal()
  const place: RecordsPlace = { folder, keyFile: flags.vaultKey, quiet }
  const { found, findings } = collector(quiet)
  const interrupt = interruptible()
  const { signal } = interrupt
  const storage = await databaseOf(folder, flags)
  const store = storage?.log ?? (await openStore(folder))
  let vault: Vault | undefined
  let summary: FsckSummary
  let vaultRows: number | undefined
  let indexed: number | undefined
  let mapEntries: number | undefined
  try {
    vault = await (storage === undefined
      ? vaultIn(place, flags, found)
      : openVaultOf(storage, place))
    summary = await checkStore(store, place, found, signal)
    vaultRows = vault && (await checkVault(vault, place, found, signal))
    if (flags.reindex === true) {
      if (vault === undefined) throw usage(`${folder} has no records: there is nothing to index`)
      indexed = await rebuildIndex(store, vault, place, signal)
    }
    const log: CheckedLog = { store, stores: storage?.stores, origin: await originOf(folder) }
    if (flags.remap === true) await rebuildMap(log, place, signal)
    mapEntries = await checkMap(log, place, found, signal)
  } finally {
    await vault?.close()
    await (storage ?? store).close()
    interrupt.done()
  }
  const ok = findings.length === 0
  process.exitCode = exitFor(ok)
  const { size, bytes } = summary
  if (quiet) {
    const ofRecords = {
      ...(vaultRows !== undefined && { vault_rows: vaultRows }),
      ...(indexed !== undefined && { indexed }),
      ...(mapEntries !== undefined && { map_entries: mapEntries }),
    }
    return printJson({ folder, ok, size, bytes, ...ofRecords, findings })
  }
  line(sentence(findings.length, summary, { vaultRows, mapEntries }, performance.now() - started))
  if (indexed !== undefined) line(`  the index was built again: ${plural(indexed, 'record')}`)
  if (flags.remap === true) {
    line(`  the map was made again: ${plural(summary.size, 'entry', 'entries')}`)
  } else if (findings.some(isOfStoredMap)) {
    line(`  the map can be made again from the log: cairn fsck ${folder} --remap`)
  }
}

/** The storage of a log that is not in its data directory. */
async function databaseOf(folder: string, flags: FsckFlags): Promise<LogStorage | undefined> {
  const place = await placeOf(placeFlags({ ...flags }, '', folder), '')
  if (place.shared === undefined) return undefined
  if (flags.reindex === true) {
    throw usage(
      '--reindex is for data directories: in a database the server that leads keeps the index',
    )
  }
  const { openStorage } = await import('../server/log-storage.ts')
  return openStorage(place, { create: false, despite: ['moved'] })
}

/** The vault, where there is one. Its key may be kept elsewhere: without it all else can be checked. */
async function vaultIn(
  place: RecordsPlace,
  { reindex }: FsckFlags,
  found: (finding: VaultFinding) => void,
): Promise<Vault | undefined> {
  const vault = missingVault(place)
  if (vault !== undefined) {
    found({
      kind: 'vault',
      name: 'vault',
      detail: `is missing from ${vault}; restore a backup of it`,
    })
    return undefined
  }
  const reason = reindex === true ? undefined : await withoutKey(place)
  if (reason !== undefined) {
    note(`payloads are not checked: ${reason}`)
    return undefined
  }
  try {
    return await openVaultIn(place)
  } catch (error) {
    if (reindex === true || !(error instanceof CairnError) || error.code !== 'CORRUPT') throw error
    found({ kind: 'vault', name: 'vault', detail: error.message })
    return undefined
  }
}

type AnyFinding = Finding | VaultFinding | MapFinding

/** Prints findings as they come, or keeps them for the one document. */
function collector(quiet: boolean) {
  const { style, line } = terminal()
  const findings: AnyFinding[] = []
  return {
    findings,
    found(finding: AnyFinding): void {
      findings.push(finding)
      if (quiet) return
      line(`${style.red('✗')} ${style.bold(finding.name)} ${printable(finding.detail)}`)
    },
  }
}

async function checkStore(
  store: LogStore,
  { folder, quiet }: RecordsPlace,
  found: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<FsckSummary> {
  const progress = startProgress({ label: 'checking', unit: 'entries', quiet })
  try {
    const pass = fsck(store, {
      ...(await knownTo(folder)),
      progress: (done, total) => progress.update(done, total),
      signal,
    })
    let step = await pass.next()
    for (; !step.done; step = await pass.next()) {
      progress.clear()
      found(step.value)
    }
    return step.value
  } finally {
    progress.clear()
  }
}

function sentence(
  found: number,
  { size, bytes }: FsckSummary,
  { vaultRows, mapEntries }: Record<'vaultRows' | 'mapEntries', number | undefined>,
  elapsedMs: number,
): string {
  const { style } = terminal()
  const time = duration(elapsedMs)
  const payloads = vaultRows === undefined ? '' : `, ${plural(vaultRows, 'row')} of the vault`
  const map = mapEntries === undefined ? '' : ', the map of records'
  const checked = `${plural(size, 'entry', 'entries')}, ${byteCount(bytes)}${payloads}${map}`
  return found === 0
    ? `${style.green('✓')} ${style.bold('nothing wrong')}: ${checked} ${style.dim(`(${time})`)}`
    : style.red(style.bold(`${plural(found, 'finding')} in ${checked} (${time})`))
}

async function originOf(folder: string): Promise<string> {
  return (await readVkeyFile(join(folder, 'log.vkey')))[0]!.name
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
