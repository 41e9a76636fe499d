/** A client of a Cairn log, for Node and browsers: submit leaves, fetch receipts, read the log. */
import { equal, fromUtf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { MAX_ENTRY_SIZE } from '../formats/bundle.ts'
import { encodeByteStrings } from '../formats/cbor.ts'
import { type ParsedJsonReceipt, parseJsonReceipt } from '../formats/json-receipt.ts'
import { hashLeaf } from '../merkle/hash.ts'
import { verifyInclusion } from '../merkle/inclusion.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'
import type { TileSource } from '../tiles/source.ts'
import { type Batch, batchesOf } from './batches.ts'
import { httpTileSource } from './http-tile-source.ts'
import { createRequester, type HttpRequest, type RequesterOptions } from './request.ts'

export type LogClientOptions = RequesterOptions

/** Leaves in any order of arrival: a file can be submitted while it is read. */
export type Leaves = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface SubmitOptions extends CallOptions {
  /**
   * Waits until the log's quorum of witnesses has cosigned a head with the leaves, so that their receipts carry the
   * cosignatures; the log bounds how long. Only a log with a quorum can be asked.
   */
  readonly witnessed?: boolean
  /** Told how many leaves got their receipts before the witnesses were ready; ask `receipt` for them again later. */
  readonly onLate?: (leaves: number) => void
}

/** The receipt formats that a log hands out. */
export type ReceiptFormat = 'tlog-proof' | 'json' | 'cose'

export interface LogClient {
  /**
   * Submits one leaf of 1 to 65,535 bytes, and returns its receipt once the log has stored it durably. The receipt's
   * leaf hash and inclusion proof are checked here, its signature is not: `verifyReceipt` does that.
   * @throws UNAUTHORIZED, TOO_LARGE, MALFORMED, OVERLOADED, DISK_FULL, READ_ONLY, IO
   * @throws VERIFICATION_FAILED when the receipt is for another leaf, or its proof does not hold
   */
  submit(leaf: Uint8Array, options?: SubmitOptions): Promise<ParsedJsonReceipt>

  /**
   * Submits any number of leaves, as many at a time as the log takes, and yields the receipts of each batch in the
   * order of the leaves. Submitting the same leaves again is safe: they keep their indices.
   * @throws as submit
   */
  submitMany(leaves: Leaves, options?: SubmitOptions): AsyncGenerator<readonly ParsedJsonReceipt[]>

  /** As submitMany, for those who need no receipts now: yields the indices of each batch. */
  submitForIndices(leaves: Leaves, options?: CallOptions): AsyncGenerator<readonly LeafIndex[]>

  /** The receipt of a leaf, under the newest published head that has it. @throws NOT_FOUND, IO */
  receipt(index: number, format: ReceiptFormat, options?: CallOptions): Promise<Uint8Array>

  /** The newest published checkpoint: a signed note, not verified. @throws IO */
  checkpoint(options?: CallOptions): Promise<Uint8Array>

  /** The log's tiles and entry bundles, not verified. */
  tileSource(options?: CallOptions): TileSource
}

/** A batch of receipts is a dozen times as large as its indices, so it holds fewer leaves. */
const RECEIPT_BATCH = { leaves: 2_000, bytes: 8 * 1024 * 1024 }
/** What a log takes at once. */
const INDEX_BATCH = { leaves: 10_000, bytes: 15 * 1024 * 1024 }

const MAX_CHECKPOINT_SIZE = 1_000_000
const MAX_RECEIPT_SIZE = 2_097_152
/** Bytes of a receipt inside a batch: a path of 63 hashes and a checkpoint with room for both signatures. */
const BATCHED_RECEIPT_SIZE = 16 * 1024
/** The same with the cosignatures of a dozen witnesses. */
const WITNESSED_RECEIPT_SIZE = 64 * 1024
/** A batch whose receipts are that large. */
const WITNESSED_BATCH = { leaves: 500, bytes: 8 * 1024 * 1024 }
const ACCEPTED = 202

const MEDIA_TYPES: Readonly<Record<ReceiptFormat, string>> = {
  'tlog-proof': 'text/plain',
  json: 'application/json',
  cose: 'application/cose',
}

/** A client of the log at `options.url`. @throws USAGE when that is not an http or https address */
export function createLogClient(options: LogClientOptions): LogClient {
  const request = createRequester(options)

  const sendBatch = async (
    batch: Batch,
    limit: number,
    prefer: Record<string, string>,
    options: SubmitOptions,
  ): Promise<Record<string, unknown>> => {
    const answer = await request({
      method: 'POST',
      ...submission(batch.leaves.length, options),
      headers: {
        'content-type': 'application/cbor-seq',
        accept: 'application/json',
        ...prefer,
      },
      body: encodeByteStrings(batch.leaves),
      limit,
    })
    return parseObject(answer)
  }

  return {
    async submit(leaf, options = {}) {
      checkLeaf(leaf)
      const headers = { 'content-type': 'application/octet-stream', accept: 'application/json' }
      const answer = await request({
        method: 'POST',
        ...submission(1, options),
        headers,
        body: leaf,
        limit: MAX_RECEIPT_SIZE,
      })
      return receiptFor(leaf, parseJsonReceipt(answer))
    },

    async *submitMany(leaves, options = {}) {
      const witnessed = options.witnessed === true
      const size = witnessed ? WITNESSED_RECEIPT_SIZE : BATCHED_RECEIPT_SIZE
      for await (const batch of batchesOf(
        checked(leaves),
        witnessed ? WITNESSED_BATCH : RECEIPT_BATCH,
      )) {
        const { receipts } = await sendBatch(batch, batch.leaves.length * size, {}, options)
        const items = itemsFor(batch, receipts)
        yield batch.leaves.map((leaf, i) =>
          receiptFor(leaf, parseJsonReceipt(JSON.stringify(items[i]))),
        )
      }
    },

    async *submitForIndices(leaves, options = {}) {
      for await (const batch of batchesOf(checked(leaves), INDEX_BATCH)) {
        const limit = 64 + batch.leaves.length * 24
        const prefer = { prefer: 'return=minimal' }
        const { indices } = await sendBatch(batch, limit, prefer, options)
        yield itemsFor(batch, indices).map(indexOf)
      }
    },

    receipt(index, format, { signal } = {}) {
      return request({
        path: `v1/receipts/${leafIndex(index)}`,
        headers: { accept: MEDIA_TYPES[format] },
        limit: MAX_RECEIPT_SIZE,
        signal,
      })
    },

    checkpoint({ signal } = {}) {
      return request({ path: 'checkpoint', limit: MAX_CHECKPOINT_SIZE, signal })
    },

    tileSource({ signal } = {}) {
      return httpTileSource(request, signal)
    },
  }
}

/** Where so many leaves are sent, and what is made of the answer's status. */
function submission(
  leaves: number,
  { witnessed, onLate, signal }: SubmitOptions,
): Pick<HttpRequest, 'path' | 'onStatus' | 'signal'> {
  if (witnessed !== true) return { path: 'v1/leaves', signal }
  const onStatus = (status: number): void => {
    if (status === ACCEPTED) onLate?.(leaves)
  }
  return { path: 'v1/leaves?wait=witnessed', onStatus, signal }
}

/** Refuses here what the log would refuse after the upload. */
function checkLeaf(leaf: Uint8Array): void {
  if (leaf.length === 0) throw malformed('a leaf has 1 byte or more')
  if (leaf.length > MAX_ENTRY_SIZE) {
    const message = `a leaf has ${leaf.length} bytes; at most ${MAX_ENTRY_SIZE} can be logged`
    throw new CairnError('TOO_LARGE', message)
  }
}

async function* checked(leaves: Leaves): AsyncGenerator<Uint8Array> {
  for await (const leaf of leaves) {
    checkLeaf(leaf)
    yield leaf
  }
}

/** Takes a receipt for `leaf` only if it is one. @throws VERIFICATION_FAILED */
function receiptFor(leaf: Uint8Array, receipt: ParsedJsonReceipt): ParsedJsonReceipt {
  if (!equal(receipt.leafHash, hashLeaf(leaf))) {
    throw new CairnError('VERIFICATION_FAILED', 'the log answered with the receipt of another leaf')
  }
  verifyInclusion(receipt.index, receipt.size, receipt.leafHash, receipt.proof, receipt.root)
  return receipt
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(fromUtf8(bytes, "the log's answer"))
  } catch (cause) {
    throw malformed("the log's answer is not JSON", { cause })
  }
  if (typeof value !== 'object' || value === null) throw malformed("the log's answer is no object")
  return value as Record<string, unknown>
}

function itemsFor(batch: Batch, items: unknown): readonly unknown[] {
  if (Array.isArray(items) && items.length === batch.leaves.length) return items
  throw malformed(`the log did not answer for each of the ${batch.leaves.length} leaves`)
}

function indexOf(value: unknown): LeafIndex {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    return leafIndex(value)
  }
  throw malformed("the log's answer has something else than an index")
}
