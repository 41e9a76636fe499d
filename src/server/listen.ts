/** Makes a server listen where the configuration says. */
import { createServer } from 'node:net'
import { usage } from '../errors.ts'
import type { HttpServer } from '../http/node-server.ts'

/** More than Linux's default, which overflows under a burst of new connections and costs each a second. */
const BACKLOG = 4_096

/** Listens, and returns the address: `http://127.0.0.1:6962`. @throws USAGE when it is taken or not this machine's */
export function listen(
  { server }: HttpServer,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'something else listens there' : cause.message
      reject(
        usage(
          `cannot listen on ${host} port ${port}: ${why}; choose another with --host and --port`,
          cause,
        ),
      )
    })
    server.listen({ host, port, backlog: BACKLOG }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`)
    })
  })
}

/** A port of an address that is free now. @throws USAGE when it is not this machine's */
export function reservePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) => {
      reject(usage(`cannot listen on ${host}: ${cause.message}; choose another with --host`, cause))
    })
    server.listen({ host, port: 0 }, () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
