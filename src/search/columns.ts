/**
 * The times and costs of a tenant's records in one segment, in the order of their positions. Integers are big-endian.
 *
 *   span    highest cost f64 ‖ positions       all records; the cost is NaN when none has one
 *   times   (milliseconds since the one before, zigzag varint)…   the first since 1970
 *   bounds  the same of the earliest and the latest time of a segment
 *   costs   one f64 that all have, or one f64 for each            NaN: none; left out when none has one
 */
import { CairnError } from '../errors.ts'
import { decodePositions, encodePositions, type Positions } from './positions.ts'

const F64 = 8

/** Earliest and latest time of the records of a segment, in milliseconds since 1970. */
export interface TimeBounds {
  readonly earliest: number
  readonly latest: number
}

/** All records of a tenant in a segment. */
export interface Span {
  readonly positions: Positions
  /** The highest cost; NaN when no record has one. */
  readonly highest: number
}

export function encodeSpan(positions: readonly number[], costs: readonly number[]): Uint8Array {
  const set = encodePositions(positions)
  const out = new Uint8Array(F64 + set.length)
  viewOf(out).setFloat64(0, highestOf(costs))
  out.set(set, F64)
  return out
}

/** @throws CORRUPT */
export function decodeSpan(bytes: Uint8Array): Span {
  if (bytes.length < F64) throw unreadable()
  return {
    positions: decodePositions(bytes.subarray(F64)),
    highest: viewOf(bytes).getFloat64(0),
  }
}

/** NaN when there is none. */
export function highestOf(costs: readonly number[]): number {
  let highest = Number.NaN
  for (const cost of costs) if (!Number.isNaN(cost) && !(cost <= highest)) highest = cost
  return highest
}

export function encodeTimes(times: readonly number[]): Uint8Array {
  const out: number[] = []
  let previous = 0
  for (const time of times) {
    const step = time - previous
    previous = time
    // Numbers above 2^31 are out of reach of the bit operators.
    let rest = step < 0 ? -2 * step - 1 : 2 * step
    for (; rest >= 128; rest = Math.floor(rest / 128)) out.push(128 + (rest % 128))
    out.push(rest)
  }
  return Uint8Array.from(out)
}

export function encodeTimeBounds({ earliest, latest }: TimeBounds): Uint8Array {
  return encodeTimes([earliest, latest])
}

/** @throws CORRUPT */
export function decodeTimeBounds(bytes: Uint8Array): TimeBounds {
  const [earliest, latest] = decodeTimes(bytes, 2)
  return { earliest: earliest!, latest: latest! }
}

/** The `count` times of a segment. @throws CORRUPT */
export function decodeTimes(bytes: Uint8Array, count: number): number[] {
  const times: number[] = []
  let previous = 0
  let value = 0
  let scale = 1
  for (const byte of bytes) {
    value += (byte & 127) * scale
    if (byte >= 128) {
      scale *= 128
      continue
    }
    previous += value % 2 === 1 ? -(value + 1) / 2 : value / 2
    times.push(previous)
    value = 0
    scale = 1
  }
  if (times.length !== count || scale !== 1) throw unreadable()
  return times
}

/** Undefined when no record says what it cost. */
export function encodeCosts(costs: readonly number[]): Uint8Array | undefined {
  const same = costs.every((cost) => Object.is(cost, costs[0]))
  if (same && Number.isNaN(costs[0])) return undefined
  const kept = same ? costs.slice(0, 1) : costs
  const out = new Uint8Array(F64 * kept.length)
  const view = viewOf(out)
  for (const [i, cost] of kept.entries()) view.setFloat64(F64 * i, cost)
  return out
}

/** The cost of the record at each of `count` ranks, NaN when it has none. @throws CORRUPT */
export function costsIn(bytes: Uint8Array | undefined, count: number): (rank: number) => number {
  if (bytes === undefined) return () => Number.NaN
  const view = viewOf(bytes)
  if (bytes.length === F64) {
    const cost = view.getFloat64(0)
    return () => cost
  }
  if (bytes.length !== F64 * count) throw unreadable()
  return (rank) => view.getFloat64(F64 * rank)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function unreadable(): CairnError {
  return new CairnError('CORRUPT', 'a column of the search index is damaged; build it again')
}
