/** Vectors published by others, where a checkout of them lies beside this one. */
import { existsSync, readFileSync } from 'node:fs'

const folder = new URL('../../../shared/vectors/', import.meta.url)

/** Whether the vectors are there; tests that need them are skipped, with a word about it, where they are not. */
export const hasSharedVectors: boolean = existsSync(folder)
if (!hasSharedVectors)
  console.warn('vectors of other projects are not here: their tests are skipped')

/** A folder of them. */
export function sharedFolder(path: string): URL {
  return new URL(path, folder)
}
export function sharedBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, folder)))
}
export function sharedText(path: string): string {
  return readFileSync(new URL(path, folder), 'utf8')
}
