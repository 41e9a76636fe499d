/**
 * A load generator on raw sockets: closed loop, one request at a time on each connection. It runs as a process of its
 * own, takes its plan as JSON in the first argument and prints its measurement as JSON. It reads each answer to its
 * last byte, counts every status but 200 and 201 as an error, and never sends the same leaf or record twice.
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
  /** What is sent: leaves of random bytes, or audit records with a payload of as many. */
  readonly kind: 'leaves' | 'records'
  /** Bytes of a leaf, or of a record's payload. */
  readonly leafBytes: number
  /** 1: the body is the leaf or record. More: a CBOR sequence of byte strings, or NDJSON. */
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

/** A record of an exchange with a model; numbers are as wide as they get, so that all are of one length. */
function recordText(serial: number, payload: string): string {
  const n = serial.toString().padStart(9, '0')
  return JSON.stringify({
    type: 'llm_request',
    request_id: `req-${n}`,
    session_id: `session-${n.slice(0, -1)}`,
    subject: `person-${n.slice(-3)}@example.com`,
    model: { name: 'model', version: '1.0', parameters: { temperature: 0.7 } },
    input: { prompt: payload.slice(0, payload.length / 2), system_prompt_version: '3' },
    output: { text: payload.slice(payload.length / 2) },
    metrics: { input_tokens: 200, output_tokens: 100, cost: 0.01, currency: 'EUR' },
  })
}

/** What is sent next: where one item begins, how long it is, and how it is written. */
interface Items {
  readonly size: number
  write(target: Buffer, at: number, serial: number): void
}

function itemsOf({ kind, leafBytes, leavesPerRequest }: LoadPlan): Items {
  const many = leavesPerRequest > 1
  if (kind === 'leaves') {
    const before = many ? 3 : 0
    return {
      size: before + leafBytes,
      write(target, at, serial) {
        if (many) {
          target[at] = 0x59
          target.writeUInt16BE(leafBytes, at + 1)
        }
        fillLeaf(target, at + before, leafBytes, serial)
      },
    }
  }
  const text = NOISE.toString('base64')
  const size = recordText(0, text.slice(0, leafBytes)).length + 1
  return {
    size,
    write(target, at, serial) {
      const from = (serial * 4099) % (text.length - leafBytes)
      target.write(`${recordText(serial, text.slice(from, from + leafBytes))}\n`, at, 'latin1')
    },
  }
}

/** The request as one buffer; the bodies are written into it in place. */
function template(plan: LoadPlan, { size }: Items): { request: Buffer; body: number } {
  const length = size * plan.leavesPerRequest
  const headers = { ...plan.headers, Host: `${plan.host}:${plan.port}`, 'Content-Length': length }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `POST ${plan.path} HTTP/1.1\r\n${lines.join('')}\r\n`
  return { request: Buffer.concat([Buffer.from(head), Buffer.alloc(length)]), body: head.length }
}

function run(plan: LoadPlan): Promise<LoadResult> {
  const items = itemsOf(plan)
  let serial = 0
  let sent = 0
  let done = 0
  let errors = 0
  let start = 0
  const times: number[] = []

  function connection(): Promise<void> {
    const { request, body } = template(plan, items)
    const socket = connect({ host: plan.host, port: plan.port, noDelay: true })
    let sentAt = 0
    let pending: Buffer | undefined

    const send = (): boolean => {
      if (sent >= plan.requests + plan.warmUp) return false
      if (sent++ === plan.warmUp) start = performance.now()
      for (let i = 0; i < plan.leavesPerRequest; i++) {
        items.write(request, body + i * items.size, serial++)
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
