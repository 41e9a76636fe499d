/** Heads to send, of the example log, and a place for what sinks keep. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SinkSchedule } from '../../src/gossip/schedule.ts'
import type { PublishedHead } from '../../src/gossip/sink.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { checkpointAt, ORIGIN, rootAt } from '../support/example-log.ts'

/** The head of the first `size` leaves, 1 to 13. */
export function headAt(size: number): PublishedHead {
  const checkpoint = checkpointAt(size)
  return { origin: ORIGIN, size: treeSize(size), root: rootAt(size), checkpoint }
}

export const SCHEDULE: SinkSchedule = {
  everyEntries: Number.POSITIVE_INFINITY,
  everyMs: 60_000,
  renew: false,
  timeoutMs: 5_000,
}

export interface Place {
  readonly path: string
  at(...parts: string[]): string
  discard(): Promise<void>
}

export async function newFolder(): Promise<Place> {
  const path = await mkdtemp(join(tmpdir(), 'cairn-gossip-'))
  return {
    path,
    at: (...parts) => join(path, ...parts),
    discard: () => rm(path, { recursive: true, force: true }),
  }
}

/** Waits for something that is about to happen. */
export async function until(
  what: string,
  happened: () => boolean | Promise<boolean>,
): Promise<void> {
  for (const started = performance.now(); performance.now() - started < 10_000; ) {
    if (await happened()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`did not happen: ${what}`)
}

/** A signal that never fires. */
export function noSignal(): AbortSignal {
  return new AbortController().signal
}
