/** Once a run, whatever its number of processes: a place for the PostgreSQL that its tests share, and that one's end. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RUN_DIRECTORY, watchOver } from './postgres.ts'

export async function setup(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-test-postgres-'))
  process.env[RUN_DIRECTORY] = directory
  watchOver(directory, true)
}

export async function teardown(): Promise<void> {
  const directory = process.env[RUN_DIRECTORY]
  if (directory === undefined) return
  const note = await readFile(join(directory, 'server'), 'utf8').catch(() => '')
  const pid = Number(note.split(' ')[0])
  if (pid > 0) {
    process.kill(pid, 'SIGQUIT')
    while (isAlive(pid)) await sleep(20)
  }
  await rm(directory, { recursive: true, force: true })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
