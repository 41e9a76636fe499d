/** Forms that the explorer takes: how large they may be, where they may come from, and where they may lead. */
import { CairnError } from '../errors.ts'
import type { HeaderFields } from './admission.ts'
import { Refusal } from './problem.ts'

/** A token, and where to go. */
const MAX_FORM_SIZE = 16_384
/** Where signing in may lead to, below the prefix of the log. */
export const PLACES: RegExp =
  /^\/(explore\/(entries(\/[0-9]{1,16})?|search(\?[\w=&%.~-]{0,2000})?))?$/

/** Where a form wants to go on; to the overview where it may not. */
export function placeIn(form: URLSearchParams): string {
  const place = form.get('place') ?? '/'
  return PLACES.test(place) ? place : '/'
}

/** @throws TOO_LARGE */
export function smallEnough(size: number): void {
  if (size > MAX_FORM_SIZE) {
    throw new CairnError('TOO_LARGE', `the form may have ${MAX_FORM_SIZE} bytes`)
  }
}

/**
 * Refuses a form that another site made the browser send. What does not say where it comes from is no browser.
 * @throws UNTRUSTED as a Refusal
 */
export function mustBeFromHere({ host, origin, 'sec-fetch-site': site }: HeaderFields): void {
  const fromHere =
    site === undefined
      ? origin === undefined || hostOf(String(origin)) === host
      : site === 'same-origin'
  if (!fromHere) throw new Refusal('UNTRUSTED', 'the form was sent by another site')
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}
