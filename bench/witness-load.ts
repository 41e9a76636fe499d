/**
 * A load generator for witnesses on raw sockets: closed loop, one request at a time on each connection. It runs as a
 * process of its own, takes its plan as JSON in the first argument and prints its measurement as JSON. All requests are
 * made and signed before the clock starts; every answer but 200 is an error.
 */
import { connect } from 'node:net'
import { keyOf, requestOf, stepsOf } from './witness-requests.ts'

export interface WitnessPlan {
  readonly port: number
  readonly logs: number
  readonly connections: number
  /** Heads that each log shows within the measured time. */
  readonly rounds: number
  /** Heads that each log has shown before: none of them is sent again. */
  readonly done: number
}

export interface WitnessLoad {
  readonly seconds: number
  readonly requests: number
  readonly errors: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Bytes of a request, its head included. */
  readonly requestBytes: number
}

function prepare({ port, logs, rounds, done }: WitnessPlan): Buffer[] {
  const steps = stepsOf(done + rounds).slice(done)
  const keys = Array.from({ length: logs }, (_, log) => keyOf(log))
  return steps.flatMap((step) =>
    keys.map((key) => {
      const body = Buffer.from(requestOf(key, step))
      const head = `POST /add-checkpoint HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${body.length}\r\n\r\n`
      return Buffer.concat([Buffer.from(head), body])
    }),
  )
}

async function run(plan: WitnessPlan): Promise<WitnessLoad> {
  const requests = prepare(plan)
  const times: number[] = []
  let sent = 0
  let errors = 0

  function connection(): Promise<void> {
    const socket = connect({ host: '127.0.0.1', port: plan.port, noDelay: true })
    let sentAt = 0
    let pending: Buffer | undefined
    const send = (): boolean => {
      const request = requests[sent++]
      if (request === undefined) return false
      sentAt = performance.now()
      socket.write(request)
      return true
    }
    return new Promise((resolve, reject) => {
      socket.on('connect', () => send() || socket.end(resolve))
      socket.on('error', reject)
      socket.on('close', () => resolve())
      socket.on('data', (chunk: Buffer) => {
        pending = pending === undefined ? chunk : Buffer.concat([pending, chunk])
        const head = pending.indexOf('\r\n\r\n')
        if (head < 0 || pending.length < head + 4 + contentLength(pending, head)) return
        times.push(performance.now() - sentAt)
        // "HTTP/1.1 200"
        if (pending.toString('latin1', 9, 12) !== '200') errors++
        pending = undefined
        if (!send()) socket.end()
      })
    })
  }

  const started = performance.now()
  await Promise.all(Array.from({ length: plan.connections }, connection))
  const seconds = (performance.now() - started) / 1000
  times.sort((a, b) => a - b)
  const quantile = (q: number): number =>
    times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? 0
  return {
    seconds,
    requests: times.length,
    errors,
    p50: quantile(0.5),
    p99: quantile(0.99),
    requestBytes: requests[0]?.length ?? 0,
  }
}

function contentLength(answer: Buffer, head: number): number {
  const found = /content-length: (\d+)/i.exec(answer.toString('latin1', 0, head + 2))
  if (found === null) throw new Error('the answer has no Content-Length')
  return Number(found[1])
}

run(JSON.parse(process.argv[2]!) as WitnessPlan).then(
  (result) => console.log(JSON.stringify(result)),
  (error: unknown) => {
    console.error(
      `the load generator failed: ${error instanceof Error ? error.message : String(error)}`,
    )
    process.exitCode = 1
  },
)
