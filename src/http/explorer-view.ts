/** What the explorer's pages show of a log, read from it. */
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { decodeBundle } from '../formats/bundle.ts'
import { parseNote } from '../formats/note.ts'
import { parseRecord, type RecordLeaf } from '../formats/record.ts'
import { TILE_WIDTH } from '../formats/tile.ts'
import type { LogService, Publication } from '../log/service.ts'
import { HASH_SIZE, hashLeaf } from '../merkle/hash.ts'
import type { EntryRow } from '../web/explorer/entry-rows.tsx'
import type { History } from '../web/explorer/history-charts.tsx'
import type { Overview } from '../web/explorer/overview-page.tsx'
import type { LogHistory } from './log-history.ts'

/** A record, if the bytes of an entry are one. */
export function recordIn(leaf: Uint8Array): RecordLeaf | undefined {
  // Canonical JSON; most of what is no record is told by its first byte.
  if (leaf[0] !== 0x7b) return undefined
  try {
    return parseRecord(leaf)
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/** The publication, which a log that opened read-only may not have. */
export function publicationOf(log: LogService): Publication | undefined {
  try {
    return log.publication()
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/**
 * The entries `[from, to)` of a log that has them, the newest first; without their bytes where those may not be read.
 * @throws CORRUPT, IO
 */
export async function entryRows(
  log: LogService,
  from: number,
  to: number,
  readable: boolean,
): Promise<EntryRow[]> {
  const { size } = log.head()
  const rows: EntryRow[] = []
  for (let start = from - (from % TILE_WIDTH); start < to; start += TILE_WIDTH) {
    const group = start / TILE_WIDTH
    const width = Math.min(TILE_WIDTH, size - start)
    const first = Math.max(from - start, 0)
    const end = Math.min(to - start, width)
    const bytes = readable ? await log.bundle(group, width) : await log.tile(0, group, width)
    if (bytes === undefined) throw new CairnError('IO', `the log does not have bundle ${group}`)
    if (readable) {
      const leaves = decodeBundle(bytes, width).slice(first, end)
      rows.push(...leaves.map((leaf, i) => rowOf(start + first + i, leaf)))
    } else {
      for (let i = first; i < end; i++) {
        const hash = bytes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE)
        rows.push({ index: start + i, kind: 'hash', hash })
      }
    }
  }
  return rows.reverse()
}

function rowOf(index: number, leaf: Uint8Array): EntryRow {
  const record = recordIn(leaf)
  return record === undefined
    ? { index, kind: 'bytes', size: leaf.length, hash: hashLeaf(leaf) }
    : { index, kind: 'record', record }
}

/** Entries on the first page. */
const NEWEST = 15

export interface OverviewOptions {
  readonly readable: boolean
  readonly history: LogHistory | undefined
  readonly range: History['range']
}

/** @throws CORRUPT, IO */
export async function overviewOf(
  log: LogService,
  { readable, history, range }: OverviewOptions,
): Promise<Overview> {
  const { size } = log.head()
  const publication = publicationOf(log)
  const report = log.witnesses()
  return {
    head: publication && {
      size: publication.size,
      root: publication.root,
      timestamp: publication.timestamp,
      signatures: namesOf(publication.checkpoint),
    },
    committed: size,
    mode: log.mode(),
    witnesses: report && { quorum: report.quorum, rows: report.witnesses },
    vkeys: log.vkeys,
    history: history && { range, ...history[range] },
    entries: await entryRows(log, Math.max(0, size - NEWEST), size, readable),
  }
}

/** Whose signatures a checkpoint has. */
function namesOf(checkpoint: string): string[] {
  return [...new Set(parseNote(utf8(checkpoint)).signatures.map(({ name }) => name))]
}
