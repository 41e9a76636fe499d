/** `cairn fsck`: checks every value of a stopped log, in its data directory or database, and in its bucket. */
import { createPublicKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { CairnError, usage } from '../errors.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { type Finding, type FsckOptions, type FsckSummary, fsck } from '../log/fsck.ts'
import { openSignedState, type SignedHead } from '../log/signed-state.ts'
import { readKeys } from '../server/keys.ts'
import { defaultSignerState } from '../server/log-parts.ts'
import type { LogPlace, LogStorage } from '../server/log-storage.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import type { LogStore } from '../storage/port.ts'
import type { Vault } from '../vault/vault.ts'
import { interruptible, note, printJson, terminal, withCommonHelp } from './command.ts'
import { exitFor } from './exit.ts'
import { type CheckedArchive, checkBucketAlone, checkBucketOf } from './fsck-archive.ts'
import { type CheckedLog, checkMap, isOfStoredMap, rebuildMap } from './fsck-map.ts'
import { archiveWords, checkedWords, collector, figuresOf, verdict } from './fsck-output.ts'
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
import { placeFlags, placeOf, withPlace } from './place-flags.ts'
import { startProgress } from './progress.ts'
import { openStore } from './stored-log.ts'
import { byteCount, plural } from './style.ts'

interface FsckFlags {
  readonly config?: string
  /** False with --no-archive. */
  readonly archive: boolean
  readonly archiveOnly?: boolean
  readonly vkey?: readonly string[]
  readonly reindex?: boolean
  readonly remap?: boolean
  readonly vaultKey?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Check the data of a stopped log: heads and signatures, every entry, every hash of ' +
        'every tile, every deduplication key, every payload in the vault, the map of records, and every object of its ' +
        'bucket. Goes on after a finding, and ' +
        'changes nothing; with --reindex, the index that records are found by is then dropped and built again, ' +
        'and with --remap the map. With --archive-only the bucket alone, also while servers run, or without a database.',
    )
    .argument('[folder]', 'data directory, unless --config says where it is')
    .option('--reindex', 'build the search index again, from the log and the vault')
    .option('--remap', 'make the map of records again, from the log')
    .option('--vault-key <file>', "the vault's master key (default: <folder>/keys/vault.key)")
    .option('--no-archive', 'leave the objects of the bucket out, which may take long')
    .option('--archive-only', 'check the objects of the bucket and nothing else')
    .option(
      '--vkey <key>',
      'with --archive-only, key of the log: a vkey, or a file of vkeys (default: <folder>/log.vkey; repeatable)',
      (value: string, previous: readonly string[] = []) => [...previous, value],
    )
  withPlace(command, '')
  command.action((folder: string | undefined, flags: FsckFlags) => check(folder, flags))
  withCommonHelp(command, [
    'cairn fsck ./cairn-data',
    'cairn fsck ./cairn-data --reindex',
    'cairn fsck ./server-1 --database postgres://owner@db.example.org/cairn',
    'cairn fsck --config cairn.yaml',
    'cairn fsck --config cairn.yaml --archive-only',
  ])
}

async function check(argument: string | undefined, flags: FsckFlags): Promise<void> {
  if (argument === undefined && flags.config === undefined) {
    throw usage('say where the log is: cairn fsck FOLDER, or --config FILE')
  }
  const logPlace = await placeOf(placeFlags({ ...flags }, '', argument), '')
  mustFit(flags)
  await (flags.archiveOnly === true ? checkArchived(logPlace, flags) : checkAll(logPlace, flags))
}

/** @throws USAGE when flags do not go together */
function mustFit({ archive, archiveOnly, reindex, remap, vaultKey, vkey }: FsckFlags): void {
  if (archiveOnly !== true) {
    if (vkey !== undefined) throw usage('--vkey goes with --archive-only')
    return
  }
  const others = { '--no-archive': !archive, '--reindex': reindex, '--remap': remap }
  for (const [name, given] of Object.entries({
    ...others,
    '--vault-key': vaultKey !== undefined,
  })) {
    if (given === true) throw usage(`${name} does not go with --archive-only`)
  }
}

async function checkArchived(place: LogPlace, { vkey, json }: FsckFlags): Promise<void> {
  const started = performance.now()
  const quiet = json === true
  const { found, findings } = collector(quiet)
  const interrupt = interruptible()
  let archive: CheckedArchive
  try {
    archive = await checkBucketAlone(place, vkey, quiet, found, interrupt.signal)
  } finally {
    interrupt.done()
  }
  const ok = findings.length === 0
  process.exitCode = exitFor(ok)
  if (quiet) return printJson({ ok, archive: figuresOf(archive), findings })
  const checked = `${archiveWords(archive)}, ${byteCount(archive.bytes)}`
  terminal().line(verdict(findings.length, checked, performance.now() - started))
}

async function checkAll(logPlace: LogPlace, flags: FsckFlags): Promise<void> {
  const started = performance.now()
  const quiet = flags.json === true
  const { line } = terminal()
  const folder = logPlace.data
  const place: RecordsPlace = { folder, keyFile: flags.vaultKey ?? logPlace.vaultKey, quiet }
  const { found, findings } = collector(quiet)
  const interrupt = interruptible()
  const { signal } = interrupt
  const storage = await databaseOf(logPlace, flags)
  const store = storage?.log ?? (await openStore(folder))
  let vault: Vault | undefined
  let summary: FsckSummary
  let vaultRows: number | undefined
  let indexed: number | undefined
  let mapEntries: number | undefined
  let archive: CheckedArchive | undefined
  try {
    vault = await (storage === undefined
      ? vaultIn(place, flags, found)
      : openVaultOf(storage, place))
    const known = await knownTo(logPlace)
    summary = await checkStore(store, known, quiet, found, signal)
    vaultRows = vault && (await checkVault(vault, place, found, signal))
    if (flags.reindex === true) {
      if (vault === undefined) throw usage(`${folder} has no records: there is nothing to index`)
      indexed = await rebuildIndex(store, vault, place, signal)
    }
    const log: CheckedLog = { store, stores: storage?.stores, origin: await originOf(folder) }
    if (flags.remap === true) await rebuildMap(log, place, signal)
    mapEntries = await checkMap(log, place, found, signal)
    if (flags.archive && storage?.archive !== undefined) {
      const archived = { store, archive: storage.archive }
      archive = await checkBucketOf(archived, known.vkeys, quiet, found, signal)
    }
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
    const ofArchive = archive && { archive: figuresOf(archive) }
    return printJson({ folder, ok, size, bytes, ...ofRecords, ...ofArchive, findings })
  }
  const checked = checkedWords(summary, { vaultRows, mapEntries }, archive)
  line(verdict(findings.length, checked, performance.now() - started))
  if (indexed !== undefined) line(`  the index was built again: ${plural(indexed, 'record')}`)
  if (flags.remap === true) {
    line(`  the map was made again: ${plural(summary.size, 'entry', 'entries')}`)
  } else if (findings.some(isOfStoredMap)) {
    line(`  the map can be made again from the log: cairn fsck ${folder} --remap`)
  }
}

/** The storage of a log that is not in its data directory. */
async function databaseOf(place: LogPlace, flags: FsckFlags): Promise<LogStorage | undefined> {
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

async function checkStore(
  store: LogStore,
  known: Known,
  quiet: boolean,
  found: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<FsckSummary> {
  const progress = startProgress({ label: 'checking', unit: 'entries', quiet })
  try {
    const pass = fsck(store, {
      ...known,
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

async function originOf(folder: string): Promise<string> {
  return (await readVkeyFile(join(folder, 'log.vkey')))[0]!.name
}

type Known = Omit<FsckOptions, 'progress' | 'signal'>

/** What the data directory knows beside its store: public keys, and the signer's memory where it is kept here. */
async function knownTo({ data: folder, signerState }: LogPlace): Promise<Known> {
  const vkeys = await readVkeyFile(join(folder, 'log.vkey'))
  const keys = await readOwnKeys(join(folder, 'keys'))
  const signerFile = signerState ?? defaultSignerState(folder, { ed25519: vkeys[0]! })
  const signed = await readSignedHead(signerFile, vkeys[0]!)
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

async function readSignedHead(file: string, ed25519: VerifierKey): Promise<SignedHead | undefined> {
  if (!existsSync(file)) return undefined
  const state = await openSignedState(file, formatVkey(ed25519))
  await state.close()
  return state.last
}
