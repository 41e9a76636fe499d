/** Tokens in a file, which is replaced in one step. Whoever changes it holds a lock beside it. */
import { open, readFile, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile } from './durable-file.ts'
import type { TokenStore } from './token-port.ts'

const PRIVATE_FILE = 0o600
/** Two commands at once take turns; one that was killed leaves its lock behind. */
const LOCK_PATIENCE_MS = 3_000
const LOCK_RETRY_MS = 20
const STALE_LOCK_MS = 30_000

export function tokensInFile(file: string): TokenStore {
  const read = async (): Promise<string | undefined> => textOf(file, await bytesOf(file))
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
        await write(file, change(await read()))
      } finally {
        await rm(lock, { force: true })
      }
    },
  }
}

async function bytesOf(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CairnError('IO', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
}

function textOf(file: string, bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new CairnError('CORRUPT', `${file} is no text; mend or remove it`, { cause })
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await durableWriteFile(file, utf8(text), PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write ${file}: ${messageOf(cause)}`, { cause })
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
