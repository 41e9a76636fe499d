/**
 * Who is on the way into the log, and who is being erased. An erasure waits for records of the person that are under
 * way, and new ones wait for the erasure, after which the person has another pseudonym. So nothing of an erased person
 * comes after the record of their erasure.
 */
export class Traffic {
  readonly #passing = new Map<string, Set<Promise<unknown>>>()
  readonly #leaving = new Map<string, Promise<unknown>>()

  /** The erasure of any of these people, if one is under way; it fails when it must be finished at the next start. */
  leaving(people: readonly string[]): Promise<unknown> | undefined {
    const found = people.find((one) => this.#leaving.has(one))
    return found === undefined ? undefined : this.#leaving.get(found)
  }

  /** Notes that records of people are under way. Between leaving() and this, nothing may be awaited. */
  pass<T>(people: readonly string[], under: Promise<T>): Promise<T> {
    for (const one of people) {
      const passing = this.#passing.get(one) ?? new Set()
      this.#passing.set(one, passing)
      passing.add(under)
    }
    return under.finally(() => {
      for (const one of people) {
        const passing = this.#passing.get(one)
        passing?.delete(under)
        if (passing?.size === 0) this.#passing.delete(one)
      }
    })
  }

  /**
   * Erases somebody, once nothing of them is under way. `work` resolves when there is no way back; when what is left to
   * do after that fails, nobody gets past until the next start.
   */
  leave<T>(person: string, work: () => Promise<{ readonly done: Promise<T> }>): Promise<T> {
    let isFinal = false
    const left = (async () => {
      await Promise.allSettled(this.#passing.get(person) ?? [])
      const { done } = await work()
      isFinal = true
      return done
    })()
    const settled = left.then(
      () => this.#leaving.delete(person),
      (error: unknown) => {
        if (isFinal) throw error
        this.#leaving.delete(person)
      },
    )
    settled.catch(() => undefined)
    this.#leaving.set(person, settled)
    return left
  }
}
