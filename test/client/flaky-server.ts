/** A small HTTP server that answers as a test tells it to, failures included. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  /** With the query, without the address. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Uint8Array
}

export type Behaviour = (response: ServerResponse, request: SeenRequest, call: number) => void

export interface FlakyServer {
  readonly url: string
  /** All requests so far, in order. */
  readonly seen: SeenRequest[]
  close(): Promise<void>
}

/** Answers the n-th request with the n-th behaviour, and all further ones with the last. */
export async function flakyServer(...behaviours: readonly Behaviour[]): Promise<FlakyServer> {
  const seen: SeenRequest[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('error', () => {})
    request.on('end', () => {
      const call = seen.length
      const { method = '', url = '', headers } = request
      seen.push({ method, path: url, headers, body: new Uint8Array(Buffer.concat(parts)) })
      behaviours[Math.min(call, behaviours.length - 1)]!(response, seen[call]!, call)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

export const answer =
  (status: number, body: string | Uint8Array, headers: Record<string, string> = {}): Behaviour =>
  (response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

export const problem = (status: number, code: string, detail: string): Behaviour =>
  answer(status, JSON.stringify({ status, code, title: 'A title', detail }), {
    'content-type': 'application/problem+json',
  })

/** Cuts the connection without an answer. */
export const hangUp: Behaviour = (response) => {
  response.destroy()
}

/** Never answers. */
export const silence: Behaviour = () => {}
