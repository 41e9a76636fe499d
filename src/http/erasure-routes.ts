/** Erasing what is known of a person, and what was erased. */
import { PERSON } from '../compliance/scope.ts'
import { readObject, readText } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { type ReadFacts, readFacts } from '../reports/facts.ts'
import type { FoundRecord } from '../search/search-index.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import { PAGE, receiptsBelow } from './record-routes.ts'
import * as schema from './record-schema.ts'
import { BASIS } from './record-values.ts'
import type { Asked, RecordsGuard } from './records-guard.ts'
import { jsonBody } from './request-body.ts'
import { type Route, route } from './route.ts'

const JSON_TYPE = 'application/json'

/** The routes of a log that begin with `prefix`. */
export function erasureRoutes(guarded: RecordsGuard, prefix: string): Route[] {
  const receiptOf = receiptsBelow(prefix)
  return [
    route({
      method: 'POST',
      path: '/v1/erasures',
      documentation: {
        tag: 'compliance',
        summary: 'Erases a person: destroys what opens the records about them, and records that',
        description: 'Leaves, proofs and receipts stay as they are.',
        token: true,
        body: { [JSON_TYPE]: schema.ErasureRequest },
        answers: {
          201: { description: 'It is erased.', content: { [JSON_TYPE]: schema.Erased } },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const asked = readRequest(await jsonBody(request))
        const { pseudonym, records, erasure } = await compliance.erase(asked, by)
        const { id, index } = erasure
        const given = { pseudonym, records, erasure: { id, index } }
        const created = jsonAnswer(given, UNCACHED, 201)
        const headers = { ...created.headers, Location: `${prefix}/v1/records/${index}` }
        return { ...created, headers }
      }),
    }),
    route({
      path: '/v1/erasures',
      query: PAGE,
      documentation: {
        tag: 'compliance',
        summary: 'The erasures of your tenant, the newest first',
        token: true,
        answers: {
          200: { description: 'A page of them.', content: { [JSON_TYPE]: schema.Erasures } },
        },
      },
      handle: guarded(async (asked) => {
        const { limit, cursor: after } = asked.request.query
        const query = {
          type: 'erasure',
          ...(limit !== undefined && { limit: Number(limit) }),
          ...(after !== undefined && { cursor: after }),
        }
        const { records, size, cursor } = await asked.compliance.search(query, asked.by)
        const erasures = await Promise.all(
          records.map(async (record) => {
            const { index, id, time, actor } = record
            const { pseudonym, basis } = await factsOf(record, asked)
            return { index, receipt: receiptOf(index), id, time, actor, pseudonym, basis }
          }),
        )
        return jsonAnswer({ erasures, size, cursor }, UNCACHED)
      }),
    }),
  ]
}

function readRequest(body: JsonValue): { readonly subject: string; readonly basis: string } {
  const { subject, basis } = readObject(body, '', ['subject', 'basis'])
  return {
    subject: readText(subject, '/subject', PERSON),
    basis: readText(basis, '/basis', BASIS),
  }
}

/** What the log itself says in the record of an erasure. */
async function factsOf(
  { index, id }: FoundRecord,
  { records, by }: Pick<Asked<unknown>, 'records' | 'by'>,
): Promise<ReadFacts['facts']> {
  const { record } = await records.read(index, by.tenant)
  const disclosures = await records.disclosures(id, by.tenant)
  return Array.isArray(disclosures) ? readFacts(record, disclosures).facts : {}
}
