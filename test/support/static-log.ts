/** A log of fewer than 65,536 leaves as the static files of tlog-tiles. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { utf8 } from '../../src/bytes.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { bundlePath, TILE_WIDTH, tilePath } from '../../src/formats/tile.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { headOfLog, type RecordLog } from './evidence.ts'

/** By path, `checkpoint` among them: signed with the key of the example log. */
export function staticFiles(log: Pick<RecordLog, 'leaves' | 'tree'>): Map<string, Uint8Array> {
  const { leaves, tree } = log
  const files = new Map([['checkpoint', utf8(headOfLog({ ...log, disclosures: [] }))]])
  for (let at = 0; at < leaves.length; at += TILE_WIDTH) {
    const some = leaves.slice(at, at + TILE_WIDTH)
    files.set(bundlePath(at / TILE_WIDTH, some.length), encodeBundle(some))
    files.set(tilePath(0, at / TILE_WIDTH, some.length), Buffer.concat(some.map(hashLeaf)))
  }
  const full = Math.floor(leaves.length / TILE_WIDTH)
  const roots = Array.from({ length: full }, (_, i) =>
    tree.root(i * TILE_WIDTH, (i + 1) * TILE_WIDTH),
  )
  if (full > 0) files.set(tilePath(1, 0, full), Buffer.concat(roots))
  return files
}

export async function writeStaticLog(
  folder: string,
  log: Pick<RecordLog, 'leaves' | 'tree'>,
): Promise<void> {
  for (const [path, bytes] of staticFiles(log)) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, bytes)
  }
}
