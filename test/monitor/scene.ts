/** Real logs (some of them forked), real witnesses, and fronts before them that show what a test wants shown. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { fromUtf8, utf8 } from '../../src/bytes.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import { witnessClient } from '../../src/client/witness-client.ts'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import type { Policy } from '../../src/formats/policy.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { createWitnessServer } from '../../src/http/witness-listener.ts'
import type { LogService } from '../../src/log/service.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { Alert } from '../../src/monitor/alert.ts'
import type { Limits } from '../../src/monitor/freshness.ts'
import type { MonitorEvent } from '../../src/monitor/report.ts'
import { targetsOf, type WatchedLog } from '../../src/monitor/target.ts'
import type { Timing } from '../../src/monitor/timing.ts'
import { type RunningMonitor, startMonitor } from '../../src/server/monitor.ts'
import { consistencyProof } from '../../src/tiles/proofs.ts'
import { liveServer } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'
import { newWitness, type TestWitness } from '../support/test-witness.ts'
import { type TreeLog, treeLog } from './tree-log.ts'

export interface RealLog {
  readonly service: LogService
  readonly place: TestLogPlace
  readonly url: string
  readonly keys: readonly VerifierKey[]
  /** Appends leaves `word 0`, `word 1`, … and waits until a head that has them is published. */
  append(count: number, word?: string): Promise<void>
  /** Ends it, copies its data and keys, and starts both. */
  fork(): Promise<[RealLog, RealLog]>
}

/** As much of a log as its witnesses and monitors see. */
export interface ShownLog {
  readonly url: string
  readonly keys: readonly VerifierKey[]
}

export interface RealWitness {
  readonly name: string
  readonly url: string
  readonly keys: readonly VerifierKey[]
  /** Has it cosign the head that a log shows. */
  cosign(log: ShownLog): Promise<void>
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An address that shows what another one does, except where a test says otherwise. */
export interface Front {
  readonly url: string
  /** What is behind it. */
  target: string
  /** By path; `*` for all. */
  readonly instead: Map<string, Handler>
  /** The paths that were asked for. */
  readonly seen: string[]
}

export interface Watching {
  readonly monitor: RunningMonitor
  readonly events: MonitorEvent[]
  /** One round; the alerts that last, by kind. */
  round(): Promise<Alert[]>
  /** Ends it and opens another on the same directory. */
  again(options?: Partial<WatchOptions>): Promise<Watching>
}

export interface WatchOptions {
  readonly logs: readonly WatchedLog[]
  readonly policy?: Policy
  readonly state: string
  readonly limits: Partial<Limits>
  readonly timing: Partial<Timing>
  readonly webhook?: string
  readonly now?: () => number
}

/** A monitor that does not wait long for anybody. */
const IMPATIENT: Partial<Timing> = {
  headTimeoutMs: 1_500,
  tileTimeoutMs: 1_500,
  retries: 0,
  retryDelayMs: 1,
}

let left: (() => Promise<unknown>)[] = []
export let folder: string

/** Makes a folder for each test, and undoes all that it has started. */
export function useScene(): void {
  beforeEach(async () => {
    left = []
    folder = await mkdtemp(join(tmpdir(), 'cairn-monitor-'))
  })
  afterEach(async () => {
    for (const undo of left.reverse()) await undo()
    await rm(folder, { recursive: true, force: true })
  })
}

export async function newLog(): Promise<RealLog> {
  const place = await newPlace()
  left.push(() => discard(place))
  return start(place)
}

async function start(place: TestLogPlace): Promise<RealLog> {
  const service = await openAt(place)
  const server = await liveServer({ '': service })
  let open = true
  const stop = async (): Promise<void> => {
    if (!open) return
    open = false
    await server.close(0)
    await service.close()
  }
  left.push(stop)
  return {
    service,
    place,
    url: server.url,
    keys: service.vkeys.map(parseVkey),
    async append(count, word = 'leaf') {
      const leaves = Array.from({ length: count }, (_, i) =>
        utf8(`${word} ${service.head().size + i}`),
      )
      if (count > 0) await service.submit(leaves)
      await until(() => service.publication().size === service.head().size)
    },
    async fork() {
      await stop()
      const other = await newPlace()
      left.push(() => discard(other))
      await cp(place.directory, other.directory, { recursive: true })
      return [await start(place), await start({ directory: other.directory, keys: place.keys })]
    },
  }
}

/** A log in memory, where no real one is needed. */
export async function newTreeLog(origin?: string): Promise<TreeLog> {
  const log = await treeLog(origin)
  left.push(() => log.close())
  return log
}

export async function newRealWitness(
  name: string,
  log: ShownLog,
  now?: () => number,
): Promise<RealWitness> {
  const made: TestWitness = await newWitness(name, log.keys.map(formatVkey), now && { now })
  left.push(() => made.discard())
  const http = createWitnessServer({ witness: made.service, authenticate: () => undefined })
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve))
  left.push(() => http.close(0))
  const url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`
  const client = witnessClient({ url })
  return {
    name,
    url,
    keys: made.service.vkeys.map(parseVkey),
    async cosign({ url: address }) {
      const log = createLogClient({ url: address })
      const bytes = await log.checkpoint()
      const { size, origin } = parseCheckpoint(parseNote(bytes).text)
      const latest = await client.latest(origin)
      const oldSize = latest ? parseCheckpoint(parseNote(latest).text).size : treeSize(0)
      const isGrown = oldSize > 0 && oldSize < size
      const proof = isGrown ? await consistencyProof(log.tileSource(), oldSize, size) : []
      const answer = await client.addCheckpoint({ oldSize, proof, checkpoint: fromUtf8(bytes) })
      expect(answer).toMatchObject({ kind: 'cosigned' })
    },
  }
}

/** A policy of witnesses that demands none of them. */
export function policyWith(witnesses: readonly RealWitness[], quorum?: string): Policy {
  return {
    logs: [],
    witnesses: witnesses.flatMap(({ name, keys, url }) =>
      keys.map((key, i) => ({ name: i === 0 ? name : `${name}-${i}`, key, url })),
    ),
    groups: [],
    quorum,
  }
}

/** Shows what is behind `target`. */
export async function frontOf(target: string): Promise<Front> {
  const instead = new Map<string, Handler>()
  const seen: string[] = []
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    seen.push(path)
    const handler = instead.get(path) ?? instead.get('*')
    if (handler !== undefined) return handler(request, response)
    try {
      const answer = await fetch(front.target + path)
      const body = new Uint8Array(await answer.arrayBuffer())
      response.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'text/plain',
      })
      response.end(body)
    } catch {
      response.destroy()
    }
  })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  left.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const front: Front = { url, target, instead, seen }
  return front
}

/** Answers with these bytes. */
export const saying =
  (body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Handler =>
  (_, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

export async function watch(
  given: Partial<WatchOptions> & Pick<WatchOptions, 'logs'>,
): Promise<Watching> {
  const options: WatchOptions = {
    state: join(folder, 'monitor'),
    ...given,
    limits: { maxAgeMs: 3_600_000, ...given.limits },
    timing: { ...IMPATIENT, ...given.timing },
  }
  const events: MonitorEvent[] = []
  const monitor = await startMonitor(
    {
      targets: targetsOf(options.logs, options.policy),
      state: options.state,
      limits: options.limits as Limits,
      timing: options.timing,
      ...(options.webhook && { webhook: options.webhook }),
    },
    { onEvent: (event) => events.push(event), ...(options.now && { now: options.now }) },
  )
  left.push(() => monitor.close())
  return {
    monitor,
    events,
    async round() {
      const { logs } = await monitor.round()
      return logs.flatMap(({ alerts }) => [...alerts])
    },
    async again(changed = {}) {
      await monitor.close()
      return watch({ ...options, ...changed })
    },
  }
}

/** The log at an address, by all its keys. */
export function at(url: string, { keys }: Pick<ShownLog, 'keys'>): WatchedLog[] {
  return keys.map((key) => ({ key, url }))
}

export const kindsOf = (alerts: readonly Alert[]): string[] => alerts.map(({ kind }) => kind)

/** What was said, in order: `alert rollback`, `cleared unreachable`, `head 300`. */
export function said(events: readonly MonitorEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.event === 'round') return []
    return event.event === 'head' ? [`head ${event.size}`] : [`${event.event} ${event.alert.kind}`]
  })
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
