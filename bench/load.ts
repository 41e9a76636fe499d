/**
 * A load generator on raw sockets: closed loop, one request at a time on each connection. It runs as a process of its
 * own, takes its plan as JSON in the first argument and prints its measurement as JSON. It reads each answer to its
 * last byte, counts every status but 200 and 201 as an error, and never sends the same leaf twice.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

export interface LoadPlan {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  /** Requests in all. */
  readonly requests: number
  /** Requests before the clock starts. */
  readonly warmUp: number
  readonly leafBytes: number
  /** 1: the body is the leaf. More: a CBOR sequence of byte strings. */
  readonly leavesPerRequest: number
}

export interface LoadResult {
  readonly seconds: number
  readonly requests: number
  readonly leaves: number
  readonly errors: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Bytes nobody can compress, from which leaves are cut at ever other places. */
const NOISE = randomBytes(1 << 22)
const RUN = randomBytes(8)

function fillLeaf(target: Buffer, at: number, length: number, serial: number): void {
  const from = (serial * 4099) % (NOISE.length - length)
  NOISE.copy(target, at, from, from + length)
  RUN.copy(target, at)
  target.writeUInt32BE(serial, at + 8)
}

/** The request as one buffer; the bodies are written into it in place. */
function template(plan: LoadPlan): { request: Buffer; body: number } {
  const item = plan.leavesPerRequest === 1 ? plan.leafBytes : 3 + plan.leafBytes
  const length = item * plan.leavesPerRequest
  const headers = { ...plan.headers, Host: `${plan.host}:${plan.port}`, 'Content-Length': length }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `POST ${plan.path} HTTP/1.1\r\n${lines.join('')}\r\n`
  return { request: Buffer.concat([Buffer.from(head), Buffer.alloc(length)]), body: head.length }
}

function run(plan: LoadPlan): Promise<LoadResult> {
  let serial = 0
  let sent = 0
  let done = 0
  let errors = 0
  let start = 0
  const times: number[] = []

  function connection(): Promise<void> {
    const { request, body } = template(plan)
    const socket = connect({ host: plan.host, port: plan.port, noDelay: true })
    let sentAt = 0
    let pending: Buffer | undefined

    const send = (): boolean => {
      if (sent >= plan.requests + plan.warmUp) return false
      if (sent++ === plan.warmUp) start = performance.now()
      let at = body
      for (let i = 0; i < plan.leavesPerRequest; i++) {
        if (plan.leavesPerRequest > 1) {
          request[at] = 0x59
          request.writeUInt16BE(plan.leafBytes, at + 1)
          at += 3
        }
        fillLeaf(request, at, plan.leafBytes, serial++)
        at += plan.leafBytes
      }
      sentAt = performance.now()
      // A copy: the socket may hold on to the buffer after this call.
      socket.write(Buffer.from(request))
      return true
    }

    return new Promise((resolve, reject) => {
      socket.on('connect', () => send() || socket.end(resolve))
      socket.on('error', reject)
      socket.on('close', () => resolve())
      socket.on('data', (chunk: Buffer) => {
        pending = pending === undefined ? chunk : Buffer.concat([pending, chunk])
        const head = pending.indexOf('\r\n\r\n')
        if (head < 0) return
        const length = contentLength(pending, head)
        if (pending.length < head + 4 + length) return
        if (done++ >= plan.warmUp) times.push(performance.now() - sentAt)
        // "HTTP/1.1 2xx"
        if (pending[9] !== 0x32) errors++
        pending = undefined
        if (!send()) socket.end()
      })
    })
  }

  return Promise.all(Array.from({ length: plan.connections }, connection)).then(() => {
    const seconds = (performance.now() - start) / 1000
    times.sort((a, b) => a - b)
    const quantile = (q: number): number =>
      times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? 0
    return {
      seconds,
      requests: times.length,
      leaves: times.length * plan.leavesPerRequest,
      errors,
      p50: quantile(0.5),
      p99: quantile(0.99),
      max: quantile(1),
    }
  })
}

function contentLength(answer: Buffer, head: number): number {
  const found = /content-length: (\d+)/i.exec(answer.toString('latin1', 0, head + 2))
  if (found === null) throw new Error('the answer has no Content-Length')
  return Number(found[1])
}

run(JSON.parse(process.argv[2]!) as LoadPlan).then(
  (result) => console.log(JSON.stringify(result)),
  (error: unknown) => {
    console.error(
      `the load generator failed: ${error instanceof Error ? error.message : String(error)}`,
    )
    process.exitCode = 1
  },
)
