/** What is left of a log whose servers have ended: its vault, and all that is stored of it. */
import { join } from 'node:path'
import { fsck } from '../../../src/log/fsck.ts'
import { openPostgresLogStore } from '../../../src/storage/postgres.ts'
import { openPool, type PostgresPool } from '../../../src/storage/postgres-pool.ts'
import { openPostgresVaultStore } from '../../../src/storage/postgres-vault.ts'
import { openMasterKeyFile } from '../../../src/vault/master-key-file.ts'
import { openVault, type Vault } from '../../../src/vault/vault.ts'
import { SCHEMA, type Stage } from './stage.ts'

async function withPool<T>(
  { postgres }: Stage,
  work: (pool: PostgresPool) => Promise<T>,
): Promise<T> {
  const pool = openPool({ url: postgres.url, schema: SCHEMA })
  try {
    return await work(pool)
  } finally {
    await pool.close()
  }
}

export function withVault<T>(stage: Stage, work: (vault: Vault) => Promise<T>): Promise<T> {
  return withPool(stage, async (pool) => {
    const keyFile = join(stage.members[0]!.data, 'keys', 'vault.key')
    const { masterKey } = await openMasterKeyFile(keyFile)
    const store = openPostgresVaultStore({ pool })
    const vault = await openVault({ store, masterKey, now: Date.now })
    try {
      return await work(vault)
    } finally {
      await vault.close()
    }
  })
}

/** Checks every value that is stored, as `cairn fsck` does, with the bucket. Answers what is wrong, in words. */
export async function inspectAll(stage: Stage): Promise<string[]> {
  const wrong: string[] = []
  await withPool(stage, async (pool) => {
    const store = await openPostgresLogStore({ pool, archive: stage.archive.store })
    try {
      const pass = fsck(store, { vkeys: stage.keys })
      for (let step = await pass.next(); !step.done; step = await pass.next()) {
        wrong.push(`fsck: ${JSON.stringify(step.value)}`)
      }
    } finally {
      await store.close()
    }
  })
  await withVault(stage, async (vault) => {
    for await (const problem of vault.inspect()) wrong.push(`fsck: ${problem}`)
  })
  return wrong
}
