/** Heads of a log's past in a table. Their times are in memory: one server at a time keeps heads. */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { HeadStore } from './heads-port.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { type Fence, persistently } from './postgres-rows.ts'

export interface PostgresHeadStoreOptions {
  /** Its schema has been migrated. */
  readonly pool: PostgresPool
  /** Heads are neither kept nor forgotten when this is not the newest term. */
  readonly fence?: Fence
}

/** @throws UNAVAILABLE, IO */
export async function openPostgresHeadStore({
  pool,
  fence,
}: PostgresHeadStoreOptions): Promise<HeadStore> {
  const term = fence?.epoch ?? null
  const ask = <Row>(what: string, text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    persistently(
      () => pool.query<Row>(what, text, values),
      () => true,
    )
  const rows = await ask<{ time: number }>(
    'read the kept heads',
    'SELECT time FROM kept_heads ORDER BY time',
  )
  const times = rows.map(({ time }) => time)

  return {
    times: () => times,

    async read(time) {
      const [row] = await ask<{ checkpoint: Uint8Array }>(
        'read a kept head',
        'SELECT checkpoint FROM kept_heads WHERE time = $1',
        [time],
      )
      if (row !== undefined) return { time, checkpoint: fromUtf8(row.checkpoint, 'a kept head') }
      throw new CairnError('NOT_FOUND', `no head of ${new Date(time).toISOString()} is kept`)
    },

    async keep({ time, checkpoint }) {
      // Once more does no harm, whatever came of the first.
      await ask('keep a head', 'SELECT keep_head($1, $2, $3)', [
        term,
        time,
        Buffer.from(utf8(checkpoint)),
      ])
      if (times.includes(time)) return
      times.push(time)
      times.sort((a, b) => a - b)
    },

    async forget(time) {
      await ask('forget a head', 'SELECT keep_head($1, $2, NULL)', [term, time])
      const at = times.indexOf(time)
      if (at >= 0) times.splice(at, 1)
    },
  }
}
