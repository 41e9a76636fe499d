/**
 * kill -9 at any moment, again and again, in a stream of add-checkpoint requests: what a witness knows of a log is never
 * older than what it answered for, and it still refuses a fork. TEST_KILL_ROUNDS sets how often.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { equal, utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { freePort, type ServeProcess, startWitness } from '../support/cairn-process.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'

const ROUNDS = Number(process.env.TEST_KILL_ROUNDS ?? 5)
const LOGS = 6

interface Watched {
  readonly log: WitnessedLog
  /** The same keys on other leaves. */
  readonly fork: WitnessedLog
  /** The largest size that was answered with 200, and that was ever asked for. */
  answered: number
  asked: number
  /** Of the newest cosignature, in seconds since 1970. */
  timestamp: number
  cosigned: number
}

function watched(i: number): Watched {
  const origin = `log${i}.example`
  const trees = { log: new WitnessedLog(origin), fork: new WitnessedLog(origin, 'other leaf') }
  return { ...trees, answered: 0, asked: 0, timestamp: 0, cosigned: 0 }
}

function send({ url }: ServeProcess, body: Uint8Array): Promise<Response> {
  const bytes = body as Uint8Array<ArrayBuffer>
  return fetch(`${url}/add-checkpoint`, { method: 'POST', body: bytes })
}

it(`never forgets what it has cosigned through ${ROUNDS} kills`, {
  timeout: 30_000 + ROUNDS * 8_000,
}, async () => {
  const place = await mkdtemp(join(tmpdir(), 'cairn-witness-kill-'))
  const data = join(place, 'w')
  const logs = Array.from({ length: LOGS }, (_, i) => watched(i))
  const vkeyFile = join(place, 'logs.vkey')
  await writeFile(vkeyFile, logs.map(({ log }) => `${formatVkey(log.key.vkey)}\n`).join(''))
  // ML-DSA-44 in JavaScript would only slow the stream down.
  const flags = ['--log', vkeyFile, '--no-ml-dsa']
  let keys: VerifierKey[] = []

  /** Takes note of what the witness has cosigned; it must be the log's tree, and no time may go back. */
  const see = (one: Watched, note: string): number => {
    const { checkpoint, cosignatures } = openCheckpoint(utf8(note), [one.log.key.vkey], keys)
    expect(equal(checkpoint.root, one.log.root(checkpoint.size))).toBe(true)
    expect(cosignatures).toHaveLength(1)
    const { timestamp } = cosignatures[0]!
    expect(timestamp).toBeGreaterThanOrEqual(one.timestamp)
    one.timestamp = timestamp
    return checkpoint.size
  }

  /** Grows one log until the witness is gone. */
  const client = async (witness: ServeProcess, one: Watched): Promise<void> => {
    let known = one.answered
    for (;;) {
      const size = known + 1 + Math.floor(Math.random() * 3)
      one.asked = Math.max(one.asked, size)
      let answer: Response
      let body: string
      try {
        answer = await send(witness, one.log.request(known, size))
        body = await answer.text()
      } catch {
        return
      }
      if (answer.status === 409) {
        // It may know what it had no time to answer, but nothing older, and nothing that nobody asked for.
        known = Number(body)
        expect(known).toBeGreaterThan(one.answered)
        expect(known).toBeLessThanOrEqual(one.asked)
        continue
      }
      expect([answer.status, body]).toEqual([200, expect.anything()])
      expect(see(one, one.log.head(size) + body)).toBe(size)
      known = one.answered = size
      one.cosigned++
    }
  }

  /** What it shows, and that other trees get nothing from it. */
  const inspect = async (witness: ServeProcess, one: Watched): Promise<void> => {
    const shown = await fetch(`${witness.url}/${originHash(one.log.origin)}/checkpoint`)
    if (one.answered === 0 && shown.status === 404) return
    expect(shown.status).toBe(200)
    const size = see(one, await shown.text())
    expect(size).toBeGreaterThanOrEqual(one.answered)
    const refused = [
      await send(witness, one.fork.request(0, size + 5)),
      await send(witness, one.fork.request(size, size)),
      await send(witness, one.fork.request(size, size + 5)),
      await send(witness, one.log.request(size - 1, size - 1)),
    ]
    expect(refused.map(({ status }) => status)).toEqual([409, 422, 422, 409])
  }

  let witness: ServeProcess | undefined
  try {
    for (let round = 0; round < ROUNDS; round++) {
      witness = await startWitness(data, await freePort(), flags)
      keys = [parseVkey((await readFile(join(data, 'witness.vkey'), 'utf8')).trimEnd())]
      const running = witness
      await Promise.all(logs.map((one) => inspect(running, one)))
      const clients = Promise.all(logs.map((one) => client(running, one)))
      await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 500))
      await running.kill()
      await clients
    }
    witness = await startWitness(data, await freePort(), flags)
    for (const one of logs) await inspect(witness, one)
    const cosigned = logs.reduce((sum, one) => sum + one.cosigned, 0)
    console.log(`${cosigned} heads cosigned, ${ROUNDS} kills`)
    expect(cosigned).toBeGreaterThan(ROUNDS)
    expect(await witness.stop()).toBe(0)
    witness = undefined
  } finally {
    await witness?.kill()
    await rm(place, { recursive: true, force: true })
  }
})
