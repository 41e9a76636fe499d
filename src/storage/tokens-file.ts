/** Tokens in a file, which is replaced in one step. Whoever changes it holds a lock beside it. */
import { open, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, messageOf } from '../errors.ts'
import { readPrivateText, writePrivateText } from './private-text.ts'
import type { TokenStore } from './token-port.ts'

/** Two commands at once take turns; one that was killed leaves its lock behind. */
const LOCK_PATIENCE_MS = 3_000
const LOCK_RETRY_MS = 20
const STALE_LOCK_MS = 30_000

export function tokensInFile(file: string): TokenStore {
  const read = (): Promise<string | undefined> => readPrivateText(file)
  return {
    place: file,

    async stamp() {
      try {
        const { ino, size, mtimeNs } = await stat(file, { bigint: true })
        return `${ino} ${size} ${mtimeNs}`
      } catch {
        return undefined
      }
    },

    async read() {
      const text = await read()
      return text === undefined ? undefined : { text, madeAt: undefined }
    },

    async update(change) {
      const lock = `${file}.lock`
      await takeLock(lock)
      try {
        await writePrivateText(file, change(await read()))
      } finally {
        await rm(lock, { force: true })
      }
    },
  }
}

async function takeLock(lock: string): Promise<void> {
  const deadline = Date.now() + LOCK_PATIENCE_MS
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close()
      return
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new CairnError('IO', `cannot write ${lock}: ${messageOf(cause)}`, { cause })
      }
    }
    const taken = await stat(lock).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    )
    if (taken !== undefined && Date.now() - taken > STALE_LOCK_MS) {
      await rm(lock, { force: true })
    } else if (Date.now() > deadline) {
      throw new CairnError(
        'LOCKED',
        `another command is changing the tokens; if none is, remove ${lock}`,
      )
    } else {
      await sleep(LOCK_RETRY_MS)
    }
  }
}
