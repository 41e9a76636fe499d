/**
 * Hearing of changes: one connection that LISTENs on the channel of the log's schema, and is made anew whenever it is
 * lost. What was notified in between nobody knows, so that everything counts as changed then.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { PostgresPool } from './postgres-pool.ts'

const CHANGES = ['sequenced', 'head', 'publication', 'leadership'] as const

export type Change = (typeof CHANGES)[number]

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** A connection on which nothing happens is asked this often, and for so long, whether it is one still. */
const PROOF_MS = 5_000
const PARTING_MS = 500

export interface Watch {
  add(onChange: (change: Change) => void): () => void
  close(): Promise<void>
}

/** Connects with the first watcher, and lets go with the last. */
export function watchChanges(pool: PostgresPool): Watch {
  const watchers = new Set<(change: Change) => void>()
  let client: pg.Client | undefined
  let connecting: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let pause = FIRST_PAUSE_MS
  let isClosed = false

  const tell = (change: Change): void => {
    for (const watcher of [...watchers]) watcher(change)
  }
  const isWanted = (): boolean => watchers.size > 0 && !isClosed

  async function connect(): Promise<void> {
    let next: pg.Client
    try {
      next = await pool.dedicated()
    } catch {
      again()
      return
    }
    next.on('notification', ({ payload }) => {
      const change = CHANGES.find((name) => name === payload)
      if (change !== undefined) tell(change)
    })
    next.once('end', () => {
      if (client === next) client = undefined
      again()
    })
    try {
      await next.query(`LISTEN ${pg.escapeIdentifier(pool.schema)}`)
    } catch {
      await next.end().catch(() => undefined)
      return
    }
    if (!isWanted()) {
      await next.end().catch(() => undefined)
      return
    }
    client = next
    prove(next)
    pause = FIRST_PAUSE_MS
    for (const change of CHANGES) tell(change)
  }

  function again(): void {
    if (!isWanted() || retry !== undefined) return
    retry = setTimeout(() => {
      retry = undefined
      start()
    }, pause)
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }

  function start(): void {
    if (!isWanted() || client !== undefined || connecting !== undefined) return
    connecting = connect().finally(() => {
      connecting = undefined
      // One who came while the last was leaving.
      if (isWanted() && client === undefined) again()
    })
  }

  async function letGo(): Promise<void> {
    clearTimeout(retry)
    retry = undefined
    const last = client
    client = undefined
    if (last === undefined) return
    const ended = last.end().catch(() => undefined)
    await Promise.race([ended, sleep(PARTING_MS, undefined, { ref: false })])
  }

  return {
    add(onChange) {
      // The same function may be given twice.
      const watcher = (change: Change): void => onChange(change)
      watchers.add(watcher)
      start()
      return () => {
        watchers.delete(watcher)
        if (watchers.size === 0) void letGo()
      }
    },
    async close() {
      isClosed = true
      watchers.clear()
      await connecting
      await letGo()
    },
  }
}

/** Asks something now and then: on one that a network swallows, no news would seem to be good news. */
function prove(client: pg.Client): void {
  const question = { text: 'SELECT 1', query_timeout: PROOF_MS }
  const timer = setInterval(() => {
    client.query(question).catch(() => client.end().catch(() => undefined))
  }, PROOF_MS).unref()
  client.once('end', () => clearInterval(timer))
}
