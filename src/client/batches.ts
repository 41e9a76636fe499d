/** Cuts a stream of leaves into batches. */

export interface BatchLimits {
  /** Leaves in a batch at most. */
  readonly leaves: number
  /** Bytes in a batch at most, the CBOR head of each leaf included. */
  readonly bytes: number
}

export interface Batch {
  readonly leaves: readonly Uint8Array[]
}

/** Bytes that a CBOR byte string adds to its content at most. */
const MAX_CBOR_HEAD = 5

/** Batches within limits, in order, each as full as it can be; no batch is empty. */
export async function* batchesOf(
  leaves: AsyncIterable<Uint8Array>,
  limits: BatchLimits,
): AsyncGenerator<Batch> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for await (const leaf of leaves) {
    const size = leaf.length + MAX_CBOR_HEAD
    if (batch.length > 0 && (batch.length === limits.leaves || bytes + size > limits.bytes)) {
      yield { leaves: batch }
      batch = []
      bytes = 0
    }
    batch.push(leaf)
    bytes += size
  }
  if (batch.length > 0) yield { leaves: batch }
}
