/** The tokens of a log in a database, for whoever changes them beside its servers. */
import { CairnError } from '../errors.ts'
import { openPool } from '../storage/postgres-pool.ts'
import { MIGRATIONS, schemaVersion } from '../storage/postgres-schema.ts'
import { tokensInPostgres } from '../storage/postgres-tokens.ts'
import type { TokenStore } from '../storage/token-port.ts'
import { assertMayRun } from './database-marks.ts'
import type { DatabaseConfig } from './storage-settings.ts'

/** @throws NOT_FOUND when no log is there, or half of one; USAGE when it was moved away, unless it is only read; NEWER_FORMAT, UNAVAILABLE, FORBIDDEN, IO */
export async function openDatabaseTokens(
  config: DatabaseConfig,
  { toRead }: { readonly toRead: boolean },
): Promise<{ readonly store: TokenStore; close(): Promise<void> }> {
  const pool = openPool({ ...config, maxConnections: 1 })
  try {
    const version = await schemaVersion(pool)
    if (version > MIGRATIONS.length) {
      throw new CairnError('NEWER_FORMAT', `${pool.place} is of a newer Cairn; use that one`)
    }
    if (version < MIGRATIONS.length) {
      throw new CairnError(
        'NOT_FOUND',
        `there is no log of this version in ${pool.place}; start its server first`,
      )
    }
    await assertMayRun(pool, toRead ? ['moved', 'unfinished'] : [])
    return { store: tokensInPostgres(pool), close: () => pool.close() }
  } catch (error) {
    await pool.close()
    throw error
  }
}
