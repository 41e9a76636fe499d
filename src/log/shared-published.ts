/** The newest publication in the store of a shared log, shown or not: a server follows those that the leader makes. */
import { equal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { StoredPublication } from '../storage/port.ts'
import type { SharedLogStore } from '../storage/shared-port.ts'
import { checkSignature } from './recover.ts'
import type { Publication } from './service.ts'
import type { Replica } from './shared-replica.ts'
import type { LogSigner } from './signer.ts'

export interface PublishedOptions {
  readonly store: Pick<SharedLogStore, 'publication'>
  readonly signer: LogSigner
  readonly replica: Replica
  /** The replica has gone on to another head. */
  readonly onHead: () => void
}

export class Published {
  readonly #options: PublishedOptions
  #newest: Pick<StoredPublication, 'timestamp' | 'checkpoint'> | undefined

  constructor(newest: Publication | undefined, options: PublishedOptions) {
    this.#options = options
    if (newest !== undefined) this.note(newest)
  }

  /** The time of the newest one; 0 before the first. */
  get timestamp(): number {
    return this.#newest?.timestamp ?? 0
  }

  /** This server has made one itself. */
  note({ timestamp, checkpoint }: Publication): void {
    this.#newest = { timestamp, checkpoint: utf8(checkpoint) }
  }

  /**
   * The newest stored publication when it is another one than before, and its signature and root are right.
   * @throws CORRUPT when they are not; as Replica.follow()
   */
  async follow(): Promise<Publication | undefined> {
    const { store, signer, replica, onHead } = this.#options
    const stored = await store.publication()
    if (stored === undefined || stored.timestamp < this.timestamp) return undefined
    const before = this.#newest?.checkpoint
    if (before !== undefined && equal(stored.checkpoint, before)) return undefined
    checkSignature(stored, signer, 'published head', [signer.ed25519])
    if (stored.size > replica.head.size && (await replica.follow())) onHead()
    if (stored.size > replica.head.size || !equal(await replica.rootAt(stored.size), stored.root)) {
      throw new CairnError(
        'CORRUPT',
        `the published head of size ${stored.size} in the database is not one of this log's tree; run cairn fsck`,
      )
    }
    this.#newest = stored
    return { ...stored, checkpoint: fromUtf8(stored.checkpoint) }
  }
}
