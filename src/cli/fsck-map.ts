/** What `cairn fsck` does about the map of records: makes it again from the entries and compares, or keeps what it made. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { MapFinding } from '../completeness/inspect-map.ts'
import { CairnError, messageOf } from '../errors.ts'
import { treeSize } from '../merkle/position.ts'
import type { RecordStores } from '../server/record-stores.ts'
import type { IndexStore } from '../storage/index-port.ts'
import type { LogStore } from '../storage/port.ts'
import { note } from './command.ts'
import type { RecordsPlace } from './fsck-records.ts'
import { startProgress } from './progress.ts'

export interface CheckedLog {
  readonly store: LogStore
  /** Where records are, when that is not in the data directory. */
  readonly stores: RecordStores | undefined
  readonly origin: string
}

/** Whether a finding is about what is stored of the map, which can be made again, and not about what the log has said. */
export function isOfStoredMap({ kind, name }: { kind: string; name: string }): boolean {
  return kind === 'map' && !name.startsWith('entry ')
}

/**
 * Compares the stored map with the entries; every difference is told to `report`.
 * @returns how many entries it is of; undefined when there is none
 */
export async function checkMap(
  log: CheckedLog,
  { folder, quiet }: RecordsPlace,
  report: (finding: MapFinding) => void,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (log.stores === undefined && !existsSync(join(folder, 'map'))) return undefined
  let store: IndexStore
  try {
    store = await openMap(log, folder)
  } catch (error) {
    if (!isOfTheDirectory(log, error)) throw error
    report({ kind: 'map', name: 'map', detail: messageOf(error) })
    return undefined
  }
  const progress = startProgress({ label: 'checking the map', unit: 'entries', quiet })
  try {
    const { inspectMap } = await import('../completeness/inspect-map.ts')
    const entries = await entriesIn(log)
    const pass = inspectMap({
      store,
      ...entries,
      progress: (done) => progress.update(done, entries.size),
      signal,
    })
    let step = await pass.next()
    for (; !step.done; step = await pass.next()) {
      progress.clear()
      report(step.value)
    }
    return step.value
  } finally {
    progress.clear()
    await store.close()
  }
}

/** Drops the map and makes it again. @throws LOCKED, CORRUPT, DISK_FULL, IO */
export async function rebuildMap(
  log: CheckedLog,
  { folder, quiet }: RecordsPlace,
  signal: AbortSignal,
): Promise<void> {
  const { remakeMap } = await import('../completeness/remake-map.ts')
  const store = await openMapAnew(log, folder)
  const progress = startProgress({ label: 'making the map', unit: 'entries', quiet })
  try {
    const entries = await entriesIn(log)
    await remakeMap({
      store,
      ...entries,
      progress: (done) => progress.update(done, entries.size),
      signal,
    })
  } finally {
    progress.clear()
    await store.close()
  }
}

async function openMap({ stores }: CheckedLog, folder: string): Promise<IndexStore> {
  if (stores !== undefined) return stores.openMap()
  const { openLevelIndexStore } = await import('../storage/level-index.ts')
  return openLevelIndexStore(join(folder, 'map'))
}

/** Whatever is there, be it damaged: nothing of it is needed. */
async function openMapAnew(log: CheckedLog, folder: string): Promise<IndexStore> {
  try {
    return await openMap(log, folder)
  } catch (error) {
    if (!isOfTheDirectory(log, error)) throw error
    note(`the former map cannot be opened: ${messageOf(error)}`)
  }
  const { rm } = await import('node:fs/promises')
  await rm(join(folder, 'map'), { recursive: true, force: true })
  return openMap(log, folder)
}

/** Whether it is about what lies in the directory, and not about somebody who uses it, or about a database. */
function isOfTheDirectory({ stores }: CheckedLog, error: unknown): boolean {
  return stores === undefined && error instanceof CairnError && error.code !== 'LOCKED'
}

async function entriesIn({ store, origin }: CheckedLog) {
  const { storedTiles } = await import('../log/stored-tiles.ts')
  const size = (await store.head())?.size ?? treeSize(0)
  return { origin, size, source: storedTiles(store) }
}
