/** The suite of logs on PostgreSQL with an archive: while it runs, and each time it is opened, what is full is let go of. */
import { describe, expect, it } from 'vitest'
import { leafIndex } from '../../src/merkle/position.ts'
import {
  type ArchivedPlace,
  type ArchiveKind,
  newObjects,
  openArchivedServer,
} from '../support/archives.ts'
import { afterThisTest } from '../support/endings.ts'
import { withClient } from '../support/postgres.ts'
import { discardShared, newSharedPlace } from '../support/test-shared-log.ts'
import { check, codeOf, leaves, logConformance } from './log-conformance.ts'

async function newArchivedPlace(kind: ArchiveKind): Promise<ArchivedPlace> {
  return { ...(await newSharedPlace()), objects: await newObjects(kind) }
}

export function archivedLogConformance(name: string, kind: ArchiveKind): void {
  logConformance(name, async () => {
    const place = await newArchivedPlace(kind)
    return {
      open: (options) => openArchivedServer(place, 'only', options),
      discard: () => discardShared(place),
    }
  })

  describe(`${name}, once more`, () => {
    it('reads what is full from the archive, since it has it nowhere else', async () => {
      const place = await newArchivedPlace(kind)
      afterThisTest(() => discardShared(place))
      const submitted = leaves(600)
      const first = await openArchivedServer(place, 'only')
      await first.submit(submitted)
      await first.close()
      const log = await openArchivedServer(place, 'only')
      afterThisTest(() => log.close())
      const { url, schema } = place.database
      const { rows } = await withClient(url, (client) =>
        client.query(`SELECT first FROM ${schema}.entry_runs WHERE first < 512`),
      )
      expect(rows).toEqual([])
      await check(log, submitted, await log.submit(submitted))
      expect(await log.entry(leafIndex(300))).toEqual(submitted[300])
      await place.objects.remove('tile/entries/001')
      expect(await codeOf(log.entry(leafIndex(300)))).toBe('CORRUPT')
      expect(await log.entry(leafIndex(30))).toEqual(submitted[30])
    })
  })
}
