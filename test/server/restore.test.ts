/** Backups of a log in a database, and into one. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { fetchBackup } from '../../src/client/fetch-backup.ts'
import { formatBackup } from '../../src/formats/backup.ts'
import { backupParts } from '../../src/server/backup.ts'
import { openBackupFile, writeBackupFile } from '../../src/server/backup-file.ts'
import { openBackupSource } from '../../src/server/backup-stopped.ts'
import type { LogPlace } from '../../src/server/log-storage.ts'
import { migrateLog } from '../../src/server/migrate.ts'
import { openStoppedLog } from '../../src/server/moved-log.ts'
import { restoreBackup } from '../../src/server/restore.ts'
import {
  contentsOf,
  type MadeLog,
  makeLog,
  payloadOf,
  placeIn,
  whileServed,
} from '../support/moving-place.ts'
import { testDatabase } from '../support/postgres.ts'

let folder: string
let made: MadeLog
const at = (name: string): string => join(folder, name)

async function save(place: LogPlace, name: string): Promise<string> {
  const source = await openBackupSource(place, undefined)
  try {
    await writeBackupFile(at(name), formatBackup(backupParts(source), 1_700_000_000))
    return at(name)
  } finally {
    await source.close()
  }
}

async function restore(file: string, to: LogPlace, signal?: AbortSignal) {
  const backup = await openBackupFile(file)
  try {
    return await restoreBackup({
      backup,
      to,
      keys: join(at('made'), 'keys'),
      adoptHead: true,
      ...(signal && { signal }),
    })
  } finally {
    await backup.close()
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-restore-'))
  made = await makeLog(at('made'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a log in a database', () => {
  it('is restored from a backup of a directory, saved while it runs, and restored to a directory', async () => {
    const file = await save({ data: at('made') }, 'directory.backup')
    const { place, flags } = placeIn(at('server-1'), await testDatabase())
    expect(await restore(file, place)).toMatchObject({ size: 606, maySign: true })
    expect(await contentsOf(place)).toEqual(await contentsOf({ data: at('made') }))
    const again = await save(place, 'database.backup')
    await cp(join(at('made'), 'admin.token'), join(place.data, 'admin.token'))
    await whileServed(
      place.data,
      async ({ log, records, url, token }) => {
        expect(Number((await log.submit(utf8('leaf 7'))).index)).toBe(7)
        await records.submit({ type: 'llm_request', subject: 'bob', input: { prompt: 'new' } })
        expect((await records.search({ subject: 'bob' })).records).toHaveLength(3)
        await writeBackupFile(at('online.backup'), await fetchBackup({ url, token }))
      },
      flags,
    )
    const back = { data: at('back') }
    await restore(again, back)
    expect(await contentsOf(back)).toEqual(await contentsOf({ data: at('made') }))
    const online = { data: at('online') }
    await restore(at('online.backup'), online)
    expect(await payloadOf(online.data, made.kept)).toEqual(expect.any(Array))
    expect(await payloadOf(online.data, made.erased)).toBe('erased')
    await cp(join(at('made'), 'admin.token'), join(online.data, 'admin.token'))
    await whileServed(online.data, async ({ records }) => {
      expect((await records.search({ subject: 'bob' })).records).toHaveLength(3)
    })
  }, 60_000)

  it('lets no server run what was cut off, and is begun anew in another schema', async () => {
    const file = await save({ data: at('made') }, 'cut.backup')
    const { place, flags } = placeIn(at('server-2'), await testDatabase())
    const cut = new AbortController()
    cut.abort(new Error('cut off'))
    await expect(restore(file, place, cut.signal)).rejects.toThrow('cut off')
    const run = whileServed(at('server-3'), async () => undefined, flags)
    await expect(run).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(restore(file, place)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/was cut off; drop that schema/),
    })
    const other = placeIn(at('server-2'), await testDatabase())
    expect(await restore(file, other.place)).toMatchObject({ size: 606 })
  }, 30_000)

  it('is not written to where it holds a log', async () => {
    const file = await save({ data: at('made') }, 'full.backup')
    const { place } = placeIn(at('server-4'), await testDatabase())
    await cp(at('made'), at('moved'), { recursive: true })
    const log = await openStoppedLog({ data: at('moved') }, place.data)
    await migrateLog({ from: log, to: place }).finally(() => log.close())
    await expect(restore(file, { ...place, data: at('server-5') })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/holds a log already/),
    })
  }, 30_000)
})
