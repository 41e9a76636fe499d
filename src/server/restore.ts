/**
 * Makes a log again from a backup, in a place of its own. The backup is whole before anything is written; the place is
 * no log before everything is there, the tree leads to its signed head, and its witnesses know nothing later.
 */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { parseSavedLog, type SavedHead, type SavedLog } from '../formats/backup-log.ts'
import { parseEntries, parseRows, parseUses } from '../formats/backup-rows.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { checkCopy, copyTree, type TreeToCopy } from '../log/copy-tree.ts'
import { treeSize } from '../merkle/position.ts'
import type { IdempotencyRecord, StoredHead } from '../storage/port.ts'
import { putRows } from '../vault/copy-rows.ts'
import { askWitnesses, type WhatWitnessesSay } from './ask-witnesses.ts'
import type { BackupFile, PartInFile } from './backup-file.ts'
import { type CatchUpFrom, catchUp, laterLog } from './catch-up.ts'
import { openTakenPlace, releasePlace } from './empty-place.ts'
import { keepVkeys } from './key-place.ts'
import { isLogFile, writePrivateFile } from './log-files.ts'
import type { LogPlace, LogStorage } from './log-storage.ts'
import { identityOf, noteVaultOf, rememberHead } from './migrate.ts'
import { keyFilesIn, mustBeSigned } from './moved-log.ts'
import { parseTokens } from './tokens.ts'
import { type PolicyFile, policyIn } from './witnesses.ts'

export type RestoreStep = 'payloads' | 'entries' | 'checking'

export interface RestoreOptions {
  readonly backup: BackupFile
  readonly to: LogPlace
  /** Names the witnesses, instead of the policy in the backup. */
  readonly policy?: PolicyFile | undefined
  /** A directory of private keys, which go with it. */
  readonly keys?: string | undefined
  /** Goes on although too few witnesses can be asked. */
  readonly withoutWitnesses?: boolean
  /** Takes the head of the backup as the newest there is. */
  readonly adoptHead?: boolean
  /** Where the log shows entries that are newer than the backup: it goes on from the newest of them. */
  readonly catchUp?: CatchUpFrom | undefined
  readonly progress?: (step: RestoreStep, done: number, total: number | undefined) => void
  readonly signal?: AbortSignal
}

export interface Restored {
  readonly size: number
  /** Entries that are not from the backup, and whose payloads are gone. */
  readonly caughtUp: number
  /** When the backup was begun, in milliseconds since 1970. */
  readonly made: number
  readonly keys: readonly string[]
  /** What the witnesses said; undefined when none were asked. */
  readonly witnesses: WhatWitnessesSay | undefined
  /** Whether it may sign from here on. */
  readonly maySign: boolean
}

/**
 * @throws USAGE when the place is not free; CORRUPT when the backup does not fit together, or is behind its witnesses;
 *   VERIFICATION_FAILED when its entries do not lead to the signed root; UNAVAILABLE when too few witnesses can be asked;
 *   DISK_FULL, IO; the signal's reason
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { backup, to, progress = () => undefined, signal } = options
  const { saved, vkeys, policy } = await contentOf(backup)
  const later =
    options.catchUp &&
    (await laterLog(options.catchUp, vkeys, saved.head?.size ?? treeSize(0), signal))
  // Before anything is made: to name another folder is a common mistake.
  const keys = options.keys === undefined ? [] : keysToAdd(options.keys)
  const storage = await openTakenPlace(to, 'restore', identityOf(vkeys))
  try {
    const { log, directory } = storage
    await keepVkeys(directory, vkeys.map(formatVkey))
    await restoreKeys(backup, keys, storage)
    await restoreVault(options, storage)
    await restoreSmall(backup, storage)
    const head = saved.head && storedHead(saved.head)
    if (head !== undefined) {
      await copyTree({
        from: treeIn(backup),
        head,
        to: log,
        idempotency: usesIn(backup),
        progress: (leaves) => progress('entries', leaves, head.size),
        ...(signal && { signal }),
      })
    }
    if (later !== undefined) {
      const { size } = later.head
      await catchUp(log, later, (leaves) => progress('entries', leaves, size), signal)
    }
    const last = later?.head ?? head
    if (last !== undefined) {
      await checkCopy(log, last, (leaves) => progress('checking', leaves, last.size), signal)
    }
    if (saved.publication !== undefined) {
      await log.publish({ ...saved.publication, ...storedHead(saved.publication) })
    }
    const newest = later === undefined ? (saved.head ?? saved.publication) : textOf(later.head)
    const witnesses = newest && (await agreementOn(newest, vkeys, policy, options, storage))
    const hasAgreed = witnesses?.isEnough === true && witnesses.disagreement === undefined
    const maySign = options.adoptHead === true || hasAgreed
    if (maySign) await rememberHead({ vkeys, head: newest }, to, storage)
    await releasePlace(storage, 'restore')
    return {
      size: last?.size ?? 0,
      caughtUp: later === undefined ? 0 : later.head.size - (head?.size ?? 0),
      made: saved.made,
      keys: keyFilesIn(directory.keys).map((file) => basename(file)),
      witnesses,
      maySign,
    }
  } finally {
    await storage.close()
  }
}

interface Content {
  readonly saved: SavedLog
  readonly vkeys: readonly VerifierKey[]
  readonly policy: PolicyFile | undefined
}

/** What has to be known first. @throws CORRUPT when it does not fit together */
async function contentOf(backup: BackupFile): Promise<Content> {
  return readable('log.json', async () => {
    const saved = parseSavedLog(await mustRead(backup, 'log.json'))
    const vkeys = saved.vkeys.map(parseVkey)
    if (vkeys[0]?.type !== 'ed25519') throw new Error('it names no key of the log')
    if (saved.head !== undefined) mustBeSigned(storedHead(saved.head), vkeys, 'newest head')
    if (saved.publication !== undefined) {
      mustBeSigned(storedHead(saved.publication), vkeys, 'published head')
    }
    const part = backup.parts.find(({ name }) => name === 'policy')
    const policy = part && policyIn(await backup.read(part), 'in the backup')
    return { saved, vkeys, policy }
  })
}

async function mustRead(backup: BackupFile, name: string): Promise<Uint8Array> {
  const part = backup.parts.find((one) => one.name === name)
  if (part === undefined) throw new Error('it is missing')
  return backup.read(part)
}

async function readable<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof CairnError && cause.code === 'IO') throw cause
    throw new CairnError('CORRUPT', `the backup's ${name} cannot be used: ${messageOf(cause)}`, {
      cause,
    })
  }
}

function storedHead({ size, root, checkpoint }: SavedHead): StoredHead {
  return { size, root, checkpoint: utf8(checkpoint) }
}

function textOf({ size, root, checkpoint }: StoredHead): SavedHead {
  return { size, root, checkpoint: fromUtf8(checkpoint) }
}

function partsBelow({ parts }: BackupFile, folder: string): PartInFile[] {
  return parts.filter(({ name }) => name.startsWith(`${folder}/`))
}

/** @throws USAGE when a folder has none */
function keysToAdd(folder: string): string[] {
  const found = keyFilesIn(folder)
  if (found.length === 0) throw usage(`there are no keys of a log in ${folder}`)
  return found
}

async function restoreKeys(
  backup: BackupFile,
  keys: readonly string[],
  { directory }: LogStorage,
): Promise<void> {
  for (const part of partsBelow(backup, 'keys')) {
    const name = part.name.slice('keys/'.length)
    if (!['log.key', 'log.key.age', 'vault.key'].includes(name)) continue
    await writePrivateFile(directory.keys, name, await backup.read(part))
  }
  for (const file of keys) {
    await writePrivateFile(directory.keys, basename(file), await readFile(file))
  }
}

async function restoreVault(
  { backup, progress = () => undefined, signal }: RestoreOptions,
  storage: LogStorage,
): Promise<void> {
  const parts = { payloads: partsBelow(backup, 'payloads'), keys: partsBelow(backup, 'vault') }
  if (parts.keys.length === 0) return
  const vault = await storage.stores.openVault()
  let rows = 0
  try {
    for (const name of ['payloads', 'keys'] as const) {
      for (const part of parts[name]) {
        signal?.throwIfAborted()
        const some = await readable(part.name, async () => parseRows(await backup.read(part)))
        await putRows(vault[name], some)
        rows += some.length
        progress('payloads', rows, undefined)
      }
    }
    await noteVaultOf(vault, storage)
  } finally {
    await vault.close()
  }
}

async function restoreSmall(backup: BackupFile, storage: LogStorage): Promise<void> {
  const { stores, tokens, directory } = storage
  const text = backup.parts.find(({ name }) => name === 'tokens')
  if (text !== undefined) {
    const lines = fromUtf8(await backup.read(text))
    parseTokens(lines, 'tokens in the backup')
    await tokens.update(() => lines)
  }
  const heads = await stores.openHeads()
  for (const part of partsBelow(backup, 'heads')) {
    await readable(part.name, async () =>
      heads.keep({
        time: Number(part.name.slice('heads/'.length)),
        checkpoint: fromUtf8(await backup.read(part)),
      }),
    )
  }
  for (const part of partsBelow(backup, 'files')) {
    const path = part.name.slice('files/'.length)
    if (!isLogFile(path)) continue
    await writePrivateFile(directory.path, path, await backup.read(part))
  }
}

function treeIn(backup: BackupFile): TreeToCopy {
  return {
    async *entries(from) {
      for (const part of partsBelow(backup, 'entries')) {
        const first = Number(part.name.slice('entries/'.length))
        const entries = await readable(part.name, async () => parseEntries(await backup.read(part)))
        if (first + entries.length > from) yield entries.slice(Math.max(0, from - first))
      }
    },
  }
}

async function* usesIn(backup: BackupFile): AsyncGenerator<IdempotencyRecord> {
  for (const part of partsBelow(backup, 'idempotency')) {
    yield* await readable(part.name, async () => parseUses(await backup.read(part)))
  }
}

/** @throws CORRUPT when a witness knows more than the backup; UNAVAILABLE when too few can be asked */
async function agreementOn(
  newest: SavedHead,
  vkeys: readonly VerifierKey[],
  saved: PolicyFile | undefined,
  { policy = saved, withoutWitnesses = false }: RestoreOptions,
  { log }: LogStorage,
): Promise<WhatWitnessesSay | undefined> {
  if (policy === undefined || policy.policy.witnesses.length === 0) return undefined
  const found = await askWitnesses(policy, vkeys, newest, log)
  if (found.disagreement !== undefined && !withoutWitnesses) {
    throw new CairnError(
      'CORRUPT',
      `this backup must not go on: ${found.disagreement}; with --catch-up URL it goes on from what a mirror or the log's bucket shows; for a copy that can only be read, restore it with --without-witnesses`,
    )
  }
  if (found.isEnough || withoutWitnesses) return found
  const silent = found.silent.map(({ url, reason }) => `${url} (${reason})`).join(', ')
  throw new CairnError(
    'UNAVAILABLE',
    `too few witnesses can be asked whether this is the newest state of the log: ${silent || 'none has an address'}; try again later, or restore with --without-witnesses a log that asks them when it starts`,
  )
}
