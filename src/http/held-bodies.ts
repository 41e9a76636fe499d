/** Bodies of requests that are kept in memory until the requests are answered, so that they can be sent again. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { CairnError } from '../errors.ts'
import { MAX_SUBMITTED_BYTES } from '../records/read-submissions.ts'
import { inviteBody } from './node-server.ts'

export interface HeldBodies {
  /** All that are held now. */
  readonly bytes: number
  /** Reads one, and holds it until its answer is through. Never settles when the client goes away. @throws TOO_LARGE, OVERLOADED */
  read(request: IncomingMessage, response: ServerResponse): Promise<Uint8Array>
}

/** At most `limit` bytes at the same time. */
export function heldBodies(limit: number): HeldBodies {
  let held = 0
  return {
    get bytes() {
      return held
    },
    read(request, response) {
      inviteBody(request, response)
      return new Promise((resolve, reject) => {
        const chunks: Uint8Array[] = []
        let size = 0
        const release = (): void => {
          held -= size
          size = 0
        }
        response.once('close', release)
        const refuse = (code: 'TOO_LARGE' | 'OVERLOADED', message: string): void => {
          request.off('data', take)
          chunks.length = 0
          release()
          reject(new CairnError(code, message))
        }
        const take = (chunk: Uint8Array): void => {
          size += chunk.length
          held += chunk.length
          chunks.push(chunk)
          if (size > MAX_SUBMITTED_BYTES) {
            refuse('TOO_LARGE', `a body has at most ${MAX_SUBMITTED_BYTES} bytes`)
          } else if (held > limit) {
            refuse('OVERLOADED', 'too much is being passed on at once; try again in a second')
          }
        }
        request.on('data', take)
        request.on('end', () => resolve(Buffer.concat(chunks)))
      })
    },
  }
}
