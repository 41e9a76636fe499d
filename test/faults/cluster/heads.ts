/** Looks at all the places where heads of a log are shown, all the time, as many monitors would. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fromUtf8 } from '../../../src/bytes.ts'
import type { Journal } from './journal.ts'
import { exchange } from './request.ts'
import type { Stage } from './stage.ts'

const EVERY_MS = 100
const BUCKET_EVERY_MS = 250
const ANSWER_MS = 2_000

export interface HeadWatch {
  stop(): Promise<void>
}

export function watchHeads(stage: Stage, journal: Journal): HeadWatch {
  let isStopped = false

  async function watch(
    where: string,
    everyMs: number,
    read: () => Promise<string | undefined>,
    mayGoBack = false,
  ): Promise<void> {
    let largest = 0
    while (!isStopped) {
      // Servers and storage are away now and then: that is what this is about.
      const note = await read().catch(() => undefined)
      const size = note === undefined ? undefined : journal.see(note, where)
      if (size !== undefined && size < largest && !mayGoBack) {
        journal.complain(`${where} showed a head of size ${size} after one of ${largest}`)
      }
      largest = Math.max(largest, size ?? 0)
      await sleep(everyMs)
    }
  }

  const watching = stage.members.map(({ name, url }) =>
    watch(name, EVERY_MS, () => publishedAt(url)),
  )
  // A leader that was paused between two requests puts its checkpoint in the place of a newer one, for a moment.
  watching.push(watch('the bucket', BUCKET_EVERY_MS, () => archived(stage), true))
  return {
    async stop() {
      isStopped = true
      await Promise.all(watching)
    },
  }
}

/** The checkpoint that a server shows. */
export async function publishedAt(url: string): Promise<string | undefined> {
  const { status, body } = await exchange(`${url}/checkpoint`, { timeoutMs: ANSWER_MS })
  return status === 200 ? body.toString() : undefined
}

/** The checkpoint that the archive shows. */
export async function archived({ archive }: Stage): Promise<string | undefined> {
  const object = await archive.store.get('checkpoint')
  return object && fromUtf8(object.bytes)
}

/** The size that a note claims. */
export function claimedSize(note: string | undefined): number {
  return Number(note?.split('\n')[1] ?? -1)
}
