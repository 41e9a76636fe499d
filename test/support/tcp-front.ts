/** A TCP port before another that can be made to fail as networks and servers do. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** 'closed' cuts connections and those that come; 'silent' takes what is sent and passes nothing on. */
export type FrontMode = 'open' | 'closed' | 'silent'

export interface TcpFront {
  readonly port: number
  /** Connections taken so far. */
  connections(): number
  become(mode: FrontMode): void
  close(): Promise<void>
}

export async function startTcpFront(behind: number): Promise<TcpFront> {
  const open = new Set<Socket>()
  let mode: FrontMode = 'open'
  let connections = 0
  const server = createServer((client) => {
    connections++
    if (mode === 'closed') {
      client.on('error', () => undefined)
      client.destroy()
      return
    }
    const there = connect(behind, '127.0.0.1')
    for (const [socket, other] of [
      [client, there],
      [there, client],
    ] as const) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('data', (chunk) => {
        if (mode !== 'silent') other.write(chunk)
      })
      socket.on('end', () => other.end())
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        open.delete(socket)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    become(next) {
      // What was kept from passing is lost, so those connections are of no use any more.
      if (next === 'closed' || mode === 'silent') cut()
      mode = next
    },
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
