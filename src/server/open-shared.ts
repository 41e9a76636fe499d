/** One server's part in a log that several servers share: its own directory, their database and their bucket. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { publicationOf } from '../compliance/published-head.ts'
import { mlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError } from '../errors.ts'
import { type LeaderPlace, unavailable } from '../http/leader.ts'
import { type Archive, openArchive } from '../log/archive.ts'
import { startArchiver } from '../log/archiver.ts'
import { openSharedLog } from '../log/shared-log.ts'
import { storedTiles } from '../log/stored-tiles.ts'
import { type DataDirectory, openDataDirectory } from '../storage/data-directory.ts'
import { type DirectoryLock, lockDirectory } from '../storage/level-lock.ts'
import { openPostgresLogStore } from '../storage/postgres.ts'
import { openPostgresHeadStore } from '../storage/postgres-heads.ts'
import { tokensInPostgres } from '../storage/postgres-tokens.ts'
import { openAccess } from './access.ts'
import { backupOf } from './backup-running.ts'
import type { Config, LogConfig } from './config.ts'
import { openDatabaseClock } from './database-clock.ts'
import { assertMayRun } from './database-marks.ts'
import type { OnEvent } from './events.ts'
import { openGossip } from './gossip.ts'
import { assertKeptInDatabase } from './kept-where.ts'
import { beginTenure, type Tenure } from './leading.ts'
import {
  logEvents,
  logSettings,
  openMasterKey,
  openSigning,
  readLogFiles,
  recordRules,
  witnessesIn,
} from './log-parts.ts'
import { newPlace } from './new-place.ts'
import { type OpenedObjects, openObjects } from './object-place.ts'
import type { OpenedLog } from './open.ts'
import { endedBy, openHostedRecords } from './records.ts'
import {
  assertKeysAreHere,
  checkVaultKey,
  notedVaultKey,
  openDatabaseOf,
  recordStoresDuring,
} from './shared-storage.ts'
import type { ArchiveConfig, SharedStorageConfig } from './storage-settings.ts'
import { beginsNewVault } from './vault-there.ts'
import { whileLeading } from './while-leading.ts'

/** How long a request waits for a leader, in leases: until one has run out, and another server has begun. */
const PATIENCE_LEASES = 3
/** A leader that is stopped in good order takes some seconds to finish what it has. */
const MIN_PATIENCE_MS = 10_000
/** How long a server that starts waits for a bucket that does not answer. */
const FIRST_ANSWER_MS = 5_000
/** Addresses that mean all of a machine's, and that nobody else can connect to. */
const WILDCARDS = ['0.0.0.0', '::']

/**
 * Opens a log in a database, making it at the first start. `name` is for events.
 * @throws USAGE, LOCKED, FOREIGN_DIRECTORY, NEWER_FORMAT, FORBIDDEN, NOT_FOUND, UNAVAILABLE, CORRUPT, DISK_FULL, IO
 */
export async function openSharedHostedLog(
  name: string,
  own: LogConfig,
  shared: SharedStorageConfig,
  config: Config,
  onEvent: OnEvent,
): Promise<OpenedLog> {
  const files = await readLogFiles(own)
  const place = await newPlace(own.data)
  const directory = await openDataDirectory(own.data, { create: true })
  assertKeptInDatabase(directory)
  const lock = await lockData(directory)
  const opened: { close(): Promise<void> | void }[] = [{ close: lock.release }]
  try {
    const pool = await openDatabaseOf(shared.database)
    opened.push(pool)
    await assertMayRun(pool)
    await assertKeysAreHere(pool, directory.keys)
    const signing = await openSigning(name, own, config, directory, onEvent)
    const { signer, signedState, vkeys } = signing
    opened.push(signer, signedState)
    const identity = { origin: signer.origin, vkeys }
    const archive = shared.archive && (await openArchiveOf(shared.archive, own, identity))
    if (archive !== undefined) opened.push(archive.objects)
    const store = await openPostgresLogStore({
      pool,
      archive: archive?.objects,
      identity,
    })
    opened.push(store)
    // Otherwise only the one that leads would notice, and go on without records. Reading needs no term.
    await beginsNewVault(recordStoresDuring(pool, 0), false, own.newVault)
    const vaultKey = own.vaultKey ?? join(directory.keys, 'vault.key')
    const masterKey = await openMasterKey(
      name,
      {
        file: vaultKey,
        passphrase: config.passphrase,
        hasVault: async () => (await notedVaultKey(pool)) !== undefined,
      },
      onEvent,
    )
    await checkVaultKey(pool, masterKey.id, vaultKey)
    const access = await openAccess(
      directory,
      own,
      (event) => onEvent({ ...event, log: name }),
      tokensInPostgres(pool),
    )
    opened.push(access)
    const mlDsa = mlDsaThread()
    opened.push(mlDsa)
    const clock = await openDatabaseClock(store, (milliseconds) =>
      onEvent({ event: 'clock-skew', log: name, milliseconds }),
    )
    opened.push(clock)
    const witnesses = witnessesIn(files, signing, config, mlDsa)
    let tenure: Tenure | undefined
    /** Those whose terms are over, until they have ended. */
    const ending = new Set<Promise<void>>()
    function endTenure(): void {
      const ended = tenure?.close()
      tenure = undefined
      if (ended === undefined) return
      const done: Promise<void> = ended.finally(() => ending.delete(done))
      ending.add(done)
    }
    const log = await openSharedLog({
      store,
      signer,
      signedState,
      ...logSettings(own, config, witnesses),
      holder: `${hostname()} ${process.pid} ${randomBytes(6).toString('hex')}`,
      url: shared.advertise ?? addressOf(config),
      leaseMs: config.leaseMs,
      integrateIntervalMs: config.integrateIntervalMs,
      now: clock.now,
      onPublished: () => tenure?.notify(),
      onLeading: (term, during) => {
        endTenure()
        tenure = beginTenure({
          openGossip: async () =>
            own.gossip === undefined
              ? undefined
              : openGossip({
                  sinks: own.gossip,
                  directory: directory.path,
                  log: during,
                  onEvent: (event) => onEvent({ ...event, log: name }),
                }),
          startArchiver: () =>
            archive &&
            startArchiver({
              open: archive.open,
              source: storedTiles(store),
              publication: () => publicationOf(log),
              mark: () => store.archive(),
              archived: term.archived,
              mayWrite: () => log.cluster().leading && log.cluster().epoch === term.epoch,
              tier: shared.archive?.tier,
              intervalMs: config.archiveIntervalMs,
              now: clock.now,
              onEvent: (event) => onEvent({ ...event, log: name }),
            }),
          openRecords: (onFailed) =>
            openHostedRecords({
              log: during,
              stores: recordStoresDuring(pool, term.epoch),
              // Opened once: with a passphrase it takes a while, and a term should begin at once.
              openMasterKey: async () => masterKey,
              ...recordRules(files),
              newVault: own.newVault,
              mapIntervalMs: config.mapIntervalMs,
              now: clock.now,
              onEvent: (event) => {
                const reason = endedBy(event)
                if (event.event === 'vault-failed' || reason === undefined) {
                  onEvent({ ...event, log: name })
                } else onEvent({ event: 'records-failing', log: name, reason })
                if (reason !== undefined) onFailed(reason)
              },
            }),
          onFailure: (reason) => onEvent({ event: 'records-failing', log: name, reason }),
        })
      },
      onFollowing: endTenure,
      onEvent: logEvents(name, directory, onEvent),
    })
    opened.push(log)
    onEvent({ event: 'log-opened', log: name, origin: log.origin, size: log.head().size })
    const { authenticate, knownOnly } = access
    const leader = (): LeaderPlace => {
      const place = log.leader()
      if (place === undefined) return undefined
      if (!place.isUs) return { url: place.url }
      // What only a leader can answer waits until its records are open.
      return tenure?.records === undefined ? 'soon' : 'here'
    }
    return {
      log,
      authenticate,
      witnessDeadlineMs: config.witnessDeadlineMs,
      ...(own.privateEntries
        ? { readEntries: { authenticate: knownOnly, tenant: own.tenant } }
        : {}),
      gossip: { status: () => tenure?.gossip?.status() ?? [] },
      backup: backupOf({
        log,
        store,
        authenticate: access.knownOnly,
        tenant: own.tenant,
        directory,
        policy: files.policy?.bytes,
        tokens: tokensInPostgres(pool),
        openHeads: () => openPostgresHeadStore({ pool }),
        savedRows() {
          const records = tenure?.records
          if (records === undefined) throw unavailable('this server does not lead the log')
          return records.savedRows()
        },
      }),
      records: {
        records: whileLeading(() => tenure?.records?.records, ['submit', 'submitSome', 'note']),
        compliance: whileLeading(() => tenure?.records?.compliance),
        map: { statistics: () => tenure?.records?.map?.statistics() },
      },
      leader,
      leaderPatienceMs: Math.max(PATIENCE_LEASES * config.leaseMs, MIN_PATIENCE_MS),
      recordsFault: () => tenure?.fault,
      shared: {
        cluster: () => log.cluster(),
        archive: () => tenure?.archiver?.status(),
        requests: () => archive?.requests(),
      },
      directory,
      async close() {
        await access.close()
        endTenure()
        await Promise.all(ending)
        await log.close()
        clock.close()
        await mlDsa.close()
        await archive?.objects.close()
        await pool.close()
        await lock.release()
      },
    }
  } catch (error) {
    // The lock goes last, and is held until nothing is left to be locked.
    for (const part of opened.slice(1).reverse()) {
      await Promise.resolve(part.close()).catch(() => undefined)
    }
    await place.leave()
    await lock.release().catch(() => undefined)
    throw error
  }
}

interface OpenedArchive extends OpenedObjects {
  open(): Promise<Archive>
}

/**
 * The archive of a log. One that cannot be reached just now is waited for; one that is another's, or cannot be written to, is
 * a mistake. @throws USAGE, NOT_FOUND, FORBIDDEN, FOREIGN_DIRECTORY, CORRUPT
 */
async function openArchiveOf(
  { place, lock }: ArchiveConfig,
  { privateEntries }: LogConfig,
  identity: { readonly origin: string; readonly vkeys: readonly string[] },
): Promise<OpenedArchive> {
  const opened = await openObjects(place)
  const { objects } = opened
  const open = (): Promise<Archive> => openArchive({ objects, ...identity, lock, privateEntries })
  const first = open()
  first.catch(() => undefined)
  try {
    // Nobody could lead meanwhile, and the log does not need it to go on.
    await Promise.race([first, sleep(FIRST_ANSWER_MS, undefined, { ref: false })])
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'UNAVAILABLE') {
      await objects.close()
      throw error
    }
  }
  return { ...opened, open }
}

/** Two servers on one directory would overwrite what the other remembers to have signed and shown. @throws LOCKED, IO */
async function lockData({ path }: DataDirectory): Promise<DirectoryLock> {
  try {
    return await lockDirectory(join(path, 'lock'))
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'LOCKED') throw cause
    const message = `another process runs in ${path}: stop it, or give each server of a log a directory of its own`
    throw new CairnError('LOCKED', message, { cause })
  }
}

/** Where this server listens, as other machines know it. */
function addressOf({ host, port }: Pick<Config, 'host' | 'port'>): string {
  const name = WILDCARDS.includes(host) ? hostname() : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
