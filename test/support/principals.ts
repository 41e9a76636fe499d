/** People for tests. */
import { createHash } from 'node:crypto'
import { DEFAULT_TENANT, type Principal, ROLES, type Role } from '../../src/compliance/principal.ts'

/** Somebody of a tenant, with all roles unless some are named. */
export function principal(
  name: string,
  { tenant = DEFAULT_TENANT, roles = ROLES }: { tenant?: string; roles?: readonly Role[] } = {},
): Principal {
  const identity = createHash('sha256').update(`${tenant} ${name}`).digest()
  return { name, tenant, roles: new Set(roles), identity: new Uint8Array(identity) }
}
