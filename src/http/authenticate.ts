/** Who asks, and who may read entries. The server decides how people are recognised; routes only ask. */
import {
  DEFAULT_TENANT,
  mustBeAllowed,
  type Permission,
  type Principal,
} from '../compliance/principal.ts'
import { CairnError } from '../errors.ts'
import type { HeaderFields } from './admission.ts'
import { type Answer, IMMUTABLE } from './answer.ts'
import { problem } from './problem.ts'

/**
 * Recognises the value of an `Authorization` header field, or undefined when it is nobody's. A promise only where
 * somebody else has to be asked. May throw, or reject with, UNAUTHORIZED where there is a reason worth telling, and
 * OVERLOADED when it cannot be found out now.
 */
export type Authenticate = (
  authorization: string | undefined,
) => Principal | undefined | Promise<Principal | undefined>

/** For a log that takes submissions from anyone who can reach it: who has no token is `anyone`, of that tenant. */
export function orAnyone(authenticate: Authenticate, tenant: string): Authenticate {
  const anyone: Principal = {
    name: 'anyone',
    tenant,
    roles: new Set(['submitter']),
    identity: new Uint8Array(32),
  }
  return (authorization) => (authorization === undefined ? anyone : authenticate(authorization))
}

const askAnyone = orAnyone(() => undefined, DEFAULT_TENANT)

/** For a log that knows nobody, and takes submissions from everyone. */
export const allowAnyone: Authenticate = () => askAnyone(undefined)

/** The answer to a request without a valid token. */
export function unauthorized(authorization: string | undefined): Answer {
  return authorization === undefined
    ? problem('UNAUTHORIZED', 'send the header field "Authorization: Bearer <token>"', {
        'WWW-Authenticate': 'Bearer realm="cairn"',
      })
    : problem('UNAUTHORIZED', 'the token is not one that is known here')
}

/** A handler for somebody who is known and may do this; everyone else is refused. */
export function allowed<R extends { readonly headers: HeaderFields }>(
  authenticate: Authenticate,
  permission: Permission,
  handle: (request: R, by: Principal) => Answer | Promise<Answer>,
): (request: R) => Promise<Answer> {
  return async (request) => {
    const authorization = request.headers.authorization as string | undefined
    const by = await authenticate(authorization)
    if (by === undefined) return unauthorized(authorization)
    mustBeAllowed(by, permission)
    return handle(request, by)
  }
}

/** Who may read entries. Hashes, proofs and checkpoints are for everyone in any case. */
export interface EntryAccess {
  /** How long the answer may be kept, and by whom. */
  readonly cacheControl: string
  /**
   * The refusal of a request with this `Authorization`, if it is one.
   * @throws FORBIDDEN
   */
  refusal(authorization: string | undefined): Promise<Answer | undefined>
}

export const publicEntries: EntryAccess = {
  cacheControl: IMMUTABLE,
  refusal: async () => undefined,
}

/** Entries for readers of the log's own tenant only, as they are those of all tenants. No shared cache may keep them. */
export function privateEntries(authenticate: Authenticate, tenant: string): EntryAccess {
  return {
    cacheControl: IMMUTABLE.replace('public', 'private'),
    async refusal(authorization) {
      const by = await authenticate(authorization)
      if (by === undefined) return unauthorized(authorization)
      mustBeAllowed(by, 'read-entries')
      if (by.tenant === tenant) return undefined
      throw new CairnError(
        'FORBIDDEN',
        `entries are those of all tenants, so they are for the log's own tenant only, and ${by.name} is of another`,
      )
    },
  }
}
