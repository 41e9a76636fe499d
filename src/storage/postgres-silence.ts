/**
 * Connections on which nothing comes back any more. A network that swallows what it is given tells nobody; the system
 * would go on sending for a quarter of an hour. So whoever has waited for an answer for a while has the database asked
 * on a new connection: while that is answered, the statement is slow; when it is not, those that wait are cut.
 */
import { Socket } from 'node:net'
import pg from 'pg'

/** What the system does by itself: from so long a silence on it asks, and gives up ten unanswered seconds later. */
export const KEEP_ALIVE_MS = 10_000

const LOOK_MS = 500

export interface Silence {
  /** An answer is waited for on a connection, until the function that this gives is called. */
  during(client: Pick<pg.Client, 'end'>): () => void
}

export interface SilenceOptions {
  /** Resolves when the database answers on a new connection. */
  readonly reach: () => Promise<void>
  /** How long an answer is waited for before anybody wonders. */
  readonly silentMs: number
}

export function watchSilence({ reach, silentMs }: SilenceOptions): Silence {
  /** Since when each has waited, or since when the database was last known to be there. */
  const waiting = new Map<Pick<pg.Client, 'end'>, number>()
  let timer: NodeJS.Timeout | undefined
  let isAsking = false

  function look(): void {
    const before = performance.now() - silentMs
    const overdue = [...waiting].filter(([, since]) => since <= before)
    if (overdue.length === 0 || isAsking) return
    isAsking = true
    reach()
      .then(
        () => true,
        // One that refuses is there.
        (error: unknown) => error instanceof pg.DatabaseError,
      )
      .then((isThere) => {
        isAsking = false
        for (const [client, since] of overdue) {
          if (waiting.get(client) !== since) continue
          if (isThere) waiting.set(client, performance.now())
          // With a statement under way the driver does not wait for anything when it is told to end.
          else client.end().catch(() => undefined)
        }
      })
  }

  return {
    during(client) {
      waiting.set(client, performance.now())
      timer ??= setInterval(look, LOOK_MS).unref()
      return () => {
        waiting.delete(client)
        if (waiting.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}

/** Sockets for a driver that can only be asked to part in good order, which takes two. */
export function ownSockets(): { make(): Socket; destroy(): void } {
  const sockets = new Set<Socket>()
  return {
    make() {
      const socket = new Socket()
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
    destroy() {
      for (const socket of sockets) socket.destroy()
    },
  }
}
