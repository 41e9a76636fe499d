/** What the log lists of a request, a session, a person or a record: the proof that it is all, or that there is nothing. */
import { PERSON } from '../compliance/scope.ts'
import { line, NAME, UUID_V7 } from '../formats/record-values.ts'
import { Type } from '../typebox.ts'
import { answer, UNCACHED } from './answer.ts'
import { parameter } from './record-values.ts'
import type { RecordsGuard } from './records-guard.ts'
import { type Route, route } from './route.ts'
import { turnsFor } from './turns.ts'

const COMPLETE_LIST_TYPE = 'application/vnd.cairn.complete-list'

/** A proof of a large log may hold some ten megabytes in memory until it is sent. */
const AT_ONCE = { running: 4, waiting: 32 }

const LINE = line(256)
const QUERY = {
  tenant: Type.Optional(parameter(NAME, 'your own tenant')),
  request_id: Type.Optional(parameter(LINE)),
  session_id: Type.Optional(parameter(LINE)),
  subject: Type.Optional(parameter(PERSON, 'a person, by name or pseudonym')),
  actor: Type.Optional(parameter(PERSON, 'a person, by name or pseudonym')),
  id: Type.Optional(parameter(UUID_V7, 'the record and those that correct it')),
}

export function completenessRoute(guarded: RecordsGuard): Route {
  const inTurn = turnsFor('completeness', AT_ONCE)
  return route({
    path: '/v1/completeness',
    query: QUERY,
    documentation: {
      tag: 'compliance',
      summary: 'Proves which entries the log lists under one term, or that it lists none',
      description:
        'Asked with exactly one of request_id, session_id, subject, actor and id. "cairn verify" checks it offline. ' +
        'The log commits to its map of records first, where there are new ones.',
      token: true,
      answers: {
        200: {
          description: 'cairn-complete-list/v1, text.',
          content: { [COMPLETE_LIST_TYPE]: Type.String() },
        },
      },
    },
    handle: guarded(async ({ request: { query }, by, compliance }) => {
      const { tenant, ...asked } = query
      if (tenant !== undefined && tenant !== by.tenant) {
        return compliance.refuseTenant(tenant, by, 'prove a complete list')
      }
      const file = await inTurn(() => compliance.completeList(asked, by))
      return answer(COMPLETE_LIST_TYPE, UNCACHED, file, {
        'Content-Disposition': 'attachment; filename="complete-list.txt"',
      })
    }),
  })
}
