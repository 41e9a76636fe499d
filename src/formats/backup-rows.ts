/** The parts of a backup that hold many of one kind: rows of the vault, uses of idempotency keys, entries. */
import { concat } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { type LeafIndex, leafIndex } from '../merkle/position.ts'

/** A row of the vault. */
export interface SavedRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export function formatRow({ key, value }: SavedRow): Uint8Array {
  return concat(Uint8Array.of(key.length), key, u32(value.length), value)
}

/** @throws MALFORMED */
export function parseRows(bytes: Uint8Array): SavedRow[] {
  const rows: SavedRow[] = []
  const cut = cutter(bytes, 'rows')
  while (!cut.isAtEnd()) {
    const key = cut.take(cut.take(1)[0]!)
    rows.push({ key, value: cut.take(numberOf(cut.take(4))) })
  }
  return rows
}

/** What an idempotency key was used for. */
export interface SavedUse {
  readonly key: Uint8Array
  readonly request: Uint8Array
  readonly indices: readonly LeafIndex[]
}

export function formatUse({ key, request, indices }: SavedUse): Uint8Array {
  const list = new Uint8Array(8 * indices.length)
  const view = new DataView(list.buffer)
  for (const [i, index] of indices.entries()) view.setBigUint64(8 * i, BigInt(index))
  return concat(key, request, u32(indices.length), list)
}

/** @throws MALFORMED */
export function parseUses(bytes: Uint8Array): SavedUse[] {
  const uses: SavedUse[] = []
  const cut = cutter(bytes, 'idempotency records')
  while (!cut.isAtEnd()) {
    const [key, request] = [cut.take(16), cut.take(32)]
    const list = cut.take(8 * numberOf(cut.take(4)))
    const view = new DataView(list.buffer, list.byteOffset, list.length)
    const indices: LeafIndex[] = []
    for (let at = 0; at < list.length; at += 8) {
      indices.push(leafIndex(Number(view.getBigUint64(at))))
    }
    uses.push({ key, request, indices })
  }
  return uses
}

/** The entries of a part, however many. They are views of it. @throws MALFORMED */
export function parseEntries(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  const cut = cutter(bytes, 'entries')
  while (!cut.isAtEnd()) {
    const [high, low] = cut.take(2)
    entries.push(cut.take(high! * 256 + low!))
  }
  return entries
}

function cutter(bytes: Uint8Array, what: string) {
  let at = 0
  return {
    isAtEnd: () => at === bytes.length,
    take(size: number): Uint8Array {
      if (at + size > bytes.length) throw malformed(`a part of ${what} ends too soon`)
      at += size
      return bytes.subarray(at - size, at)
    },
  }
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0)
}
