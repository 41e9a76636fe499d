/**
 * The vault: where disclosures live, encrypted, and from where they can be erased without changing a leaf.
 *
 *     master key ──wraps──▶ tenant's key ──seals──▶ person's key ──seals──▶ record's key ──seals──▶ disclosures
 *                                       └──────────────────────────────────▶ (of a record of nobody)
 *
 * All of it is AES-256-GCM (sealing.ts), bound to version, purpose, tenant, and whom or what it belongs to. To destroy a
 * person's key is to destroy all that is theirs, in however many records; to destroy a record's key, that record.
 *
 * Who could get at what:
 *
 * - Who has the disk, but not the master key: sees how many tenants, people and records there are, tenants' names, sizes
 *   and times, and which pseudonym has which records (leaves say that too). No person, no payload. May destroy, but not
 *   alter unnoticed: what was changed, moved to another place or made to look erased is refused (CORRUPT). Not noticed is
 *   a row, or the whole vault, put back as it was before: the log's own record of an erasure tells, and to erase once
 *   more does no harm, so whoever restores a backup has to go through the erasures since.
 * - Who has the disk and the master key: all that is not erased, and nothing of what is. Erased keys and links are in no
 *   file of the store any more, which the storage makes sure of (level-vault-keys.ts). Blocks that the file system has
 *   freed, its snapshots, and the spare cells of a flash drive are beyond its reach: encrypt the disk.
 * - Who has the disk and a copy from before an erasure: as the first. Who has the master key too: what was erased since,
 *   if the copy has DIR/keys. So keep the master key apart from every backup, and no backup of DIR/keys for longer than
 *   an erasure may take. Copies of DIR/payloads do no harm, however old: without DIR/keys nothing opens them. A new
 *   master key (rewrap) shuts out who has only the old one, and no copy of the vault from its time: the keys of tenants
 *   stay what they are.
 * - Who has the process: everything that is not erased, since keys of tenants, and of people lately met, are in its
 *   memory. What was erased is not held there any longer, but nobody can say when a collector, a swap file or a core
 *   dump lets go of bytes.
 * - Who may ask the vault: can find out whether a person they think of is known (knownPseudonym). To look people up is
 *   what it is for; who may do so is for others to decide.
 *
 * One process at a time has a vault: the keys of people that it holds ready are those that nobody else erases.
 *
 * Not hidden: how long payloads are. They are not compressed before they are sealed, so that nobody can tell from their
 * length what they share with text that somebody else chose.
 */
import { createHmac } from 'node:crypto'
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import type { VaultStore } from '../storage/vault-port.ts'
import { type Erased, Erasures } from './erasures.ts'
import { inspectVault } from './inspect.ts'
import type { MasterKey } from './master-key.ts'
import { formatPseudonym, parsePseudonym, parseRecordId } from './names.ts'
import { People } from './people.ts'
import { Reader } from './reader.ts'
import { HEADER_KEY } from './row-keys.ts'
import { type SavedRows, savedRows } from './saved-rows.ts'
import { contextFor } from './sealing.ts'
import { type Staged, Staging } from './staging.ts'
import { type Tenant, Tenants } from './tenants.ts'
import { type StagedBatch, type VaultEntry, Writer } from './writer.ts'

/** Names are strings of 1 to 255 bytes for tenants, and 1 to 4,096 for people, compared byte for byte. */
export interface Vault {
  /** The names of the tenants that it has anything of, or had, sorted. @throws CORRUPT, IO */
  tenants(): Promise<string[]>

  /** The pseudonym of a person within a tenant, durable, and made at first use. @throws MALFORMED, CORRUPT, DISK_FULL, IO */
  pseudonym(tenant: string, person: string): Promise<string>

  /**
   * HMAC-SHA-256 of a value under a key of the tenant, which no other label shares: the same value gives the same 32
   * bytes, and nobody without the vault can tell which value it was. @throws MALFORMED, CORRUPT, DISK_FULL, IO
   */
  blind(tenant: string, label: string, value: Uint8Array): Promise<Uint8Array>

  /** As blind(), but undefined when there is no such tenant yet. @throws MALFORMED, CORRUPT, IO */
  knownBlind(tenant: string, label: string, value: Uint8Array): Promise<Uint8Array | undefined>

  /** The pseudonym that a person has, or undefined when there is none, or none any more. @throws MALFORMED, CORRUPT, IO */
  knownPseudonym(tenant: string, person: string): Promise<string | undefined>

  /** Who is behind a pseudonym, or undefined when there is none, or they were erased. @throws MALFORMED, CORRUPT, IO */
  person(tenant: string, pseudonym: string): Promise<string | undefined>

  /**
   * Keeps disclosures, all of these or none; they are durable when this resolves. A record is put once. When the process
   * dies meanwhile, some of them may be kept.
   * @throws CONFLICT when an owner was erased (their next record has another pseudonym), or a record is there already
   * @throws NOT_FOUND when an owner is not known; MALFORMED, TOO_LARGE, CORRUPT, DISK_FULL, IO
   */
  put(entries: readonly VaultEntry[]): Promise<void>

  /**
   * As put(), of batches of records that may not come to be. Each is found in staged() after a crash, until it is kept or
   * withdrawn. @throws as put()
   */
  stage(batches: readonly StagedBatch[]): Promise<Staged[]>

  /** What was staged by an earlier process that died before it was kept or withdrawn. @throws CORRUPT, NEWER_FORMAT, IO */
  staged(): Promise<Staged[]>

  /**
   * The disclosures of a record in the order they were put, without those whose owner was erased; 'erased' when none is
   * left; undefined when there never were any. @throws MALFORMED, CORRUPT, IO
   */
  get(tenant: string, recordId: string): Promise<Disclosure[] | 'erased' | undefined>

  /**
   * Erases a person and all that is theirs. When this resolves it is found nowhere in the store. Again it does nothing,
   * and gives the same answer. @throws NOT_FOUND, MALFORMED, DISK_FULL; IO, when it is erased at the latest at the next start
   */
  eraseSubject(tenant: string, pseudonym: string): Promise<Erased>

  /** As eraseSubject, of one record, whosever it is. Many at once share most of the work. */
  eraseRecord(tenant: string, recordId: string): Promise<Erased>

  /** Goes over to another master key; afterwards the old one opens nothing here. @throws CORRUPT, DISK_FULL, IO */
  rewrap(masterKey: MasterKey): Promise<{ readonly tenants: number }>

  /** Opens everything that is kept. One line a problem. `progress` counts rows. */
  inspect(progress?: (rows: number) => void): AsyncIterable<string>

  /** All rows as they are now, for a copy of the vault. Not while another master key is gone over to. */
  savedRows(): SavedRows

  /** Bytes used by keys and payloads, and bytes free. */
  usage(): ReturnType<VaultStore['usage']>

  /** Lets go of the store, once all is through. */
  close(): Promise<void>
}

export interface VaultOptions {
  readonly store: VaultStore
  readonly masterKey: MasterKey
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Opens a vault, makes it in an empty store, and finishes what erasures had begun.
 * @throws USAGE when it was closed with another master key; CORRUPT, NEWER_FORMAT, DISK_FULL, IO
 */
export async function openVault({ store, masterKey, now }: VaultOptions): Promise<Vault> {
  await assertKeysAreThere(store)
  const tenants = await Tenants.open(store.keys, masterKey)
  const people = new People(store.keys)
  const erasures = new Erasures(store, people, now)
  await erasures.finish()
  return new StoredVault(store, tenants, people, erasures)
}

/** Before anything is made: with a new header it would look like an empty vault. @throws CORRUPT, IO */
async function assertKeysAreThere({ keys, payloads }: VaultStore): Promise<void> {
  const [header] = await keys.get([HEADER_KEY])
  if (header !== undefined) return
  for await (const _ of payloads.list(new Uint8Array())) {
    const message = 'the vault has payloads and no keys; keep a copy of it and restore a backup'
    throw new CairnError('CORRUPT', message)
  }
}

class StoredVault implements Vault {
  readonly #store: VaultStore
  readonly #tenants: Tenants
  readonly #people: People
  readonly #erasures: Erasures
  readonly #reader: Reader
  readonly #staging: Staging
  readonly #writer: Writer

  constructor(store: VaultStore, tenants: Tenants, people: People, erasures: Erasures) {
    this.#store = store
    this.#tenants = tenants
    this.#people = people
    this.#erasures = erasures
    this.#reader = new Reader(store, people)
    this.#staging = new Staging(store)
    this.#writer = new Writer(store, tenants, people, this.#staging)
  }

  tenants(): Promise<string[]> {
    return this.#tenants.names()
  }

  async pseudonym(tenant: string, person: string): Promise<string> {
    const found = await this.#tenants.findOrMake(tenant)
    return formatPseudonym(await this.#people.pseudonym(found, person))
  }

  async blind(tenant: string, label: string, value: Uint8Array): Promise<Uint8Array> {
    return blinded(await this.#tenants.findOrMake(tenant), label, value)
  }

  async knownBlind(
    tenant: string,
    label: string,
    value: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    const found = await this.#tenants.find(tenant)
    return found && blinded(found, label, value)
  }

  async knownPseudonym(tenant: string, person: string): Promise<string | undefined> {
    const found = await this.#tenants.find(tenant)
    const pseudonym = found && (await this.#people.known(found, person))
    return pseudonym && formatPseudonym(pseudonym)
  }

  async person(tenant: string, pseudonym: string): Promise<string | undefined> {
    const bytes = parsePseudonym(pseudonym)
    const found = await this.#tenants.find(tenant)
    return found && this.#people.person(found, bytes)
  }

  put(entries: readonly VaultEntry[]): Promise<void> {
    return this.#writer.put(entries)
  }

  stage(batches: readonly StagedBatch[]): Promise<Staged[]> {
    return this.#writer.stage(batches)
  }

  staged(): Promise<Staged[]> {
    return this.#staging.undecided()
  }

  async get(tenant: string, recordId: string): Promise<Disclosure[] | 'erased' | undefined> {
    const record = parseRecordId(recordId)
    const found = await this.#tenants.find(tenant)
    return found && this.#reader.read(found, record)
  }

  async eraseSubject(tenant: string, pseudonym: string): Promise<Erased> {
    const bytes = parsePseudonym(pseudonym)
    const found = await this.#existing(tenant)
    return this.#people.leave(found, bytes, async () => {
      // From here on their key is given to nobody; who has it already may finish.
      await this.#writer.idle()
      return this.#erasures.person(found, bytes)
    })
  }

  async eraseRecord(tenant: string, recordId: string): Promise<Erased> {
    const record = parseRecordId(recordId)
    return this.#erasures.record(await this.#existing(tenant), record)
  }

  rewrap(masterKey: MasterKey): Promise<{ readonly tenants: number }> {
    return this.#tenants.rewrap(masterKey)
  }

  inspect(progress: (rows: number) => void = () => undefined): AsyncIterable<string> {
    const vault = {
      store: this.#store,
      tenants: this.#tenants,
      people: this.#people,
      reader: this.#reader,
    }
    return inspectVault(vault, progress)
  }

  savedRows(): SavedRows {
    return savedRows(this.#store, this.#tenants, this.#people)
  }

  usage(): ReturnType<VaultStore['usage']> {
    return this.#store.usage()
  }

  async close(): Promise<void> {
    await this.#writer.idle()
    // What is not forgotten now is asked again; so a failure is none.
    await this.#staging.flush().catch(() => undefined)
    await this.#store.close()
  }

  async #existing(name: string): Promise<Tenant> {
    const found = await this.#tenants.find(name)
    if (found === undefined) throw new CairnError('NOT_FOUND', `the vault knows no tenant ${name}`)
    return found
  }
}

const blindContext = contextFor('blinded value')

function blinded(tenant: Tenant, label: string, value: Uint8Array): Uint8Array {
  const context = blindContext(utf8(label), value)
  return new Uint8Array(createHmac('sha256', tenant.blinding).update(context).digest())
}
