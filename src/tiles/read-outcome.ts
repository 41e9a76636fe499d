/** Reading where a fault in what is read is something to be told, and not the end. */
import { CairnError } from '../errors.ts'
import { readTile } from './proofs.ts'
import type { TileSource } from './source.ts'

/** What came of reading: a value, or what is wrong with the data. */
export type Outcome<T> = { readonly value: T } | { readonly fault: string }

/** Codes of errors that say something about what was read, not about the reading. */
const ABOUT_THE_DATA = new Set(['NOT_FOUND', 'MALFORMED', 'CORRUPT', 'TOO_LARGE'])

export function isAboutTheData(error: unknown): error is CairnError {
  return error instanceof CairnError && ABOUT_THE_DATA.has(error.code)
}

/** @throws what says nothing about the data, such as IO */
export async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    if (isAboutTheData(error)) return { fault: error.message }
    throw error
  }
}

/** As readTile. @throws as outcomeOf */
export function tileOutcome(
  source: TileSource,
  level: number,
  tile: number,
  width: number,
): Promise<Outcome<Uint8Array>> {
  return outcomeOf(() => readTile(source, level, tile, width))
}
