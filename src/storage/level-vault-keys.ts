/**
 * A vault's keys in a LevelDB of their own, and how they are destroyed there.
 *
 * LevelDB deletes by writing that a key is deleted. What was there stays in its log, in tables until they are merged
 * down to the last level, in files that a reader still has open, and, as the first or last key of a table or the place
 * where the next merge goes on, in the MANIFEST. Manual merges name keys in its LOG, too. So, with nobody reading:
 *
 *   1. what is in memory becomes a table, so that it and its deletion do not end up in one, where nothing parts them;
 *   2. the changes are written and synced, with a row behind all others: where a merge of them ends is where the next
 *      one goes on, and is noted in the MANIFEST for long;
 *   3. the tables around these keys are merged, from level to level, down to the lowest that has such;
 *   4. all files are searched for the traces.
 *   5. Otherwise the engine is opened again, which begins a new MANIFEST and deletes what no list of tables names;
 *   6. and if even that is not enough, all rows that are there are copied into a new directory, which takes the place of
 *      the old one. What was never copied cannot be found.
 *
 * Nothing is compressed here: keys do not shrink, and a compressed block could hide a trace from the search. LOG is
 * deleted whenever the engine is opened; the engine goes on writing to it unseen. Payloads live in another LevelDB
 * because the same steps would move them all about: what is written together is stored together.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../errors.ts'
import { directoryBytes } from './disk-space.ts'
import { syncDirectory } from './durable-file.ts'
import { Gate } from './gate.ts'
import { compact, engineFailure, type LevelDatabase, openDatabase } from './level-engine.ts'
import { fileWithTrace, Traces } from './level-traces.ts'
import { LAST_KEY, LevelVaultRows } from './level-vault-rows.ts'
import { copyOf, deleteCopies, finishReplacement, replaceByCopy } from './replaced-directory.ts'
import type { Destruction } from './vault-change.ts'
import { Destructions } from './vault-destructions.ts'
import type { VaultChange, VaultKeyRows, VaultRow } from './vault-port.ts'

/** An erasure writes what is in memory to a table, so that is kept small. */
const TUNING = { compression: false, writeBufferSize: 2 ** 20 }
const ROWS_AT_ONCE = 1_000
/** With more keys than this, one merge of all tables is less work than one for each key. */
const MERGED_ONE_BY_ONE = 16
/** Behind every key. */
const BEYOND: Uint8Array = new Uint8Array(256).fill(0xff)

/** Opens the rows in a directory. @throws LOCKED, NOT_FOUND, CORRUPT, DISK_FULL, IO */
export async function openLevelVaultKeys(
  directory: string,
  { createIfMissing }: { readonly createIfMissing: boolean },
): Promise<LevelVaultKeys> {
  try {
    await finishReplacement(directory)
  } catch (error) {
    throw engineFailure(`open ${directory}`, error)
  }
  return new LevelVaultKeys(directory, await openQuietly(directory, createIfMissing))
}

export class LevelVaultKeys implements VaultKeyRows {
  readonly #directory: string
  readonly #rows: LevelVaultRows
  readonly #gate = new Gate()
  readonly #destructions = new Destructions((changes, traces) =>
    this.#destroy(changes, new Traces(traces)),
  )

  constructor(directory: string, database: LevelDatabase) {
    this.#directory = directory
    this.#rows = new LevelVaultRows(database, 'the vault’s keys')
  }

  get(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#gate.together(() => this.#rows.get(keys))
  }

  has(keys: readonly Uint8Array[]): Promise<boolean[]> {
    return this.#gate.together(() => this.#rows.has(keys))
  }

  async *list(prefix: Uint8Array): AsyncGenerator<VaultRow> {
    // In parts, since a reader keeps deleted rows in their files for as long as it reads.
    let after: Uint8Array | undefined
    for (;;) {
      const rows = await this.#gate.together(() => this.#rows.some(prefix, after, ROWS_AT_ONCE))
      yield* rows
      if (rows.length < ROWS_AT_ONCE) return
      after = rows.at(-1)!.key
    }
  }

  write(changes: readonly VaultChange[]): Promise<void> {
    return this.#gate.together(() => this.#rows.write(changes))
  }

  destroy(changes: readonly Destruction[], traces: readonly Uint8Array[]): Promise<void> {
    return this.#destructions.add(changes, traces)
  }

  scrub(): Promise<void> {
    return this.#gate.alone(() => this.#replace())
  }

  /** Bytes that the files take. @throws the file system's errors */
  usage(): Promise<number> {
    // Together with others, since the directory is not there while it is being replaced.
    return this.#gate.together(() => directoryBytes(this.#directory))
  }

  async close(): Promise<void> {
    await this.#destructions.idle()
    await this.#gate.alone(async () => {
      await this.#rows.idle()
      await this.#rows.database.close()
    })
  }

  async #destroy(changes: readonly Destruction[], traces: Traces): Promise<void> {
    const steps = [() => this.#writeAndMerge(changes), () => this.#reopen(), () => this.#replace()]
    for (const step of steps) {
      await this.#gate.alone(step)
      // The search takes its time with many rows, and need not be alone.
      if ((await this.#whereIs(traces)) !== undefined) continue
      // A file that was deleted must not come back with the next power cut.
      await this.#gate.together(() => this.#syncDirectory())
      return
    }
    throw new CairnError(
      'IO',
      `what was destroyed is still in ${this.#directory}; restart to try again`,
    )
  }

  async #writeAndMerge(changes: readonly Destruction[]): Promise<void> {
    // A copy that could not be made, or not be deleted, has what is to go as well.
    await this.#deleteCopies()
    await this.#flush()
    const last = { kind: 'put', key: LAST_KEY, value: new Uint8Array() } as const
    await this.#rows.write([...changes, last])
    await this.#merge(changes)
  }

  async #deleteCopies(): Promise<void> {
    try {
      await deleteCopies(this.#directory)
    } catch (error) {
      throw engineFailure('delete a copy of the vault’s keys', error)
    }
  }

  async #whereIs(traces: Traces): Promise<string | undefined> {
    try {
      return await fileWithTrace(this.#directory, traces)
    } catch (error) {
      throw engineFailure('search the vault’s files', error)
    }
  }

  async #syncDirectory(): Promise<void> {
    try {
      await syncDirectory(this.#directory)
    } catch (error) {
      throw engineFailure('destroy keys in the vault', error)
    }
  }

  /** Writes what is in memory to a table. No table reaches beyond all keys, so none is merged. */
  async #flush(): Promise<void> {
    await this.#compact(BEYOND, BEYOND)
  }

  async #merge(changes: readonly Destruction[]): Promise<void> {
    if (changes.length > MERGED_ONE_BY_ONE) await this.#compact(Uint8Array.of(0), BEYOND)
    else for (const { key } of changes) await this.#compact(key, key)
  }

  async #compact(gte: Uint8Array, lt: Uint8Array): Promise<void> {
    try {
      await compact(this.#rows.database, { gte, lt })
    } catch (error) {
      throw engineFailure('destroy keys in the vault', error)
    }
  }

  async #reopen(): Promise<void> {
    await this.#rows.database.close()
    this.#rows.use(await openQuietly(this.#directory, false))
  }

  /** Copies the rows into a new directory, and puts it in the place of this one. */
  async #replace(): Promise<void> {
    const directory = this.#directory
    try {
      await deleteCopies(directory)
      const copy = await openQuietly(copyOf(directory), true)
      try {
        await this.#copyTo(copy)
      } finally {
        await copy.close()
      }
      await this.#rows.database.close()
      await replaceByCopy(directory)
    } catch (error) {
      throw engineFailure('copy the vault’s keys', error)
    }
    this.#rows.use(await openQuietly(directory, false))
  }

  async #copyTo(copy: LevelDatabase): Promise<void> {
    let after: Uint8Array | undefined
    for (;;) {
      const rows = await this.#rows.some(new Uint8Array(), after, ROWS_AT_ONCE)
      const batch = copy.batch()
      for (const { key, value } of rows) batch.put(key, value)
      await batch.write()
      if (rows.length < ROWS_AT_ONCE) break
      after = rows.at(-1)!.key
    }
    // Tables are synced when they are written, and here everything becomes one. Whether it has, the next write tells.
    await compact(copy, { gte: BEYOND, lt: BEYOND })
    await copy.put(LAST_KEY, new Uint8Array(), { sync: true })
  }
}

/** Opens the engine, and takes away the journal in which it quotes keys. */
async function openQuietly(directory: string, createIfMissing: boolean): Promise<LevelDatabase> {
  const database = await openDatabase(directory, { ...TUNING, createIfMissing })
  try {
    for (const name of ['LOG', 'LOG.old']) await rm(join(directory, name), { force: true })
    return database
  } catch (error) {
    await database.close()
    throw engineFailure(`open ${directory}`, error)
  }
}
