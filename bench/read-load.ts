/**
 * Reads tiles or entry bundles over raw sockets: closed loop, one request at a time on each connection, at places all
 * over the tree. A process of its own; takes its plan as JSON in the first argument and prints its measurement as JSON.
 */
import { connect } from 'node:net'
import { bundlePath, TILE_WIDTH, tilePath } from '../src/formats/tile.ts'

export interface ReadPlan {
  readonly port: number
  readonly what: 'tiles' | 'bundles'
  /** Full tiles or bundles from 0 up to this many are read. */
  readonly below: number
  readonly connections: number
  readonly requests: number
}

export interface ReadResult {
  readonly seconds: number
  readonly requests: number
  readonly bytes: number
  readonly errors: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** Coprime to most numbers: steps of it come by all places in no order. */
const STEP = 7_919

function run({ port, what, below, connections, requests }: ReadPlan): Promise<ReadResult> {
  let sent = 0
  let bytes = 0
  let errors = 0
  const times: number[] = []
  const start = performance.now()

  function connection(): Promise<void> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    let sentAt = 0
    let head = Buffer.alloc(0)
    /** Bytes of the body that are still to come; undefined while the head is. */
    let left: number | undefined

    const send = (): boolean => {
      if (sent >= requests) return false
      const place = (sent++ * STEP) % below
      const path = what === 'tiles' ? tilePath(0, place, TILE_WIDTH) : bundlePath(place, TILE_WIDTH)
      sentAt = performance.now()
      socket.write(`GET /${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
      return true
    }

    return new Promise((resolve, reject) => {
      socket.on('connect', () => send() || socket.end(resolve))
      socket.on('error', reject)
      socket.on('close', () => resolve())
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (left === undefined) {
          head = Buffer.concat([head, chunk])
          const end = head.indexOf('\r\n\r\n')
          if (end < 0) return
          const text = head.toString('latin1', 0, end + 2)
          if (!text.startsWith('HTTP/1.1 200 ')) errors++
          left = Number(/content-length: (\d+)/i.exec(text)?.[1]) - (head.length - end - 4)
          head = Buffer.alloc(0)
        } else left -= chunk.length
        if (left > 0) return
        left = undefined
        times.push(performance.now() - sentAt)
        if (!send()) socket.end()
      })
    })
  }

  return Promise.all(Array.from({ length: connections }, connection)).then(() => {
    const seconds = (performance.now() - start) / 1_000
    times.sort((a, b) => a - b)
    const quantile = (q: number): number => times[Math.floor(q * (times.length - 1))] ?? 0
    const [p50, p99] = [quantile(0.5), quantile(0.99)]
    return { seconds, requests: times.length, bytes, errors, p50, p99 }
  })
}

run(JSON.parse(process.argv[2]!) as ReadPlan).then(
  (result) => console.log(JSON.stringify(result)),
  (error: unknown) => {
    console.error(`reading failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  },
)
