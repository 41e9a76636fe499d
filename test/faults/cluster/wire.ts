/**
 * A TCP connection's way through a network that can be cut: then what is sent arrives nowhere, nothing is refused and
 * nobody is told, new connections get no answer. Once it is mended all that was on its way arrives after all, however
 * old, as TCP has it: the worst that can come of a leader that was cut off.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Wire {
  readonly port: number
  /** Bytes go nowhere from now on. */
  cut(): void
  /** What was held up arrives, and all goes on. */
  mend(): void
  /** Leads new connections to another port; those that are there are cut. */
  lead(port: number): void
  close(): Promise<void>
}

/** A wire to a port of this machine. */
export async function layWire(to: number): Promise<Wire> {
  const sockets = new Set<Socket>()
  let isCut = false
  let target = to

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    join(near, far)
    join(far, near)
  })

  function join(from: Socket, into: Socket): void {
    sockets.add(from)
    from.setNoDelay(true)
    if (isCut) from.pause()
    from.on('data', (chunk) => void into.write(chunk))
    from.on('end', () => into.end())
    from.on('error', () => undefined)
    from.on('close', () => {
      sockets.delete(from)
      // That one end is gone is news as well, which does not get through a cut.
      if (isCut) orphans.add(into)
      else into.destroy()
    })
  }
  /** Ends whose other end has gone while nobody could be told. */
  const orphans = new Set<Socket>()
  const loseOrphans = (): void => {
    for (const socket of orphans) socket.destroy()
    orphans.clear()
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true
      for (const socket of sockets) socket.pause()
    },
    mend() {
      isCut = false
      for (const socket of sockets) socket.resume()
      // What had been sent before the end arrives before it.
      setTimeout(loseOrphans, 50).unref()
    },
    lead(port) {
      target = port
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      isCut = false
      for (const socket of [...sockets, ...orphans]) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
