/** What a server that is cut off from the database says to its clients, and how soon it follows once it is not. */
import { setTimeout as sleep } from 'node:timers/promises'
import { claimedSize, publishedAt } from './heads.ts'
import { exchange } from './request.ts'

/** Nobody should be kept waiting for longer. */
const PATIENCE_MS = 20_000
const ANSWER_MS = 30_000
const FOLLOW_MS = 30_000
const LOOK_MS = 50

export interface Refusal {
  /** What was asked. */
  readonly what: string
  readonly status: number | undefined
  /** When the answer came, by performance.now(), and how long it took. */
  readonly at: number
  readonly tookMs: number
}

/** Submits a leaf that the log has, and a record, and asks for a proof. */
export function askCutOff(url: string, leaf: Uint8Array, token: string): Promise<Refusal[]> {
  // Of another type than those that are counted.
  const record = { type: 'decision', request_id: 'cut-off', decision: { outcome: 'none' } }
  const questions = [
    { what: 'a leaf', path: '/add', body: leaf, type: 'application/octet-stream' },
    {
      what: 'a record',
      path: '/v1/records',
      body: Buffer.from(JSON.stringify(record)),
      type: 'application/json',
    },
  ]
  return Promise.all(
    questions.map(async ({ what, path, body, type }) => {
      const asked = performance.now()
      const headers = { 'Content-Type': type, authorization: `Bearer ${token}` }
      const answer = await exchange(url + path, {
        method: 'POST',
        headers,
        body,
        timeoutMs: ANSWER_MS,
      }).catch(() => undefined)
      const at = performance.now()
      return { what, status: answer?.status, at, tookMs: at - asked }
    }),
  )
}

/** What is wrong with these answers, in words. `from` and `to` say when it was cut off. */
export function complaintsOf(name: string, refusals: readonly Refusal[], to: number): string[] {
  return refusals.flatMap(({ what, status, at, tookMs }) => {
    if (status === undefined || tookMs > PATIENCE_MS) {
      return [`${name}, cut off from the database, left ${what} unanswered for ${tookMs} ms`]
    }
    // What came through after it was mended may well have been taken.
    if (status === 503 || at > to) return []
    return [`${name}, cut off from the database, answered ${what} with ${status}`]
  })
}

/** Milliseconds until a server shows a head of `size` leaves; undefined when it does not. */
export async function untilFollowing(url: string, size: number): Promise<number | undefined> {
  const began = performance.now()
  while (performance.now() - began < FOLLOW_MS) {
    const note = await publishedAt(url).catch(() => undefined)
    if (claimedSize(note) >= size) return performance.now() - began
    await sleep(LOOK_MS)
  }
  return undefined
}
