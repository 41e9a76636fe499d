/** The suites of stores, run on PostgreSQL with an archive: what is full is read from the archive, and is nowhere else. */
import { describe, expect, it } from 'vitest'
import { openPostgresLogStore } from '../../src/storage/postgres.ts'
import { openPool, type PostgresPool } from '../../src/storage/postgres-pool.ts'
import { migrateSchema } from '../../src/storage/postgres-schema.ts'
import type { SharedLogStore } from '../../src/storage/shared-port.ts'
import { type ArchiveKind, archiveFor, newObjects, releasing } from '../support/archives.ts'
import { afterThisTest } from '../support/endings.ts'
import { testDatabase } from '../support/postgres.ts'
import { newKeys } from '../support/test-log.ts'
import { ModelLog, someLeaves } from './commits.ts'
import { expectHolds, logStoreConformance } from './conformance.ts'
import { dropSchema } from './postgres-place.ts'

async function archivedPlace(kind: ArchiveKind) {
  const database = await testDatabase()
  const objects = await newObjects(kind)
  const archive = await archiveFor(objects, newKeys())
  const pool: PostgresPool = openPool(database)
  await migrateSchema(pool)
  return {
    objects,
    pool,
    async open(): Promise<SharedLogStore> {
      return releasing(await openPostgresLogStore({ pool, archive: objects }), archive)
    },
    async remove(): Promise<void> {
      await pool.close()
      await dropSchema(database)
    },
  }
}

export function archivedStoreConformance(name: string, kind: ArchiveKind): void {
  logStoreConformance(name, () => archivedPlace(kind))

  describe(`${name}, once more`, () => {
    it('reads what is full from the archive, since it has it nowhere else', async () => {
      const place = await archivedPlace(kind)
      afterThisTest(() => place.remove())
      const store = await place.open()
      afterThisTest(() => store.close())
      const model = new ModelLog()
      for (const count of [300, 1, 400]) {
        await store.commit(model.append(someLeaves(count, `${count}`)))
        const full = model.leaves.length - (model.leaves.length % 256)
        const left = await place.pool.query<{ first: number }>(
          'look for runs',
          'SELECT first FROM entry_runs WHERE first < $1',
          [full],
        )
        expect(left).toEqual([])
      }
      await expectHolds(store, model)
      for (const name of ['tile/entries/001', 'tile/0/001']) await place.objects.remove(name)
      const gone = [
        [() => store.bundle(1), 'tile/entries/001'],
        [() => store.tile(0, 1), 'tile/0/001'],
      ] as const
      for (const [read, name] of gone) {
        await expect(read()).rejects.toMatchObject({
          code: 'CORRUPT',
          message: expect.stringContaining(name),
        })
      }
    })
  })
}
