/**
 * A tenant's records by what they cost: each step of the ladder holds costs of nearly the same size, so that the
 * costliest or the cheapest are found without a look at all others. A step in one segment is stored as
 *
 *   length[2] ‖ positions ‖ the cost of all, or the cost of each, as f64
 */
import { CairnError } from '../errors.ts'
import { decodeToList, encodePositions } from './positions.ts'

const F64 = 8

/**
 * The step of a cost: a number of 14 bits that rises with it, four steps for each doubling. It is the beginning of the
 * IEEE 754 form, which sorts as the numbers do once the sign is turned.
 */
export function stepOf(cost: number): number {
  const view = new DataView(new ArrayBuffer(F64))
  view.setFloat64(0, cost)
  const high = view.getUint16(0)
  return ((high & 0x8000) === 0 ? high | 0x8000 : ~high & 0xffff) >>> 2
}

/** Records of one step in one segment. */
export interface Rung {
  readonly positions: readonly number[]
  readonly costs: readonly number[]
}

/** The steps of records, without those that have no cost. */
export function rungsOf(positions: readonly number[], costs: readonly number[]): Map<number, Rung> {
  const rungs = new Map<number, { positions: number[]; costs: number[] }>()
  for (const [i, cost] of costs.entries()) {
    if (Number.isNaN(cost)) continue
    const step = stepOf(cost)
    const rung = rungs.get(step) ?? { positions: [], costs: [] }
    rung.positions.push(positions[i]!)
    rung.costs.push(cost)
    rungs.set(step, rung)
  }
  return rungs
}

export function encodeRung({ positions, costs }: Rung): Uint8Array {
  const set = encodePositions(positions)
  const kept = costs.every((cost) => cost === costs[0]) ? costs.slice(0, 1) : costs
  const out = new Uint8Array(2 + set.length + F64 * kept.length)
  const view = new DataView(out.buffer)
  view.setUint16(0, set.length)
  out.set(set, 2)
  for (const [i, cost] of kept.entries()) view.setFloat64(2 + set.length + F64 * i, cost)
  return out
}

/** The records of a stored step, each with its cost once it is asked for: most are not. */
export interface StoredRung {
  readonly positions: readonly number[]
  /** The cost of positions[i]. */
  costAt(i: number): number
}

/** @throws CORRUPT */
export function decodeRung(bytes: Uint8Array): StoredRung {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = bytes.length < 2 ? bytes.length : 2 + view.getUint16(0)
  const positions = decodeToList(bytes.subarray(2, at))
  const kept = (bytes.length - at) / F64
  if (kept !== 1 && kept !== positions.length) {
    throw new CairnError('CORRUPT', 'the costs of the search index are damaged; build it again')
  }
  return { positions, costAt: (i) => view.getFloat64(at + (kept === 1 ? 0 : F64 * i)) }
}
