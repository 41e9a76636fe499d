/** The settings of an OpenID Connect issuer whose bearer tokens are taken. */
import type { TSchema } from 'typebox'
import { ROLES, type Role } from '../compliance/principal.ts'
import { messageOf, usage } from '../errors.ts'
import { NAME } from '../formats/record-values.ts'
import { Type } from '../typebox.ts'
import type { SettingValues } from './read-settings.ts'
import { parseRoles } from './tokens.ts'

export interface OidcConfig {
  /** As it stands in `iss`. */
  readonly issuer: string
  /** One of those in `aud`. */
  readonly audience: string
  /** Address, or absolute path of a file, of the issuer's keys (a JSON Web Key Set). */
  readonly jwks: string
  /** Claim that names a person. */
  readonly nameClaim: string
  /** Claim that names the tenant; without it all are of `tenant`, or of the log's own. */
  readonly tenantClaim?: string
  readonly tenant?: string
  /** Claim that lists what `roles` is about. */
  readonly rolesClaim: string
  /** What each value of that claim gives. */
  readonly roles: ReadonlyMap<string, readonly Role[]>
}

const text = (description: string): TSchema => Type.String({ minLength: 1, description })

export const OidcSettings: TSchema = Type.Optional(
  Type.Object(
    {
      issuer: text('issuer of the tokens, as it stands in their iss'),
      audience: text('what stands in the aud of tokens for this log'),
      jwks: Type.String({
        minLength: 1,
        kind: 'path or url',
        description: 'address or file of the keys of the issuer (JWKS)',
      }),
      'name-claim': Type.Optional(text('claim that names a person')),
      tenant: Type.Optional(text('tenant of all who come with such a token')),
      'tenant-claim': Type.Optional(text('claim that names the tenant')),
      'roles-claim': Type.Optional(text('claim that lists groups or roles')),
      roles: Type.Record(Type.String(), Type.Array(Type.String()), {
        description: 'which roles each value of that claim gives',
      }),
    },
    { description: 'OpenID Connect: whose bearer tokens are taken, and what they give' },
  ),
)

const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether keys are fetched from it; all else is a file. */
export function isAddress(jwks: string): boolean {
  return /^https?:\/\//i.test(jwks)
}

/** `place` is the name of the whole setting, for messages. @throws USAGE on a value that cannot be used */
export function oidcOf(settings: unknown, place: string): OidcConfig | undefined {
  if (settings === undefined) return undefined
  const values = settings as SettingValues
  const { tenant, 'tenant-claim': tenantClaim, jwks } = values
  if (tenant !== undefined && tenantClaim !== undefined) {
    throw usage(`"${place}" has both tenant and tenant-claim; give one of them`)
  }
  if (tenant !== undefined && !NAME.holds(tenant as string)) {
    throw usage(`"${place}.tenant" is ${NAME.expected}, not ${JSON.stringify(tenant)}`)
  }
  checkAddress(jwks as string, `${place}.jwks`)
  return {
    issuer: values.issuer as string,
    audience: values.audience as string,
    jwks: jwks as string,
    nameClaim: (values['name-claim'] as string | undefined) ?? 'sub',
    ...(tenant !== undefined && { tenant: tenant as string }),
    ...(tenantClaim !== undefined && { tenantClaim: tenantClaim as string }),
    rolesClaim: (values['roles-claim'] as string | undefined) ?? 'roles',
    roles: rolesOf(values.roles as Record<string, string[]>, `${place}.roles`),
  }
}

/** Whoever can change the keys on their way is whoever they like. */
function checkAddress(jwks: string, place: string): void {
  if (!isAddress(jwks)) return
  if (!URL.canParse(jwks)) throw usage(`"${place}" is not an address: "${jwks}"`)
  const { protocol, hostname, username, password } = new URL(jwks)
  if (username !== '' || password !== '') {
    throw usage(`"${place}" has a user or a password in it, which it must not`)
  }
  if (protocol !== 'https:' && !LOCAL_HOSTS.has(hostname)) {
    throw usage(`"${place}" begins with https:// unless it is on this machine, not "${jwks}"`)
  }
}

function rolesOf(
  given: Readonly<Record<string, readonly string[]>>,
  place: string,
): ReadonlyMap<string, readonly Role[]> {
  const entries = Object.entries(given)
  if (entries.length === 0) {
    throw usage(
      `"${place}" is empty, so that nobody could do anything; the roles are ${ROLES.join(', ')}`,
    )
  }
  return new Map(
    entries.map(([value, roles]) => {
      try {
        return [value, parseRoles(roles.join(','))]
      } catch (cause) {
        throw usage(`"${place}.${value}": ${messageOf(cause)}`, cause)
      }
    }),
  )
}
