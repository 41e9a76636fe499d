/** Evidence: what answers "show me the decision trail", as one file. */
import { readScope } from '../compliance/scope.ts'
import type { EvidenceRequest, Scope } from '../compliance/service.ts'
import { REASON } from '../compliance/tenant-state.ts'
import { readObject, readText } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { UUID_V7 } from '../formats/record-values.ts'
import { answer, UNCACHED } from './answer.ts'
import * as schema from './record-schema.ts'
import type { RecordsGuard } from './records-guard.ts'
import { jsonBody } from './request-body.ts'
import { Bytes, type Route, route } from './route.ts'
import { turnsFor } from './turns.ts'

const EVIDENCE_TYPE = 'application/vnd.cairn.evidence'

/** Each may hold some hundred megabytes in memory until it is sent. */
const AT_ONCE = { running: 2, waiting: 16 }

export function evidenceRoute(guarded: RecordsGuard): Route {
  const inTurn = turnsFor('evidence', AT_ONCE)
  return route({
    method: 'POST',
    path: '/v1/evidence',
    documentation: {
      tag: 'compliance',
      summary: 'Makes evidence: the records of a scope with their proofs, in one file',
      description:
        '"cairn verify" checks it offline. Showing payloads under a grant is itself recorded, before they are given.',
      token: true,
      body: { 'application/json': schema.EvidenceRequest },
      answers: {
        200: { description: 'cairn-evidence/v1.', content: { [EVIDENCE_TYPE]: Bytes } },
      },
    },
    handle: guarded(async ({ request, by, compliance }) => {
      const asked = readRequest(await jsonBody(request))
      const file = await inTurn(() => compliance.evidence(asked, by))
      return answer(EVIDENCE_TYPE, UNCACHED, file, {
        'Content-Disposition': `attachment; filename="${fileName(asked.scope)}"`,
      })
    }),
  })
}

function readRequest(body: JsonValue): EvidenceRequest {
  const { scope, purpose, grant } = readObject(body, '', ['scope'], ['purpose', 'grant'])
  return {
    scope: readScope(scope, '/scope'),
    ...(purpose !== undefined && { purpose: readText(purpose, '/purpose', REASON) }),
    ...(grant !== undefined && { grant: readText(grant, '/grant', UUID_V7) }),
  }
}

/** After the request or session, where its id can be a file's name. */
function fileName({ request_id, session_id }: Scope): string {
  const named = request_id ?? session_id ?? ''
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(named) ? `${named}.cairn` : 'evidence.cairn'
}
