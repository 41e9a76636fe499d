/** A real HTTP server in front of logs, on a free port of this machine. */
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { type Authenticate, allowAnyone } from '../../src/http/authenticate.ts'
import { createServerFor } from '../../src/http/node-listener.ts'
import type { HttpServer } from '../../src/http/node-server.ts'
import type { LogService } from '../../src/log/service.ts'

export interface LiveServer {
  readonly url: string
  readonly port: number
  close(graceMs?: number): Promise<void>
}

export interface LiveServerOptions {
  readonly authenticate?: Authenticate
  readonly requestTimeoutMs?: number
  readonly witnessDeadlineMs?: number
  readonly onError?: (error: unknown) => void
}

/** Serves logs by name; the one at `/` has the empty name. */
export async function liveServer(
  logs: Readonly<Record<string, LogService>>,
  options: LiveServerOptions = {},
): Promise<LiveServer> {
  const { authenticate = allowAnyone, witnessDeadlineMs, ...rest } = options
  const shared = { authenticate, ...(witnessDeadlineMs !== undefined && { witnessDeadlineMs }) }
  const hosted = Object.entries(logs).map(([name, log]) => [name, { log, ...shared }] as const)
  return listening(createServerFor({ logs: new Map(hosted), ...rest }))
}

/** A server on a free port. */
export async function listening({ server, close }: HttpServer): Promise<LiveServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, close: (graceMs = 200) => close(graceMs) }
}

/** Sends bytes on a connection of their own and collects what comes back until the other side closes it. */
export function exchange(port: number, request: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}
