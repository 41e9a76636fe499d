/** What only the store can see: keys that belong to nothing, values of a wrong shape, runs that do not follow on. */
import type { TreeSize } from '../merkle/position.ts'
import type { LevelDatabase } from './level-engine.ts'
import { describeKey, parseKey } from './level-keys.ts'

export async function* inspectLevel(
  database: LevelDatabase,
  _size: TreeSize,
  progress?: (keys: number) => void,
): AsyncGenerator<string> {
  let keys = 0
  for await (const key of database.keys()) {
    progress?.(++keys)
    const parsed = parseKey(key)
    if (parsed.kind === 'unknown') yield `${describeKey(key)} ${parsed.reason}`
  }
}
