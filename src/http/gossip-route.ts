/** To whom published heads are sent, and how each sink is doing. */
import type { SinkStatus } from '../gossip/sink-loop.ts'
import { jsonAnswer, UNCACHED } from './answer.ts'
import { type Route, route } from './route.ts'
import { GossipReport } from './schema.ts'

/** The gossip of a log, as far as it is shown. */
export interface ReportedGossip {
  status(): readonly SinkStatus[]
}

export function gossipRoute(gossip: ReportedGossip | undefined): Route {
  return route({
    path: '/v1/gossip',
    documentation: {
      tag: 'operations',
      summary: 'To which outside systems published heads are sent, and what each has taken',
      answers: {
        200: {
          description: 'The sinks; none when none is set.',
          content: { 'application/json': GossipReport },
        },
      },
    },
    handle: () => jsonAnswer({ sinks: (gossip?.status() ?? []).map(described) }, UNCACHED),
  })
}

/** Members without a value are left out by JSON. */
function described(status: SinkStatus): object {
  const { name, kind, lastSize, lag, lastSuccess, lastReceipt, lastError, contradiction } = status
  return {
    name,
    kind,
    last_size: lastSize,
    lag,
    last_success: time(lastSuccess),
    last_receipt: lastReceipt,
    last_error: lastError && { at: time(lastError.at), message: lastError.message },
    attempts: status.attempts,
    failures: status.failures,
    failures_in_a_row: status.failuresInARow,
    contradiction,
  }
}

function time(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString()
}
