/** A search index over a real store in a directory of its own, for tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LeafIndex } from '../../src/merkle/position.ts'
import {
  type IndexedRecord,
  openSearchIndex,
  type SearchIndex,
} from '../../src/search/search-index.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { afterThisTest } from '../support/endings.ts'
import { openIndexStore } from '../support/stores.ts'

export interface TestIndex {
  readonly directory: string
  index: SearchIndex
  store: IndexStore
  /** Closes the store, lets `change` do as it likes to what is in it, and opens the index again. */
  reopen(change?: (store: IndexStore) => Promise<void>): Promise<void>
  /** Takes records in; they end with the index before `next`, or with the last of them. */
  take(records: readonly IndexedRecord[], next?: number): Promise<void>
}

/** An empty index, which is closed and removed after the test. */
export async function testIndex(
  wrap: (store: IndexStore) => IndexStore = (store) => store,
): Promise<TestIndex> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-search-'))
  const store = wrap(await openIndexStore(directory))
  const it: TestIndex = {
    directory,
    store,
    index: await openSearchIndex({ store }),
    async reopen(change) {
      await it.store.close()
      if (change !== undefined) {
        const opened = await openIndexStore(directory)
        await change(opened)
        await opened.close()
      }
      it.store = wrap(await openIndexStore(directory))
      it.index = await openSearchIndex({ store: it.store })
    },
    async take(records, next = (records.at(-1)?.index ?? -1) + 1) {
      await it.index.apply({ records, next: next as LeafIndex })
    },
  }
  afterThisTest(async () => {
    await it.store.close()
    await rm(directory, { recursive: true })
  })
  return it
}
