/**
 * Whether a log has lost its vault. That it has records is noted where it keeps its data, apart from vault and index: one
 * that lost both must not begin anew as if it had never had any.
 */
import { CairnError } from '../errors.ts'
import type { RecordStores } from './record-stores.ts'

/**
 * Whether a new vault is to be begun in place of one that is gone; false when it is there, or there was none.
 * @param isIndexed whether records are found by an index that is still there
 * @throws CORRUPT when it is gone, unless that is known and wanted
 */
export async function beginsNewVault(
  stores: RecordStores,
  isIndexed: boolean,
  isWanted: boolean,
): Promise<boolean> {
  if (!isIndexed && !(await stores.hadRecords())) return false
  if (await stores.hasPayloads()) return false
  if (isWanted) return true
  throw new CairnError(
    'CORRUPT',
    `the log has records, but their vault is missing from ${stores.vaultPlace}; restore a backup of it, or, when it is gone for good, start once with --new-vault to go on without what it held`,
  )
}

export interface RecordsNote {
  /** Notes that there are records, as soon as the index knows of one. */
  look(): void
  /** Resolves once nothing is under way. */
  close(): Promise<void>
}

/** What fails is tried again with the next records, and at the next start. */
export function recordsNote(
  stores: RecordStores,
  index: { readonly latest: number | undefined },
): RecordsNote {
  let isNoted = false
  let noting: Promise<void> = Promise.resolve()
  function look(): void {
    if (isNoted || index.latest === undefined) return
    isNoted = true
    noting = stores.noteRecords().catch(() => {
      isNoted = false
    })
  }
  return {
    look,
    async close() {
      await noting
      look()
      await noting
    },
  }
}
