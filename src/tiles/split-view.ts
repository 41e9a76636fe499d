/** Whether two heads of a log can both be true, and the evidence when they cannot. */
import { equal } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import {
  inSplitOrder,
  type SignedHead,
  type SplitPrefix,
  type SplitView,
} from '../formats/split-view.ts'
import { consistencyPath, verifyConsistency } from '../merkle/consistency.ts'
import { frontierPositions, rootOfFrontier } from '../merkle/frontier.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import { readNodes } from './proofs.ts'
import type { TileSource } from './source.ts'

export type HeadComparison =
  | { readonly kind: 'consistent' }
  | { readonly kind: 'split'; readonly evidence: SplitView }

/**
 * Compares two heads of one log, given in any order. Their signatures are the caller's part. `source` has the tiles of
 * the larger tree; it need not be trusted, and is not read when the sizes are equal or one of them is 0.
 * @throws USAGE when the heads are of different logs
 * @throws VERIFICATION_FAILED when the tiles are not those of the larger tree, so that nothing follows from them
 * @throws NOT_FOUND when the source does not have them, and whatever else it throws
 */
export async function compareHeads(
  a: SignedHead,
  b: SignedHead,
  source: TileSource,
): Promise<HeadComparison> {
  const [older, newer] = inSplitOrder(a, b)
  const { checkpoint: first, note: firstNote } = older
  const { checkpoint: second, note: secondNote } = newer
  if (first.origin !== second.origin) {
    throw new CairnError(
      'USAGE',
      `heads of ${first.origin} and of ${second.origin} cannot be compared`,
    )
  }
  const split = (prefix?: SplitPrefix): HeadComparison => ({
    kind: 'split',
    evidence: { first: firstNote, second: secondNote, ...(prefix && { prefix }) },
  })
  if (first.size === second.size) {
    return equal(first.root, second.root) ? { kind: 'consistent' } : split()
  }
  if (first.size === 0) return equal(first.root, EMPTY_ROOT) ? { kind: 'consistent' } : split()
  const prefix = await readPrefix(first, second, source)
  return equal(prefix.root, first.root) ? { kind: 'consistent' } : split(prefix)
}

/** The root of as many leaves of the second tree as the first has, proven against the second's root. */
async function readPrefix(
  first: Checkpoint,
  second: Checkpoint,
  source: TileSource,
): Promise<SplitPrefix> {
  const parts = frontierPositions(first.size)
  const path = consistencyPath(first.size, second.size)
  const nodes = await readNodes(source, second.size, [...parts, ...path])
  const root = rootOfFrontier(nodes.slice(0, parts.length))
  const proof = nodes.slice(parts.length)
  try {
    verifyConsistency(first.size, second.size, proof, root, second.root)
  } catch (cause) {
    const tree = `the tree of ${second.size} leaves that ${second.origin} signed`
    const message = `the tiles are not those of ${tree}: ${messageOf(cause)}`
    throw new CairnError('VERIFICATION_FAILED', message, { cause })
  }
  return { root, proof }
}
