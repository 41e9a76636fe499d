/** The bytes of records that were just added, for keeping them beside their receipts. */
import { equal } from '../bytes.ts'
import type { RecordReceipt } from '../client/record-answers.ts'
import type { RecordsClient } from '../client/records-client.ts'
import { CairnError } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { hashLeaf } from '../merkle/hash.ts'
import type { TileSource } from '../tiles/source.ts'

/** Entries in a full bundle. */
const BUNDLE = 256
/** Records that are asked for one by one at the same time. */
const AT_ONCE = 16

export interface LeafSources {
  /** Entry bundles, which are public unless the operator has said otherwise. */
  readonly tiles: TileSource
  /** Where they are not. */
  readonly records: RecordsClient
}

/**
 * The leaves of the receipts, in their order; each has the leaf hash of its receipt.
 * @throws FORBIDDEN, UNAUTHORIZED when the token may not read what it has submitted; NOT_FOUND, IO
 * @throws VERIFICATION_FAILED when the log has something else than it gave receipts for
 */
export async function leavesOf(
  receipts: readonly RecordReceipt[],
  sources: LeafSources,
): Promise<readonly Uint8Array[]> {
  try {
    return await fromBundles(receipts, sources.tiles)
  } catch (error) {
    if (!isRefusal(error)) throw error
    return oneByOne(receipts, sources.records)
  }
}

export function isRefusal(error: unknown): error is CairnError {
  return (
    error instanceof CairnError && (error.code === 'FORBIDDEN' || error.code === 'UNAUTHORIZED')
  )
}

async function fromBundles(
  receipts: readonly RecordReceipt[],
  tiles: TileSource,
): Promise<Uint8Array[]> {
  const bundles = new Map<number, readonly Uint8Array[]>()
  const leaves: Uint8Array[] = []
  for (const { index, receipt } of receipts) {
    const bundle = Math.floor(index / BUNDLE)
    let entries = bundles.get(bundle)
    if (entries === undefined) {
      // The receipts of a batch are under one head, so this has all of the batch.
      const width = Math.min(BUNDLE, receipt.size - bundle * BUNDLE)
      entries = decodeBundle(await tiles.bundle(bundle, width), width)
      bundles.set(bundle, entries)
    }
    const leaf = entries[index % BUNDLE]
    if (leaf === undefined || !equal(hashLeaf(leaf), receipt.leafHash)) {
      const message = `entry ${index} of the log is not what the log gave a receipt for`
      throw new CairnError('VERIFICATION_FAILED', message)
    }
    leaves.push(leaf)
  }
  return leaves
}

async function oneByOne(
  receipts: readonly RecordReceipt[],
  client: RecordsClient,
): Promise<Uint8Array[]> {
  const leaves: Uint8Array[] = []
  for (let start = 0; start < receipts.length; start += AT_ONCE) {
    const some = receipts.slice(start, start + AT_ONCE)
    leaves.push(
      ...(await Promise.all(
        some.map(({ index, receipt }) => client.leaf(index, receipt.leafHash)),
      )),
    )
  }
  return leaves
}
