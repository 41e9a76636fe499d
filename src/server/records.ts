/** The records of a log from its data directory: vault, search index, kept heads, and all that is done with them. */
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
import type { IndexStore } from '../storage/index-port.ts'
import type { MasterKey } from '../vault/master-key.ts'
import type { SavedRows } from '../vault/saved-rows.ts'
import { openVault } from '../vault/vault.ts'
import type { HostedRecordsEvent } from './record-events.ts'
import type { RecordStores } from './record-stores.ts'
import { beginsNewVault, recordsNote } from './vault-there.ts'

/** What is decided about records in files. */
export interface RecordRules {
  /** The bytes of the policy that names the witnesses. */
  readonly policy: Uint8Array | undefined
  readonly retention: RetentionPolicy
  readonly secrets: SecretRules
  readonly submitterKey: SubmitterKey
}

export interface HostedRecordsOptions extends RecordRules {
  readonly log: LogService
  readonly stores: RecordStores
  /** The vault's master key, made when there is none. */
  openMasterKey(): Promise<MasterKey>
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Begins a new vault where the one that the log had is gone. */
  readonly newVault: boolean
  /** How often the log commits to its map of records, in milliseconds. */
  readonly mapIntervalMs: number
  readonly onEvent: (event: HostedRecordsEvent) => void
}

export interface OpenedRecords extends HostedRecords {
  /** Why no records are taken any more; undefined while they are. */
  fault(): string | undefined
  /** The rows of its vault, for a backup. */
  savedRows(): SavedRows
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
  const { log, stores, retention, policy, now = Date.now } = options
  let fault: string | undefined
  const onEvent: HostedRecordsOptions['onEvent'] = (event) => {
    if (event.event === 'vault-failed') fault = vaultFault(event.reason)
    options.onEvent(event)
  }
  const opened: { close(): Promise<void> }[] = []
  const closeAll = async (): Promise<void> => {
    for (const part of opened.splice(0).reverse()) await part.close()
  }
  try {
    let { store, index } = await openIndex(stores, onEvent)
    opened.push(store)
    if (await beginsNewVault(stores, index.latest !== undefined, options.newVault)) {
      // What it finds can be read no more. It is built again, of what the log has.
      await closeAll()
      await stores.discardIndex()
      ;({ store, index } = await openIndex(stores, onEvent))
      opened.push(store)
    }
    const note = recordsNote(stores, index)
    opened.push(note)
    note.look()
    const masterKey = await options.openMasterKey()
    const vaultStore = await stores.openVault()
    opened.push(vaultStore)
    const vault = await openVault({ store: vaultStore, masterKey, now })
    // It closes its store.
    opened[opened.length - 1] = vault
    const heads = await openHeadHistory({
      log,
      store: await stores.openHeads(),
      onError: (reason) => onEvent({ event: 'head-not-kept', reason }),
    })
    opened.push(heads)
    const mapStore = await openMapStore(stores, onEvent)
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
      onFollowed(from, to, found) {
        note.look()
        completeness.hear(from, to, found)
      },
      secrets: options.secrets,
      retention: retention.table,
      submitterKey: options.submitterKey,
      now,
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
      now,
      notBefore: publicationOf(log)?.timestamp ?? 0,
      ...(policy && { policy }),
    })
    opened.push(compliance)
    return {
      records,
      compliance,
      map: completeness,
      fault: () => fault,
      savedRows: () => vault.savedRows(),
      notify: heads.notify,
      close: closeAll,
    }
  } catch (error) {
    await closeAll().catch(() => undefined)
    throw error
  }
}

/** Why records are not taken once a write to the vault has failed. */
function vaultFault(reason: string): string {
  return `the vault takes nothing more: ${reason}`
}

/**
 * Why records that are in a database have to be opened again: something of them has stopped that would go on. Undefined
 * for all other events.
 */
export function endedBy(event: HostedRecordsEvent): string | undefined {
  switch (event.event) {
    case 'vault-failed':
      return vaultFault(event.reason)
    case 'index-failed':
    case 'map-failed': {
      const part = event.event === 'map-failed' ? 'the map of records' : 'the search index'
      return event.code !== undefined && PASSING.includes(event.code)
        ? `${part} follows the log no more: ${event.reason}`
        : undefined
    }
    default:
      return undefined
  }
}

/** What a database does for a while, and what its stores say after that. */
const PASSING: readonly CairnErrorCode[] = ['UNAVAILABLE', 'STOPPED', 'IO', 'DISK_FULL']

/** The errors of an index that is of no use any more. A disk that cannot be written to fails again. */
const USELESS: readonly CairnErrorCode[] = ['CORRUPT', 'NEWER_FORMAT', 'IO']

/** The store of the map: all of it can be made again from the log. */
function openMapStore(
  stores: RecordStores,
  onEvent: HostedRecordsOptions['onEvent'],
): Promise<IndexStore> {
  return openOrBeginAnew(stores.openMap, stores.discardMap, ['CORRUPT'], (reason) =>
    onEvent({ event: 'map-discarded', reason }),
  )
}

/** The index: all that it says is in the log and the vault. */
function openIndex(stores: RecordStores, onEvent: HostedRecordsOptions['onEvent']) {
  const open = async () => {
    const store = await stores.openIndex()
    try {
      return { store, index: await openSearchIndex({ store }) }
    } catch (error) {
      await store.close()
      throw error
    }
  }
  return openOrBeginAnew(open, stores.discardIndex, USELESS, (reason) =>
    onEvent({ event: 'index-discarded', reason }),
  )
}

/** Opens what is stored; after one of these errors it is discarded, and opened again. */
async function openOrBeginAnew<T>(
  open: () => Promise<T>,
  discard: () => Promise<void>,
  useless: readonly CairnErrorCode[],
  onDiscarded: (reason: string) => void,
): Promise<T> {
  try {
    return await open()
  } catch (error) {
    if (!(error instanceof CairnError) || !useless.includes(error.code)) throw error
    onDiscarded(error.message)
    await discard()
    return open()
  }
}
