/**
 * Who is being erased. Their records that are under way go in before the record of the erasure, since none overtakes
 * another (intake.ts); new ones wait for the erasure, after which the person has another pseudonym. So nothing of an
 * erased person comes after the record of their erasure.
 */
export class Leaving {
  readonly #people = new Map<string, Promise<unknown>>()

  /** The erasure of any of these people, if one is under way; it fails when it must be finished at the next start. */
  of(people: readonly string[]): Promise<unknown> | undefined {
    const found = people.find((one) => this.#people.has(one))
    return found === undefined ? undefined : this.#people.get(found)
  }

  /**
   * Erases somebody. `work` resolves when there is no way back; when what is left to do after that fails, nobody gets
   * past until the next start.
   */
  erase<T>(person: string, work: () => Promise<{ readonly done: Promise<T> }>): Promise<T> {
    let isFinal = false
    const erased = (async () => {
      const { done } = await work()
      isFinal = true
      return done
    })()
    const settled = erased.then(
      () => this.#people.delete(person),
      (error: unknown) => {
        if (isFinal) throw error
        this.#people.delete(person)
      },
    )
    settled.catch(() => undefined)
    this.#people.set(person, settled)
    return erased
  }
}
