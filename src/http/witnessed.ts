/** Submissions that are answered once the quorum of witnesses has cosigned a head with them, or is late. */
import { malformed } from '../errors.ts'
import type { Head, LogService } from '../log/service.ts'
import type { LeafIndex } from '../merkle/position.ts'
import type { Answer } from './answer.ts'

/** @throws MALFORMED when there is no quorum to wait for */
export function mustHaveQuorum(log: LogService): void {
  if (log.witnesses()?.quorum !== undefined) return
  throw malformed('this log has no quorum of witnesses; leave "wait" out')
}

/** What was accepted, and how it is answered under a head. */
export interface AcceptedEntries {
  readonly entries: readonly { readonly index: LeafIndex }[]
  /** The committed head that has them. */
  readonly head: Head
  answer(head: Head): Promise<Answer>
}

/** The answer under a witnessed head; under the committed one, with 202, when there is none after so many milliseconds. */
export async function answerWitnessed(
  log: LogService,
  { entries, head: committed, answer }: AcceptedEntries,
  milliseconds: number,
): Promise<Answer> {
  const last = entries.reduce((a, b) => (a.index > b.index ? a : b))
  const head = await log.witnessed(last.index, milliseconds)
  if (head !== undefined) return answer(head)
  const given = await answer(committed)
  return { ...given, status: 202, headers: { ...given.headers, 'Retry-After': '1' } }
}
