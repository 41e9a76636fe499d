/**
 * The keys of a token issuer (a JSON Web Key Set), from an address or a file. They are fetched again in the background
 * from time to time, and at once when a token names a key that is not among them. While that fails the ones that are
 * known go on for a day: an outage of the issuer is none of the log.
 */
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { fromUtf8 } from '../bytes.ts'
import { readBody } from '../client/request.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { readFileUpTo } from './bounded-file.ts'
import { isAddress } from './oidc-settings.ts'

const MAX_KEY_SET_SIZE = 1_048_576
const FETCH_TIMEOUT_MS = 5_000

export interface KeySetTimes {
  /** Milliseconds after which keys are fetched again, while they are used; after twice that they are waited for. */
  readonly refreshMs: number
  /** Milliseconds for which they are used at the most when that fails. */
  readonly staleMs: number
  /** Milliseconds between two attempts, whatever tokens ask for. */
  readonly cooldownMs: number
}

const TIMES: KeySetTimes = { refreshMs: 600_000, staleMs: 86_400_000, cooldownMs: 5_000 }

export type KeySetEvent =
  | { readonly event: 'token-keys-failing'; readonly from: string; readonly reason: string }
  | { readonly event: 'token-keys-ok'; readonly from: string }

export interface KeySetOptions extends Partial<KeySetTimes> {
  readonly now?: () => number
  readonly onEvent?: (event: KeySetEvent) => void
}

export interface KeySet {
  /**
   * The key for the header of a token.
   * @throws OVERLOADED when it cannot be known whether there is one; jose's own errors when there is none, or several
   */
  readonly keyFor: JWTVerifyGetKey
  /** Changes whenever the keys do. */
  generation(): number
  /** Fetches the keys now, and says why that cannot be done. @throws IO, MALFORMED, TOO_LARGE */
  fetch(): Promise<void>
  close(): void
}

/** Keys that are not there yet: nothing is fetched before it is needed. `source` is an address or a path. */
export async function openKeySet(source: string, options: KeySetOptions = {}): Promise<KeySet> {
  // Loaded where it is needed: most logs start without it, and sooner.
  const { createLocalJWKSet, errors } = await import('jose')
  const { now = Date.now, onEvent = () => {} } = options
  const { refreshMs, staleMs, cooldownMs } = { ...TIMES, ...options }
  const closing = new AbortController()
  let local: JWTVerifyGetKey | undefined
  let text: string | undefined
  let generation = 0
  let fetched = Number.NEGATIVE_INFINITY
  let tried = Number.NEGATIVE_INFINITY
  let failure: string | undefined
  let fetching: Promise<void> | undefined

  /** A clock that was set back makes everything old, rather than new for ever. */
  function since(time: number): number {
    const age = now() - time
    return age < 0 ? Number.POSITIVE_INFINITY : age
  }

  async function load(): Promise<void> {
    tried = now()
    try {
      const loaded = await textOf(source, closing.signal)
      if (loaded !== text) {
        local = createLocalJWKSet(parseKeySet(loaded))
        text = loaded
        generation++
      }
      fetched = now()
      if (failure !== undefined) onEvent({ event: 'token-keys-ok', from: source })
      failure = undefined
    } catch (error) {
      const reason = messageOf(error)
      // Only what is new is told.
      if (failure === undefined && !closing.signal.aborted) {
        onEvent({ event: 'token-keys-failing', from: source, reason })
      }
      failure = reason
      throw error
    }
  }

  function fetchOnce(): Promise<void> {
    fetching ??= load().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  /** Fetches the keys unless that was tried a moment ago; what fails is remembered. */
  async function refresh(): Promise<void> {
    if (fetching === undefined && since(tried) < cooldownMs) return
    await fetchOnce().catch(() => undefined)
  }

  function unknowable(): CairnError {
    return new CairnError(
      'OVERLOADED',
      `the keys of the token's issuer cannot be had (${failure ?? 'not yet'}); try again`,
    )
  }

  return {
    async keyFor(header, token) {
      const age = since(fetched)
      if (local === undefined || age > 2 * refreshMs) await refresh()
      else if (age > refreshMs) void refresh()
      if (local === undefined || since(fetched) > staleMs) throw unknowable()
      try {
        return await local(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        await refresh()
        // Perhaps a new key that cannot be fetched.
        if (failure !== undefined) throw unknowable()
        return local(header, token)
      }
    },
    generation: () => generation,
    fetch: fetchOnce,
    close: () => closing.abort(new CairnError('STOPPED', 'the server is closing')),
  }
}

async function textOf(source: string, signal: AbortSignal): Promise<string> {
  if (!isAddress(source)) {
    return fromUtf8(await readFileUpTo(source, MAX_KEY_SET_SIZE), source)
  }
  let response: Response
  try {
    response = await fetch(source, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]),
    })
  } catch (cause) {
    const why = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
    const code = (why as { code?: unknown }).code
    throw new CairnError('IO', `cannot reach ${source}: ${messageOf(why) || String(code)}`, {
      cause,
    })
  }
  if (!response.ok) throw new CairnError('IO', `${source} answered with status ${response.status}`)
  return fromUtf8(await readBody(response, MAX_KEY_SET_SIZE), source)
}

function parseKeySet(text: string): JSONWebKeySet {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw malformed('the keys are no JSON', { cause })
  }
  const { keys } = (typeof value === 'object' && value !== null ? value : {}) as { keys?: unknown }
  // One that is empty by mistake must not lock everybody out.
  if (Array.isArray(keys) && keys.length > 0) return value as JSONWebKeySet
  throw malformed('the keys are no JSON Web Key Set with a key in it')
}
