/** What a backup of a log at rest is made of. */
import type { BackupSource } from './backup.ts'
import { logFilesIn } from './log-files.ts'
import type { LogPlace } from './log-storage.ts'
import { openStoppedLog } from './moved-log.ts'

/** @throws as openStoppedLog() */
export async function openBackupSource(
  place: LogPlace,
  policy: Uint8Array | undefined,
): Promise<BackupSource & { close(): Promise<void> }> {
  const log = await openStoppedLog(place, place.data)
  const storage = log.storage!
  try {
    const { stores, directory } = storage
    const vault = (await stores.hasVault()) ? await stores.openVault() : undefined
    try {
      return {
        vkeys: log.vkeys,
        heads: async () => ({
          head: log.head,
          publication: log.publication,
          isNewest: log.isNewest,
        }),
        source: log.source,
        policy,
        tokens: async () => (await storage.tokens.read())?.text,
        kept: await stores.openHeads(),
        files: () => logFilesIn(directory, { secrets: false }),
        directory,
        vault: vault && {
          payloads: () => vault.payloads.list(new Uint8Array()),
          keys: () => vault.keys.list(new Uint8Array()),
        },
        idempotency: () => log.idempotency,
        async close() {
          await vault?.close()
          await log.close()
        },
      }
    } catch (error) {
      await vault?.close()
      throw error
    }
  } catch (error) {
    await log.close()
    throw error
  }
}
