/** One log from its data directory: keys, signer's state, store and tokens, each opened and, at first, made. */
import { join } from 'node:path'
import { mlDsaThread } from '../crypto/ml-dsa-thread.ts'
import type { Gossip } from '../gossip/runner.ts'
import type { HostedLog } from '../http/app.ts'
import { openLog } from '../log/log.ts'
import { type DataDirectory, openDataDirectory } from '../storage/data-directory.ts'
import { openLevelStore } from '../storage/level.ts'
import { tokensInFile } from '../storage/tokens-file.ts'
import { openAccess } from './access.ts'
import { backupOf } from './backup-running.ts'
import type { Config, LogConfig } from './config.ts'
import type { OnEvent } from './events.ts'
import { openGossip } from './gossip.ts'
import { assertKeptHere } from './kept-where.ts'
import {
  logEvents,
  logSettings,
  openMasterKey,
  openSigning,
  readLogFiles,
  recordRules,
  witnessesIn,
} from './log-parts.ts'
import { recordStoresIn } from './record-stores.ts'
import { type OpenedRecords, openHostedRecords } from './records.ts'

export interface OpenedLog extends HostedLog {
  readonly directory: DataDirectory
  /** Finishes what was accepted, and lets go of the data. */
  close(): Promise<void>
}

/**
 * Opens a log from its data directory, making it at the first start. `name` is for events.
 * @throws USAGE, LOCKED, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO
 */
export async function openHostedLog(
  name: string,
  own: LogConfig,
  config: Config,
  onEvent: OnEvent,
): Promise<OpenedLog> {
  const files = await readLogFiles(own)
  const directory = await openDataDirectory(own.data, { create: true })
  assertKeptHere(directory)
  // The store goes first: it is what keeps another process from doing the same at the same time.
  const store = await openLevelStore(directory.store, { leavesAreNew: config.dedup })
  const opened: { close(): Promise<void> }[] = [store]
  try {
    const signing = await openSigning(name, own, config, directory, onEvent)
    const { signer, signedState } = signing
    opened.push(signer, signedState)
    const access = await openAccess(directory, own, (event) => onEvent({ ...event, log: name }))
    opened.push(access)
    const mlDsa = mlDsaThread()
    opened.push(mlDsa)
    const witnesses = witnessesIn(files, signing, config, mlDsa)
    let gossip: Gossip | undefined
    let records: OpenedRecords | undefined
    const log = await openLog({
      store,
      signer,
      signedState,
      ...logSettings(own, config, witnesses),
      freeSpaceFloor: config.freeSpaceFloor,
      onPublished: () => {
        gossip?.notify()
        records?.notify()
      },
      onEvent: logEvents(name, directory, onEvent),
    })
    opened.push(log)
    if (own.gossip !== undefined) {
      gossip = await openGossip({
        sinks: own.gossip,
        directory: directory.path,
        log,
        onEvent: (event) => onEvent({ ...event, log: name }),
      })
    }
    const stores = recordStoresIn(directory)
    records = await openHostedRecords({
      log,
      stores,
      openMasterKey: () =>
        openMasterKey(
          name,
          {
            file: own.vaultKey ?? join(directory.keys, 'vault.key'),
            passphrase: config.passphrase,
            hasVault: stores.hasVault,
          },
          onEvent,
        ),
      ...recordRules(files),
      newVault: own.newVault,
      mapIntervalMs: config.mapIntervalMs,
      onEvent: (event) => onEvent({ ...event, log: name }),
    })
    opened.push(records)
    onEvent({ event: 'log-opened', log: name, origin: log.origin, size: log.head().size })
    // An open log takes leaves from anyone, but may still show them to token holders only.
    const { authenticate, knownOnly } = access
    return {
      log,
      authenticate,
      witnessDeadlineMs: config.witnessDeadlineMs,
      ...(own.privateEntries
        ? { readEntries: { authenticate: knownOnly, tenant: own.tenant } }
        : {}),
      ...(gossip && { gossip }),
      records,
      recordsFault: records.fault,
      backup: backupOf({
        log,
        store,
        authenticate: knownOnly,
        tenant: own.tenant,
        directory,
        policy: files.policy?.bytes,
        tokens: tokensInFile(directory.tokensFile),
        openHeads: stores.openHeads,
        savedRows: records.savedRows,
      }),
      directory,
      async close() {
        await access.close()
        await gossip?.close()
        await records?.close()
        await log.close()
        await mlDsa.close()
      },
    }
  } catch (error) {
    for (const part of opened.reverse()) await part.close().catch(() => undefined)
    throw error
  }
}
