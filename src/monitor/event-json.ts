/** Events as JSON, for lines and webhooks. Sizes are numbers, times are ISO 8601, hashes are hexadecimal. */
import { toHex } from '../bytes.ts'
import { type Alert, SEVERITIES } from './alert.ts'
import type { LogReport, MonitorEvent, PlaceReport } from './report.ts'

type Json = Readonly<Record<string, unknown>>

/** One event; `now` is when it happened. */
export function eventJson(event: MonitorEvent, now: number): Json {
  const time = iso(now)
  switch (event.event) {
    case 'alert':
    case 'cleared':
      return { event: event.event, time, origin: event.origin, ...alertJson(event.alert) }
    case 'head':
      return {
        event: 'head',
        time,
        origin: event.origin,
        size: event.size,
        root: toHex(event.root),
        new_entries: event.newEntries,
        entries: event.entries,
      }
    case 'round':
      return {
        event: 'round',
        time,
        round: event.round,
        started: iso(event.startedAt),
        duration_ms: Math.round(event.durationMs),
        logs: event.logs.map(logJson),
      }
  }
}

function alertJson({ kind, source, message, since, evidence }: Alert): Json {
  return {
    kind,
    severity: SEVERITIES[kind],
    source,
    message,
    since: iso(since),
    ...(evidence !== undefined && { evidence }),
  }
}

function logJson(log: LogReport): Json {
  return {
    origin: log.origin,
    size: log.size,
    root: toHex(log.root),
    new_entries: log.newEntries,
    entries: log.entries,
    ...(log.underWay && { under_way: log.underWay }),
    places: log.places.map(placeJson),
    alerts: log.alerts.map(alertJson),
    evidence_files: log.evidenceFiles,
  }
}

function placeJson({ role, source, size, lag, ageMs, isAgeSigned, alerts }: PlaceReport): Json {
  return {
    role,
    source,
    ...(size !== undefined && { size }),
    ...(lag !== undefined && { lag }),
    ...(ageMs !== undefined && { age_seconds: Math.round(ageMs / 1000), age_signed: isAgeSigned }),
    alerts,
  }
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
