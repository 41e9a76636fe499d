/**
 * A leaf's inclusion as the receipts that the log hands out. Thousands a second are made under the same head, so its
 * share of a JSON receipt is written once a head; `formats/json-receipt.ts` says what the members are.
 */
import { formatTlogProof } from '../formats/tlog-proof.ts'
import type { Head, Inclusion, LogService } from '../log/service.ts'

/** The media types of receipts, the default first. */
export const RECEIPT_TYPES = ['application/json', 'text/plain', 'application/cose'] as const
export type ReceiptType = (typeof RECEIPT_TYPES)[number]

export interface ReceiptBody {
  readonly mediaType: string
  readonly body: string | Uint8Array
}

/** Writes the JSON receipts of one log. */
export type JsonReceiptWriter = (inclusion: Inclusion) => string

/** A writer of JSON receipts, ASCII only: what lies beyond is escaped, so that a length is also a number of bytes. */
export function jsonReceiptWriter(origin: string): JsonReceiptWriter {
  const start = `{"version":"cairn-receipt/v1","origin":${ascii(JSON.stringify(origin))},"index":`
  let known: Head | undefined
  let end = ''
  return ({ index, leafHash, proof, head }) => {
    if (head !== known) {
      end =
        `],"tree_size":${head.size},"root_hash":"${base64(head.root)}",` +
        `"checkpoint":${ascii(JSON.stringify(head.checkpoint))}}`
      known = head
    }
    let text = `${start}${index},"leaf_hash":"${base64(leafHash)}","inclusion_path":[`
    for (let i = 0; i < proof.length; i++) {
      text += i === 0 ? `"${base64(proof[i]!)}"` : `,"${base64(proof[i]!)}"`
    }
    return text + end
  }
}

function ascii(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const base64Slice = Buffer.prototype.base64Slice as (
  this: Uint8Array,
  start: number,
  end: number,
) => string

/** Node's own encoder on any bytes: a proof has twenty hashes, and this is on the way of every submission. */
function base64(bytes: Uint8Array): string {
  return base64Slice.call(bytes, 0, bytes.length)
}

/** A receipt in a format. @throws NOT_FOUND for a COSE receipt from a tree of one leaf */
export async function receipt(
  log: LogService,
  writeJson: JsonReceiptWriter,
  inclusion: Inclusion,
  type: ReceiptType,
): Promise<ReceiptBody> {
  switch (type) {
    case 'application/json':
      return { mediaType: 'application/json', body: writeJson(inclusion) }
    case 'text/plain': {
      const { index, proof, head } = inclusion
      return {
        mediaType: 'text/plain; charset=utf-8',
        body: formatTlogProof({ index, proof, checkpoint: head.checkpoint }),
      }
    }
    case 'application/cose':
      return { mediaType: 'application/cose', body: await log.coseReceipt(inclusion) }
  }
}
