/** Numbers of a path or query, once their spelling is known to be right. */
import { fromDecimal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { type LeafIndex, leafIndex, type TreeSize, treeSize } from '../merkle/position.ts'

/** @throws MALFORMED beyond 2^53-1 */
export function sizeParameter(text: string, name: string): TreeSize {
  return treeSize(fromDecimal(text, `"${name}"`))
}

/** @throws MALFORMED beyond 2^53-1, NOT_FOUND at 2^53-1, which no leaf can have */
export function indexParameter(text: string, name: string): LeafIndex {
  const value = fromDecimal(text, `"${name}"`)
  if (value === Number.MAX_SAFE_INTEGER) {
    throw new CairnError('NOT_FOUND', `there is no leaf ${value}`)
  }
  return leafIndex(value)
}
