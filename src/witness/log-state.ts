/** What a witness holds in memory of a log, and the order in which its requests come to their turn. */
import { CairnError, messageOf } from '../errors.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import type { RootHash } from '../merkle/hash.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { CosignedHead, StoredLog } from '../storage/witness-port.ts'

/** A kept conflict, without its notes. */
export interface KnownConflict {
  /** 32 lowercase hexadecimal digits. */
  readonly id: string
  readonly kind: 'split-view' | 'unproven'
  /** Of the head that was refused. */
  readonly size: TreeSize
  readonly root: RootHash
  /** Milliseconds since 1970. */
  readonly seenAt: number
}

/** Requests of one log that may wait for their answer. */
const MAX_WAITING = 64

const NONE: readonly KnownConflict[] = []

export class LogState {
  readonly origin: string
  /** The newest head in the store; nothing older is ever signed again. */
  head: CosignedHead | undefined
  /** What was signed over `head`, until the store has it. */
  unstored: string | undefined
  /** Oldest first. */
  conflicts: readonly KnownConflict[] = NONE
  #vkeys: readonly string[]
  /** Read at the first use: a witness of many logs starts at once, and holds little of those that are silent. */
  #keys: readonly VerifierKey[] | undefined
  #waiting = 0
  /** The end of the newest turn. */
  #turn: Promise<void> | undefined

  constructor({ origin, vkeys, head }: StoredLog) {
    this.origin = origin
    this.#vkeys = vkeys
    this.head = head
  }

  /** Verifier keys as text; none when the log is not watched. */
  get vkeys(): readonly string[] {
    return this.#vkeys
  }

  set vkeys(vkeys: readonly string[]) {
    this.#vkeys = vkeys
    this.#keys = undefined
  }

  get isWatched(): boolean {
    return this.#vkeys.length > 0
  }

  /** @throws CORRUPT when the store holds what is no vkey */
  get keys(): readonly VerifierKey[] {
    this.#keys ??= this.#vkeys.map((vkey) => readVkey(vkey, this.origin))
    return this.#keys
  }

  /** Runs as one of the few requests of a log that may wait, so that one log cannot fill the witness. @throws OVERLOADED */
  async waitingIn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw new CairnError(
        'OVERLOADED',
        'too many requests of this log wait; try again in a second',
      )
    }
    this.#waiting++
    try {
      return await run()
    } finally {
      this.#waiting--
    }
  }

  /** Runs once all turns before are over, and before any that is asked for later. */
  async inTurn<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#turn
    let done = (): void => {}
    const turn = new Promise<void>((resolve) => {
      done = resolve
    })
    this.#turn = turn
    try {
      if (before !== undefined) await before
      return await run()
    } finally {
      if (this.#turn === turn) this.#turn = undefined
      done()
    }
  }
}

function readVkey(vkey: string, origin: string): VerifierKey {
  try {
    return parseVkey(vkey)
  } catch (cause) {
    throw new CairnError(
      'CORRUPT',
      `a stored key of ${origin} cannot be read: ${messageOf(cause)}; give the log's keys anew`,
      { cause },
    )
  }
}
