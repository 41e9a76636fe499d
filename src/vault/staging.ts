/**
 * Records that may not come to be. Whoever logs a record keeps its disclosures first; when the process dies between the
 * two, or the log refuses the record, there are disclosures that nothing commits to. So they are put with a row that
 * says what to look for in the log, and which rows to take away again if it is not there; one row for all batches that
 * are put together:
 *
 *   'w' id[16]      1 ‖ (mark[32] ‖ rows among the keys ‖ rows among the payloads)…      each list: count[4] ‖ (length[1] ‖ key)…
 *
 * It goes when each of them is decided; one that was withdrawn may be so once more, after a crash.
 *
 * To take a record away is to delete its rows, as if it had never been. That is no erasure: bytes of its key, sealed with
 * its owner's, stay until the engine merges them away, or the owner is erased.
 */
import { join, toHex } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { VaultChange, VaultStore } from '../storage/vault-port.ts'
import { STAGED_ROWS, stagedKey } from './row-keys.ts'
import { random } from './sealing.ts'

const VERSION = 1
const ID_SIZE = 16
const MARK_SIZE = 32

/** Disclosures that were put, while it is not known whether their records come to be. */
export interface Staged {
  /** What put() was given to find the records by, 32 bytes. */
  readonly mark: Uint8Array
  /** The records are there. What is noted here to be decided is forgotten soon; until then it may be asked again. */
  keep(): void
  /** The records will never be there: takes all of it away. @throws DISK_FULL, IO */
  withdraw(): Promise<void>
}

/** The rows that make up a batch. */
interface StagedRows {
  readonly mark: Uint8Array
  readonly keys: readonly Uint8Array[]
  readonly payloads: readonly Uint8Array[]
}

/** A batch, as the changes that put it. */
export interface StagedChanges {
  readonly mark: Uint8Array
  readonly keys: readonly VaultChange[]
  readonly payloads: readonly VaultChange[]
}

/** A row that notes batches. */
interface Note {
  readonly key: Uint8Array
  /** Batches of it that are not decided. */
  undecided: number
}

export class Staging {
  readonly #store: VaultStore
  /** Rows of what is decided, to be deleted with the next write. */
  #decided: Uint8Array[] = []

  constructor(store: VaultStore) {
    this.#store = store
  }

  /** The changes to make together with those of some batches, and what stands for each batch. */
  begin(batches: readonly StagedChanges[]): {
    readonly changes: VaultChange[]
    readonly staged: Staged[]
  } {
    const all = batches.map(({ mark, keys, payloads }): StagedRows => {
      if (mark.length !== MARK_SIZE) {
        throw new RangeError(`expected a mark of ${MARK_SIZE} bytes, got ${mark.length}`)
      }
      return { mark, keys: keys.map(keyOf), payloads: payloads.map(keyOf) }
    })
    const note = { key: stagedKey(random(ID_SIZE)), undecided: all.length }
    const decided = this.#decided
    this.#decided = []
    return {
      changes: [
        { kind: 'create', key: note.key, value: encode(all) },
        ...decided.map((one): VaultChange => ({ kind: 'delete', key: one })),
      ],
      staged: all.map((rows) => this.#of(note, rows)),
    }
  }

  /** What was begun, and never decided. @throws CORRUPT, NEWER_FORMAT, IO */
  async undecided(): Promise<Staged[]> {
    const found: Staged[] = []
    for await (const { key, value } of this.#store.keys.list(STAGED_ROWS)) {
      const all = decode(key, value)
      const note = { key, undecided: all.length }
      for (const rows of all) found.push(this.#of(note, rows))
    }
    return found
  }

  /** Deletes the rows of what is decided. @throws DISK_FULL, IO */
  async flush(): Promise<void> {
    const decided = this.#decided
    this.#decided = []
    if (decided.length === 0) return
    await this.#store.keys.write(decided.map((key) => ({ kind: 'delete', key })))
  }

  #of(note: Note, rows: StagedRows): Staged {
    return {
      mark: rows.mark,
      keep: () => {
        if (--note.undecided === 0) this.#decided.push(note.key)
      },
      withdraw: async () => {
        const deleted = (one: Uint8Array): VaultChange => ({ kind: 'delete', key: one })
        await this.#store.payloads.write(rows.payloads.map(deleted))
        // Last what leads to the others, so that a process that dies meanwhile finds them again.
        const last = --note.undecided === 0 ? [note.key] : []
        await this.#store.keys.write([...rows.keys, ...last].map(deleted))
      },
    }
  }
}

function keyOf({ key }: VaultChange): Uint8Array {
  return key
}

function encode(all: readonly StagedRows[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(VERSION)]
  for (const { mark, keys, payloads } of all) {
    parts.push(mark)
    for (const list of [keys, payloads]) {
      const count = new Uint8Array(4)
      new DataView(count.buffer).setUint32(0, list.length)
      parts.push(count)
      for (const key of list) parts.push(Uint8Array.of(key.length), key)
    }
  }
  return join(parts)
}

function decode(key: Uint8Array, value: Uint8Array): StagedRows[] {
  const damaged = new CairnError(
    'CORRUPT',
    `the vault's note ${toHex(key.subarray(1))} of what is staged cannot be read; restore a backup`,
  )
  if (value.length < 1 + MARK_SIZE) throw damaged
  if (value[0] !== VERSION) {
    const message = `the vault's note of what is staged has format ${value[0]}; use a newer cairn`
    throw new CairnError('NEWER_FORMAT', message)
  }
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  let at = 1
  const list = (): Uint8Array[] => {
    if (at + 4 > value.length) throw damaged
    const count = view.getUint32(at)
    at += 4
    const keys: Uint8Array[] = []
    for (let i = 0; i < count; i++) {
      const end = at + 1 + (value[at] ?? 0)
      if (end <= at + 1 || end > value.length) throw damaged
      keys.push(value.slice(at + 1, end))
      at = end
    }
    return keys
  }
  const all: StagedRows[] = []
  do {
    const mark = value.slice(at, at + MARK_SIZE)
    at += mark.length
    all.push({ mark, keys: list(), payloads: list() })
  } while (at < value.length)
  return all
}

/** What is wrong with the row of something that is staged. @throws CORRUPT, NEWER_FORMAT */
export function checkStaged(key: Uint8Array, value: Uint8Array): void {
  decode(key, value)
}
