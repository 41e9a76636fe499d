/** The composition root of a witness: a configuration becomes a running one. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8, utf8 } from '../bytes.ts'
import { mlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError, messageOf } from '../errors.ts'
import { formatVkey } from '../formats/vkey.ts'
import { createWitnessServer } from '../http/witness-listener.ts'
import { type DataDirectory, openDataDirectory } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { openLevelWitnessStore } from '../storage/level-witness.ts'
import { openPostgresWitnessStore } from '../storage/postgres-witness.ts'
import type { WitnessStore } from '../storage/witness-port.ts'
import { localWitnessSigner } from '../witness/local-signer.ts'
import type { WitnessService } from '../witness/service.ts'
import type { WitnessSigner } from '../witness/signer.ts'
import { openWitness } from '../witness/witness.ts'
import { findOrMakeKeys, keepVkeys } from './key-place.ts'
import { listen } from './listen.ts'
import { guardStore } from './rollback-guard.ts'
import type { DatabaseConfig } from './storage-settings.ts'
import { openTokens, type Tokens } from './token-file.ts'
import type { WitnessConfig } from './witness-config.ts'
import type { OnWitnessEvent } from './witness-events.ts'
import { WITNESS_FILES } from './witness-files.ts'
import { createWitnessKeys, type OpenedWitnessKeys, readWitnessKeys } from './witness-keys.ts'
import { witnessPolicy } from './witness-policy.ts'

const PUBLIC_FILE = 0o644
/** Addresses that mean all of a machine's, and that nobody else can connect to. */
const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }

export interface ServeWitnessOptions {
  readonly onEvent?: OnWitnessEvent
}

export interface RunningWitness {
  /** Where it listens: `http://127.0.0.1:7962`. */
  readonly url: string
  readonly name: string
  readonly witness: WitnessService
  /** Takes no more requests, finishes what was accepted, and lets go of the data. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Opens the witness of a configuration, watches its logs and serves it.
 * @throws USAGE when the address is taken or the configuration does not fit the data
 * @throws LOCKED, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO
 */
export async function serveWitness(
  config: WitnessConfig,
  options: ServeWitnessOptions = {},
): Promise<RunningWitness> {
  const { onEvent = () => {} } = options
  const { witness, signer, tokens, directory } = await open(config, onEvent)
  try {
    await Promise.all([...config.logs.values()].map((keys) => witness.watch(keys)))
    const server = createWitnessServer({
      witness,
      authenticate: tokens.authenticate,
      requestTimeoutMs: config.requestTimeoutMs,
      onError: (error) => onEvent({ event: 'error', message: messageOf(error) }),
    })
    const url = await listen(server, config)
    let closing: Promise<void> | undefined
    async function close(): Promise<void> {
      onEvent({ event: 'closing' })
      await server.close()
      await tokens.close()
      await witness.close()
      onEvent({ event: 'closed' })
    }
    const running: RunningWitness = {
      url,
      name: signer.ed25519.name,
      witness,
      close() {
        closing ??= close()
        return closing
      },
    }
    try {
      await announce(config, running, signer, directory, onEvent)
    } catch (error) {
      await server.close()
      throw error
    }
    return running
  } catch (error) {
    await tokens.close()
    await witness.close()
    throw error
  }
}

interface Opened {
  readonly witness: WitnessService
  readonly signer: WitnessSigner
  readonly tokens: Tokens
  readonly directory: DataDirectory
}

async function open(config: WitnessConfig, onEvent: OnWitnessEvent): Promise<Opened> {
  const directory = await openDataDirectory(config.data, { create: true, kind: 'witness' })
  // The store goes first: it is what keeps another process from doing the same at the same time.
  const { store, claim } = await openStore(directory, config.database)
  const opened: { close(): Promise<void> }[] = [store]
  try {
    const { keys } = await keysOf(config, directory, onEvent)
    const mlDsa = mlDsaThread()
    opened.push(mlDsa)
    // Both keys' text is compared with the file whether or not both sign.
    const both = localWitnessSigner(keys, mlDsa)
    await claim(formatVkey(both.ed25519))
    const { mlDsaSeed, ...ed25519Only } = keys
    const signer = config.mlDsa ? both : localWitnessSigner(ed25519Only, mlDsa)
    const vkeys = [formatVkey(both.ed25519), formatVkey(both.mlDsa!)]
    const [named, other] = config.mlDsa ? [vkeys, vkeys.slice(0, 1)] : [vkeys.slice(0, 1), vkeys]
    await keepVkeys(directory, named, [other])
    const tokens = await openTokens(directory, { onEvent })
    opened.push(tokens)
    const guard = config.rollbackGuard ?? defaultGuard(directory.path, both)
    const guarded = await guardStore(store, guard, {
      onError: (error) => onEvent({ event: 'error', message: messageOf(error) }),
    })
    const witness = await openWitness({
      store: guarded,
      signer,
      mlDsa,
      signSubtrees: config.signSubtree,
      onEvent,
    })
    return { witness, signer, tokens, directory }
  } catch (error) {
    for (const part of opened.reverse()) await part.close().catch(() => undefined)
    throw error
  }
}

/** Beside the data directory, as a log's signer's state is: whoever restores an old copy must not restore this. */
function defaultGuard(data: string, { ed25519 }: WitnessSigner): string {
  return join(`${data}.signer`, `${ed25519.keyId}.guard`)
}

interface OpenedStore {
  readonly store: WitnessStore
  /** Binds it to a witness, where it is apart from the keys. @throws USAGE when it is another's */
  claim(vkey: string): Promise<void>
}

/**
 * The store of a witness that has run before is never made anew: with the same keys it would cosign any head of a log as
 * the first one.
 */
async function openStore(
  { path, store, vkeyFile }: DataDirectory,
  database: DatabaseConfig | undefined,
): Promise<OpenedStore> {
  const createIfMissing = !existsSync(vkeyFile)
  try {
    return database === undefined
      ? { store: await openLevelWitnessStore(store, { createIfMissing }), claim: async () => {} }
      : await openPostgresWitnessStore({ ...database, createIfMissing })
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'NOT_FOUND') throw cause
    const where = database === undefined ? store : `schema ${database.schema} of its database`
    throw new CairnError(
      'CORRUPT',
      `what this witness has cosigned is missing from ${where}; put the newest copy back, or begin a new witness in another directory than ${path}`,
      { cause },
    )
  }
}

function keysOf(
  { name, passphrase }: WitnessConfig,
  directory: DataDirectory,
  onEvent: OnWitnessEvent,
): Promise<OpenedWitnessKeys> {
  const options = {
    directory: directory.keys,
    ...(name === undefined ? {} : { name }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
  return findOrMakeKeys(directory, {
    kind: 'witness',
    read: () => readWitnessKeys(options),
    create: () => createWitnessKeys(options),
    onEvent: (event, file) => onEvent({ event, file }),
  })
}

/** Keeps beside the data what a log's operator needs and where the witness is, and says so. */
async function announce(
  config: WitnessConfig,
  { url, witness }: RunningWitness,
  signer: WitnessSigner,
  directory: DataDirectory,
  onEvent: OnWitnessEvent,
): Promise<void> {
  const { ed25519, mlDsa } = signer
  const here = localUrl(url, config.host)
  const identity = { name: ed25519.name, ed25519, url: config.publicUrl ?? here }
  const policy = witnessPolicy({ ...identity, ...(mlDsa && { mlDsa }) })
  const policyFile = join(directory.path, WITNESS_FILES.policy)
  await keep(policyFile, policy)
  await keep(join(directory.path, WITNESS_FILES.url), `${here}\n`)
  onEvent({
    event: 'listening',
    url,
    name: ed25519.name,
    vkeys: witness.vkeys,
    policy,
    shortPolicy: witnessPolicy(identity),
    local: config.publicUrl === undefined,
    data: directory.path,
    vkeyFile: directory.vkeyFile,
    policyFile,
    tokenFile: directory.adminTokenFile,
    logs: witness.logs().length,
    signSubtree: witness.signsSubtrees,
  })
}

/** An address that works on this machine. */
function localUrl(url: string, host: string): string {
  const own = WILDCARDS[host]
  return own === undefined ? url : `http://${own}:${new URL(url).port}`
}

/** Writes a file for others to read, unless it says so already. */
async function keep(file: string, text: string): Promise<void> {
  const written = await readFile(file).then(fromUtf8, () => undefined)
  if (written === text) return
  try {
    await durableWriteFile(file, utf8(text), PUBLIC_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write ${file}: ${messageOf(cause)}`, { cause })
  }
}
