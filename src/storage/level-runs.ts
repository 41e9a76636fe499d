/** Tiles and bundles out of the runs they were appended in. */
import { join } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import { HASH_SIZE } from '../merkle/hash.ts'
import { framedCount } from './commit-shape.ts'
import { engineFailure, type LevelDatabase, plain } from './level-engine.ts'
import { bundleRange, parseKey, tileRange } from './level-keys.ts'

/** More than a whole bundle of the largest entries, so that one trip to the engine brings all runs. */
const ALL_AT_ONCE = { highWaterMarkBytes: 17 * 2 ** 20 }

/** All stored hashes of a tile. @throws CORRUPT, IO, STOPPED */
export async function readTile(
  database: LevelDatabase,
  level: number,
  tile: number,
): Promise<Uint8Array> {
  const name = `tile ${level}/${tile}`
  const runs = await readRuns(database, tileRange(level, tile), name)
  let end = 0
  for (const [key, value] of runs) {
    const parsed = parseKey(key)
    if (parsed.kind !== 'tile' || parsed.offset !== end || value.length % HASH_SIZE !== 0) {
      throw broken(name, end)
    }
    end += value.length / HASH_SIZE
  }
  if (end > TILE_WIDTH) throw broken(name, end)
  return joined(runs)
}

/** All stored entries of a bundle, framed. @throws CORRUPT, IO, STOPPED */
export async function readBundle(database: LevelDatabase, bundle: number): Promise<Uint8Array> {
  const name = `bundle ${bundle}`
  const runs = await readRuns(database, bundleRange(bundle), name)
  let end = 0
  for (const [key, value] of runs) {
    const parsed = parseKey(key)
    if (
      parsed.kind !== 'bundle' ||
      parsed.first !== end ||
      framedCount(value) !== parsed.last - parsed.first + 1
    ) {
      throw broken(name, end)
    }
    end = parsed.last + 1
  }
  return joined(runs)
}

type Run = readonly [key: Uint8Array, value: Uint8Array]

async function readRuns(
  database: LevelDatabase,
  range: { readonly gte: Uint8Array; readonly lte: Uint8Array },
  name: string,
): Promise<Run[]> {
  try {
    return await database.iterator({ ...range, ...ALL_AT_ONCE }).all()
  } catch (error) {
    throw engineFailure(`read ${name}`, error)
  }
}

function broken(name: string, end: number): CairnError {
  return new CairnError(
    'CORRUPT',
    `${name} does not continue at ${end}; keep a copy of the directory and restore a backup`,
  )
}

function joined(runs: readonly Run[]): Uint8Array {
  return runs.length === 1 ? plain(runs[0]![1]) : join(runs.map(([, value]) => value))
}
