/** What `cairn fsck` does about the bucket of a log: checks all that is in it, and that it is of the same history. */
import { join } from 'node:path'
import { equal } from '../bytes.ts'
import { CairnError, usage } from '../errors.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { type ArchiveFinding, type ArchiveSummary, checkArchive } from '../log/archive-check.ts'
import { CHECKPOINT, HEADS } from '../log/archive-names.ts'
import type { Head } from '../log/service.ts'
import { storedTiles } from '../log/stored-tiles.ts'
import type { LogPlace, StoredArchive } from '../server/log-storage.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import type { ObjectStore } from '../storage/object-port.ts'
import type { LogStore } from '../storage/port.ts'
import { rootFromTiles } from '../tiles/proofs.ts'
import { outcomeOf } from '../tiles/read-outcome.ts'
import { note } from './command.ts'
import { stepBars } from './progress.ts'
import { readTrust } from './trust.ts'

/** Something wrong with what is in the bucket. */
export interface BucketFinding {
  readonly kind: 'archive'
  /** Which value of it: `archived tile 0/2`, `archived checkpoint`. */
  readonly name: string
  readonly detail: string
}

/** What was looked at, and where. */
export interface CheckedArchive extends ArchiveSummary {
  readonly place: string
}

type Report = (finding: BucketFinding) => void

const STEPS = {
  listing: ['listing the archive', 'objects'],
  checking: ['checking the archive', 'entries'],
} as const

const wrong = (name: string, detail: string): BucketFinding => ({
  kind: 'archive',
  name: `archived ${name}`,
  detail,
})

/**
 * Checks a bucket from its objects and the log's keys; every finding is told to `report`.
 * @throws UNAVAILABLE when it cannot be reached; NOT_FOUND, FORBIDDEN, NEWER_FORMAT, IO; the signal's reason
 */
export async function checkBucket(
  objects: ObjectStore,
  vkeys: readonly VerifierKey[],
  quiet: boolean,
  report: Report,
  signal: AbortSignal,
): Promise<CheckedArchive> {
  const bars = stepBars(STEPS, quiet)
  try {
    const pass = checkArchive(objects, {
      vkeys,
      listed: (done) => bars.update('listing', done, undefined),
      progress: (done, total) => bars.update('checking', done, total),
      signal,
    })
    let step = await pass.next()
    for (; !step.done; step = await pass.next()) {
      bars.clear()
      const { name, detail }: ArchiveFinding = step.value
      report(wrong(name, detail))
    }
    return { place: objects.place, ...step.value }
  } finally {
    bars.clear()
  }
}

/**
 * As checkBucket, for the bucket of a log that nobody runs, which has to be of the same history.
 * @returns undefined when there is none to check; a note says why, where one would expect it
 * @throws as checkBucket
 */
export async function checkBucketOf(
  { store, archive }: { readonly store: LogStore; readonly archive: StoredArchive },
  vkeys: readonly VerifierKey[],
  quiet: boolean,
  report: Report,
  signal: AbortSignal,
): Promise<CheckedArchive | undefined> {
  const { objects } = archive
  const { size, released } = await archive.mark()
  if (objects === undefined) {
    if (size > 0) note('the bucket of the log is not checked: name it in --config')
    return undefined
  }
  if (released === 0 && !(await hasShown(objects))) {
    note(`${objects.place} is not checked: no checkpoint was archived yet`)
    return undefined
  }
  const checked = await checkBucket(objects, vkeys, quiet, report, signal)
  if (checked.head !== undefined) await compare(store, checked.head, released, report)
  return checked
}

/** A head is kept before the first checkpoint is written, so that a lost checkpoint is told from none. */
async function hasShown(objects: ObjectStore): Promise<boolean> {
  if ((await objects.get(CHECKPOINT)) !== undefined) return true
  return (await objects.list(HEADS, { limit: 1 })).length > 0
}

/** What the bucket shows has to be the published head, or one before it, and cover what the database has let go of. */
async function compare(
  store: LogStore,
  head: Head,
  released: number,
  report: Report,
): Promise<void> {
  const found = (detail: string): void => report(wrong(CHECKPOINT, detail))
  // One that cannot be read was found already.
  const publication = await outcomeOf(() => store.publication())
  if ('fault' in publication) return
  const published = publication.value?.size ?? 0
  if (head.size > published) {
    found(`is for ${head.size} leaves, but only ${published} are published in the database`)
    return
  }
  if (head.size < released) {
    found(`is for ${head.size} leaves, but the database has let go of the first ${released}`)
  }
  const root = await outcomeOf(() => rootFromTiles(storedTiles(store), head.size))
  if ('value' in root && !equal(root.value, head.root)) {
    found(
      'is of another history of this log: its root is not that of the same leaves in the database',
    )
  }
}

/**
 * Checks the bucket of a log alone: its servers may run, and its database may be gone.
 * @throws USAGE when the log has none, or its keys are not to be had; and as checkBucket
 */
export async function checkBucketAlone(
  place: LogPlace,
  vkey: readonly string[] | undefined,
  quiet: boolean,
  report: Report,
  signal: AbortSignal,
): Promise<CheckedArchive> {
  const archive = place.shared?.archive
  if (archive === undefined) {
    throw usage(
      '--archive-only checks the bucket of a log, and this one has none: name it in --config',
    )
  }
  const vkeys = vkey === undefined ? await keysIn(place.data) : (await readTrust({ vkey })).logKeys
  const { openObjects } = await import('../server/object-place.ts')
  const { objects } = await openObjects(archive.place, process.env, { toRead: true })
  try {
    return await checkBucket(objects, vkeys, quiet, report, signal)
  } finally {
    await objects.close()
  }
}

async function keysIn(folder: string): Promise<readonly VerifierKey[]> {
  const file = join(folder, 'log.vkey')
  return readVkeyFile(file).catch((error: unknown) => {
    if (error instanceof CairnError || (error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw error
    throw usage(`the keys of the log are missing from ${file}; give them with --vkey`, error)
  })
}
