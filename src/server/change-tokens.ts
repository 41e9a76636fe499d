/** Adding and revoking tokens, also while servers use them. */
import { toHex } from '../bytes.ts'
import type { Role } from '../compliance/principal.ts'
import { CairnError, usage } from '../errors.ts'
import type { TokenStore } from '../storage/token-port.ts'
import { tokensInFile } from '../storage/tokens-file.ts'
import { formatTokens, hashToken, type KnownToken, newToken, parseTokens } from './tokens.ts'

const ID_LENGTH = 12

export interface NewToken {
  readonly name: string
  readonly tenant?: string
  readonly roles: readonly Role[]
  /** Milliseconds since 1970. */
  readonly expires?: number
  /** Whether somebody may have more than one. */
  readonly another?: boolean
}

/** The path of a file of tokens, or where else they are kept. */
export type TokensPlace = string | TokenStore

function storeOf(tokens: TokensPlace): TokenStore {
  return typeof tokens === 'string' ? tokensInFile(tokens) : tokens
}

/** By what a token is told from others: the beginning of its hash, which is no secret. */
export function tokenId({ hash }: KnownToken): string {
  return toHex(hash).slice(0, ID_LENGTH)
}

/**
 * Makes a token and adds its hash to the others.
 * @throws CONFLICT when somebody of that name and tenant has one, and it is not to be another
 * @throws NOT_FOUND when there are none yet; CORRUPT, LOCKED, IO
 */
export async function addToken(
  tokens: TokensPlace,
  { another = false, ...given }: NewToken,
): Promise<{ readonly token: string; readonly known: KnownToken }> {
  const token = newToken()
  const known: KnownToken = { ...given, hash: hashToken(token) }
  await changeTokens(storeOf(tokens), (tokens) => {
    const same = tokens.find(({ name, tenant }) => name === known.name && tenant === known.tenant)
    if (same === undefined || another) return [...tokens, known]
    throw new CairnError(
      'CONFLICT',
      `${known.name} has the token ${tokenId(same)} already; revoke it first, or say --another`,
    )
  })
  return { token, known }
}

/**
 * Removes the token of an id, or of a name that has one only.
 * @throws NOT_FOUND when there is none; USAGE when it could be several
 * @throws CORRUPT, LOCKED, IO
 */
export async function revokeToken(tokens: TokensPlace, which: string): Promise<KnownToken> {
  let revoked: KnownToken | undefined
  await changeTokens(storeOf(tokens), (tokens) => {
    const found = tokens.filter((token) => token.name === which || tokenId(token) === which)
    if (found.length > 1) {
      const ids = found.map((token) => `${tokenId(token)} (tenant ${token.tenant ?? '-'})`)
      throw usage(`"${which}" could be ${ids.join(' or ')}; give the id of the one that is meant`)
    }
    revoked = found[0]
    if (revoked === undefined) {
      throw new CairnError('NOT_FOUND', `no token has the name or id "${which}"`)
    }
    return tokens.filter((token) => token !== revoked)
  })
  return revoked!
}

/** The tokens. @throws NOT_FOUND when there are none yet; CORRUPT, UNAVAILABLE, IO */
export async function listTokens(tokens: TokensPlace): Promise<readonly KnownToken[]> {
  const store = storeOf(tokens)
  const stored = await store.read()
  if (stored === undefined) throw missing(store)
  return parseTokens(stored.text, store.place)
}

async function changeTokens(
  store: TokenStore,
  change: (tokens: readonly KnownToken[]) => readonly KnownToken[],
): Promise<void> {
  await store.update((text) => {
    if (text === undefined) throw missing(store)
    return formatTokens(change(parseTokens(text, store.place)))
  })
}

function missing({ place }: TokenStore): CairnError {
  return new CairnError(
    'NOT_FOUND',
    `there are no tokens in ${place}; the first start of the server makes them`,
  )
}
