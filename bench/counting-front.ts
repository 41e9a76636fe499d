/** Stands before an S3 server, passes all on, and counts what is asked of it: what a bill would say. */
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface S3Counts {
  /** PUT, POST and listings, which cost the most. */
  puts: number
  gets: number
  deletes: number
  /** Bytes of bodies sent to it. */
  bytesUp: number
}

export interface CountingFront {
  readonly endpoint: string
  /** What was counted since the last time. */
  take(): S3Counts
  close(): Promise<void>
}

const nothing = (): S3Counts => ({ puts: 0, gets: 0, deletes: 0, bytesUp: 0 })

/** The name that requests were signed for is passed on as it is. */
export async function countingFront(endpoint: string): Promise<CountingFront> {
  const { hostname, port } = new URL(endpoint)
  let counts = nothing()
  const server = createServer((request, response) => {
    const { method, url, headers } = request
    const isListing = method === 'GET' && url!.includes('list-type=')
    if (method === 'DELETE') counts.deletes++
    else if (isListing || method === 'PUT' || method === 'POST') counts.puts++
    else counts.gets++
    request.on('data', (chunk: Buffer) => {
      counts.bytesUp += chunk.length
    })
    const onward = httpRequest({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = counts
      counts = nothing()
      return taken
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
