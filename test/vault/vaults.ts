/** Vaults on disk, for tests, and things to put into them. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Disclosure, formatDisclosure, makeDisclosure } from '../../src/formats/disclosure.ts'
import type { VaultRow, VaultStore } from '../../src/storage/vault-port.ts'
import { localMasterKey, type MasterKey } from '../../src/vault/master-key.ts'
import { openVault, type Vault } from '../../src/vault/vault.ts'
import type { VaultEntry } from '../../src/vault/writer.ts'
import { openVaultStore } from '../support/stores.ts'

export const NOW = 1_700_000_000_000

export function masterKey(name = 'first'): MasterKey {
  return localMasterKey(createHash('sha256').update(name).digest())
}

export interface OpenedVault {
  readonly vault: Vault
  readonly store: VaultStore
}

export interface VaultPlace {
  readonly directory: string
  /** Opens the vault, closing it first where it is open. `wrap` may put something before its store. */
  open(options?: {
    readonly masterKey?: MasterKey
    readonly wrap?: (store: VaultStore) => VaultStore
  }): Promise<OpenedVault>
  close(): Promise<void>
  remove(): Promise<void>
}

/** A place for one vault. */
export async function vaultPlace(): Promise<VaultPlace> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-vault-'))
  let opened: VaultStore | undefined
  const close = async (): Promise<void> => {
    const store = opened
    opened = undefined
    await store?.close()
  }
  return {
    directory,
    async open(options = {}) {
      await close()
      const store = await openVaultStore(directory)
      opened = store
      const vault = await openVault({
        store: options.wrap?.(store) ?? store,
        masterKey: options.masterKey ?? masterKey(),
        now: () => NOW,
      })
      return { vault, store }
    },
    close,
    async remove() {
      await close()
      await rm(directory, { recursive: true })
    },
  }
}

/** The id of the n-th record. */
export function recordId(n: number): string {
  const digits = createHash('sha256').update(`record ${n}`).digest('hex')
  const time = (1_700_000_000_000 + n).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${digits.slice(0, 3)}-8${digits.slice(3, 6)}-${digits.slice(6, 18)}`
}

/** A disclosure whose salt is that of its value. */
export function disclosure(value: string, pointer = '/input/prompt'): Disclosure {
  const salt = createHash('sha256').update(`${pointer} ${value}`).digest().subarray(0, 16)
  return makeDisclosure(pointer, value, salt)
}

export function entry(
  n: number,
  owner: string | undefined,
  value = `secret of record ${n}`,
  tenant = 'acme',
): VaultEntry {
  const disclosures = [disclosure(value), disclosure(`${value}, answered`, '/output/text')]
  return { tenant, recordId: recordId(n), owner, disclosures }
}

/** What get() gave, in a form that compares well. */
export function shown(found: Disclosure[] | 'erased' | undefined): string[] | 'erased' | undefined {
  return Array.isArray(found) ? found.map(formatDisclosure) : found
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** All rows among the keys, or the payloads, whose keys begin with a letter. */
export async function rowsOf(
  store: VaultStore,
  letter: string,
  side: 'keys' | 'payloads' = 'keys',
): Promise<VaultRow[]> {
  return all(store[side].list(Buffer.from(letter)))
}
