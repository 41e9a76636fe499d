/** The built command as a process of its own: what is tested is what is shipped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}

export interface ServeProcess {
  readonly url: string
  readonly process: ChildProcess
  /** What it has written so far, on both streams. */
  output(): string
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>
  /** Asks it to end. Resolves to its exit code. */
  stop(): Promise<number | null>
}

export interface ServeOptions {
  /** Milliseconds that its clock is ahead of the real one; behind when negative. */
  readonly clockMs?: number
}

/** Starts `cairn serve` on a directory and waits until it answers. @throws Error with its output when it ends instead */
export function startServe(
  data: string,
  port: number,
  flags: readonly string[] = [],
  { clockMs = 0 }: ServeOptions = {},
): Promise<ServeProcess> {
  return startServer('serve', data, port, flags, clockMs === 0 ? {} : shiftedClock(clockMs))
}

/** The environment of a process whose clock is wrong, in all of its threads. */
function shiftedClock(milliseconds: number): { readonly NODE_OPTIONS: string } {
  const code = `const Real=Date,now=()=>Real.now()+(${milliseconds});globalThis.Date=class extends Real{constructor(...a){super(...(a.length?a:[now()]))}static now(){return now()}}`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` }
}

/** As startServe, for `cairn witness`. */
export function startWitness(
  data: string,
  port: number,
  flags: readonly string[] = [],
): Promise<ServeProcess> {
  return startServer('witness', data, port, flags)
}

async function startServer(
  command: string,
  data: string,
  port: number,
  flags: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<ServeProcess> {
  const args = [CLI, command, '--data', data, '--port', String(port), ...flags]
  // Settings of this test run are none of the server's, which refuses variables it does not know.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('CAIRN_')),
  )
  const child = spawn(process.execPath, args, {
    env: { ...env, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const end = child.exitCode ?? child.signalCode
      throw new Error(`cairn ${command} ended with ${end}: ${output}`)
    }
    const answer = await fetch(`${url}/healthz`).catch(() => undefined)
    if (answer?.ok) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    url,
    process: child,
    output: () => output,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
  }
}
