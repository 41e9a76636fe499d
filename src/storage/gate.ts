/** Work that can be done together, or alone. Whoever wants to be alone goes before all who come later. */
export class Gate {
  #inside = 0
  #alone: Promise<void> | undefined
  #empty: (() => void) | undefined

  async together<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    this.#inside++
    try {
      return await work()
    } finally {
      this.#inside--
      if (this.#inside === 0) this.#empty?.()
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    let leave = (): void => undefined
    this.#alone = new Promise((resolve) => {
      leave = resolve
    })
    try {
      if (this.#inside > 0) {
        await new Promise<void>((resolve) => {
          this.#empty = resolve
        })
        this.#empty = undefined
      }
      return await work()
    } finally {
      this.#alone = undefined
      leave()
    }
  }
}
