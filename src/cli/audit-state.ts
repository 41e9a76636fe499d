/**
 * What an audit leaves for the next one: the head that was found good; how far it came when it was stopped; and, when
 * the log contradicts a head of before, what proves that.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { fromUtf8, utf8 } from '../bytes.ts'
import type { NamedNote } from '../client/audit-log.ts'
import {
  type AuditProgress,
  formatProgress,
  MAX_PROGRESS_SIZE,
  parseProgress,
} from '../client/audit-progress.ts'
import type { AuditVerdict } from '../client/audit-verdict.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { parseCheckpoint } from '../formats/checkpoint.ts'
import { MAX_NOTE_SIZE, parseNote } from '../formats/note.ts'
import { formatSplitView, type SignedHead } from '../formats/split-view.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { compareHeads } from '../tiles/split-view.ts'
import type { Target } from './audit-target.ts'

/** Milliseconds between two snapshots of the progress, and between two writings of it. */
const BETWEEN_SNAPSHOTS = 500
const BETWEEN_WRITES = 2_000

/** The head that was seen last, if there is one. */
export async function readSaved(state: string): Promise<Uint8Array | undefined> {
  return existsSync(state) ? readFileUpTo(state, MAX_NOTE_SIZE) : undefined
}

/** How far an audit has come, in a file beside its state. */
export interface ProgressFile {
  /** How far the last one came, if it was of this log and was given the same. @throws USAGE */
  read(head: { readonly origin: string; readonly size: number }): Promise<AuditProgress | undefined>
  /** Writes it now and then. */
  note(snapshot: () => AuditProgress | undefined): void
  /** Writes it once more, for the audit was stopped; gives how many entries are behind. @throws IO */
  stopped(): Promise<number | undefined>
  /** There is nothing to go on with. */
  remove(): Promise<void>
}

export function progressFile(state: string, inputs: string): ProgressFile {
  const file = `${state}.progress`
  let kept: { readonly size: number; readonly bytes: Uint8Array } | undefined
  let taken = performance.now()
  let written = taken
  let writing: Promise<void> = Promise.resolve()
  let failure: unknown
  const write = (): void => {
    const content = kept?.bytes
    if (content === undefined) return
    writing = writing
      .then(() => durableWriteFile(file, content, 0o644))
      .catch((error: unknown) => {
        failure ??= error
      })
  }
  return {
    async read({ origin, size }) {
      if (!existsSync(file)) return undefined
      const content = await readFileUpTo(file, MAX_PROGRESS_SIZE)
      try {
        const progress = parseProgress(content, { origin, inputs })
        // A log that has been rolled back is audited from the beginning.
        return progress !== undefined && progress.place.size <= size ? progress : undefined
      } catch (cause) {
        throw usage(`${file}: ${messageOf(cause)}; remove it to begin anew`, cause)
      }
    },
    note(snapshot) {
      const now = performance.now()
      if (now - taken < BETWEEN_SNAPSHOTS) return
      taken = now
      const progress = snapshot()
      if (progress === undefined) return
      kept = { size: progress.place.size, bytes: formatProgress(progress, inputs) }
      if (now - written < BETWEEN_WRITES) return
      written = now
      write()
    },
    async stopped() {
      write()
      await writing
      if (failure !== undefined) throw failure
      return kept?.size
    },
    async remove() {
      await writing
      await rm(file, { force: true })
    },
  }
}

/** What contradicts a head of before, and the ending of the file that keeps it. */
export interface Contradiction {
  readonly ending: 'split-view' | 'conflict'
  readonly bytes: Uint8Array
  /** The file that has the head of before. */
  readonly beside: string
}

/** What proves a contradiction, of the first head that is contradicted. */
export async function contradictionIn(
  { contradicted: [before] }: AuditVerdict,
  target: Target,
  heads: readonly NamedNote[],
): Promise<Contradiction | undefined> {
  const named = heads.find(({ note }) => note === before)
  if (before === undefined || named === undefined) return undefined
  return { ...(await evidence(before, target)), beside: named.name }
}

/**
 * The proof that the log has signed two trees that cannot both be true, when its tiles give one. A log that shows fewer
 * leaves than before may have kept the larger tree's tiles to itself; then its head is all there is to keep.
 */
async function evidence(
  before: Uint8Array,
  target: Target,
): Promise<Omit<Contradiction, 'beside'>> {
  const [older, newer] = [before, target.checkpoint].map((bytes) => ({
    note: fromUtf8(bytes),
    checkpoint: parseCheckpoint(parseNote(bytes).text),
  })) as [SignedHead, SignedHead]
  const compared = await compareHeads(older, newer, target.source).catch((error: unknown) => {
    if (error instanceof CairnError) return undefined
    throw error
  })
  if (compared?.kind === 'split') {
    return { ending: 'split-view', bytes: utf8(formatSplitView(compared.evidence)) }
  }
  return { ending: 'conflict', bytes: target.checkpoint }
}

/** Keeps the head for the next audit when all is well, or what contradicts one that is kept. @returns the file */
export async function keep(
  verdict: AuditVerdict,
  checkpoint: Uint8Array,
  contradiction: Contradiction | undefined,
  state: string | undefined,
): Promise<string | undefined> {
  if (contradiction !== undefined) {
    const file = `${contradiction.beside}.${contradiction.ending}`
    await durableWriteFile(file, contradiction.bytes, 0o644)
    return file
  }
  if (state === undefined || !verdict.ok) return undefined
  await durableWriteFile(state, checkpoint, 0o644)
  return state
}
