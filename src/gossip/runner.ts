/**
 * Gossip: published heads of a log, sent to systems that its operator does not control. Each sink is on its own, and
 * none is in the way of the others or of the log's writes.
 */
import type { RetrySchedule, SinkSchedule } from './schedule.ts'
import type { HeadSink, PublishedHead } from './sink.ts'
import { type GossipEvent, SinkLoop, type SinkStatus } from './sink-loop.ts'
import type { StateStore } from './state.ts'

export interface ScheduledSink {
  readonly sink: HeadSink
  readonly schedule: SinkSchedule
}

export interface GossipOptions {
  /** With names of their own. */
  readonly sinks: readonly ScheduledSink[]
  /** The newest published head, or undefined before the first. */
  readonly head: () => PublishedHead | undefined
  readonly states: StateStore
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** From 0 to 1: what pauses are jittered by. */
  readonly random?: () => number
  readonly retry?: RetrySchedule
  /** Least time between two attempts of a sink. */
  readonly leastPauseMs?: number
  readonly onEvent?: (event: GossipEvent) => void
}

export interface Gossip {
  /** Tells that a head was published. Returns at once. */
  notify(): void
  /** What is known of each sink, in the order given. */
  status(): readonly SinkStatus[]
  /** Gives up on what is under way: the next start goes on from there. */
  close(): Promise<void>
}

const RETRY: RetrySchedule = { firstMs: 2_000, maxMs: 300_000 }
const LEAST_PAUSE_MS = 1_000

/** Begins to send heads to all sinks. */
export async function startGossip(options: GossipOptions): Promise<Gossip> {
  const { head, states, now = Date.now, random = Math.random } = options
  const { retry = RETRY, leastPauseMs = LEAST_PAUSE_MS, onEvent = () => {} } = options
  const common = { retry, leastPauseMs, head, states, now, random, onEvent }
  const loops: readonly SinkLoop[] = await Promise.all(
    options.sinks.map(({ sink, schedule }) => SinkLoop.start({ sink, schedule, ...common })),
  )
  return {
    notify() {
      for (const loop of loops) loop.wake()
    },
    status: () => loops.map((loop) => loop.status()),
    async close() {
      await Promise.all(loops.map((loop) => loop.close()))
    },
  }
}
