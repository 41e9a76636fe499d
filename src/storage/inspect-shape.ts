/** What any store is inspected for in the same words: runs that do not follow on, and heads of another size. */
import type { TreeSize } from '../merkle/position.ts'

/** Where a run lies: `count` entries or hashes from `at` on. */
export interface Run {
  readonly name: string
  readonly at: number
  readonly count: number
}

/** What is wrong with where a run lies, when those before it end at `end`, and the tree or the log ends at `limit`. */
export function* inspectRun(
  { name, at, count }: Run,
  end: number,
  whole: 'tree' | 'log',
  limit: number,
): Generator<string> {
  if (at + count > limit) yield `${name} lies beyond the ${whole}, which has ${limit} there`
  else if (at > end) yield `${name} leaves a gap of ${at - end} before it`
  else if (at < end) yield `${name} overlaps ${end - at} stored before it`
}

/** What is wrong with the size of a head: the newest one has the size of the tree, a published one that or less. */
export function* inspectHeadSize(
  kind: 'head' | 'publication',
  stored: TreeSize,
  size: TreeSize,
): Generator<string> {
  if (stored > size) yield `the ${kind} is of size ${stored}, beyond the size ${size}`
  else if (kind === 'head' && stored < size) {
    yield `the head is of size ${stored}, below the size ${size}`
  }
}
