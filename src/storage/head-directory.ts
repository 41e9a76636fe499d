/**
 * Heads in a directory, a file each: `2026-11-21T120000.000Z.checkpoint`, named by the time at which it was published.
 * It holds the signed note to the byte, so that any program which reads such can check it.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { durableWriteFile, UNFINISHED } from './durable-file.ts'
import type { HeadStore } from './heads-port.ts'
import { makeDirectory } from './make-directory.ts'

const NAME = /^(\d{4}-\d{2}-\d{2}T\d{2})(\d{2})(\d{2}\.\d{3}Z)\.checkpoint$/

/** Opens the directory, making it when there is none. What is in it and not named like a head is left alone. @throws IO */
export async function openHeadDirectory(path: string): Promise<HeadStore> {
  const root = resolve(path)
  const fileOf = (time: number): string => join(root, nameOf(time))
  const times = await inDirectory(root, async () => {
    await makeDirectory(root, 0o700)
    const names = await readdir(root)
    const unfinished = names.filter((name) => name.endsWith(UNFINISHED))
    for (const name of unfinished) await rm(join(root, name), { force: true })
    return names.flatMap(timeOf).sort((a, b) => a - b)
  })

  return {
    times: () => times,

    async read(time) {
      if (!times.includes(time)) {
        throw new CairnError('NOT_FOUND', `no head of ${new Date(time).toISOString()} is kept`)
      }
      const file = fileOf(time)
      const bytes = await inDirectory(file, async () => {
        const { size } = await stat(file)
        if (size > MAX_NOTE_SIZE) throw new CairnError('TOO_LARGE', `${file} is no signed head`)
        return new Uint8Array(await readFile(file))
      })
      return { time, checkpoint: fromUtf8(bytes, file) }
    },

    async keep({ time, checkpoint }) {
      await inDirectory(root, () => durableWriteFile(fileOf(time), utf8(checkpoint), 0o644))
      if (times.includes(time)) return
      times.push(time)
      times.sort((a, b) => a - b)
    },

    async forget(time) {
      // One that is there again after a power cut does no harm, so this need not be synced.
      await inDirectory(root, () => rm(fileOf(time), { force: true }))
      const at = times.indexOf(time)
      if (at >= 0) times.splice(at, 1)
    },
  }
}

function nameOf(time: number): string {
  return `${new Date(time).toISOString().replaceAll(':', '')}.checkpoint`
}

/** The time that a file is named by; none for a file that is something else. */
function timeOf(name: string): number[] {
  const [, hour, minute, second] = NAME.exec(name) ?? []
  const time = hour === undefined ? Number.NaN : Date.parse(`${hour}:${minute}:${second}`)
  return Number.isNaN(time) || nameOf(time) !== name ? [] : [time]
}

async function inDirectory<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CairnError) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    const message = `cannot use ${place}: ${messageOf(error)}`
    throw new CairnError(isFull ? 'DISK_FULL' : 'IO', message, { cause: error })
  }
}
