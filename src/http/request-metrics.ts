/** What `/metrics` shows of the process and of requests, in the words of Prometheus; a log or a witness adds its own. */
import { Counter, collectDefaultMetrics, Registry } from 'prom-client'
import { durations } from './durations.ts'

/** Notes one answered request: its status, and how long it took in milliseconds. */
export type Observe = (status: number, milliseconds: number) => void

export interface RequestMetrics {
  /** The observer of a route, named by its path template. */
  observer(method: string, route: string): Observe
  /** The durations of a route so far, by bucket (durations.ts); undefined when it has no observer. */
  durations(method: string, route: string): Float64Array | undefined
  /** The exposition and its media type. */
  expose(): Promise<{ readonly mediaType: string; readonly body: string }>
}

/** Metrics of the process and its requests. Those that are registered with `registry` are exposed as well. */
export function requestMetrics(registry: Registry = new Registry()): RequestMetrics {
  collectDefaultMetrics({ register: registry })
  const timed = durations()
  const observers = new Map<string, Observe>()
  const answered: { labels: { method: string; route: string }; counts: Map<number, number> }[] = []
  new Counter({
    name: 'cairn_http_answers_total',
    help: 'Answers given, by status.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { labels, counts } of answered) {
        for (const [status, count] of counts) this.inc({ ...labels, status }, count)
      }
    },
  })

  return {
    observer(method, route) {
      // The listener and the app both have the submission routes; a series must stand in the text once.
      const name = `${method} ${route}`
      const known = observers.get(name)
      if (known !== undefined) return known
      const time = timed.series(method, route)
      const counts = new Map<number, number>()
      answered.push({ labels: { method, route }, counts })
      const observe: Observe = (status, milliseconds) => {
        time(milliseconds)
        counts.set(status, (counts.get(status) ?? 0) + 1)
      }
      observers.set(name, observe)
      return observe
    },
    durations: timed.counts,
    async expose() {
      return { mediaType: registry.contentType, body: (await registry.metrics()) + timed.expose() }
    },
  }
}
