/**
 * OpenID Connect: bearer tokens (JWT) of an issuer become principals. Their signature is checked with the issuer's keys,
 * their claims against the settings. What was verified is remembered for a while, so that who comes again is known at
 * once.
 */
import type {
  errors as JoseErrors,
  JWTPayload,
  JWTVerifyGetKey,
  JWTVerifyOptions,
  JWTVerifyResult,
} from 'jose'
import { sha256 } from '#sha256'
import { utf8 } from '../bytes.ts'
import type { Principal, Role } from '../compliance/principal.ts'
import { CairnError, usage } from '../errors.ts'
import { line, NAME } from '../formats/record-values.ts'
import type { Authenticate } from '../http/authenticate.ts'
import { type KeySetEvent, type KeySetOptions, openKeySet } from './key-set.ts'
import { isAddress, type OidcConfig } from './oidc-settings.ts'
import { bearerOf, lookupKey } from './tokens.ts'

/** Signatures that whoever only verifies cannot make. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
/** How far the clocks of the issuer and of this machine may be apart. */
const CLOCK_TOLERANCE_SECONDS = 30
/** For so long a token counts without another look at the issuer's keys. */
const REMEMBERED_MS = 300_000
const MAX_REMEMBERED = 4_096
const TYPES = new Set(['jwt', 'at+jwt'])
const MAX_TOKEN_LENGTH = 16_384
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/
const PERSON = line(256)

export type OidcEvent = KeySetEvent

export interface OidcOptions extends KeySetOptions {
  /** The log's own. */
  readonly tenant: string
}

export interface Oidc {
  /**
   * Who comes with a token.
   * @throws UNAUTHORIZED with the reason; OVERLOADED when the issuer's keys cannot be had
   */
  recognise(token: string): Principal | Promise<Principal>
  close(): Promise<void>
}

/** A token that was verified. */
interface Remembered {
  readonly principal: Principal
  /** Milliseconds since 1970. */
  readonly until: number
  /** Of the keys that it was verified with. */
  readonly generation: number
}

/**
 * Opens an issuer. Keys at an address are fetched in the meantime, and nothing fails when they cannot be.
 * @throws USAGE when a file of keys cannot be used
 */
export async function openOidc(config: OidcConfig, options: OidcOptions): Promise<Oidc> {
  const { now = Date.now } = options
  const jose = await import('jose')
  const keys = await openKeySet(config.jwks, options)
  const first = keys.fetch().catch((cause) => {
    if (isAddress(config.jwks)) return
    throw usage(`cannot use the keys in ${config.jwks}: ${(cause as Error).message}`, cause)
  })
  if (!isAddress(config.jwks)) await first
  const remembered = new Map<string, Remembered>()

  function remember(key: string, one: Remembered): void {
    if (one.until <= now()) return
    if (remembered.size >= MAX_REMEMBERED) {
      const [oldest] = remembered.keys()
      remembered.delete(oldest!)
    }
    remembered.set(key, one)
  }

  async function verify(token: string, key: string): Promise<Principal> {
    const generation = keys.generation()
    let payload: JWTPayload
    try {
      payload = await verifiedClaims(token, keys.keyFor, jose, {
        issuer: config.issuer,
        audience: config.audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(now()),
      })
    } catch (error) {
      throw refusalOf(error, jose.errors)
    }
    const principal = principalOf(payload, config, options.tenant)
    const until = Math.min(payload.exp! * 1000, now() + REMEMBERED_MS)
    remember(key, { principal, until, generation })
    return principal
  }

  return {
    recognise(token) {
      const key = lookupKey(token)
      const known = remembered.get(key)
      if (known === undefined) return verify(token, key)
      const left = known.until - now()
      // More is left than there can be when the clock was set back.
      const isFresh = left > 0 && left <= REMEMBERED_MS
      if (isFresh && known.generation === keys.generation()) return known.principal
      remembered.delete(key)
      return verify(token, key)
    },
    async close() {
      keys.close()
      await first
    },
  }
}

/** Those of an issuer beside others: what looks like a JWT is the issuer's business. */
export function orOidc(others: Authenticate, oidc: Oidc): Authenticate {
  return (authorization) => {
    const bearer = authorization === undefined ? undefined : bearerOf(authorization)
    const isJwt = bearer !== undefined && bearer.length <= MAX_TOKEN_LENGTH && JWT.test(bearer)
    return isJwt ? oidc.recognise(bearer) : others(authorization)
  }
}

type Jose = typeof import('jose')

/** The payload of a token that is the issuer's, whichever of several keys without a name it is signed with. */
async function verifiedClaims(
  token: string,
  keyFor: JWTVerifyGetKey,
  { jwtVerify, errors }: Jose,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return claimsOf(await jwtVerify(token, keyFor, options))
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return claimsOf(await jwtVerify(token, key, options))
      } catch (other) {
        if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** A token of another kind, such as one that logs somebody out, is none that lets somebody in (RFC 8725 section 3.11). */
function claimsOf({ payload, protectedHeader: { typ } }: JWTVerifyResult): JWTPayload {
  if (typ === undefined || TYPES.has(typ.toLowerCase().replace(/^application\//, '')))
    return payload
  throw unusable(`it is of the type ${JSON.stringify(typ)}`)
}

/** What is wrong with a token, in words that tell whoever has it what to do. */
function refusalOf(error: unknown, errors: typeof JoseErrors): CairnError {
  if (error instanceof CairnError) return error
  return new CairnError('UNAUTHORIZED', reasonOf(error, errors), { cause: error })
}

function reasonOf(error: unknown, errors: typeof JoseErrors): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case 'iss':
        return 'the token is of another issuer than the one that is trusted here'
      case 'aud':
        return 'the token is for another audience'
      case 'nbf':
        return 'the token is not valid yet'
      default:
        return `the token's claim "${error.claim}" is missing or cannot be used`
    }
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `the token is not signed in one of the ways that are taken: ${ALGORITHMS.join(', ')}`
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return 'the token is signed with a key that its issuer does not have'
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return 'the signature of the token is not that of its issuer'
  }
  return 'the token is damaged, or its issuer has a key that cannot be used'
}

function principalOf(claims: JWTPayload, config: OidcConfig, ownTenant: string): Principal {
  // Such a token counts only together with a proof that its holder has a key (RFC 9449, RFC 8705).
  if (claims.cnf !== undefined) throw unusable('it is bound to a key, which is not supported')
  const name = claimOf(claims, config.nameClaim)
  if (typeof name !== 'string' || !PERSON.holds(name)) {
    throw unusable(`its claim "${config.nameClaim}" is not a name: ${PERSON.expected}`)
  }
  if (config.nameClaim === 'email' && claims.email_verified === false) {
    throw unusable('its e-mail address is not verified')
  }
  const tenant =
    config.tenantClaim === undefined
      ? (config.tenant ?? ownTenant)
      : claimOf(claims, config.tenantClaim)
  if (typeof tenant !== 'string' || !NAME.holds(tenant)) {
    throw unusable(`its claim "${config.tenantClaim}" is not a tenant: ${NAME.expected}`)
  }
  const roles = new Set(rolesIn(claims, config))
  const identity = sha256(utf8(JSON.stringify(['oidc', claims.iss, claims.sub, tenant])))
  return { name, tenant, roles, identity }
}

function rolesIn(claims: JWTPayload, { rolesClaim, roles }: OidcConfig): Role[] {
  const claim = claimOf(claims, rolesClaim)
  // A list, or words between spaces as in `scope`.
  const values = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  return values.flatMap((value) => (typeof value === 'string' ? (roles.get(value) ?? []) : []))
}

/** A claim by its name, or else by the path to it: `realm_access.roles`. */
function claimOf(claims: JWTPayload, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[part]
  }
  return value
}

function unusable(reason: string): CairnError {
  return new CairnError('UNAUTHORIZED', `the token cannot be used: ${reason}`)
}
