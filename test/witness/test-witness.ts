/** A witness on a directory of its own: opened again and again, then thrown away. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mlDsaThread } from '../../src/crypto/ml-dsa-thread.ts'
import type { WitnessStore } from '../../src/storage/witness-port.ts'
import { localWitnessSigner } from '../../src/witness/local-signer.ts'
import type { AddCheckpointOutcome, WitnessService } from '../../src/witness/service.ts'
import type { WitnessSigner } from '../../src/witness/signer.ts'
import { openWitness, type WitnessEvent, type WitnessOptions } from '../../src/witness/witness.ts'
import { openWitnessStore } from '../support/stores.ts'

export const NAME = 'witness.example/w'

export interface TestWitnessOptions
  extends Partial<Pick<WitnessOptions, 'signSubtrees' | 'maxWaiting' | 'now' | 'onEvent'>> {
  /** Whether it has an ML-DSA-44 key. Default false: its thread takes a while to start. */
  readonly mlDsa?: boolean
  /** Stands between the witness and its store. */
  readonly wrap?: (store: WitnessStore) => WitnessStore
  /** Stands between the witness and its signer. */
  readonly wrapSigner?: (signer: WitnessSigner) => WitnessSigner
}

export interface WitnessPlace {
  open(options?: TestWitnessOptions): Promise<WitnessService>
  /** All events so far. */
  readonly events: readonly WitnessEvent[]
  readonly directory: string
  /** Closes what is open, and removes the directory. */
  remove(): Promise<void>
}

export async function witnessPlace(): Promise<WitnessPlace> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-witness-'))
  const events: WitnessEvent[] = []
  let current: WitnessService | undefined
  return {
    directory,
    events,
    async open({
      mlDsa = false,
      wrap = (store: WitnessStore) => store,
      wrapSigner = (signer: WitnessSigner) => signer,
      ...options
    } = {}) {
      await current?.close()
      const thread = mlDsaThread()
      const keys = {
        name: NAME,
        ed25519Seed: new Uint8Array(32).fill(0xa1),
        ...(mlDsa && { mlDsaSeed: new Uint8Array(32).fill(0xa2) }),
      }
      current = await openWitness({
        store: wrap(await openWitnessStore(directory)),
        signer: wrapSigner(localWitnessSigner(keys, thread)),
        mlDsa: thread,
        signSubtrees: false,
        onEvent: (event) => events.push(event),
        ...options,
      })
      return current
    },
    async remove() {
      await current?.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** An answer that has to be a cosignature. */
export async function cosign(
  witness: WitnessService,
  body: Uint8Array,
): Promise<Extract<AddCheckpointOutcome, { outcome: 'cosigned' }>> {
  const outcome = await witness.addCheckpoint(body)
  if (outcome.outcome !== 'cosigned') throw new Error(`not cosigned: ${JSON.stringify(outcome)}`)
  return outcome
}

/** A store whose writes can be held back. */
export function heldStore() {
  let held: Promise<void> | undefined
  let release = (): void => {}
  return {
    /** How many writes there were. */
    writes: 0,
    /** Holds back all further writes until they are let go. */
    hold(): void {
      held = new Promise((resolve) => {
        release = () => {
          held = undefined
          resolve()
        }
      })
    },
    letGo: () => release(),
    get isHeld() {
      return held !== undefined
    },
    wrap(store: WitnessStore): WitnessStore {
      return passing(store, async (changes) => {
        this.writes++
        await held
        await store.write(changes)
      })
    },
  }
}

/** A store that writes in another way. */
export function passing(store: WitnessStore, write: WitnessStore['write']): WitnessStore {
  return {
    logs: () => store.logs(),
    head: (origin) => store.head(origin),
    conflicts: (origin) => store.conflicts(origin),
    close: () => store.close(),
    write,
  }
}
