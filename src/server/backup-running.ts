/** What a backup of a log that is served is made of. Nothing waits for it, and it waits for nothing. */
import { utf8 } from '../bytes.ts'
import { publicationOf } from '../compliance/published-head.ts'
import { CairnError } from '../errors.ts'
import { formatBackup } from '../formats/backup.ts'
import { parseVkey } from '../formats/vkey.ts'
import type { HostedBackup } from '../http/backup-route.ts'
import type { LogService } from '../log/service.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import type { HeadStore } from '../storage/heads-port.ts'
import type { LogStore } from '../storage/port.ts'
import type { TokenStore } from '../storage/token-port.ts'
import type { TileSource } from '../tiles/source.ts'
import type { SavedRows } from '../vault/saved-rows.ts'
import { type BackupSource, backupParts } from './backup.ts'
import { logFilesIn } from './log-files.ts'

export interface RunningLog extends Pick<HostedBackup, 'authenticate' | 'tenant'> {
  readonly log: LogService
  readonly store: Pick<LogStore, 'idempotencyRecords'>
  readonly directory: DataDirectory
  readonly policy: Uint8Array | undefined
  readonly tokens: TokenStore
  openHeads(): Promise<HeadStore>
  /** The rows of the vault as it is now. @throws UNAVAILABLE while it is not here */
  savedRows(): SavedRows
}

export function backupOf(running: RunningLog): HostedBackup {
  const { authenticate, tenant } = running
  return {
    authenticate,
    tenant,
    async chunks() {
      const source = await sourceOf(running)
      return formatBackup(backupParts(source), Math.floor(Date.now() / 1000))
    },
  }
}

async function sourceOf(running: RunningLog): Promise<BackupSource> {
  const { log, store, directory, policy, tokens } = running
  return {
    vkeys: log.vkeys.map(parseVkey),
    async heads() {
      // The published head first: it is never the later of the two.
      const published = publicationOf(log)
      const { size, root, checkpoint } = log.head()
      return {
        head: size === 0 ? undefined : { size, root, checkpoint: utf8(checkpoint) },
        publication: published && { ...published, checkpoint: utf8(published.checkpoint) },
        isNewest: log.mode().mode !== 'read-only',
      }
    },
    source: sourceIn(log),
    policy,
    tokens: async () => (await tokens.read())?.text,
    kept: await running.openHeads(),
    files: () => logFilesIn(directory, { secrets: false }),
    directory,
    vault: running.savedRows(),
    idempotency: () => store.idempotencyRecords?.(),
  }
}

function sourceIn(log: LogService): TileSource {
  const there = async (name: string, found: Promise<Uint8Array | undefined>) => {
    const bytes = await found
    if (bytes !== undefined) return bytes
    throw new CairnError('NOT_FOUND', `${name} is not there`)
  }
  return {
    tile: (level, tile, width) => there(`tile ${level}/${tile}`, log.tile(level, tile, width)),
    bundle: (bundle, width) => there(`bundle ${bundle}`, log.bundle(bundle, width)),
  }
}
