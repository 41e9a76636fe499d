/** Grants: asking for payloads, and deciding about it. */
import { readScope } from '../compliance/scope.ts'
import type { Grant, GrantRequest } from '../compliance/service.ts'
import { REASON, TICKET } from '../compliance/tenant-state.ts'
import { readObject, readText, wrongAt } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { UUID_V7 } from '../formats/record-values.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import { PAGE, pageAsked } from './record-routes.ts'
import * as schema from './record-schema.ts'
import { MINUTES, parameter } from './record-values.ts'
import type { Asked, RecordsGuard } from './records-guard.ts'
import { jsonBody, noBody } from './request-body.ts'
import { type Route, route } from './route.ts'

const JSON_TYPE = 'application/json'
const ID = { id: parameter(UUID_V7) }

/** The routes of a log that begin with `prefix`. */
export function grantRoutes(guarded: RecordsGuard, prefix: string): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/grants',
      documentation: {
        tag: 'compliance',
        summary: 'Asks for the payload of records, for a purpose and a time',
        description: 'Somebody else has to approve it; its time begins then.',
        token: true,
        body: { [JSON_TYPE]: schema.GrantRequest },
        answers: {
          201: { description: 'It is asked for.', content: { [JSON_TYPE]: schema.Grant } },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const grant = await compliance.requestGrant(readRequest(await jsonBody(request)), by)
        const created = jsonAnswer(described(grant), UNCACHED, 201)
        const headers = { ...created.headers, Location: `${prefix}/v1/grants/${grant.id}` }
        return { ...created, headers }
      }),
    }),
    route({
      path: '/v1/grants',
      query: PAGE,
      documentation: {
        tag: 'compliance',
        summary: 'The grants of your tenant, the newest first',
        token: true,
        answers: {
          200: {
            description: 'A page of all that were ever asked for.',
            content: { [JSON_TYPE]: schema.Grants },
          },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const { items, cursor } = await compliance.grants(by, pageAsked(request.query))
        return jsonAnswer({ grants: items.map(described), cursor }, UNCACHED)
      }),
    }),
    route({
      path: '/v1/grants/{id}',
      params: ID,
      documentation: {
        tag: 'compliance',
        summary: 'One grant',
        token: true,
        answers: { 200: { description: 'It.', content: { [JSON_TYPE]: schema.Grant } } },
      },
      handle: guarded(async ({ request, by, compliance }) =>
        jsonAnswer(described(await compliance.grant(request.params.id, by)), UNCACHED),
      ),
    }),
    decision(guarded, 'approve', 'Approves a grant that somebody else asks for', (asked, id) =>
      asked.compliance.decideGrant(id, 'approve', asked.by),
    ),
    decision(guarded, 'refuse', 'Refuses a grant that somebody else asks for', (asked, id) =>
      asked.compliance.decideGrant(id, 'refuse', asked.by),
    ),
    decision(guarded, 'revoke', 'Ends a grant, or gives it back', (asked, id) =>
      asked.compliance.revokeGrant(id, asked.by),
    ),
  ]
}

function decision(
  guarded: RecordsGuard,
  name: 'approve' | 'refuse' | 'revoke',
  summary: string,
  decide: (asked: Asked<unknown>, id: string) => Promise<Grant>,
): Route {
  return route({
    method: 'POST',
    path: `/v1/grants/{id}/${name}`,
    params: ID,
    documentation: {
      tag: 'compliance',
      summary,
      token: true,
      answers: { 200: { description: 'The grant.', content: { [JSON_TYPE]: schema.Grant } } },
    },
    handle: guarded(async (asked) => {
      await noBody(asked.request)
      return jsonAnswer(described(await decide(asked, asked.request.params.id)), UNCACHED)
    }),
  })
}

function readRequest(body: JsonValue): GrantRequest {
  const members = readObject(body, '', ['purpose', 'ticket', 'scope'], ['minutes'])
  const { minutes } = members
  if (minutes !== undefined && !MINUTES.holds(minutes)) {
    throw wrongAt('/minutes', `expected ${MINUTES.expected}`)
  }
  return {
    purpose: readText(members.purpose, '/purpose', REASON),
    ticket: readText(members.ticket, '/ticket', TICKET),
    scope: readScope(members.scope, '/scope'),
    ...(minutes !== undefined && { minutes: minutes as number }),
  }
}

function described(grant: Grant): object {
  const { id, state, purpose, ticket, scope, minutes, requested, until } = grant
  const { requestedBy, decided, decidedBy } = grant
  const request = { id, state, purpose, ticket, scope, minutes, requested }
  return { ...request, requested_by: requestedBy, decided, decided_by: decidedBy, until }
}
