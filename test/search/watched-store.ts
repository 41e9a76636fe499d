/** A store that notes what is read of it. */
import type { IndexStore } from '../../src/storage/index-port.ts'

export interface Reads {
  /** Keys that were asked for, and the bounds of ranges. */
  readonly keys: Uint8Array[]
  /** Values that were given. */
  values: number
}

export function noReads(): Reads {
  return { keys: [], values: 0 }
}

/** The store, noting its reads. */
export function watched(store: IndexStore, reads: Reads): IndexStore {
  return {
    async get(keys) {
      reads.keys.push(...keys)
      const values = await store.get(keys)
      reads.values += values.filter((value) => value !== undefined).length
      return values
    },
    async scan(range, scan) {
      reads.keys.push(range.gte, range.lt)
      const entries = await store.scan(range, scan)
      reads.values += entries.length
      return entries
    },
    write: (write) => store.write(write),
    clear: () => store.clear(),
    purge: (ranges) => store.purge(ranges),
    usage: () => store.usage(),
    close: () => store.close(),
  }
}
