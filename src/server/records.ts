/** The records of a log from its data directory: vault, search index, kept heads, and all that is done with them. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openCompleteness } from '../completeness/upkeep.ts'
import { openCompliance } from '../compliance/compliance.ts'
import type { RetentionPolicy } from '../compliance/context.ts'
import { openHeadHistory } from '../compliance/head-history.ts'
import { publicationOf } from '../compliance/published-head.ts'
import { CairnError, type CairnErrorCode } from '../errors.ts'
import type { SecretRules } from '../formats/secrets.ts'
import type { HostedRecords } from '../http/record-submission.ts'
import type { LogService } from '../log/service.ts'
import type { SubmitterKey } from '../records/read-submissions.ts'
import { openRecords } from '../records/records.ts'
import { openSearchIndex } from '../search/search-index.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import { openHeadDirectory } from '../storage/head-directory.ts'
import type { IndexStore } from '../storage/index-port.ts'
import { openLevelIndexStore } from '../storage/level-index.ts'
import { openVaultAt } from './open-vault.ts'
import type { HostedRecordsEvent } from './record-events.ts'
import { findOrMakeVaultKey } from './vault-key.ts'

export interface HostedRecordsOptions {
  readonly log: LogService
  readonly directory: DataDirectory
  /** The file of the vault's master key; by default one in the data directory. */
  readonly vaultKey: string | undefined
  readonly passphrase: string | undefined
  /** The bytes of the policy that names the witnesses. */
  readonly policy: Uint8Array | undefined
  readonly retention: RetentionPolicy
  readonly secrets: SecretRules
  readonly submitterKey: SubmitterKey
  /** How often the log commits to its map of records, in milliseconds. */
  readonly mapIntervalMs: number
  readonly onEvent: (event: HostedRecordsEvent) => void
}

export interface OpenedRecords extends HostedRecords {
  /** The log has published a head. */
  notify(): void
  /** Finishes what was begun. The log must still be open. */
  close(): Promise<void>
}

/**
 * Opens the records of an open log, making what is not there yet.
 * @throws USAGE without the vault's master key; CORRUPT also when the vault is gone; LOCKED, NEWER_FORMAT, DISK_FULL, IO
 */
export async function openHostedRecords(options: HostedRecordsOptions): Promise<OpenedRecords> {
  const { log, directory, retention, policy, onEvent } = options
  const opened: { close(): Promise<void> }[] = []
  const closeAll = async (): Promise<void> => {
    for (const part of opened.splice(0).reverse()) await part.close()
  }
  try {
    const { store, index } = await openIndex(directory.index, onEvent)
    opened.push(store)
    if (index.latest !== undefined) assertVaultIsThere(directory)
    const file = options.vaultKey ?? join(directory.keys, 'vault.key')
    const masterKey = await findOrMakeVaultKey({
      file,
      vault: directory.vault,
      passphrase: options.passphrase,
      onEvent: (event) =>
        onEvent({
          event: event === 'keys-created' ? 'vault-key-created' : 'vault-key-exposed',
          file,
        }),
    })
    const vault = await openVaultAt(directory.vault, masterKey)
    opened.push(vault)
    const heads = await openHeadHistory({
      log,
      store: await openHeadDirectory(directory.heads),
      onError: (reason) => onEvent({ event: 'head-not-kept', reason }),
    })
    opened.push(heads)
    const mapStore = await openMapStore(directory.map, onEvent)
    opened.push(mapStore)
    const completeness = await openCompleteness({
      log,
      store: mapStore,
      onEvent,
      everyMs: options.mapIntervalMs,
    })
    opened.push(completeness)
    const records = await openRecords({
      log,
      vault,
      index,
      onEvent,
      onFollowed: (from, to, found) => completeness.hear(from, to, found),
      secrets: options.secrets,
      retention: retention.table,
      submitterKey: options.submitterKey,
    })
    opened.push(records)
    const compliance = openCompliance({
      log,
      records,
      vault,
      onEvent,
      retention,
      heads,
      completeness,
      notBefore: publicationOf(log)?.timestamp ?? 0,
      ...(policy && { policy }),
    })
    opened.push(compliance)
    return { records, compliance, notify: heads.notify, close: closeAll }
  } catch (error) {
    await closeAll().catch(() => undefined)
    throw error
  }
}

/** Without this, one whose disk is not mounted would begin another vault, and then have two. */
function assertVaultIsThere({ vault, index }: DataDirectory): void {
  if (existsSync(join(vault, 'payloads'))) return
  throw new CairnError(
    'CORRUPT',
    `the log has records, but their vault is missing from ${vault}; restore a backup of it, or remove ${index} to go on without what it held`,
  )
}

/** The errors of an index that is of no use any more. A disk that cannot be written to fails again. */
const USELESS: readonly CairnErrorCode[] = ['CORRUPT', 'NEWER_FORMAT', 'IO']

/** The store of the map: all of it can be made again from the log. */
function openMapStore(
  directory: string,
  onEvent: HostedRecordsOptions['onEvent'],
): Promise<IndexStore> {
  return openOrBeginAnew(directory, openLevelIndexStore, ['CORRUPT'], (reason) =>
    onEvent({ event: 'map-discarded', reason }),
  )
}

/** The index: all that it says is in the log and the vault. */
function openIndex(directory: string, onEvent: HostedRecordsOptions['onEvent']) {
  return openOrBeginAnew(directory, openIndexIn, USELESS, (reason) =>
    onEvent({ event: 'index-discarded', reason }),
  )
}

/** Opens what a directory holds; after one of these errors it is emptied, and opened again. */
async function openOrBeginAnew<T>(
  directory: string,
  open: (directory: string) => Promise<T>,
  useless: readonly CairnErrorCode[],
  onDiscarded: (reason: string) => void,
): Promise<T> {
  try {
    return await open(directory)
  } catch (error) {
    if (!(error instanceof CairnError) || !useless.includes(error.code)) throw error
    onDiscarded(error.message)
    await rm(directory, { recursive: true, force: true })
    return open(directory)
  }
}

async function openIndexIn(directory: string) {
  const store = await openLevelIndexStore(directory)
  try {
    return { store, index: await openSearchIndex({ store }) }
  } catch (error) {
    await store.close()
    throw error
  }
}
