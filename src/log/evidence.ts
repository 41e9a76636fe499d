/** What is kept when a witness shows a head of this log that this log does not have. */
import { utf8 } from '../bytes.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { parseNote } from '../formats/note.ts'
import { formatSplitView, type SignedHead } from '../formats/split-view.ts'
import type { TileSource } from '../tiles/source.ts'
import { compareHeads } from '../tiles/split-view.ts'
import type { Head } from './service.ts'

export interface Evidence {
  /** `split-view`: proves to anyone that the log's key has signed two histories. `checkpoint`: the head that was shown. */
  readonly kind: 'split-view' | 'checkpoint'
  /** The file's text. */
  readonly text: string
}

/** The strongest evidence that can be made of the log's own head and one that was shown elsewhere. */
export async function evidenceOf(
  own: Head,
  shown: SignedHead,
  tiles: TileSource,
): Promise<Evidence> {
  const asShown: Evidence = { kind: 'checkpoint', text: shown.note }
  // A head beyond our own can only be compared by whoever has its tiles.
  if (shown.checkpoint.size > own.size) return asShown
  const { text } = parseNote(utf8(own.checkpoint))
  const compared = await compareHeads(
    shown,
    { note: own.checkpoint, checkpoint: parseCheckpoint(text) },
    tiles,
  )
  if (compared.kind === 'consistent') return asShown
  return { kind: 'split-view', text: formatSplitView(compared.evidence) }
}
