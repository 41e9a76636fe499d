import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLevelStore } from '../../src/storage/level.ts'
import { logStoreConformance } from './conformance.ts'

logStoreConformance('the level store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
  return {
    open: () => openLevelStore(directory),
    remove: () => rm(directory, { recursive: true }),
  }
})
