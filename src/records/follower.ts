/**
 * Follows the log with the search index: takes in the records that this log has made, in their order, and carries out
 * the erasures that it meets. All it does can be done again, so it goes on after a crash wherever the index is, and
 * builds a new index by following from the beginning.
 */
import { CairnError, reasonOf } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { listedRecord } from '../formats/completeness-terms.ts'
import type { RecordLeaf } from '../formats/record.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { LogEntries } from '../log/stored-entries.ts'
import { hashLeaf } from '../merkle/hash.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'
import type { IndexedRecord, SearchIndex } from '../search/search-index.ts'
import type { Vault } from '../vault/vault.ts'
import type { Logged } from './intake.ts'
import { resourceIn, resourceTerm } from './make-record.ts'
import type { RecordsEvent } from './service.ts'
import { blankId, stampedRecord } from './stamp.ts'

/** Entries of the log that are gone through at a time. */
const AT_ONCE = 4 * TILE_WIDTH
/** Records that are remembered until the index has them, so that they need not be read again. */
const MAX_REMEMBERED = { records: 50_000, bytes: 64 * 2 ** 20 } as const

export interface FollowerOptions {
  readonly log: LogEntries
  readonly vault: Vault
  readonly index: SearchIndex
  readonly onEvent: (event: RecordsEvent) => void
  /** Told of what was gone through, for others who would have to read it again. */
  readonly onFollowed?: OnFollowed
}

/** A record, or what looks like one though this log has not made it. */
export interface FollowedRecord {
  readonly index: number
  readonly record: RecordLeaf
}

/** All records among the entries from `from` on and before `to`, in order. */
export type OnFollowed = (from: number, to: number, records: readonly FollowedRecord[]) => void

export type Progress = (entries: number, total: number) => void

interface Waiter {
  readonly until: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Follower {
  readonly #options: FollowerOptions
  readonly #remembered = new Map<number, Logged>()
  #rememberedBytes = 0
  /** The loop, while it runs. */
  #following: Promise<void> | undefined
  #failure: unknown
  #waiters: Waiter[] = []
  #closed = false
  #paused = false
  /** The newest rebuilding, which the next one waits for. */
  #rebuilding: Promise<unknown> = Promise.resolve()
  /** The greatest id that was taken in, or one that is surely not smaller. */
  #lastId = ''
  #progress: Progress = () => undefined
  /** Whether the vault is known to have tenants; they do not go. */
  #hasTenants = false

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#lastId = lastIdOf(options.index)
  }

  /** Records that have just been logged. */
  remember(records: readonly Logged[]): void {
    for (const one of records) {
      const { length } = one.leaf
      // It may have been read from the log before this was called.
      if (one.accepted.index < this.#options.index.next) continue
      if (this.#remembered.size >= MAX_REMEMBERED.records) break
      if (this.#rememberedBytes + length > MAX_REMEMBERED.bytes) break
      this.#remembered.set(one.accepted.index, one)
      this.#rememberedBytes += length
    }
    this.follow()
  }

  /** Goes on following, if there is anything new. */
  follow(): void {
    if (this.#following !== undefined || this.#failure !== undefined) return
    if (!this.#isBehind()) return
    this.#following = this.#run().finally(() => {
      this.#following = undefined
      this.follow()
    })
  }

  /** Resolves once the index has all entries before `size`. @throws what ended it; STOPPED when it is closed first */
  reached(size: number): Promise<void> {
    if (this.#options.index.next >= size) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#closed) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#waiters.push({ until: size, resolve, reject })
      this.follow()
    })
  }

  /** As reached(), but does with what there is when it takes longer, or cannot be. */
  async caughtUp(size: number, milliseconds: number): Promise<void> {
    if (this.#options.index.next >= size || this.#failure !== undefined || this.#closed) return
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds)
    })
    await Promise.race([this.reached(size).catch(() => undefined), patience])
    clearTimeout(timer)
  }

  /** Drops the index and follows from the beginning; resolves once it has what the log holds now. @throws as reached() */
  rebuild(progress: Progress): Promise<void> {
    const rebuilt = this.#rebuilding.then(() => this.#rebuild(progress))
    this.#rebuilding = rebuilt.catch(() => undefined)
    return rebuilt
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#following
    this.#rejectAll(closed())
  }

  async #rebuild(progress: Progress): Promise<void> {
    if (this.#closed) throw closed()
    const { index, log } = this.#options
    const { size } = log.head()
    this.#paused = true
    try {
      await this.#following
      await index.clear()
      this.#lastId = ''
    } finally {
      this.#paused = false
    }
    this.#progress = progress
    try {
      await this.reached(size)
    } finally {
      this.#progress = () => undefined
      this.follow()
    }
  }

  #rejectAll(error: unknown): void {
    for (const { reject } of this.#waiters) reject(error)
    this.#waiters = []
  }

  #isBehind(): boolean {
    const { index, log } = this.#options
    return !this.#closed && !this.#paused && index.next < log.head().size
  }

  async #run(): Promise<void> {
    try {
      while (this.#isBehind()) {
        await this.#step()
        this.#progress(this.#options.index.next, this.#options.log.head().size)
        this.#wake()
      }
    } catch (error) {
      this.#failure = error
      this.#options.onEvent({ event: 'index-failed', ...reasonOf(error) })
      this.#rejectAll(error)
    }
  }

  #wake(): void {
    const { next } = this.#options.index
    const reached = this.#waiters.filter(({ until }) => until <= next)
    this.#waiters = this.#waiters.filter(({ until }) => until > next)
    for (const { resolve } of reached) resolve()
  }

  async #step(): Promise<void> {
    const { index, log } = this.#options
    const from: number = index.next
    const { size } = log.head()
    if (!(await this.#mayHaveRecords())) {
      await index.apply({ records: [], next: leafIndex(size) })
      return
    }
    const to = Math.min(size, from + AT_ONCE)
    const leaves = await this.#leaves(from, to)
    const found: { at: LeafIndex; record: RecordLeaf; logged: Logged | undefined }[] = []
    const followed: FollowedRecord[] = []
    for (let at = from; at < to; at++) {
      const logged = this.#remembered.get(at)
      const record =
        logged === undefined
          ? await this.#recordOf(leafIndex(at), leaves.get(at)!)
          : (JSON.parse(Buffer.from(logged.leaf).toString('utf8')) as RecordLeaf)
      const listed = record ?? listedRecord(leaves.get(at)!)
      if (listed !== undefined) followed.push({ index: at, record: listed })
      if (record === undefined) continue
      if (record.id > this.#lastId) this.#lastId = record.id
      found.push({ at: leafIndex(at), record, logged })
    }
    // All are read together; then those of somebody who is erased further on go again.
    const blindTerms = await Promise.all(
      found.map(({ record, logged }) => logged?.blindTerms ?? this.#blindTerms(record)),
    )
    let records: IndexedRecord[] = []
    for (const [i, { at, record }] of found.entries()) {
      if (record.type === 'erasure' && record.subject !== undefined) {
        await index.apply({ records, next: at })
        records = []
        await this.#erase(record.tenant, record.subject)
      }
      records.push({ index: at, record, blindTerms: blindTerms[i]! })
    }
    await index.apply({ records, next: leafIndex(to) })
    this.#forget(from, to)
    this.#options.onFollowed?.(from, to, followed)
  }

  /** Whether anything that the log has by now can be a record: without a tenant in the vault nothing is. */
  async #mayHaveRecords(): Promise<boolean> {
    this.#hasTenants ||= (await this.#options.vault.tenants()).length > 0
    return this.#hasTenants
  }

  /** The leaves of a range that are not remembered. */
  async #leaves(from: number, to: number): Promise<Map<number, Uint8Array>> {
    const { log } = this.#options
    const leaves = new Map<number, Uint8Array>()
    for (let first = from - (from % TILE_WIDTH); first < to; first += TILE_WIDTH) {
      const [begin, end] = [Math.max(first, from), Math.min(first + TILE_WIDTH, to)]
      let isRemembered = true
      for (let at = begin; at < end && isRemembered; at++) isRemembered = this.#remembered.has(at)
      if (isRemembered) continue
      const framed = await log.bundle(first / TILE_WIDTH, end - first)
      if (framed === undefined) {
        throw new CairnError('CORRUPT', `the log has lost entries from ${first} on`)
      }
      const entries = decodeBundle(framed, end - first)
      for (let at = begin; at < end; at++) leaves.set(at, entries[at - first]!)
    }
    return leaves
  }

  /** The record of a leaf that this log has made, and not somebody's copy of it. */
  async #recordOf(at: LeafIndex, leaf: Uint8Array): Promise<RecordLeaf | undefined> {
    const { log, vault } = this.#options
    const record = await stampedRecord(vault, leaf)
    if (record === undefined) return undefined
    // Ids rise along the log, so that only of a smaller one it has to be asked whether it is the first.
    const isFirst = record.id > this.#lastId || (await log.indexOf(hashLeaf(leaf))) === at
    return isFirst ? record : undefined
  }

  /** Damage in the vault keeps no record from being found by what is in the clear. */
  async #blindTerms({ id, tenant, commitments }: RecordLeaf): Promise<string[]> {
    if (commitments['/resource'] === undefined) return []
    const { vault, onEvent } = this.#options
    try {
      const disclosures = await vault.get(tenant, id)
      if (disclosures === undefined || disclosures === 'erased') return []
      const resource = resourceIn(disclosures)
      return resource === undefined ? [] : [await resourceTerm(vault, tenant, resource)]
    } catch (error) {
      const isDamage =
        error instanceof CairnError && (error.code === 'CORRUPT' || error.code === 'MALFORMED')
      if (!isDamage) throw error
      onEvent({ event: 'vault-damaged', id, reason: error.message })
      return []
    }
  }

  /** Destroys what an erasure's record says is destroyed; most often that is done. */
  async #erase(tenant: string, pseudonym: string): Promise<void> {
    const { vault, index } = this.#options
    try {
      await vault.eraseSubject(tenant, pseudonym)
    } catch (error) {
      // With another vault than the one it was in.
      if (!(error instanceof CairnError) || error.code !== 'NOT_FOUND') throw error
    }
    await index.dropBlindTerms(tenant, pseudonym)
  }

  #forget(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const logged = this.#remembered.get(at)
      if (logged === undefined) continue
      this.#remembered.delete(at)
      this.#rememberedBytes -= logged.leaf.length
    }
  }
}

function closed(): CairnError {
  return new CairnError('STOPPED', 'the records are closed')
}

/** What no id of a record that the index has is greater than. */
function lastIdOf({ latest }: SearchIndex): string {
  return latest === undefined ? '' : blankId({ time: latest + 1, counter: 0 })
}
