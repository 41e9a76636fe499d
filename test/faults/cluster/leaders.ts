/** Who leads a log, as its database says, and since when. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

export interface Term {
  readonly epoch: number
  /** Of the server that leads. */
  readonly url: string
  /** When it was first seen, by performance.now(). */
  readonly since: number
}

export interface Leaders {
  readonly terms: readonly Term[]
  /** The term that lasts, as far as is known. */
  now(): Term | undefined
  /** The first term after that of `epoch`, or undefined when there is none in so many milliseconds. */
  after(epoch: number, milliseconds: number): Promise<Term | undefined>
  close(): Promise<void>
}

const POLL_MS = 25
/** A database that is paused or restarts answers nothing. */
const ANSWER_MS = 1_000

export function watchLeaders(url: string, schema: string): Leaders {
  const terms: Term[] = []
  let lasts = false
  let isClosed = false

  async function watch(): Promise<void> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      while (!isClosed) {
        const { rows } = await client.query<{ epoch: string; url: string; valid: boolean }>(
          `SELECT epoch, url, expires > clock_timestamp() AS valid FROM ${schema}.leadership`,
        )
        const row = rows[0]
        lasts = row?.valid === true
        const epoch = Number(row?.epoch ?? 0)
        if (row !== undefined && epoch > (terms.at(-1)?.epoch ?? 0)) {
          terms.push({ epoch, url: row.url, since: performance.now() })
        }
        await sleep(POLL_MS)
      }
    } catch {
      lasts = false
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  const watching = (async () => {
    while (!isClosed) {
      await watch()
      await sleep(POLL_MS)
    }
  })()
  return {
    terms,
    now: () => (lasts ? terms.at(-1) : undefined),
    async after(epoch, milliseconds) {
      const until = performance.now() + milliseconds
      for (;;) {
        const next = terms.find((term) => term.epoch > epoch)
        if (next !== undefined || performance.now() > until) return next
        await sleep(POLL_MS)
      }
    },
    async close() {
      isClosed = true
      await watching
    },
  }
}
