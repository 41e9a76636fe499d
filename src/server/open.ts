/** One log from its data directory: keys, signer's state, store and tokens, each opened and, at first, made. */
import { join, resolve } from 'node:path'
import { mlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { messageOf } from '../errors.ts'
import { formatVkey } from '../formats/vkey.ts'
import type { Gossip } from '../gossip/runner.ts'
import type { HostedLog } from '../http/app.ts'
import { localSigner } from '../log/local-signer.ts'
import { openLog } from '../log/log.ts'
import { openSignedState } from '../log/signed-state.ts'
import type { LogSigner } from '../log/signer.ts'
import { type DataDirectory, openDataDirectory } from '../storage/data-directory.ts'
import { openLevelStore } from '../storage/level.ts'
import { openAccess } from './access.ts'
import type { Config, LogConfig } from './config.ts'
import type { OnEvent } from './events.ts'
import { keepEvidence } from './evidence-files.ts'
import { openGossip } from './gossip.ts'
import { findOrMakeKeys, keepVkeys } from './key-place.ts'
import { createKeys, type OpenedKeys, readKeys } from './keys.ts'
import { recordStoresIn } from './record-stores.ts'
import { type OpenedRecords, openHostedRecords } from './records.ts'
import { readRetentionFile } from './retention-file.ts'
import { readSecretRulesFile } from './secret-rules-file.ts'
import { openTenants } from './tenants.ts'
import { readPolicyFile, witnessesOf } from './witnesses.ts'

export interface OpenedLog extends HostedLog {
  readonly directory: DataDirectory
  /** Finishes what was accepted, and lets go of the data. */
  close(): Promise<void>
}

/**
 * Opens a log, making it at the first start. `name` is for events.
 * @throws USAGE, LOCKED, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO
 */
export async function openHostedLog(
  name: string,
  own: LogConfig,
  config: Config,
  onEvent: OnEvent,
): Promise<OpenedLog> {
  const policy = own.policy === undefined ? undefined : await readPolicyFile(own.policy)
  const table = await readRetentionFile(own.retentionTable)
  const secrets = await readSecretRulesFile(own.secretRules)
  const directory = await openDataDirectory(own.data, { create: true })
  // The store goes first: it is what keeps another process from doing the same at the same time.
  const store = await openLevelStore(directory.store, { leavesAreNew: config.dedup })
  const opened: { close(): Promise<void> }[] = [store]
  try {
    const { keys } = await keysOf(name, own, config, directory, onEvent)
    const signer = localSigner(keys)
    opened.push(signer)
    await keepVkeys(directory, [signer.ed25519, signer.mlDsa].map(formatVkey))
    const signedState = await openSignedState(
      own.signerState ?? defaultSignerState(own.data, signer),
      formatVkey(signer.ed25519),
    )
    opened.push(signedState)
    const access = await openAccess(directory, own, (event) => onEvent({ ...event, log: name }))
    opened.push(access)
    const mlDsa = mlDsaThread()
    opened.push(mlDsa)
    const witnesses =
      policy &&
      witnessesOf(policy, {
        logKeys: [signer.ed25519, signer.mlDsa],
        hurriedIntervalMs: config.witnessIntervalMs,
        timeoutMs: config.witnessTimeoutMs,
        mlDsa,
      })
    let gossip: Gossip | undefined
    let records: OpenedRecords | undefined
    const log = await openLog({
      store,
      signer,
      signedState,
      adoptHead: own.adoptHead,
      dedup: config.dedup,
      queue: { maxLeaves: config.queueLeaves, maxBytes: config.queueBytes },
      publishIntervalMs: config.publishIntervalMs,
      renewMs: config.renewIntervalMs,
      ...(witnesses && { witnesses }),
      freeSpaceFloor: config.freeSpaceFloor,
      onPublished: () => {
        gossip?.notify()
        records?.notify()
      },
      onEvent: (event) => {
        if (event.event !== 'evidence') return onEvent({ ...event, log: name })
        keepEvidence(directory, event.evidence).then(
          (file) => onEvent({ event: 'evidence-kept', log: name, file }),
          (error) => onEvent({ event: 'error', message: messageOf(error) }),
        )
      },
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
    const tenants = await openTenants(
      own.tenants ?? new Map(),
      new Set(table.jurisdictions.keys()),
      own.jurisdiction,
    )
    records = await openHostedRecords({
      log,
      stores: recordStoresIn(directory),
      vaultKey: own.vaultKey ?? join(directory.keys, 'vault.key'),
      passphrase: config.passphrase,
      policy: policy?.bytes,
      retention: { table, jurisdictionOf: tenants.jurisdictionOf },
      secrets,
      submitterKey: tenants.submitterKey,
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

/**
 * Beside the data directory, not in it: whoever restores an old copy of the directory must not restore this with it.
 * Named by the key, so that a new log in the place of a discarded one begins afresh.
 */
export function defaultSignerState(data: string, { ed25519 }: Pick<LogSigner, 'ed25519'>): string {
  return join(`${resolve(data)}.signer`, `${ed25519.keyId}.head`)
}

function keysOf(
  name: string,
  { origin }: LogConfig,
  { passphrase }: Config,
  directory: DataDirectory,
  onEvent: OnEvent,
): Promise<OpenedKeys> {
  const options = {
    directory: directory.keys,
    ...(origin === undefined ? {} : { origin }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
  return findOrMakeKeys(directory, {
    kind: 'log',
    read: () => readKeys(options),
    create: () => createKeys(options),
    onEvent: (event, file) => onEvent({ event, log: name, file }),
  })
}
