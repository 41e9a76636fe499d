/** Holds a whole log against a journal: every entry is read, and the tree is made again from them. */
import { fromUtf8, toBase64 } from '../../../src/bytes.ts'
import { decodeBundle } from '../../../src/formats/bundle.ts'
import { openCheckpoint } from '../../../src/formats/open-checkpoint.ts'
import { TILE_WIDTH } from '../../../src/formats/tile.ts'
import type { VerifierKey } from '../../../src/formats/vkey.ts'
import { Frontier } from '../../../src/merkle/frontier.ts'
import { hashLeaf } from '../../../src/merkle/hash.ts'
import type { TileSource } from '../../../src/tiles/source.ts'
import type { Journal, SeenHead } from './journal.ts'
import type { Leaves } from './leaves.ts'

export interface CheckOptions {
  readonly source: TileSource
  /** The final head: a signed note. */
  readonly checkpoint: Uint8Array
  readonly keys: readonly VerifierKey[]
  readonly journal: Pick<
    Journal,
    'indices' | 'order' | 'contradictions' | 'complaints' | 'heads' | 'acknowledged'
  >
  readonly leaves: Leaves
  /** Takes an entry that is something else than a leaf of the run. */
  readonly claim?: (entry: Uint8Array, index: number) => boolean
  readonly progress?: (entries: number, total: number) => void
}

export interface Findings {
  readonly acknowledged: number
  /** Acknowledged leaves that are not at their index. */
  readonly lost: number
  /** Entries beyond the first of a leaf, and second indices that a leaf was given. */
  readonly duplicated: number
  /** Heads that are not of the tree that the final head signs. */
  readonly forks: number
  /** Entries that nobody submitted. */
  readonly foreign: number
  /** In the log, though nobody was told. */
  readonly unacknowledged: number
  readonly size: number
  readonly heads: number
  /** What was found, in words; the first of each kind. */
  readonly words: readonly string[]
}

const MAX_WORDS = 20
/** Bundles that are asked for ahead. */
const AHEAD = 8

/** @throws when the final head is not signed, or entries cannot be read */
export async function checkLog(options: CheckOptions): Promise<Findings> {
  const { journal, leaves, keys } = options
  const { size, root } = openCheckpoint(options.checkpoint, keys).checkpoint
  const words: string[] = []
  const say = (what: string): void => {
    if (words.length < MAX_WORDS) words.push(what)
  }
  const bySize = new Map<number, SeenHead[]>()
  for (const head of journal.heads) bySize.set(head.size, [...(bySize.get(head.size) ?? []), head])
  const final = fromUtf8(options.checkpoint)
  const claimed = { size, root: toBase64(root), note: final, where: 'the final checkpoint' }
  bySize.set(size, [...(bySize.get(size) ?? []), claimed])

  let forks = 0
  const frontier = new Frontier()
  const compareHeads = (): void => {
    const here = bySize.get(frontier.size)
    if (here === undefined) return
    bySize.delete(frontier.size)
    const own = toBase64(frontier.root())
    for (const head of here) {
      if (head.root === own) continue
      forks++
      say(`${head.where} showed a head of size ${head.size} and root ${head.root}, not ${own}`)
    }
  }

  /** By the leaf's number, the index where it is. */
  const found: (number | undefined)[] = []
  let duplicated = 0
  let foreign = 0
  compareHeads()
  for await (const entry of entriesOf(options, size)) {
    const index = frontier.size
    const serial = leaves.serialOf(entry)
    if (serial === undefined) {
      if (options.claim?.(entry, index) !== true) {
        foreign++
        say(`entry ${index} is no leaf that was submitted`)
      }
    } else if (found[serial] !== undefined) {
      duplicated++
      say(`leaf ${serial} is at ${found[serial]}, and again at ${index}`)
    } else found[serial] = index
    frontier.append(hashLeaf(entry))
    compareHeads()
    if (index % 4_096 === 0) options.progress?.(index, size)
  }
  for (const [larger, heads] of bySize) {
    forks += heads.length
    say(`${heads[0]!.where} showed a head of size ${larger}; the final one has ${size}`)
  }

  let lost = 0
  const taken = new Map<number, number>()
  for (const serial of journal.order) {
    const index = journal.indices[serial]!
    if (found[serial] !== index) {
      lost++
      say(`leaf ${serial} was acknowledged at ${index}, and is at ${found[serial] ?? 'no index'}`)
    }
    const other = taken.get(index)
    if (other !== undefined) {
      duplicated++
      say(`index ${index} was given to leaf ${other} and to leaf ${serial}`)
    }
    taken.set(index, serial)
  }
  duplicated += journal.contradictions.length
  for (const contradiction of journal.contradictions) say(contradiction)
  const known = found.filter((index) => index !== undefined).length
  return {
    acknowledged: journal.acknowledged,
    lost,
    duplicated,
    forks,
    foreign,
    unacknowledged: known - journal.order.filter((serial) => found[serial] !== undefined).length,
    size,
    heads: journal.heads.length,
    words,
  }
}

/** All entries in their order. */
async function* entriesOf({ source }: CheckOptions, size: number): AsyncGenerator<Uint8Array> {
  const bundles = Math.ceil(size / TILE_WIDTH)
  const widthOf = (bundle: number): number => Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH)
  const read = async (bundle: number): Promise<Uint8Array[]> => {
    const width = widthOf(bundle)
    const entries = decodeBundle(await source.bundle(bundle, width), width)
    if (entries.length !== width) throw new Error(`bundle ${bundle} has ${entries.length} entries`)
    return entries
  }
  const waiting: Promise<Uint8Array[]>[] = []
  for (let next = 0, at = 0; at < bundles; at++) {
    while (next < bundles && waiting.length < AHEAD) {
      const bundle = read(next++)
      bundle.catch(() => undefined)
      waiting.push(bundle)
    }
    yield* await waiting.shift()!
  }
}

/** The end of what a run prints. */
export function lastLine({ acknowledged, lost, duplicated, forks }: Findings): string {
  return `acknowledged=${acknowledged} lost=${lost} duplicated=${duplicated} forks=${forks}`
}

export function holds({ acknowledged, lost, duplicated, forks, foreign }: Findings): boolean {
  return acknowledged > 0 && lost + duplicated + forks + foreign === 0
}
