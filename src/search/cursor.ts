/**
 * Where a page ended, as text for whoever wants the next one: base64url of
 *
 *   2 (by index) or 3 (by cost) ‖ below[7] ‖ index[7] ‖ [cost f64] ‖ check[8]
 *
 * The pages of an answer are all of the records before `below`, so nothing that is added meanwhile can change them. The
 * check is of all before it and of the query; it keeps a cursor from being used with another query, or damaged. It is
 * no secret: a cursor says nothing that its query does not.
 */
import { sha256 } from '#sha256'
import { concat, equal, fromBase64Url, toBase64Url } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { INDEX_BYTES, readNumber, writeNumber } from './keys.ts'
import type { Plan } from './query.ts'

const BY_INDEX = 2
const BY_COST = 3
const F64 = 8
const CHECK_BYTES = 8

export interface Cursor {
  /** The records of the answer are those before this index. */
  readonly below: number
  /** The last record of the page. */
  readonly index: number
  /** Its cost, in an answer by cost; infinite when it has none. */
  readonly cost: number | undefined
}

export function formatCursor({ below, index, cost }: Cursor, plan: Plan): string {
  const out = new Uint8Array(1 + 2 * INDEX_BYTES + (cost === undefined ? 0 : F64))
  out[0] = cost === undefined ? BY_INDEX : BY_COST
  writeNumber(out, 1, INDEX_BYTES, below)
  writeNumber(out, 1 + INDEX_BYTES, INDEX_BYTES, index)
  if (cost !== undefined) new DataView(out.buffer).setFloat64(1 + 2 * INDEX_BYTES, cost)
  return toBase64Url(concat(out, checkOf(out, plan)))
}

/** Reads a cursor of a query, over an index that has taken in all before `next`. @throws MALFORMED */
export function parseCursor(text: string, plan: Plan, next: number): Cursor {
  if (text.length > 64) throw malformed('the cursor is too long; take it from the page before')
  const bytes = fromBase64Url(text, 'the cursor')
  const byCost = plan.order === 'costliest' || plan.order === 'cheapest'
  const end = 1 + 2 * INDEX_BYTES + (byCost ? F64 : 0)
  const fits = bytes.length === end + CHECK_BYTES && bytes[0] === (byCost ? BY_COST : BY_INDEX)
  if (!fits || !equal(bytes.subarray(end), checkOf(bytes.subarray(0, end), plan))) {
    throw malformed('the cursor is damaged, or not of this query; take it from the page before')
  }
  const below = readNumber(bytes, 1, INDEX_BYTES)
  const index = readNumber(bytes, 1 + INDEX_BYTES, INDEX_BYTES)
  const cost = byCost ? new DataView(bytes.buffer).getFloat64(1 + 2 * INDEX_BYTES) : undefined
  // Only a forger gets here with these: the check is right.
  if (index >= below || Number.isNaN(cost)) throw malformed('the cursor contradicts itself')
  if (below > next) {
    const reach = `the index reaches to ${next} of the ${below} entries the cursor was made over`
    throw malformed(`${reach}; it is being built again, so ask without a cursor, or later`)
  }
  return { below, index, cost }
}

function checkOf(bytes: Uint8Array, plan: Plan): Uint8Array {
  return sha256(concat(plan.digest, bytes)).subarray(0, CHECK_BYTES)
}
