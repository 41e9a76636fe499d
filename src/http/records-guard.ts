/** What all routes about records begin with: who asks, and whether the log keeps records at all. */
import type { Principal } from '../compliance/principal.ts'
import type { Answer } from './answer.ts'
import { type Authenticate, unauthorized } from './authenticate.ts'
import { type HostedRecords, withoutRecords } from './record-submission.ts'
import type { RouteRequest } from './route.ts'

/** A request of somebody who was recognised, to a log that keeps records. */
export interface Asked<Request> extends HostedRecords {
  readonly request: Request
  readonly by: Principal
}

type Headed = Pick<RouteRequest, 'headers'>

/** Makes the `handle` of a route from one that need not ask who is there. */
export type RecordsGuard = <Request extends Headed>(
  handle: (asked: Asked<Request>) => Promise<Answer>,
) => (request: Request) => Promise<Answer>

/** The guard of one log; without records every route is refused with NOT_FOUND. */
export function recordsGuard(
  hosted: HostedRecords | undefined,
  authenticate: Authenticate,
): RecordsGuard {
  return (handle) => async (request) => {
    if (hosted === undefined) throw withoutRecords()
    const authorization = request.headers.authorization as string | undefined
    const by = await authenticate(authorization)
    return by === undefined ? unauthorized(authorization) : handle({ ...hosted, request, by })
  }
}
