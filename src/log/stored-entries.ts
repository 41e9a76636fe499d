/** The entries of a log that nobody writes to: what follows a log can read a store as well. */
import { bundlePrefix } from '../formats/bundle.ts'
import { treeSize } from '../merkle/position.ts'
import type { LogStore } from '../storage/port.ts'
import type { Head, LogService } from './service.ts'

/** What is needed of a log to follow it. */
export interface LogEntries extends Pick<LogService, 'bundle' | 'indexOf'> {
  head(): Pick<Head, 'size'>
}

/** The entries as they are now. @throws CORRUPT, IO */
export async function storedEntries(store: LogStore): Promise<LogEntries> {
  const size = (await store.head())?.size ?? treeSize(0)
  return {
    head: () => ({ size }),
    async bundle(bundle, width) {
      const framed = await store.bundle(bundle)
      return framed.length === 0 ? undefined : bundlePrefix(framed, width)
    },
    async indexOf(leaf) {
      return (await store.find([leaf]))[0]
    },
  }
}
