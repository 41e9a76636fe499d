/** Answers to requests that are not granted. */
import { CairnError } from '../errors.ts'

export interface Refusal<Outcome extends string> {
  readonly outcome: Outcome
  /** What to mend. */
  readonly detail: string
}

export function refuse<Outcome extends string>(outcome: Outcome, detail: string): Refusal<Outcome> {
  return { outcome, detail }
}

/** The refusal of a body that could not be read. @throws what is no fault of the body */
export function unreadable(error: unknown): Refusal<'malformed' | 'too-large'> {
  if (error instanceof CairnError && error.code === 'MALFORMED') {
    return refuse('malformed', error.message)
  }
  if (error instanceof CairnError && error.code === 'TOO_LARGE') {
    return refuse('too-large', error.message)
  }
  throw error
}
