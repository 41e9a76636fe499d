/** The composition root of a monitor: its directory, lock, webhook and metrics around the job itself. */
import { join } from 'node:path'
import { CairnError } from '../errors.ts'
import { eventJson } from '../monitor/event-json.ts'
import type { Limits } from '../monitor/freshness.ts'
import { type Monitor, openMonitor } from '../monitor/monitor.ts'
import type { MonitorEvent, OnMonitorEvent, OnProgress } from '../monitor/report.ts'
import type { Targets } from '../monitor/target.ts'
import type { Timing } from '../monitor/timing.ts'
import { type DirectoryLock, lockDirectory } from '../storage/level-lock.ts'
import { claimMonitorDirectory, openMonitorDirectory } from '../storage/monitor-directory.ts'
import { createMonitorMetrics, serveMetrics } from './monitor-metrics.ts'
import { openWebhook } from './monitor-webhook.ts'

export interface MonitorConfig {
  readonly targets: Targets
  /** The monitor's directory; made at the first start. */
  readonly state: string
  /** Where evidence goes; `<state>/evidence` when left out. */
  readonly evidence?: string
  readonly limits: Limits
  readonly timing?: Partial<Timing>
  /** Takes each alert, and the end of each, as a POST of JSON. */
  readonly webhook?: string
  /** TCP port of this machine that shows metrics; 0 takes any free one. */
  readonly metricsPort?: number
}

export interface MonitorHooks {
  readonly onEvent?: OnMonitorEvent
  readonly onProgress?: OnProgress
  /** Told of trouble beside the monitoring itself. */
  readonly onTrouble?: (message: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export interface RunningMonitor extends Monitor {
  /** The directory, as an absolute path. */
  readonly place: string
  readonly metricsUrl: string | undefined
  /** Waits for alerts on their way to the webhook, and lets go of the directory. */
  close(): Promise<void>
}

/**
 * Opens a monitor. Nothing is asked of any log yet.
 * @throws LOCKED when another process monitors with this directory
 * @throws USAGE, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO
 */
export async function startMonitor(
  config: MonitorConfig,
  hooks: MonitorHooks = {},
): Promise<RunningMonitor> {
  const { onEvent = () => {}, onProgress = () => {}, onTrouble = () => {} } = hooks
  const { now = Date.now } = hooks
  const metrics = createMonitorMetrics()
  const webhook =
    config.webhook === undefined
      ? undefined
      : openWebhook({
          url: config.webhook,
          onFailure(message) {
            metrics.onWebhookFailure()
            onTrouble(message)
          },
        })
  const place = await claimMonitorDirectory(config.state)
  const lock = await lockState(place)
  const opened: { close(): Promise<void> }[] = [{ close: () => lock.release() }]
  const close = async (): Promise<void> => {
    for (const part of opened.splice(0).reverse()) await part.close()
  }
  try {
    const { evidence } = config
    const store = await openMonitorDirectory(place, evidence === undefined ? {} : { evidence })
    const monitor = await openMonitor({
      targets: config.targets,
      store,
      limits: config.limits,
      ...(config.timing && { timing: config.timing }),
      now,
      onProgress,
      onEvent(event: MonitorEvent) {
        metrics.onEvent(event)
        onEvent(event)
        if (event.event === 'alert' || event.event === 'cleared') {
          webhook?.send(eventJson(event, now()))
        }
      },
    })
    if (webhook !== undefined) opened.push({ close: () => webhook.close() })
    const { metricsPort } = config
    const shown = metricsPort === undefined ? undefined : await serveMetrics(metrics, metricsPort)
    if (shown !== undefined) opened.push(shown)
    return { ...monitor, place, metricsUrl: shown?.url, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function lockState(place: string): Promise<DirectoryLock> {
  try {
    return await lockDirectory(join(place, 'lock'))
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'LOCKED') throw cause
    const message = `another cairn monitor uses ${place}: stop it, or choose another --state`
    throw new CairnError('LOCKED', message, { cause })
  }
}
