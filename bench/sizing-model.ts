/**
 * How large a log on several servers gets, and what it asks of its storage: from constants that were measured, and
 * formulas that test/sizing.test.ts holds against a real database and a real archive.
 */

/** Entries of a bundle, and hashes of a tile (C2SP tlog-tiles). */
const WIDTH = 256
const HASH_BYTES = 32
/** Before each entry of a bundle: its length. */
const FRAME_BYTES = 2
const TILE_BYTES = WIDTH * HASH_BYTES

/** Measured on PostgreSQL 18.4 with pages of 8 KiB and random leaves of 300 bytes, from 100,000 to 800,000 of them. */
export const DATABASE = {
  /** Entries and leaf hashes in `entry_runs`, its TOAST table and the indexes of both: bytes for each byte that is kept. */
  entryFactor: 1.07,
  /** A run of one leaf, as an idle log writes: what its row takes beyond entry and hash. */
  loneRun: 85,
  /** Rows of `leaf_index`. */
  leafIndex: 76.6,
  /** Its B-tree by hash: entries of 52 bytes in pages that are between half full and full, 69 % in the mean. */
  leafIndexKey: 77,
  /** A request with an idempotency key, for one leaf: row and index. */
  idempotencyKey: 169,
  /** Write-ahead log, when no page is written for the first time since a checkpoint. */
  wal: 600,
  /** The image of a page that is. */
  page: 8_192,
} as const

/** Measured with 20,000 records over HTTP, as bench/load.ts makes them: payloads of 1,000 bytes that do not compress. */
export const RECORD = {
  /** Bytes of the leaf. */
  leaf: 645,
  /** In `vault_payloads`. */
  payload: 1_427,
  /** In `vault_keys`, whose parts take some megabytes from the beginning. */
  key: 360,
  /** In `index_rows`. */
  index: 596,
  /** In `map_rows`. */
  map: 189,
} as const

/** A checkpoint with an Ed25519 and an ML-DSA-44 signature, and without witnesses. */
export const CHECKPOINT_BYTES = 3_457
/** Least time between two published heads: `publish-interval`. */
const PUBLISH_SECONDS = 0.25
/** How long what is in the archive stays in the database, too. */
export const SETTLE_SECONDS = 60
/** Least time between two heads that are kept under their sizes. */
const HEAD_SECONDS = 60

/** What a tree of 10 billion leaves has: levels 0 to 4. */
const HIGHEST_LEVEL = 4

function hashesAt(level: number, size: number): number {
  return Math.floor(size / WIDTH ** level)
}

/** Objects of one kind, and their bytes. */
export interface Objects {
  count: number
  bytes: number
}

/** What an archive was asked to write and remove. */
export interface ArchiveWork {
  readonly full: Objects
  readonly partial: Objects
  /** `heads/<size>`. */
  readonly heads: Objects
  /** How often the checkpoint was replaced. */
  readonly checkpoints: Objects
  /** Partial objects whose full one has settled. */
  removed: number
}

/**
 * The work for one checkpoint of each of these sizes, which grow, for leaves of `leafBytes`; all of them have settled, and
 * one in `headEvery` is kept under its size. The marker is not among it.
 */
export function archiveWork(
  sizes: readonly number[],
  leafBytes: number,
  headEvery = 1,
): ArchiveWork {
  const none = (): Objects => ({ count: 0, bytes: 0 })
  const work = {
    full: none(),
    partial: none(),
    heads: none(),
    checkpoints: none(),
    removed: 0,
  }
  const last = sizes.at(-1) ?? 0
  let from = 0
  for (const [n, to] of sizes.entries()) {
    for (let level = 0; hashesAt(level, to) > 0; level++) {
      const [known, hashes] = [hashesAt(level, from), hashesAt(level, to)]
      if (hashes === known) continue
      // A bundle for each tile of level 0.
      const kinds = level === 0 ? [HASH_BYTES, leafBytes + FRAME_BYTES] : [HASH_BYTES]
      const full = Math.floor(hashes / WIDTH) - Math.floor(known / WIDTH)
      const width = hashes % WIDTH
      const isFullLater = Math.ceil(hashes / WIDTH) * WIDTH <= hashesAt(level, last)
      for (const each of kinds) {
        add(work.full, full, full * WIDTH * each)
        if (width === 0) continue
        add(work.partial, 1, width * each)
        if (isFullLater) work.removed++
      }
    }
    if (n % headEvery === 0) add(work.heads, 1, CHECKPOINT_BYTES)
    add(work.checkpoints, 1, CHECKPOINT_BYTES)
    from = to
  }
  return work
}

function add(objects: Objects, count: number, bytes: number): void {
  objects.count += count
  objects.bytes += bytes
}

export interface Pace {
  /** Leaves a second. */
  readonly rate: number
  /** Seconds between two checkpoints: `archive-interval`. */
  readonly interval: number
  readonly leafBytes: number
}

/** Checkpoints that are archived for so many leaves, which come evenly. */
export function rounds({ rate, interval }: Pace, leaves: number): number {
  return leaves / Math.max(1, rate * Math.max(interval, PUBLISH_SECONDS))
}

/** The same for so many leaves at a steady pace, in the mean over where in their tiles the checkpoints fall. */
export function steadyWork(pace: Pace, leaves: number): ArchiveWork {
  const checkpoints = rounds(pace, leaves)
  const step = leaves / checkpoints
  let full = leaves / WIDTH
  let fullBytes = leaves * (pace.leafBytes + FRAME_BYTES)
  let partial = checkpoints
  // From 1 to 255 entries or hashes, each as often as the other.
  let partialBytes = checkpoints * (WIDTH / 2) * (pace.leafBytes + FRAME_BYTES)
  for (let level = 0; level <= HIGHEST_LEVEL; level++) {
    const tiles = leaves / WIDTH ** (level + 1)
    const grown = checkpoints * Math.min(1, step / WIDTH ** level)
    full += tiles
    fullBytes += tiles * TILE_BYTES
    partial += grown
    partialBytes += (grown * TILE_BYTES) / 2
  }
  // One time in 256 it ends where a tile does.
  const cut = (WIDTH - 1) / WIDTH
  const heads = Math.min(checkpoints, leaves / pace.rate / HEAD_SECONDS)
  return {
    full: { count: full, bytes: fullBytes },
    partial: { count: partial * cut, bytes: partialBytes * cut },
    heads: { count: heads, bytes: heads * CHECKPOINT_BYTES },
    checkpoints: { count: checkpoints, bytes: checkpoints * CHECKPOINT_BYTES },
    removed: partial * cut,
  }
}

/** Requests that write: an object each, where the server refuses by itself what is there already. */
export function puts({ full, partial, heads, checkpoints }: ArchiveWork): number {
  return full.count + partial.count + heads.count + checkpoints.count
}

export function bytesUp({ full, partial, heads, checkpoints }: ArchiveWork): number {
  return full.bytes + partial.bytes + heads.bytes + checkpoints.bytes
}

/** What stays: full tiles and bundles, and heads. */
export function keptBytes({ full, heads }: ArchiveWork): number {
  return full.bytes + heads.bytes
}

/** What a bucket with versions keeps beyond that, until a rule of the bucket removes it. */
export function noncurrentBytes({ partial, checkpoints }: ArchiveWork): number {
  return partial.bytes + checkpoints.bytes
}

/** Full and partial tiles of each level, and bundles as level -1, of a tree of so many leaves. */
export function treeShape(leaves: number): { readonly full: number; readonly width: number }[] {
  const shape = []
  for (let level = 0; hashesAt(level, leaves) > 0; level++) {
    const hashes = hashesAt(level, leaves)
    shape.push({ full: Math.floor(hashes / WIDTH), width: hashes % WIDTH })
  }
  return shape
}

/** Bytes in the database for a leaf whose entry is in the archive alone. */
export const LEAF_FOR_GOOD: number = DATABASE.leafIndex + DATABASE.leafIndexKey

/** Bytes in the database for a leaf whose entry is there, too, in runs of 256. */
export function leafInDatabase(leafBytes: number): number {
  return LEAF_FOR_GOOD + (leafBytes + FRAME_BYTES + HASH_BYTES) * DATABASE.entryFactor
}

/** The same for a leaf that was sequenced alone. */
export function loneLeafInDatabase(leafBytes: number): number {
  return LEAF_FOR_GOOD + leafBytes + FRAME_BYTES + HASH_BYTES + DATABASE.loneRun
}

/** Bytes in the database for what a record has beside its leaf. */
export const RECORD_FOR_GOOD: number = RECORD.payload + RECORD.key + RECORD.index + RECORD.map
