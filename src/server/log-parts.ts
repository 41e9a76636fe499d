/** What every log is made of, wherever its data is: policy, keys, signer's state, tenants, rules. */
import { join, resolve } from 'node:path'
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { messageOf } from '../errors.ts'
import type { RetentionTable } from '../formats/retention.ts'
import type { SecretRules } from '../formats/secrets.ts'
import { formatVkey } from '../formats/vkey.ts'
import { localSigner } from '../log/local-signer.ts'
import type { LogOptions } from '../log/log.ts'
import type { SharedLogEvent } from '../log/shared-log.ts'
import { openSignedState, type SignedState } from '../log/signed-state.ts'
import type { LogSigner } from '../log/signer.ts'
import type { WitnessOptions } from '../log/witness-options.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import type { MasterKey } from '../vault/master-key.ts'
import type { Config, LogConfig } from './config.ts'
import type { OnEvent } from './events.ts'
import { keepEvidence } from './evidence-files.ts'
import { findOrMakeKeys, keepVkeys } from './key-place.ts'
import { createKeys, type OpenedKeys, readKeys } from './keys.ts'
import type { RecordRules } from './records.ts'
import { readRetentionFile } from './retention-file.ts'
import { readSecretRulesFile } from './secret-rules-file.ts'
import { openTenants, type Tenants } from './tenants.ts'
import { findOrMakeVaultKey, type VaultKeyPlace } from './vault-key.ts'
import { type PolicyFile, readPolicyFile, witnessesOf } from './witnesses.ts'

/** What the files of a configuration say. */
export interface LogFiles {
  readonly policy: PolicyFile | undefined
  readonly retention: RetentionTable
  readonly secrets: SecretRules
  readonly tenants: Tenants
}

/** @throws USAGE, CORRUPT, IO when a file cannot be used */
export async function readLogFiles(own: LogConfig): Promise<LogFiles> {
  const policy = own.policy === undefined ? undefined : await readPolicyFile(own.policy)
  const retention = await readRetentionFile(own.retentionTable)
  const secrets = await readSecretRulesFile(own.secretRules)
  const tenants = await openTenants(
    own.tenants ?? new Map(),
    new Set(retention.jurisdictions.keys()),
    own.jurisdiction,
  )
  return { policy, retention, secrets, tenants }
}

/** What of it the records of a log need. */
export function recordRules({ policy, retention, secrets, tenants }: LogFiles): RecordRules {
  return {
    policy: policy?.bytes,
    retention: { table: retention, jurisdictionOf: tenants.jurisdictionOf },
    secrets,
    submitterKey: tenants.submitterKey,
  }
}

type LogSettings = Pick<
  LogOptions,
  'adoptHead' | 'dedup' | 'queue' | 'publishIntervalMs' | 'renewMs' | 'witnesses'
>

/** What signs for a log. */
export interface LogSigning {
  readonly signer: LogSigner
  readonly signedState: SignedState
  readonly vkeys: readonly string[]
}

/**
 * Opens the keys of a log, made at the first start, and what its signer remembers.
 * @throws USAGE, CORRUPT, DISK_FULL, IO
 */
export async function openSigning(
  name: string,
  own: LogConfig,
  config: Pick<Config, 'passphrase'>,
  directory: DataDirectory,
  onEvent: OnEvent,
): Promise<LogSigning> {
  const { keys } = await keysOf(name, own, config, directory, onEvent)
  const signer = localSigner(keys)
  try {
    const vkeys = [signer.ed25519, signer.mlDsa].map(formatVkey)
    await keepVkeys(directory, vkeys)
    const place = own.signerState ?? defaultSignerState(own.data, signer)
    return { signer, signedState: await openSignedState(place, vkeys[0]!), vkeys }
  } catch (error) {
    await signer.close()
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

/** Whom the log asks for cosignatures; undefined without a policy. */
export function witnessesIn(
  { policy }: LogFiles,
  { signer }: LogSigning,
  config: Config,
  mlDsa: MlDsaThread,
): WitnessOptions | undefined {
  return (
    policy &&
    witnessesOf(policy, {
      logKeys: [signer.ed25519, signer.mlDsa],
      hurriedIntervalMs: config.witnessIntervalMs,
      timeoutMs: config.witnessTimeoutMs,
      mlDsa,
    })
  )
}

/** What of a configuration every kind of log takes. */
export function logSettings(
  own: LogConfig,
  config: Config,
  witnesses: WitnessOptions | undefined,
): LogSettings {
  return {
    adoptHead: own.adoptHead,
    dedup: config.dedup,
    queue: { maxLeaves: config.queueLeaves, maxBytes: config.queueBytes },
    publishIntervalMs: config.publishIntervalMs,
    renewMs: config.renewIntervalMs,
    ...(witnesses && { witnesses }),
  }
}

/** Tells what a log has to say, and keeps evidence that it came upon. */
export function logEvents(
  name: string,
  directory: DataDirectory,
  onEvent: OnEvent,
): (event: SharedLogEvent) => void {
  return (event) => {
    if (event.event !== 'evidence') return onEvent({ ...event, log: name })
    keepEvidence(directory, event.evidence).then(
      (file) => onEvent({ event: 'evidence-kept', log: name, file }),
      (error) => onEvent({ event: 'error', message: messageOf(error) }),
    )
  }
}

/** The master key of a log's vault, made when there is none. @throws as findOrMakeVaultKey() */
export function openMasterKey(
  name: string,
  { file, passphrase, hasVault }: Pick<VaultKeyPlace, 'file' | 'passphrase' | 'hasVault'>,
  onEvent: OnEvent,
): Promise<MasterKey> {
  return findOrMakeVaultKey({
    file,
    passphrase,
    hasVault,
    onEvent: (event) =>
      onEvent({
        event: event === 'keys-created' ? 'vault-key-created' : 'vault-key-exposed',
        log: name,
        file,
      }),
  })
}

function keysOf(
  name: string,
  { origin }: LogConfig,
  { passphrase }: Pick<Config, 'passphrase'>,
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
