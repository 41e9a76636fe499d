/** Who leads a log that several servers share, and how those are refused who ask a server that does not. */
import { CairnError } from '../errors.ts'

/**
 * Who leads a log: this server; this server as soon as it has opened what a leader needs; another one at a URL without a
 * slash at its end; or for the moment nobody.
 */
export type LeaderPlace = 'here' | 'soon' | { readonly url: string } | undefined

/** What is known of a request that was refused because the server does not lead: it was not done, or it may have been. */
export type Fate = 'not-done' | 'unknown'

/** By this header field the server that passed a request on is told of its fate. It is not passed on to clients. */
export const FATE = 'cairn-fate'

const ADVICE: Readonly<Record<Fate, string>> = {
  'not-done': 'try again in a second',
  unknown: 'it may have been done: look before it is sent again',
}

/** The refusal of what only a leader can do. */
export class NotLeading extends CairnError {
  readonly fate: Fate

  constructor(reason: string, fate: Fate, options?: ErrorOptions) {
    super('UNAVAILABLE', `${reason}; ${ADVICE[fate]}`, options)
    this.fate = fate
  }
}

/** The refusal of a request of which nothing was done. */
export function unavailable(reason: string, options?: ErrorOptions): NotLeading {
  return new NotLeading(reason, 'not-done', options)
}
