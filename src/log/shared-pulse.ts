/** When a server of a shared log looks whether there is something to do: when it is told, and now and then besides. */
export class Pulse {
  readonly #everyMs: number
  #isPoked = false
  #wake: (() => void) | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  /** There may be something to do. */
  poke(): void {
    this.#isPoked = true
    this.#wake?.()
  }

  /** Resolves at the next poke, or after a while; with whether there was one. */
  async next(): Promise<boolean> {
    if (!this.#isPoked) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#everyMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    const wasPoked = this.#isPoked
    this.#isPoked = false
    return wasPoked
  }
}
