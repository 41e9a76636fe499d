/**
 * `POST /otlp/v1/logs`: logs of OpenTelemetry (OTLP/HTTP 1.x) become records, each taken or rejected by itself. Its
 * answers are those of OTLP: what a client must not send again is 4xx, what it should send again is 503 with Retry-After.
 */
import { sha256 } from '#sha256'
import { concat } from '../bytes.ts'
import { mustBeAllowed, type Principal } from '../compliance/principal.ts'
import { CairnError } from '../errors.ts'
import { type GenaiRecords, genaiRecordsInTurns } from '../formats/genai-records.ts'
import { MAX_OTLP_SIZE } from '../formats/otlp-logs.ts'
import { formatOtlpResponse, formatOtlpStatus } from '../formats/otlp-response.ts'
import type { RecordsService } from '../records/service.ts'
import type { HeaderFields } from './admission.ts'
import { type Answer, answer, UNCACHED } from './answer.ts'
import type { CountLogRecords } from './metrics.ts'
import {
  checkOtlpLength,
  mustBeOtlp,
  OTLP_TYPES,
  otlpEncodingOf,
  parseOtlp,
  unpackerOf,
} from './otlp-body.ts'
import type { ProblemCode } from './problem.ts'
import type { RecordsGuard } from './records-guard.ts'
import { Bytes, type Route, type RouteRequest, route, Text } from './route.ts'
import { OtlpExport, OtlpResponse, OtlpStatus } from './schema.ts'

/** Bytes of exports that are arriving, or being worked on, at the same time; in memory they take several times as much. */
const MAX_AT_ONCE: number = 4 * MAX_OTLP_SIZE

/** When a client should send its export again, in seconds, for what will pass without a change of the export. */
const AGAIN: Partial<Record<ProblemCode, number>> = {
  OVERLOADED: 1,
  UNAVAILABLE: 1,
  // The same export is on its way already.
  CONFLICT: 1,
  STOPPED: 10,
  IO: 10,
  READ_ONLY: 30,
  DISK_FULL: 30,
}

export function otlpRoute(guarded: RecordsGuard, count: CountLogRecords = () => {}): Route {
  const room = new Room(MAX_AT_ONCE)
  return route({
    method: 'POST',
    path: '/otlp/v1/logs',
    documentation: {
      tag: 'records',
      summary: 'Makes records of OpenTelemetry logs (OTLP/HTTP)',
      description:
        'An ExportLogsServiceRequest of at most 8 MiB, in protobuf or JSON, as it is or with "Content-Encoding: gzip" or deflate. ' +
        'Log records of the conventions for generative AI and MCP become records; all others are rejected one by one, and counted in the answer (partial success). ' +
        'Errors are a google.rpc.Status in the encoding of the export; 503 asks to send it again after so many seconds as Retry-After says. ' +
        'An export that is sent again, byte for byte, is taken once, if all of its log records have a time.',
      token: true,
      headers: { 'Content-Encoding': Text },
      body: { [OTLP_TYPES.protobuf]: Bytes, [OTLP_TYPES.json]: OtlpExport },
      answers: {
        200: {
          description: 'An ExportLogsServiceResponse, empty when all became records.',
          content: { [OTLP_TYPES.protobuf]: Bytes, [OTLP_TYPES.json]: OtlpResponse },
        },
        ...Object.fromEntries(
          Object.entries(REFUSALS).map(([status, description]) => [
            status,
            {
              description,
              content: { [OTLP_TYPES.protobuf]: Bytes, [OTLP_TYPES.json]: OtlpStatus },
            },
          ]),
        ),
      },
    },
    handle: guarded(({ request, by, records }) =>
      room.enter(arriving(request), (claim) => take({ records, request, by, claim, count })),
    ),
    restate: asStatus,
  })
}

const REFUSALS = {
  400: 'The export cannot be read, or its Content-Encoding cannot be undone.',
  401: 'The token is missing or wrong.',
  403: 'The token is none of a submitter.',
  413: 'The export is too large; export smaller batches.',
  503: 'Nothing was taken; send it again later.',
}

interface Taking {
  readonly records: RecordsService
  readonly request: Pick<RouteRequest, 'headers' | 'body'>
  readonly by: Principal
  /** Says how many bytes there are in fact. @throws OVERLOADED */
  readonly claim: (bytes: number) => void
  readonly count: CountLogRecords
}

async function take({ records, request, by, claim, count }: Taking): Promise<Answer> {
  mustBeAllowed(by, 'submit')
  const encoding = mustBeOtlp(request.headers)
  const unpack = unpackerOf(request.headers)
  const body = await unpack(await request.body(checkOtlpLength))
  claim(body.length)
  const found = await inTurns(genaiRecordsInTurns(parseOtlp(body, encoding)))
  const submissions = found.records.map(({ submission }) => submission)
  const outcome = await records.submitSome(submissions, by, {
    size: found.size,
    ...(canBeSentAgain(found) && {
      idempotencyKey: sha256(concat(by.identity, sha256(body))),
    }),
  })
  const rejected = outcome.rejected.map(({ place, reason }) => ({
    place: found.records[place]!.place,
    reason,
  }))
  const all = [...rejected, ...found.rejected]
  count(outcome.accepted.length, all.length)
  const total = submissions.length + found.rejected.length
  return answer(OTLP_TYPES[encoding], UNCACHED, formatOtlpResponse(all, total, encoding))
}

async function inTurns<T>(turns: Generator<undefined, T>): Promise<T> {
  for (;;) {
    const turn = turns.next()
    if (turn.done) return turn.value
    await new Promise(setImmediate)
  }
}

/** Whether the same bytes are the same events: without times, two events may look alike. */
function canBeSentAgain({ records }: GenaiRecords): boolean {
  return records.every(({ submission }) => submission.claimed_time !== undefined)
}

/** How much is about to arrive, at the most. */
function arriving({ headers }: Pick<RouteRequest, 'headers'>): number {
  const declared = headers['content-length']
  return declared === undefined ? MAX_OTLP_SIZE : Math.min(Number(declared), MAX_OTLP_SIZE)
}

/** Lets in what there is memory for. */
class Room {
  readonly #most: number
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Work that needs so many bytes, or as many as it claims later. @throws OVERLOADED when there is no room */
  async enter<T>(bytes: number, work: (claim: (bytes: number) => void) => Promise<T>): Promise<T> {
    let mine = 0
    const claim = (needed: number): void => {
      if (this.#taken - mine + needed > this.#most) {
        throw new CairnError('OVERLOADED', 'too many exports at once; try again in a second')
      }
      this.#taken += needed - mine
      mine = needed
    }
    try {
      claim(bytes)
      return await work(claim)
    } finally {
      this.#taken -= mine
    }
  }
}

/** A problem as OTLP tells it; as it is, where nobody knows what encoding the client reads. */
function asStatus(problem: Answer, headers: HeaderFields): Answer {
  const encoding = otlpEncodingOf(headers)
  if (encoding === undefined) return problem
  const { code, detail } = JSON.parse(String(problem.body)) as { code: ProblemCode; detail: string }
  const again = AGAIN[code]
  return {
    status: again === undefined ? problem.status : 503,
    headers: {
      ...problem.headers,
      'Content-Type': OTLP_TYPES[encoding],
      ...(again !== undefined && { 'Retry-After': String(again) }),
    },
    body: formatOtlpStatus(detail, encoding),
  }
}
