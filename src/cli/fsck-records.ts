/** What `cairn fsck` does about records: looks at every payload in the vault, and builds the search index again. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, usage } from '../errors.ts'
import { storedEntries } from '../log/stored-entries.ts'
import type { LogStorage } from '../server/log-storage.ts'
import type { LogStore } from '../storage/port.ts'
import type { Vault } from '../vault/vault.ts'
import { note } from './command.ts'
import { startProgress } from './progress.ts'

export interface RecordsPlace {
  /** The data directory. */
  readonly folder: string
  /** Where the vault's master key is, when it is not in the data directory. */
  readonly keyFile: string | undefined
  readonly quiet: boolean
}

/** Something wrong with the vault. */
export interface VaultFinding {
  readonly kind: 'vault'
  readonly name: string
  readonly detail: string
}

/** Where the vault should be, when an index or a note says that there were records, and it is not. */
export function missingVault({ folder }: RecordsPlace): string | undefined {
  const directory = join(folder, 'vault')
  const isMissing =
    !existsSync(directory) &&
    (existsSync(join(folder, 'index')) || existsSync(join(folder, 'records')))
  return isMissing ? directory : undefined
}

/** Why the vault cannot be opened, when nobody has said how: its key, or the passphrase of it, is kept elsewhere. */
export async function withoutKey({ folder, keyFile }: RecordsPlace): Promise<string | undefined> {
  const file = join(folder, 'keys', 'vault.key')
  if (keyFile !== undefined || !existsSync(join(folder, 'vault'))) return undefined
  if (!existsSync(file)) {
    return `the master key of the vault is missing from ${file}; say with --vault-key where it is`
  }
  if (process.env.CAIRN_PASSPHRASE !== undefined) return undefined
  const { needsPassphrase } = await import('../server/vault-key.ts')
  if (!(await needsPassphrase(file))) return undefined
  return `their master key takes a passphrase; give it in CAIRN_PASSPHRASE`
}

/**
 * Opens the vault of a data directory, or undefined when it has none. An erasure that was interrupted is finished by it.
 * @throws USAGE without the master key, or with another one; LOCKED, CORRUPT, IO
 */
export async function openVaultIn({ folder, keyFile }: RecordsPlace): Promise<Vault | undefined> {
  const directory = join(folder, 'vault')
  if (!existsSync(directory)) return undefined
  const [{ findOrMakeVaultKey }, { openVaultAt }] = await Promise.all([
    import('../server/vault-key.ts'),
    import('../server/open-vault.ts'),
  ])
  const file = keyFile ?? join(folder, 'keys', 'vault.key')
  if (!existsSync(file)) throw usage(`the master key of the vault is missing from ${file}`)
  const masterKey = await findOrMakeVaultKey({
    file,
    hasVault: async () => true,
    passphrase: process.env.CAIRN_PASSPHRASE,
    onEvent: () => {},
  })
  return openVaultAt(directory, masterKey, { createIfMissing: false })
}

/**
 * Opens the vault of a log in a database, or undefined when it has none, or its key is kept elsewhere.
 * @throws USAGE with another master key; CORRUPT, IO
 */
export async function openVaultOf(
  { stores }: LogStorage,
  { folder, keyFile }: RecordsPlace,
): Promise<Vault | undefined> {
  if (!(await stores.hasVault())) return undefined
  const file = keyFile ?? join(folder, 'keys', 'vault.key')
  if (!existsSync(file)) {
    note(
      `payloads are not checked: the master key of the vault is missing from ${file}; say with --vault-key where it is`,
    )
    return undefined
  }
  const [{ findOrMakeVaultKey }, { openVault }] = await Promise.all([
    import('../server/vault-key.ts'),
    import('../vault/vault.ts'),
  ])
  const masterKey = await findOrMakeVaultKey({
    file,
    hasVault: stores.hasVault,
    passphrase: process.env.CAIRN_PASSPHRASE,
    onEvent: () => {},
  })
  const store = await stores.openVault()
  try {
    return await openVault({ store, masterKey, now: Date.now })
  } catch (error) {
    await store.close()
    throw error
  }
}

/**
 * Opens everything that the vault keeps; every problem is told to `report`.
 * @returns how many rows there are
 */
export async function checkVault(
  vault: Vault,
  { quiet }: RecordsPlace,
  report: (finding: VaultFinding) => void,
  signal: AbortSignal,
): Promise<number> {
  const progress = startProgress({ label: 'opening payloads', unit: 'rows', quiet })
  let rows = 0
  try {
    const problems = vault.inspect((done) => {
      signal.throwIfAborted()
      rows = done
      progress.update(done)
    })
    for await (const detail of problems) {
      progress.clear()
      report({ kind: 'vault', name: 'vault', detail })
    }
  } finally {
    progress.clear()
  }
  return rows
}

/**
 * Drops the search index and builds it again.
 * @returns how many records it has then
 * @throws LOCKED, CORRUPT, DISK_FULL, IO
 */
export async function rebuildIndex(
  store: LogStore,
  vault: Vault,
  { folder, quiet }: RecordsPlace,
  signal: AbortSignal,
): Promise<number> {
  const [{ rm }, { openLevelIndexStore }, { openSearchIndex }, { reindex }] = await Promise.all([
    import('node:fs/promises'),
    import('../storage/level-index.ts'),
    import('../search/search-index.ts'),
    import('../records/reindex.ts'),
  ])
  const directory = join(folder, 'index')
  // Whatever is there, be it damaged: nothing of it is needed.
  const former = await openLevelIndexStore(directory).catch((error: unknown) => {
    note(`the former index cannot be opened: ${messageOf(error)}`)
  })
  await former?.close()
  await rm(directory, { recursive: true, force: true })
  const indexStore = await openLevelIndexStore(directory)
  const progress = startProgress({ label: 'indexing', unit: 'entries', quiet })
  try {
    const index = await openSearchIndex({ store: indexStore })
    const log = await storedEntries(store)
    const onEvent = (event: { readonly event: string }): void => {
      if (event.event === 'vault-damaged') note(`a payload is damaged: ${JSON.stringify(event)}`)
    }
    await reindex({ log, vault, index, onEvent }, (done, total) => {
      signal.throwIfAborted()
      progress.update(done, total)
    })
    return (await index.statistics()).records
  } finally {
    progress.clear()
    await indexStore.close()
  }
}
