/** The objects of an archive as a static site: what is left to read of a log when no server of it runs. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CairnError } from '../../../src/errors.ts'
import type { ObjectStore } from '../../../src/storage/object-port.ts'

export interface Site {
  readonly url: string
  close(): Promise<void>
}

export async function siteOf(store: ObjectStore): Promise<Site> {
  const server = createServer((request, response) => {
    store.get(decodeURIComponent(request.url!.slice(1))).then(
      (object) => {
        response.writeHead(object === undefined ? 404 : 200, {
          'Content-Type': object?.contentType ?? 'application/octet-stream',
        })
        response.end(object?.bytes)
      },
      (error: unknown) => {
        // A name that no object can have.
        const isUsage = error instanceof CairnError && error.code === 'USAGE'
        response.writeHead(isUsage ? 404 : 502).end()
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
