/** Legal holds: placing, listing, lifting. */
import { readScope } from '../compliance/scope.ts'
import type { Hold, HoldRequest } from '../compliance/service.ts'
import { REASON } from '../compliance/tenant-state.ts'
import { readObject, readText } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { NAME } from '../formats/record-values.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import { PAGE, pageAsked } from './record-routes.ts'
import * as schema from './record-schema.ts'
import { parameter } from './record-values.ts'
import type { RecordsGuard } from './records-guard.ts'
import { jsonBody } from './request-body.ts'
import { type Route, route } from './route.ts'

const JSON_TYPE = 'application/json'

export function holdRoutes(guarded: RecordsGuard): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/holds',
      documentation: {
        tag: 'compliance',
        summary: 'Places a legal hold: what it covers is neither erased nor expires',
        token: true,
        body: { [JSON_TYPE]: schema.HoldRequest },
        answers: {
          201: { description: 'It holds.', content: { [JSON_TYPE]: schema.Hold } },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const hold = await compliance.placeHold(readRequest(await jsonBody(request)), by)
        return jsonAnswer(described(hold), UNCACHED, 201)
      }),
    }),
    route({
      path: '/v1/holds',
      query: PAGE,
      documentation: {
        tag: 'compliance',
        summary: 'The legal holds of your tenant, the newest first',
        token: true,
        answers: {
          200: {
            description: 'A page of them, also of those that were lifted.',
            content: { [JSON_TYPE]: schema.Holds },
          },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const { items, cursor } = await compliance.holds(by, pageAsked(request.query))
        return jsonAnswer({ holds: items.map(described), cursor }, UNCACHED)
      }),
    }),
    route({
      method: 'POST',
      path: '/v1/holds/{hold}/lift',
      params: { hold: parameter(NAME, 'the id of a hold, or the name of an active one') },
      documentation: {
        tag: 'compliance',
        summary: 'Lifts a legal hold',
        token: true,
        body: { [JSON_TYPE]: schema.LiftRequest },
        answers: {
          200: { description: 'It holds no longer.', content: { [JSON_TYPE]: schema.Hold } },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const { reason } = readObject(await jsonBody(request), '', ['reason'])
        const why = readText(reason, '/reason', REASON)
        return jsonAnswer(
          described(await compliance.liftHold(request.params.hold, why, by)),
          UNCACHED,
        )
      }),
    }),
  ]
}

function readRequest(body: JsonValue): HoldRequest {
  const { name, reason, scope } = readObject(body, '', ['name', 'reason', 'scope'])
  return {
    name: readText(name, '/name', NAME),
    reason: readText(reason, '/reason', REASON),
    scope: readScope(scope, '/scope'),
  }
}

function described(hold: Hold): object {
  const { id, name, state, reason, scope, placed, placedBy, lifted, liftedBy } = hold
  const end = { lifted, lifted_by: liftedBy }
  return { id, name, state, reason, scope, placed, placed_by: placedBy, ...end }
}
