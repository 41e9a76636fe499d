/** Erasing what is known of a person, and what was erased. */
import { extraIn } from '../compliance/own-records.ts'
import { PERSON } from '../compliance/scope.ts'
import type { ReadRecord } from '../compliance/service.ts'
import { readObject, readText } from '../formats/json-members.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import { PAGE, pageAsked, receiptsBelow } from './record-routes.ts'
import * as schema from './record-schema.ts'
import { BASIS } from './record-values.ts'
import type { RecordsGuard } from './records-guard.ts'
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
        description: 'Who was erased on which basis is for auditors and administrators.',
        token: true,
        answers: {
          200: { description: 'A page of them.', content: { [JSON_TYPE]: schema.Erasures } },
        },
      },
      handle: guarded(async ({ request, by, compliance }) => {
        const query = { type: 'erasure', ...pageAsked(request.query) }
        const { records, size, cursor } = await compliance.search(query, by)
        const read = await Promise.all(records.map(({ index }) => compliance.read(index, by)))
        const erasures = read.map((one) => described(one, receiptOf(one.index)))
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

/** The record of an erasure, with what the log says in it to whoever may know. */
function described({ index, record, disclosures }: ReadRecord, receipt: string): object {
  const { id, time, actor } = record
  const shown = disclosures === undefined || disclosures === 'erased' ? [] : disclosures
  const { pseudonym, basis } = extraIn(shown) ?? {}
  return { index, receipt, id, time, actor, pseudonym, basis }
}
