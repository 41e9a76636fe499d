/**
 * One of a vault's two maps, in a LevelDB of its own. Writes that are made while another is on its way to the disk go
 * there together: one sync for all of them.
 */
import { CairnError } from '../errors.ts'
import { engineFailure, type LevelDatabase, plain } from './level-engine.ts'
import { Rounds, type Waiting } from './rounds.ts'
import { MAX_VAULT_KEY, nameOfKey, sizeOfChange } from './vault-change.ts'
import type { VaultChange, VaultRow, VaultRows } from './vault-port.ts'

/** Bytes of changes that go into one write, unless a single call brings more. */
const TOGETHER = 4 * 2 ** 20

/** The last key of all. No row of the vault has it; list() does not give it. */
export const LAST_KEY: Uint8Array = Uint8Array.of(0xff)

interface Write {
  readonly changes: readonly VaultChange[]
}

export class LevelVaultRows implements VaultRows {
  #database: LevelDatabase
  readonly #name: string
  readonly #writes = new Rounds<Write>((calls) => this.#writeTogether(calls), TOGETHER)
  /** The first failed write. The engine's log may end in half a record after it, so nothing may follow. */
  #failure: CairnError | undefined

  constructor(database: LevelDatabase, name: string) {
    this.#database = database
    this.#name = name
  }

  get database(): LevelDatabase {
    return this.#database
  }

  /** Goes on with another handle on the same rows; nothing may be under way. */
  use(database: LevelDatabase): void {
    this.#database = database
  }

  async get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    if (keys.length === 0) return []
    try {
      // One by one costs less than a list of one.
      const values =
        keys.length === 1
          ? [await this.#database.get(keys[0]!)]
          : await this.#database.getMany([...keys])
      return values.map((value) => (value === undefined ? undefined : plain(value)))
    } catch (error) {
      throw engineFailure(`read ${this.#name}`, error)
    }
  }

  async has(keys: readonly Uint8Array[]): Promise<boolean[]> {
    if (keys.length === 0) return []
    try {
      return await this.#database.hasMany([...keys])
    } catch (error) {
      throw engineFailure(`read ${this.#name}`, error)
    }
  }

  async *list(prefix: Uint8Array): AsyncGenerator<VaultRow> {
    try {
      for await (const [key, value] of this.#database.iterator(rangeOf(prefix))) {
        yield { key: plain(key), value: plain(value) }
      }
    } catch (error) {
      throw engineFailure(`read ${this.#name}`, error)
    }
  }

  /** The first rows after `after` whose keys begin with `prefix`, at most `limit`. @throws CORRUPT, IO, STOPPED */
  async some(
    prefix: Uint8Array,
    after: Uint8Array | undefined,
    limit: number,
  ): Promise<VaultRow[]> {
    const { gte, lt } = rangeOf(prefix)
    const range = after === undefined ? { gte, lt } : { gt: after, lt }
    try {
      const found = await this.#database.iterator({ ...range, limit }).all()
      return found.map(([key, value]) => ({ key: plain(key), value: plain(value) }))
    } catch (error) {
      throw engineFailure(`read ${this.#name}`, error)
    }
  }

  async write(changes: readonly VaultChange[]): Promise<void> {
    const bytes = changes.reduce((sum, change) => sum + sizeIn(change), 0)
    return this.#writes.add({ changes }, bytes)
  }

  /** Waits until nothing is being written. */
  async idle(): Promise<void> {
    await this.#writes.idle()
  }

  /** Settles each of them; never throws. */
  async #writeTogether(calls: readonly Waiting<Write>[]): Promise<void> {
    try {
      this.#assertWritable()
      const allowed = await this.#allowed(calls)
      const changes = allowed.flatMap((one) => one.changes)
      if (changes.length > 0) await this.#writeNow(changes)
      for (const one of allowed) one.resolve()
    } catch (error) {
      // Those that were refused have been told so, and a second word changes nothing.
      for (const one of calls) one.reject(error)
    }
  }

  async #writeNow(changes: readonly VaultChange[]): Promise<void> {
    const batch = this.#database.batch()
    try {
      for (const change of changes) {
        if (change.kind === 'delete') batch.del(change.key)
        else batch.put(change.key, change.value)
      }
    } catch (error) {
      await batch.close()
      throw error
    }
    try {
      await batch.write({ sync: true })
    } catch (error) {
      this.#failure = engineFailure(`write ${this.#name}`, error)
      throw this.#failure
    }
  }

  /** Those that create nothing which is there, or which one of them before creates. Rejects the others. */
  async #allowed(calls: readonly Waiting<Write>[]): Promise<Waiting<Write>[]> {
    const created = calls.flatMap(({ changes }) =>
      changes.flatMap(({ kind, key }) => (kind === 'create' ? [key] : [])),
    )
    if (created.length === 0) return [...calls]
    const stored = await this.has(created)
    /** What is there after the calls so far, where that is not what is stored. */
    const changed = new Map<string, boolean>()
    let at = 0
    return calls.filter((one) => {
      const mine = new Map<string, boolean>()
      let conflict = false
      for (const change of one.changes) {
        const name = nameOfKey(change.key)
        if (change.kind === 'create') {
          const isThere = mine.get(name) ?? changed.get(name) ?? stored[at]!
          at++
          conflict ||= isThere
        }
        mine.set(name, change.kind !== 'delete')
      }
      if (!conflict) {
        for (const [name, isThere] of mine) changed.set(name, isThere)
        return true
      }
      one.reject(new CairnError('CONFLICT', `${this.#name} hold a row that was to be made`))
      return false
    })
  }

  #assertWritable(): void {
    if (this.#failure !== undefined) {
      throw new CairnError(
        'STOPPED',
        `nothing more is written after a failure: ${this.#failure.message}; restart to recover`,
        { cause: this.#failure },
      )
    }
    if (this.#database.status !== 'open') throw new CairnError('STOPPED', 'the vault is closed')
  }
}

/** The one key beyond all others is the store's own. @throws RangeError on a key that no row can have */
function sizeIn(change: VaultChange): number {
  return change.key === LAST_KEY ? 1 : sizeOfChange(change)
}

/** All keys that begin with `prefix`. */
function rangeOf(prefix: Uint8Array): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  if (prefix.length === 0) return { gte: prefix, lt: LAST_KEY }
  const lt = new Uint8Array(MAX_VAULT_KEY + 1).fill(0xff)
  lt.set(prefix)
  return { gte: prefix, lt }
}
