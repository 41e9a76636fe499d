/** Reads the rows that postings lead to. */
import { CairnError } from '../errors.ts'
import type { IndexStore } from '../storage/index-port.ts'
import { rowKey } from './keys.ts'
import { decodeRow, type RecordRow } from './record-row.ts'

/**
 * The row of each index. However damaged the index is, none is given of another tenant.
 * @throws CORRUPT, IO, STOPPED
 */
export async function readRows(
  store: IndexStore,
  tenant: string,
  indices: readonly number[],
): Promise<RecordRow[]> {
  const values = await store.get(indices.map(rowKey))
  return indices.map((index, i) => {
    const value = values[i]
    const row = value === undefined ? undefined : decodeRow(value)
    if (row?.record.tenant !== tenant) {
      throw new CairnError(
        'CORRUPT',
        `the search index leads to entry ${index}, which is not a record of the tenant; build it again`,
      )
    }
    return row
  })
}
