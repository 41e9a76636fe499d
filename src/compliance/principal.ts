/** Who asks, and what each role may do within its tenant. How somebody is recognised is the server's business. */
import { CairnError } from '../errors.ts'

/** What somebody may be within a tenant; one can be several. */
export const ROLES = ['submitter', 'reader', 'auditor', 'approver', 'administrator'] as const
export type Role = (typeof ROLES)[number]

/** The tenant of a log that has one only. */
export const DEFAULT_TENANT = 'default'

/** Somebody who was recognised. */
export interface Principal {
  /** A name that a person knows them by; within a tenant it is theirs alone. */
  readonly name: string
  /** The one tenant whose records they work with. */
  readonly tenant: string
  readonly roles: ReadonlySet<Role>
  /** 32 bytes that tell them from all others. */
  readonly identity: Uint8Array
}

/** What somebody may want to do. */
export type Permission =
  /** Adding leaves and records. */
  | 'submit'
  /** Finding records, and reading what is in the clear. */
  | 'read'
  /** Reading whole entries of a log that does not show them to everyone. */
  | 'read-entries'
  /** Asking for a grant, and reading payloads under it. */
  | 'read-payloads'
  /** Approving and refusing grants that others ask for. */
  | 'approve'
  /** Ending a grant. */
  | 'revoke-grants'
  /** Making evidence and reports. */
  | 'audit'
  | 'erase'
  | 'hold'
  /** Having all of a log as one file. */
  | 'back-up'
  /** Saying which logs a witness watches. */
  | 'watch'

const PERMITTED: Readonly<Record<Permission, readonly Role[]>> = {
  submit: ['submitter', 'administrator'],
  read: ['reader', 'auditor', 'approver', 'administrator'],
  'read-entries': ['reader', 'auditor', 'administrator'],
  'read-payloads': ['auditor'],
  approve: ['approver'],
  'revoke-grants': ['approver', 'administrator'],
  audit: ['auditor', 'administrator'],
  erase: ['administrator'],
  hold: ['administrator'],
  'back-up': ['administrator'],
  watch: ['administrator'],
}

export function isAllowed({ roles }: Principal, permission: Permission): boolean {
  return PERMITTED[permission].some((role) => roles.has(role))
}

/** @throws FORBIDDEN with the roles that would do */
export function mustBeAllowed(principal: Principal, permission: Permission): void {
  if (isAllowed(principal, permission)) return
  const roles = PERMITTED[permission].join(' or ')
  throw new CairnError('FORBIDDEN', `this takes the role ${roles}, which ${principal.name} has not`)
}
