/** What a monitor shows to Prometheus. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { CairnError, messageOf } from '../errors.ts'
import { SEVERITIES } from '../monitor/alert.ts'
import type { MonitorEvent, RoundReport } from '../monitor/report.ts'

export interface MonitorMetrics {
  readonly onEvent: (event: MonitorEvent) => void
  /** An alert did not reach the webhook. */
  readonly onWebhookFailure: () => void
  expose(): Promise<{ readonly mediaType: string; readonly body: string }>
}

export function createMonitorMetrics(): MonitorMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Counter({ name: `cairn_monitor_${name}`, help, labelNames, registers })
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({ name: `cairn_monitor_${name}`, help, labelNames, registers })

  const rounds = counter('rounds_total', 'Rounds that were completed.')
  const roundSeconds = gauge('round_seconds', 'Duration of the last round.')
  const roundTime = gauge('last_round_timestamp_seconds', 'When the last round began.')
  const entries = counter('entries_total', 'Entries whose place was verified.', ['log'])
  const treeSize = gauge('tree_size', 'Size of the tree that was recomputed.', ['log'])
  const evidence = gauge('evidence_files', 'Files of evidence that were kept.', ['log'])
  const place = ['log', 'role', 'source'] as const
  const placeSize = gauge('place_size', 'Size of the head that an address or witness shows.', place)
  const placeAge = gauge(
    'place_age_seconds',
    'Age of the newest cosignature of an address or witness; without any, how long it shows the same head.',
    place,
  )
  const alerts = gauge('alerts', 'Conditions that last.', ['log', 'kind', 'severity'])
  const raised = counter('alerts_raised_total', 'Conditions that began.', ['log', 'kind'])
  const webhookFailures = counter('webhook_failures_total', 'Alerts that no webhook has taken.')

  function onRound({ startedAt, durationMs, logs }: RoundReport): void {
    rounds.inc()
    roundSeconds.set(durationMs / 1000)
    roundTime.set(startedAt / 1000)
    for (const part of [placeSize, placeAge, alerts]) part.reset()
    for (const log of logs) {
      const labels = { log: log.origin }
      treeSize.set(labels, log.size)
      evidence.set(labels, log.evidenceFiles)
      entries.inc(labels, log.newEntries)
      for (const { role, source, size, ageMs } of log.places) {
        if (size !== undefined) placeSize.set({ ...labels, role, source }, size)
        if (ageMs !== undefined) placeAge.set({ ...labels, role, source }, ageMs / 1000)
      }
      for (const { kind } of log.alerts) alerts.inc({ ...labels, kind, severity: SEVERITIES[kind] })
    }
  }

  return {
    onEvent(event) {
      if (event.event === 'round') onRound(event)
      if (event.event === 'alert') raised.inc({ log: event.origin, kind: event.alert.kind })
    },
    onWebhookFailure: () => webhookFailures.inc(),
    expose: async () => ({ mediaType: registry.contentType, body: await registry.metrics() }),
  }
}

export interface MetricsServer {
  /** `http://127.0.0.1:9100/metrics` */
  readonly url: string
  close(): Promise<void>
}

/** Shows metrics on this machine only. @throws USAGE when the port is taken */
export async function serveMetrics(metrics: MonitorMetrics, port: number): Promise<MetricsServer> {
  const server = createServer(({ method, url }, response) => {
    if (url !== '/metrics' || (method !== 'GET' && method !== 'HEAD')) {
      response.writeHead(url === '/metrics' ? 405 : 404).end()
      return
    }
    metrics.expose().then(
      ({ mediaType, body }) => response.writeHead(200, { 'Content-Type': mediaType }).end(body),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `cannot show metrics on port ${port}: ${messageOf(cause)}; choose another with --metrics`
      reject(new CairnError('USAGE', message, { cause }))
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
