/** Where the records of a log keep what they need: in directories of its own, or wherever else. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../bytes.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { openHeadDirectory } from '../storage/head-directory.ts'
import type { HeadStore } from '../storage/heads-port.ts'
import type { IndexStore } from '../storage/index-port.ts'
import { openLevelIndexStore } from '../storage/level-index.ts'
import { openLevelVaultStore } from '../storage/level-vault.ts'
import type { VaultStore } from '../storage/vault-port.ts'

/** Errors are those of the stores. */
export interface RecordStores {
  openIndex(): Promise<IndexStore>
  openMap(): Promise<IndexStore>
  openVault(): Promise<VaultStore>
  openHeads(): Promise<HeadStore>
  /** Removes an index that is of no use any more. */
  discardIndex(): Promise<void>
  discardMap(): Promise<void>
  /** Whether there is a vault, with keys in it. */
  hasVault(): Promise<boolean>
  /** Whether there is a place for payloads. */
  hasPayloads(): Promise<boolean>
  /** Whether it was noted that there are records. */
  hadRecords(): Promise<boolean>
  /** Notes that there are, where it outlives vault and index. */
  noteRecords(): Promise<void>
  /** For messages. */
  readonly vaultPlace: string
}

const NOTE = 'this log has records; what they commit to is in its vault\n'

/** Those of a data directory. */
export function recordStoresIn(directory: DataDirectory): RecordStores {
  const { index, map, vault, heads, recordsMark } = directory
  const discard = (directory: string) => () => rm(directory, { recursive: true, force: true })
  return {
    openIndex: () => openLevelIndexStore(index),
    openMap: () => openLevelIndexStore(map),
    openVault: () => openLevelVaultStore(vault),
    openHeads: () => openHeadDirectory(heads),
    discardIndex: discard(index),
    discardMap: discard(map),
    hasVault: async () => existsSync(join(vault, 'keys')),
    hasPayloads: async () => existsSync(join(vault, 'payloads')),
    hadRecords: async () => existsSync(recordsMark),
    async noteRecords() {
      if (!existsSync(recordsMark)) await durableWriteFile(recordsMark, utf8(NOTE), 0o644)
    },
    vaultPlace: vault,
  }
}
