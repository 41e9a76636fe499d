/**
 * Bearer tokens as a log or a witness knows them: of each the SHA-256, never the token, whose it is, and what it is good
 * for. In a file they are a line each:
 *
 *   <SHA-256, 64 hexadecimal digits> <name> [<tenant> <roles> [<expiry>]]
 *
 * Roles stand between commas, the tenant `-` is the log's own, and the expiry is a time as in RFC 3339. A line that ends
 * after the name gives all roles in the log's own tenant.
 */
import { hash, randomBytes } from 'node:crypto'
import { sha256 } from '#sha256'
import { fromHex, toHex, utf8 } from '../bytes.ts'
import { DEFAULT_TENANT, type Principal, ROLES, type Role } from '../compliance/principal.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { NAME, TIME } from '../formats/record-values.ts'

const TOKEN_BYTES = 32
const TOKEN = /^cairn_[A-Za-z0-9_-]{43}$/
const TOKEN_NAME = /^[a-z0-9][a-z0-9._@+-]{0,126}$/
const HASH = /^[0-9a-f]{64}$/
const OWN_TENANT = '-'
const BEARER = 'bearer '

/** A token as the log knows it. */
export interface KnownToken {
  readonly name: string
  /** SHA-256 of the token: 32 bytes. */
  readonly hash: Uint8Array
  /** Without it the log's own. */
  readonly tenant?: string
  readonly roles: readonly Role[]
  /** Milliseconds since 1970; without it the token lasts until it is revoked. */
  readonly expires?: number
}

/** A new token: 256 random bits. */
export function newToken(): string {
  return `cairn_${randomBytes(TOKEN_BYTES).toString('base64url')}`
}

export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

export function hashToken(token: string): Uint8Array {
  return sha256(utf8(token))
}

/** Milliseconds as they are written: 2026-11-21T12:00:00Z. */
export function formatExpiry(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** The name of whoever has a token. @throws MALFORMED */
export function checkTokenName(name: string): void {
  if (TOKEN_NAME.test(name)) return
  throw malformed(
    `a name has 1 to 127 lowercase letters, digits, ".", "_", "@", "+" and "-", and begins with a letter or digit, unlike ${JSON.stringify(name)}`,
  )
}

/** @throws MALFORMED */
export function checkTenant(tenant: string): void {
  if (!NAME.holds(tenant)) {
    throw malformed(`a tenant is ${NAME.expected}, unlike ${JSON.stringify(tenant)}`)
  }
}

/** Roles between commas, in the order of ROLES. @throws MALFORMED */
export function parseRoles(text: string): Role[] {
  const given = new Set(text.split(','))
  const roles = ROLES.filter((role) => given.delete(role))
  const [unknown] = given
  if (unknown === undefined) return roles
  throw malformed(`the roles are ${ROLES.join(', ')}; there is no role ${JSON.stringify(unknown)}`)
}

export function formatTokens(tokens: readonly KnownToken[]): string {
  return tokens.map((token) => `${partsOf(token).join(' ')}\n`).join('')
}

function partsOf({ hash, name, tenant, roles, expires }: KnownToken): string[] {
  const parts = [toHex(hash), name]
  if (tenant === undefined && expires === undefined && roles.length === ROLES.length) return parts
  parts.push(tenant ?? OWN_TENANT, roles.join(','))
  if (expires !== undefined) parts.push(formatExpiry(expires))
  return parts
}

/** Reads the token file's text; `file` is for messages. @throws CORRUPT */
export function parseTokens(text: string, file: string): KnownToken[] {
  if (text === '') return []
  const lines = text.split('\n')
  const seen = new Map<string, number>()
  const tokens = lines.slice(0, -1).map((line, i) => {
    try {
      const token = parseLine(line)
      const hash = line.slice(0, 64)
      if (seen.has(hash)) throw malformed(`it has the token of line ${seen.get(hash)}`)
      seen.set(hash, i + 1)
      return token
    } catch (cause) {
      throw damaged(file, i + 1, messageOf(cause))
    }
  })
  if (lines.at(-1) !== '') throw damaged(file, lines.length, 'its end is missing')
  return tokens
}

function parseLine(line: string): KnownToken {
  const [hash = '', name = '', tenant, roles, expiry, ...more] = line.split(' ')
  if (!HASH.test(hash)) throw malformed('it does not begin with 64 hexadecimal digits')
  checkTokenName(name)
  const token = { hash: fromHex(hash), name }
  if (tenant === undefined) return { ...token, roles: ROLES }
  if (roles === undefined || more.length > 0) {
    throw malformed('after the name it has a tenant, roles and perhaps an expiry')
  }
  if (tenant !== OWN_TENANT) checkTenant(tenant)
  if (expiry !== undefined && !TIME.holds(expiry)) throw malformed(`the expiry is ${TIME.expected}`)
  return {
    ...token,
    ...(tenant !== OWN_TENANT && { tenant }),
    roles: parseRoles(roles),
    ...(expiry !== undefined && { expires: Date.parse(expiry) }),
  }
}

function damaged(file: string, line: number, reason: string): CairnError {
  return new CairnError(
    'CORRUPT',
    `line ${line} of ${file} is not "<64 hexadecimal digits> <name> [<tenant> <roles> [<expiry>]]": ${reason}; mend or remove it`,
  )
}

/** Recognises the value of an `Authorization` header field. @throws UNAUTHORIZED when the token has expired */
export type RecogniseToken = (authorization: string | undefined) => Principal | undefined

export interface RecogniseOptions {
  /** The log's own. */
  readonly tenant?: string
  readonly now?: () => number
}

/** SHA-256 of a token as a string of 32 characters, which is the fastest thing to look it up by. */
export function lookupKey(token: string): string {
  return hash('sha256', token, 'binary')
}

/** Recognises bearer tokens. What is looked up is a hash, so that the time it takes tells nothing about a token. */
export function authenticateBy(
  tokens: readonly KnownToken[],
  { tenant = DEFAULT_TENANT, now = Date.now }: RecogniseOptions = {},
): RecogniseToken {
  const known = new Map(
    tokens.map((token) => {
      const key = Buffer.from(token.hash).toString('latin1')
      return [key, { expires: token.expires, principal: principalOf(token, tenant) }]
    }),
  )
  return (authorization) => {
    const text = authorization === undefined ? undefined : bearerOf(authorization)
    if (text === undefined) return undefined
    const found = known.get(lookupKey(text))
    if (found === undefined) return undefined
    const { expires, principal } = found
    if (expires === undefined || now() < expires) return principal
    throw new CairnError('UNAUTHORIZED', `the token has expired at ${formatExpiry(expires)}`)
  }
}

/** What stands after `Bearer`, or undefined when something else is meant. */
export function bearerOf(authorization: string): string | undefined {
  if (authorization.slice(0, BEARER.length).toLowerCase() !== BEARER) return undefined
  return authorization.slice(BEARER.length)
}

function principalOf({ name, hash, tenant, roles }: KnownToken, own: string): Principal {
  return { name, tenant: tenant ?? own, roles: new Set(roles), identity: hash }
}
