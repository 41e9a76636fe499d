/** How the witnesses of a log are doing, as the log sees them. */
import type { LogService } from '../log/service.ts'
import type { WitnessStatus } from '../log/witness-port.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import { type Route, route } from './route.ts'
import { Witnesses } from './schema.ts'

export function witnessesRoute(log: LogService): Route {
  return route({
    path: '/v1/witnesses',
    documentation: {
      tag: 'operations',
      summary: 'Whom the log asks for cosignatures, what each has seen, and how it is doing',
      answers: {
        200: {
          description: 'The witnesses; none when no policy is set.',
          content: { 'application/json': Witnesses },
        },
      },
    },
    handle() {
      const report = log.witnesses()
      return jsonAnswer(
        {
          quorum: report?.quorum ?? null,
          committed_size: log.head().size,
          published_size: publishedSize(log),
          witnesses: (report?.witnesses ?? []).map(described),
        },
        UNCACHED,
      )
    },
  })
}

function publishedSize(log: LogService): number | null {
  try {
    return log.publication().size
  } catch {
    return null
  }
}

/** Members without a value are left out by JSON. */
function described(status: WitnessStatus): object {
  const { names, url, state, size, lag, cosignedAt, latencyMs, failures, error, retryAt } = status
  return {
    names,
    url,
    state,
    size,
    lag,
    cosigned_at: time(cosignedAt),
    latency_ms: latencyMs === undefined ? undefined : Math.round(latencyMs * 10) / 10,
    failures,
    last_error: error,
    retry_at: time(retryAt),
  }
}

function time(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString()
}
