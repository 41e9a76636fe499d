/** A real `cairn` server as a process of its own, with its CPU time and memory as the kernel counts them. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLI, freePort } from '../test/support/cairn-process.ts'
import type { LoadPlan, LoadResult } from './load.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

export interface BenchServer {
  readonly port: number
  readonly data: string
  /** Milliseconds from starting the process to its first answer. */
  readonly startMs: number
  /** Seconds of CPU used so far, all threads. */
  cpuSeconds(): Promise<number>
  /** Resident memory in MB, and the part of it that is not file pages. */
  memory(): Promise<{ resident: number; anonymous: number }>
  /** Waits until the server has nothing left to do, such as merging what a bulk load has written. */
  settle(): Promise<void>
  stop(): Promise<void>
}

export function newData(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'cairn-bench-'))
}

export async function discard(data: string): Promise<void> {
  await rm(data, { recursive: true, force: true })
}

export async function startServer(
  directory: string,
  flags: readonly string[] = [],
): Promise<BenchServer> {
  return startCairn(['serve', '--open', ...flags], join(directory, 'log'))
}

/** A server of any kind: `cairn <args> --data <data>`. */
export async function startCairn(args: readonly string[], data: string): Promise<BenchServer> {
  const port = await freePort()
  const started = performance.now()
  const server = spawn(process.execPath, [CLI, ...args, '--data', data, '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  server.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await firstAnswer(port, server).catch((error: unknown) => {
    console.error(said)
    throw error
  })
  const startMs = performance.now() - started
  const proc = `/proc/${server.pid}`
  const cpuSeconds = async (): Promise<number> => {
    const fields = (await readFile(`${proc}/stat`, 'utf8')).split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }
  return {
    port,
    data,
    startMs,
    cpuSeconds,
    async settle() {
      for (let before = await cpuSeconds(), idle = 0; idle < 3; ) {
        await new Promise((resolve) => setTimeout(resolve, 500))
        const now = await cpuSeconds()
        idle = now - before < 0.03 ? idle + 1 : 0
        before = now
      }
    },
    async memory() {
      const status = await readFile(`${proc}/status`, 'utf8')
      const megabytes = (name: string): number =>
        Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) / 1024
      return { resident: megabytes('VmRSS'), anonymous: megabytes('RssAnon') }
    },
    async stop() {
      server.kill('SIGTERM')
      if (server.exitCode === null) await once(server, 'exit')
    },
  }
}

async function firstAnswer(port: number, server: ChildProcess): Promise<void> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`cairn ended with code ${server.exitCode}`)
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Runs the load generator beside the server. */
export async function load(
  server: Pick<BenchServer, 'port'>,
  plan: Partial<LoadPlan>,
): Promise<LoadResult> {
  const whole: LoadPlan = {
    host: '127.0.0.1',
    port: server.port,
    path: '/add',
    headers: { 'Content-Type': 'application/octet-stream' },
    connections: 1,
    requests: 1,
    warmUp: 0,
    kind: 'leaves',
    leafBytes: 300,
    leavesPerRequest: 1,
    ...plan,
  }
  return measured<LoadResult>('bench/load.ts', whole)
}

/** Runs a program of this folder that measures by a plan. */
export async function measured<R extends { readonly errors: number; readonly requests: number }>(
  program: string,
  plan: unknown,
): Promise<R> {
  const tsx = import.meta.resolve('tsx')
  const args = ['--import', tsx, join(root, program), JSON.stringify(plan)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`${program} failed`)
  const result = JSON.parse(output) as R
  if (result.errors > 0) throw new Error(`${result.errors} of ${result.requests} requests failed`)
  return result
}

/** Bytes that a directory takes on the disk. */
export function diskBytes(directory: string): number {
  return Number(execFileSync('du', ['-sk', directory]).toString().split('\t')[0]) * 1024
}
