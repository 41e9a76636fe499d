/** Who may submit, and who may read entries. The server decides how tokens are kept; routes only ask. */
import { type Answer, IMMUTABLE } from './answer.ts'
import { problem } from './problem.ts'

/** Somebody whose submissions are taken. */
export interface Submitter {
  /** 32 bytes that tell this submitter from the others. */
  readonly identity: Uint8Array
}

/** Recognises the value of an `Authorization` header field, or undefined when it may not submit. */
export type Authenticate = (authorization: string | undefined) => Submitter | undefined

const ANYONE: Submitter = { identity: new Uint8Array(32) }

/** For a log that takes submissions from anyone who can reach it. */
export const allowAnyone: Authenticate = () => ANYONE

/** The answer to a request without a valid token. */
export function unauthorized(authorization: string | undefined): Answer {
  return authorization === undefined
    ? problem('UNAUTHORIZED', 'send the header field "Authorization: Bearer <token>"', {
        'WWW-Authenticate': 'Bearer realm="cairn"',
      })
    : problem('UNAUTHORIZED', 'the token is not one that is known here', {
        'WWW-Authenticate': 'Bearer realm="cairn", error="invalid_token"',
      })
}

/** Who may read entries. Hashes, proofs and checkpoints are for everyone in any case. */
export interface EntryAccess {
  /** How long the answer may be kept, and by whom. */
  readonly cacheControl: string
  /** The refusal of a request with this `Authorization`, if it is one. */
  refusal(authorization: string | undefined): Answer | undefined
}

export const publicEntries: EntryAccess = { cacheControl: IMMUTABLE, refusal: () => undefined }

/** Entries for those only whom `authenticate` knows. No shared cache may keep them. */
export function privateEntries(authenticate: Authenticate): EntryAccess {
  return {
    cacheControl: IMMUTABLE.replace('public', 'private'),
    refusal: (authorization) =>
      authenticate(authorization) === undefined ? unauthorized(authorization) : undefined,
  }
}
