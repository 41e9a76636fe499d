/** The submission routes for embedding by `app.fetch`; `node-listener.ts` serves the same paths without a `Request`. */
import { admit, type SubmitRoute } from './admission.ts'
import type { HostedLog } from './app.ts'
import { type Authenticate, allowed } from './authenticate.ts'
import { recordSubmitter } from './record-submission.ts'
import { Bytes, type Documentation, type Route, route, Text } from './route.ts'
import { Accepted, AcceptedRecords, Submission } from './schema.ts'
import { type Submit, submitter, tooLarge } from './submit.ts'

/** A path that takes submissions. */
export interface SubmissionPath {
  readonly path: string
  readonly route: SubmitRoute
  readonly submit: Submit
}

/** The paths of a log that take submissions; `prefix` is what its routes begin with. */
export function submissionsTo(
  { log, records, witnessDeadlineMs }: Pick<HostedLog, 'log' | 'records' | 'witnessDeadlineMs'>,
  prefix: string,
): SubmissionPath[] {
  const leaves = submitter(log, prefix, witnessDeadlineMs)
  return [
    { path: '/add', route: 'add', submit: leaves },
    { path: '/v1/leaves', route: 'leaves', submit: leaves },
    {
      path: '/v1/records',
      route: 'records',
      submit: recordSubmitter(log, records, prefix, witnessDeadlineMs),
    },
  ]
}

/** The routes of these paths. */
export function submissionRoutes(
  paths: readonly SubmissionPath[],
  authenticate: Authenticate,
): Route[] {
  return paths.map(({ path, route: name, submit }) =>
    route({
      method: 'POST',
      path,
      query: 'unchecked',
      documentation: DOCUMENTATION[name],
      handle: allowed(authenticate, 'submit', async (request, by) => {
        const admission = admit(name, request.rawQuery, request.headers, by)
        const body = await request.body((size) => {
          if (size > admission.limit) throw tooLarge(admission)
        })
        return submit(admission, body)
      }),
    }),
  )
}

const RECEIPTS = {
  'application/json': Accepted,
  'text/plain; charset=utf-8': Text,
  'application/cose': Bytes,
}

const WAITING =
  '"?wait=witnessed" holds the answer until the quorum of witnesses has cosigned a head with them ("Prefer: wait=5" ' +
  'for five seconds at the most). Repeating a request with its Idempotency-Key has no further effect.'

const DOCUMENTATION: Readonly<Record<SubmitRoute, Documentation>> = {
  add: {
    tag: 'submission',
    summary: 'Adds one leaf and answers with its index',
    token: true,
    headers: { 'Idempotency-Key': Text },
    body: { 'application/octet-stream': Bytes },
    answers: {
      200: {
        description: 'The index of the leaf, new or not.',
        content: { 'text/plain; charset=utf-8': Text },
      },
    },
  },
  leaves: {
    tag: 'submission',
    summary: 'Adds one leaf or many, all or none, and answers with receipts',
    description:
      '"Prefer: return=minimal" asks for indices only, and has them as soon as the leaves are durable; with ' +
      `"?wait=integrated", which is the default for receipts, as soon as a head has them. ${WAITING}`,
    token: true,
    headers: { Accept: Text, Prefer: Text, 'Idempotency-Key': Text },
    body: { 'application/octet-stream': Bytes, 'application/cbor-seq': Bytes },
    answers: {
      200: { description: 'Every leaf was in the log already.', content: RECEIPTS },
      201: { description: 'At least one leaf is new.', content: RECEIPTS },
      202: {
        description:
          'The leaves are in the log, but the quorum of witnesses has not cosigned a head with them in time; ' +
          'ask /v1/receipts/{index} again later.',
        content: RECEIPTS,
      },
    },
  },
  records: {
    tag: 'records',
    summary: 'Records what an AI system did, one record or many, all or none',
    description:
      'One record as JSON, or up to 10,000 as NDJSON, a record a line. People and payloads are kept encrypted; the ' +
      'log holds salted commitments to them. "Prefer: return=minimal" leaves the receipts out. ' +
      `"?wait=integrated" is the default. ${WAITING}`,
    token: true,
    headers: { Prefer: Text, 'Idempotency-Key': Text },
    body: { 'application/json': Submission, 'application/x-ndjson': Bytes },
    answers: {
      201: {
        description: 'The records are in the log.',
        content: { 'application/json': AcceptedRecords },
      },
      202: {
        description:
          'They are in the log, but the quorum of witnesses has not cosigned a head with them in time.',
        content: { 'application/json': AcceptedRecords },
      },
    },
  },
}
