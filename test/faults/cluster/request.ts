/** One HTTP request, with an end to its patience: a server that is paused answers nothing and closes nothing. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'

export interface Outgoing {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Milliseconds for all of it. */
  readonly timeoutMs: number
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const agent = new Agent({ keepAlive: true })

/** @throws Error when there is no whole answer in time */
export function exchange(url: string, outgoing: Outgoing): Promise<Answered> {
  const { method = 'GET', headers = {}, body, timeoutMs } = outgoing
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(body.length) }
    const request = httpRequest(url, { method, headers: { ...headers, ...length }, agent })
    const patience = setTimeout(() => request.destroy(new Error('no answer in time')), timeoutMs)
    const fail = (error: Error): void => {
      clearTimeout(patience)
      reject(error)
    }
    request.on('error', fail)
    request.on('response', (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', fail)
      response.on('aborted', () => fail(new Error('the answer broke off')))
      response.on('end', () => {
        clearTimeout(patience)
        const { statusCode, headers } = response
        resolve({ status: statusCode!, headers, body: Buffer.concat(parts) })
      })
    })
    request.end(body)
  })
}

/** Ends the connections that are kept. */
export function closeConnections(): void {
  agent.destroy()
}
