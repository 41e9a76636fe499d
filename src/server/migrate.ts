/**
 * Moves a log from one storage to another: same origin, same keys, same entries under the same head. Everything else is
 * there before the tree is, and the tree before its signed head, so that whatever cuts a move off leaves a place in
 * which no log runs, and which the same move goes on with.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { formatVkey, type VerifierKey } from '../formats/vkey.ts'
import { checkCopy, copyTree, treeOf } from '../log/copy-tree.ts'
import { disagreement } from '../log/recover.ts'
import { openSignedState, type SignedHead } from '../log/signed-state.ts'
import { storedTiles } from '../log/stored-tiles.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import type { LogIdentity } from '../storage/postgres-settings.ts'
import type { VaultStore } from '../storage/vault-port.ts'
import { copyVault } from '../vault/copy-rows.ts'
import { HEADER_KEY } from '../vault/row-keys.ts'
import { decodeHeader } from '../vault/row-values.ts'
import { openTakenPlace, releasePlace } from './empty-place.ts'
import { keepVkeys } from './key-place.ts'
import { logFilesIn, readLogFile, writePrivateFile } from './log-files.ts'
import type { LogPlace, LogStorage } from './log-storage.ts'
import { keyFilesIn, type MovedLog, signerStateOf } from './moved-log.ts'

/** What is being done, and what is counted meanwhile. */
export type MigrateStep = 'payloads' | 'entries' | 'checking'

export interface MigrateOptions {
  readonly from: MovedLog
  readonly to: LogPlace
  readonly progress?: (step: MigrateStep, done: number, total: number | undefined) => void
  readonly signal?: AbortSignal
}

export interface Migrated {
  readonly size: number
  /** Leaves that an earlier, unfinished move had brought already. */
  readonly resumedAt: number
  readonly keys: readonly string[]
  /** Whether payloads came along; undefined where the source shows none. */
  readonly vault: boolean | undefined
  /** Whether what idempotency keys were used for came along. */
  readonly idempotency: boolean
  /** Whether the new place may sign: what the signer remembers came along. */
  readonly signerState: boolean
}

/**
 * @throws USAGE when the destination is not free; CONFLICT when it holds another log
 * @throws VERIFICATION_FAILED when the entries do not lead to the signed root; CORRUPT, LOCKED, DISK_FULL, IO; the
 *   signal's reason
 */
export async function migrateLog(options: MigrateOptions): Promise<Migrated> {
  const { from, to, progress = () => undefined, signal } = options
  const storage = await openTakenPlace(to, 'migrate', identityOf(from.vkeys))
  try {
    const { log, directory } = storage
    await keepKeys(from, directory)
    const resumedAt = (await log.head())?.size ?? 0
    const vault = from.storage && (await moveRecords(from.storage, storage, options))
    if (from.head !== undefined) {
      const { head } = from
      await copyTree({
        from: treeOf(from.source, head.size),
        head,
        to: log,
        ...(from.idempotency && { idempotency: from.idempotency }),
        progress: (leaves) => progress('entries', leaves, head.size),
        ...(signal && { signal }),
      })
      await checkCopy(log, head, (leaves) => progress('checking', leaves, head.size), signal)
    }
    if (from.publication !== undefined) await log.publish(from.publication)
    if (from.isNewest) await rememberHead(from, to, storage)
    // Before the new place can be used: there is no moment at which both could.
    await from.markMoved(resolve(to.data))
    // Tokens too: those that were taken back meanwhile are not to count again.
    if (from.storage !== undefined) await moveFiles(from.storage, storage)
    await releasePlace(storage, 'migrate')
    return {
      size: from.head?.size ?? 0,
      resumedAt,
      keys: keyFilesIn(directory.keys).map((file) => basename(file)),
      vault,
      idempotency: from.idempotency !== undefined,
      signerState: from.isNewest,
    }
  } finally {
    await storage.close()
  }
}

/** @throws CONFLICT when the destination has other keys */
async function keepKeys(from: MovedLog, to: DataDirectory): Promise<void> {
  try {
    await keepVkeys(to, from.vkeys.map(formatVkey))
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'CORRUPT') throw cause
    throw new CairnError('CONFLICT', `${to.path} holds another log: its keys are others`, { cause })
  }
  for (const file of keyFilesIn(from.keys)) {
    const bytes = await readFile(file)
    const copy = join(to.keys, basename(file))
    if (existsSync(copy)) {
      if (equal(await readFile(copy), bytes)) continue
      throw new CairnError('CONFLICT', `${copy} holds other keys than ${file}`)
    }
    await writePrivateFile(to.keys, basename(file), bytes)
  }
}

async function moveRecords(
  from: LogStorage,
  to: LogStorage,
  { progress = () => undefined, signal }: MigrateOptions,
): Promise<boolean> {
  const heads = await from.stores.openHeads()
  const keptAt = await to.stores.openHeads()
  for (const time of heads.times()) await keptAt.keep(await heads.read(time))
  if (!(await from.stores.hasVault())) return false
  const source = await from.stores.openVault()
  try {
    const destination = await to.stores.openVault()
    try {
      await copyVault({
        from: source,
        to: destination,
        progress: (rows) => progress('payloads', rows, undefined),
        ...(signal && { signal }),
      })
      await noteVaultOf(destination, to)
      return true
    } finally {
      await destination.close()
    }
  } finally {
    await source.close()
  }
}

async function moveFiles(from: LogStorage, to: LogStorage): Promise<void> {
  for (const name of await logFilesIn(from.directory, { secrets: true })) {
    const bytes = await readLogFile(from.directory, name)
    if (bytes !== undefined) await writePrivateFile(to.directory.path, name, bytes)
  }
  const tokens = await from.tokens.read()
  if (tokens !== undefined) await to.tokens.update(() => tokens.text, tokens.madeAt)
}

/** How the storage knows a log by its keys, Ed25519 first. */
export function identityOf(vkeys: readonly VerifierKey[]): LogIdentity {
  return { origin: vkeys[0]!.name, vkeys: vkeys.map(formatVkey) }
}

/** Notes the master key that a vault says it has. */
export async function noteVaultOf(vault: VaultStore, storage: LogStorage): Promise<void> {
  const [header] = await vault.keys.get([HEADER_KEY])
  if (header === undefined) return
  const file = join(storage.directory.keys, 'vault.key')
  await storage.noteVault(decodeHeader(header).masterKeyId, file)
}

/** Gives the new place the right to sign from this head on. @throws CORRUPT when its signer knows a later one */
export async function rememberHead(
  { vkeys, head }: Pick<MovedLog, 'vkeys'> & { readonly head: SignedHead | undefined },
  place: LogPlace,
  { log }: Pick<LogStorage, 'log'>,
): Promise<void> {
  if (head === undefined) return
  const ed25519 = vkeys[0]!
  const state = await openSignedState(signerStateOf(place, ed25519), formatVkey(ed25519))
  try {
    if (state.last !== undefined) {
      const reason = await disagreement(state, await log.head(), storedTiles(log))
      if (reason !== undefined) throw new CairnError('CORRUPT', reason)
    }
    await state.record({ size: head.size as TreeSize, root: head.root })
  } finally {
    await state.close()
  }
}
