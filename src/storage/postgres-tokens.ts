/** Tokens in a table, for the servers that share it: one row, with a number that counts its changes. */
import { CairnError } from '../errors.ts'
import type { PostgresPool } from './postgres-pool.ts'
import type { TokenStore } from './token-port.ts'

/** Each try fails only when another change was made meanwhile. */
const TRIES = 20

/** The pool's schema has been migrated. */
export function tokensInPostgres(pool: PostgresPool): TokenStore {
  const read = async () => {
    const [row] = await pool.query<{ version: number; lines: string; made_at: string }>(
      'read the tokens',
      'SELECT version, lines, made_at FROM tokens',
    )
    return row
  }
  return {
    place: pool.place,

    async stamp() {
      try {
        const [row] = await pool.query<{ version: number }>(
          'look at the tokens',
          'SELECT version FROM tokens',
        )
        return row?.version.toString()
      } catch {
        return undefined
      }
    },

    async read() {
      const row = await read()
      return row && { text: row.lines, madeAt: row.made_at }
    },

    async update(change, madeAt = '') {
      for (let tried = 0; tried < TRIES; tried++) {
        const row = await read()
        const text = change(row?.lines)
        if (text === row?.lines) return
        const [changed] =
          row === undefined
            ? await pool.query(
                'store the tokens',
                `INSERT INTO tokens (version, lines, made_at) VALUES (1, $1, $2)
                  ON CONFLICT DO NOTHING RETURNING 1`,
                [text, madeAt],
              )
            : await pool.query(
                'store the tokens',
                `UPDATE tokens SET lines = $1, version = version + 1 WHERE version = $2 RETURNING 1`,
                [text, row.version],
              )
        if (changed !== undefined) return
      }
      throw new CairnError('LOCKED', 'others change the tokens all the time; try again')
    },
  }
}
