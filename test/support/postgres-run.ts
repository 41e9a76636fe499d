/** Once a run, whatever its number of processes: a place for the PostgreSQL that its tests share, and that one's end. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RUN_DIRECTORY } from './postgres.ts'

/** Ends the server of a run that was itself ended without a word. */
const WATCH = `while kill -0 "$1" 2>/dev/null; do sleep 2; done
[ -f "$2/server" ] && kill -QUIT "$(cut -d' ' -f1 "$2/server")" && sleep 1
rm -rf "$2"`

export async function setup(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-test-postgres-'))
  process.env[RUN_DIRECTORY] = directory
  const args = ['-c', WATCH, 'watch', String(process.pid), directory]
  spawn('sh', args, { detached: true, stdio: 'ignore' }).unref()
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
