/**
 * Remembers, in a file away from a witness's data, until when it has cosigned. Times of heads never go back in the
 * store, and the file is written behind it: a store whose newest head is older than the file says is an old copy, and
 * what it forgot may have been cosigned.
 *
 * The file is one line, `cairn-witness-guard/v1 <seconds since 1970>`, replaced as a whole and a second late at most.
 */
import { dirname } from 'node:path'
import { fromDecimal, fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { readIfThere } from '../storage/read-if-there.ts'
import type { WitnessChange, WitnessStore } from '../storage/witness-port.ts'

const MAGIC = 'cairn-witness-guard/v1 '
const PRIVATE_FILE = 0o600
const DEFAULT_DELAY_MS = 1_000

export interface RollbackGuardOptions {
  /** Milliseconds that the file may lag behind the store. */
  readonly delayMs?: number
  /** Told when the file cannot be written any more; the witness goes on. */
  readonly onError: (error: unknown) => void
}

/**
 * The same store, watched; closing it writes the file for the last time.
 * @throws CORRUPT when the store is older than the file says, or the file is damaged; IO when it cannot be written
 */
export async function guardStore(
  store: WitnessStore,
  file: string,
  { delayMs = DEFAULT_DELAY_MS, onError }: RollbackGuardOptions,
): Promise<WitnessStore> {
  const remembered = await read(file)
  let newest = 0
  for await (const { head } of store.logs()) newest = Math.max(newest, head?.timestamp ?? 0)
  if (remembered !== undefined && newest < remembered) throw rolledBack(file, newest, remembered)
  // Tried now, so that a place that cannot be written is known at once.
  await write(file, newest)
  let written = newest
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  function flush(): void {
    timer = undefined
    if (newest === written) return
    const next = newest
    writing = writing
      .then(() => write(file, next))
      .then(() => {
        written = next
      }, onError)
  }

  return {
    logs: () => store.logs(),
    head: (origin) => store.head(origin),
    conflicts: (origin) => store.conflicts(origin),
    async write(changes) {
      await store.write(changes)
      newest = Math.max(newest, ...changes.map(timeOf))
      if (newest > written) timer ??= setTimeout(flush, delayMs)
    },
    async close() {
      clearTimeout(timer)
      flush()
      await writing
      await store.close()
    },
  }
}

function timeOf(change: WitnessChange): number {
  return change.kind === 'advance' ? change.head.timestamp : 0
}

function rolledBack(file: string, newest: number, remembered: number): CairnError {
  const time = (seconds: number): string => new Date(seconds * 1000).toISOString()
  const found = newest === 0 ? 'nothing' : `nothing since ${time(newest)}`
  return new CairnError(
    'CORRUPT',
    `the data of this witness was rolled back: it has cosigned until ${time(remembered)} (${file}) and remembers ${found}; put the newest copy back, or begin a new witness in another directory`,
  )
}

async function read(file: string): Promise<number | undefined> {
  const bytes = await readIfThere(file)
  if (bytes === undefined) return undefined
  try {
    const text = fromUtf8(bytes)
    if (!text.startsWith(MAGIC) || !text.endsWith('\n')) throw new Error('it is something else')
    return fromDecimal(text.slice(MAGIC.length, -1), 'its time')
  } catch (cause) {
    throw new CairnError(
      'CORRUPT',
      `${file} is damaged (${messageOf(cause)}); remove it if the data is known to be the newest copy`,
      { cause },
    )
  }
}

async function write(file: string, seconds: number): Promise<void> {
  try {
    await makeDirectory(dirname(file), 0o700)
    await durableWriteFile(file, utf8(`${MAGIC}${seconds}\n`), PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError(
      'IO',
      `cannot write ${file}: ${messageOf(cause)}; choose another place with --rollback-guard`,
      { cause },
    )
  }
}
