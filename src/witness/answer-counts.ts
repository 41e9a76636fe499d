/** Counts answers by their outcome. */

export interface AnswerCounts<Outcome extends string> {
  readonly counts: Readonly<Record<Outcome | 'failed', number>>
  /** Counts an answer when it is there, and hands it on. */
  count<T extends { readonly outcome: Outcome }>(answer: Promise<T>): Promise<T>
}

export function answerCounts<Outcome extends string>(
  outcomes: readonly Outcome[],
): AnswerCounts<Outcome> {
  const names: readonly (Outcome | 'failed')[] = [...outcomes, 'failed']
  // Each name is among them.
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<
    Outcome | 'failed',
    number
  >
  return {
    counts,
    async count(answer) {
      try {
        const given = await answer
        counts[given.outcome]++
        return given
      } catch (error) {
        counts.failed++
        throw error
      }
    },
  }
}
