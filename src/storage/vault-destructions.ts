/** How the keys of a vault are destroyed in any store: what waits is destroyed together, since the work is in the rewriting. */
import { Rounds } from './rounds.ts'
import { checkVaultKey, type Destruction } from './vault-change.ts'

/** Bytes that a trace has at least. */
export const MIN_TRACE = 16

/** @throws RangeError when a trace is too short to be told from chance */
export function checkTrace(trace: Uint8Array): void {
  if (trace.length >= MIN_TRACE) return
  throw new RangeError(`expected a trace of ${MIN_TRACE} bytes or more, got ${trace.length}`)
}

type Destroy = (changes: readonly Destruction[], traces: readonly Uint8Array[]) => Promise<void>

export class Destructions {
  readonly #rounds: Rounds<{
    readonly changes: readonly Destruction[]
    readonly traces: readonly Uint8Array[]
  }>

  constructor(destroy: Destroy) {
    this.#rounds = new Rounds(async (calls) => {
      try {
        await destroy(
          calls.flatMap(({ changes }) => changes),
          calls.flatMap(({ traces }) => traces),
        )
        for (const { resolve } of calls) resolve()
      } catch (error) {
        for (const { reject } of calls) reject(error)
      }
    })
  }

  /** As VaultKeyRows.destroy. */
  async add(changes: readonly Destruction[], traces: readonly Uint8Array[]): Promise<void> {
    // Here, so that a mistake in one call is none in the others that it is done with.
    for (const { key } of changes) checkVaultKey(key)
    for (const trace of traces) checkTrace(trace)
    return this.#rounds.add({ changes, traces })
  }

  /** Waits until nothing is being destroyed. */
  idle(): Promise<void> {
    return this.#rounds.idle()
  }
}
