/** The records of a log on real stores in one temporary directory, for tests. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { JsonObject } from '../../src/formats/json-strict.ts'
import type { LogOptions } from '../../src/log/log.ts'
import type { LogService } from '../../src/log/service.ts'
import { openRecords, type RecordsOptions } from '../../src/records/records.ts'
import type { Caller, RecordsEvent, RecordsService } from '../../src/records/service.ts'
import { openSearchIndex, type SearchIndex } from '../../src/search/search-index.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { localMasterKey } from '../../src/vault/master-key.ts'
import { openVault, type Vault } from '../../src/vault/vault.ts'
import { openIndexStore, openLogAt, openVaultStore, type TestStorage } from '../support/stores.ts'
import type { TestLogPlace } from '../support/test-log.ts'

export interface OpenedRecords {
  readonly log: LogService
  readonly vault: Vault
  readonly index: SearchIndex
  readonly records: RecordsService
  readonly events: RecordsEvent[]
  close(): Promise<void>
}

export interface Opening extends Partial<Omit<RecordsOptions, 'log' | 'vault' | 'index'>> {
  readonly logOptions?: Partial<LogOptions>
  /** What log, vault and index are in, unless it is what the run says. */
  readonly storage?: TestStorage
  /** Stand between the records and what they are made of. */
  readonly wrapLog?: (log: LogService) => LogService
  readonly wrapVault?: (vault: Vault) => Vault
  readonly wrapIndex?: (store: IndexStore) => IndexStore
}

const MASTER_KEY = createHash('sha256').update('master key of the tests').digest()

export async function openRecordsAt(
  place: TestLogPlace,
  opening: Opening = {},
): Promise<OpenedRecords> {
  const { logOptions, storage, wrapLog, wrapVault, wrapIndex, ...options } = opening
  const at = (name: string): string => join(place.directory, name)
  const log = await openLogAt(place, logOptions, storage)
  const vault = await openVault({
    store: await openVaultStore(at('vault'), storage),
    masterKey: localMasterKey(new Uint8Array(MASTER_KEY)),
    now: options.now ?? Date.now,
  })
  const indexStore = await openIndexStore(at('index'), storage)
  const index = await openSearchIndex({ store: wrapIndex?.(indexStore) ?? indexStore })
  const events: RecordsEvent[] = []
  const records = await openRecords({
    onEvent: (event) => events.push(event),
    ...options,
    log: wrapLog?.(log) ?? log,
    vault: wrapVault?.(vault) ?? vault,
    index,
  })
  return {
    log,
    vault,
    index,
    records,
    events,
    async close() {
      await records.close()
      await log.close()
      await vault.close()
      await indexStore.close()
    },
  }
}

export function caller(tenant = 'acme', name = 'service'): Caller {
  const identity = createHash('sha256').update(`${tenant} ${name}`).digest()
  return { name, tenant, identity: new Uint8Array(identity) }
}

export function json(value: JsonObject): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** A small submission that names a person, and something that can be found again in files. */
export function request(n: number, more: JsonObject = {}): Uint8Array {
  return json({
    type: 'llm_request',
    request_id: `req-${n}`,
    subject: `person-${n % 7}@example.com`,
    resource: `file-${n % 3}`,
    model: { name: `model-${n % 2}`, version: '1' },
    input: { prompt: `question ${n}` },
    output: { text: `answer ${n}` },
    metrics: { cost: n / 100, currency: 'EUR' },
    ...more,
  })
}
