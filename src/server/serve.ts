/** The composition root: a configuration becomes a running server. */
import { messageOf } from '../errors.ts'
import { createServerFor } from '../http/node-listener.ts'
import type { HttpServer } from '../http/node-server.ts'
import type { Config, LogConfig } from './config.ts'
import type { OnEvent } from './events.ts'
import { listen, reservePort } from './listen.ts'
import { type OpenedLog, openHostedLog } from './open.ts'

/** What the main log is called in events. */
const MAIN = 'main'

export interface ServeOptions {
  readonly onEvent?: OnEvent
}

export interface RunningServer {
  /** Where the main log is: `http://127.0.0.1:6962`. */
  readonly url: string
  readonly origin: string
  /** Takes no more requests, finishes what was accepted, and lets go of the data. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Opens the logs of a configuration and serves them.
 * @throws USAGE when the address is taken or the configuration does not fit the data
 * @throws LOCKED, FOREIGN_DIRECTORY, NEWER_FORMAT, CORRUPT, DISK_FULL, IO
 */
export async function serve(given: Config, options: ServeOptions = {}): Promise<RunningServer> {
  const { onEvent = () => {} } = options
  const config = await withKnownPort(given)
  const logs = await openAll(config, onEvent)
  const closeLogs = async (): Promise<void> => {
    for (const log of [...logs.values()].reverse()) await log.close()
  }
  const main = logs.get('')!
  let http: HttpServer
  let url: string
  try {
    http = createServerFor({
      logs,
      requestTimeoutMs: config.requestTimeoutMs,
      onError: (error) => onEvent({ event: 'error', message: messageOf(error) }),
    })
    url = await listen(http, config)
  } catch (error) {
    await closeLogs()
    throw error
  }
  onEvent({
    event: 'listening',
    url,
    origin: main.log.origin,
    size: main.log.head().size,
    vkeyFile: main.directory.vkeyFile,
    tokenFile: main.directory.adminTokenFile,
    open: config.open,
    ...witnessesOf(main),
  })

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    onEvent({ event: 'closing' })
    await http.close()
    await closeLogs()
    onEvent({ event: 'closed' })
  }
  return {
    url,
    origin: main.log.origin,
    close() {
      closing ??= close()
      return closing
    },
  }
}

/** Servers of a shared log tell each other where they listen before they do. */
async function withKnownPort(config: Config): Promise<Config> {
  const isShared = [config, ...config.logs.values()].some(({ shared }) => shared !== undefined)
  if (!isShared || config.port !== 0) return config
  return { ...config, port: await reservePort(config.host) }
}

/** Whom the main log asks, for those who look at its start. */
function witnessesOf({ log }: OpenedLog): { witnesses?: number; quorum?: string } {
  const report = log.witnesses()
  if (report === undefined) return {}
  const { witnesses, quorum } = report
  return { witnesses: witnesses.length, ...(quorum !== undefined && { quorum }) }
}

/** What a database needs is loaded where there is one. */
async function open(
  name: string,
  own: LogConfig,
  config: Config,
  onEvent: OnEvent,
): Promise<OpenedLog> {
  if (own.shared === undefined) return openHostedLog(name, own, config, onEvent)
  const { openSharedHostedLog } = await import('./open-shared.ts')
  return openSharedHostedLog(name, own, own.shared, config, onEvent)
}

async function openAll(config: Config, onEvent: OnEvent): Promise<Map<string, OpenedLog>> {
  const logs = new Map<string, OpenedLog>()
  try {
    logs.set('', await open(MAIN, config, config, onEvent))
    for (const [name, own] of config.logs) {
      logs.set(name, await open(name, own, config, onEvent))
    }
    return logs
  } catch (error) {
    for (const log of logs.values()) await log.close()
    throw error
  }
}
