/** Runs the built command as people do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
if (!existsSync(MAIN)) throw new Error('build first: npm run build')

export interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
}

/** The environment without anything that changes what the command does. */
function cleanEnvironment(): Record<string, string | undefined> {
  const dropped = /^(CAIRN_|NO_COLOR$|FORCE_COLOR$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !dropped.test(name)))
}

/** Ended with the tests of a file, also when one of them failed before it could. */
const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

function start(args: readonly string[], { env, cwd }: RunOptions) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...cleanEnvironment(), ...env },
    ...(cwd && { cwd }),
  })
  running.add(child)
  child.on('close', () => running.delete(child))
  return child
}

export function cairn(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = start(args, options)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (part) => (stdout += part))
    child.stderr.on('data', (part) => (stderr += part))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

export interface Served {
  readonly url: string
  readonly stdout: () => string
  readonly stderr: () => string
  /** Ends the server with a signal and returns its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts `cairn serve`, or another command that serves, and waits until it says where it is. */
export function served(
  args: readonly string[],
  options: RunOptions = {},
  command = 'serve',
): Promise<Served> {
  return new Promise((resolve, reject) => {
    const child = start([command, '--port', '0', ...args], options)
    let stdout = ''
    let stderr = ''
    const closed = new Promise<number | null>((done) => child.on('close', done))
    child.stderr.on('data', (part) => (stderr += part))
    child.stdout.on('data', (part) => {
      stdout += part
      const url = /http:\/\/[^\s"]+/.exec(stdout)?.[0]
      if (url === undefined) return
      resolve({
        url,
        stdout: () => stdout,
        stderr: () => stderr,
        stop(signal = 'SIGTERM') {
          child.kill(signal)
          return closed
        },
      })
    })
    closed.then((code) => reject(new Error(`${command} ended with ${code}: ${stderr}`)))
  })
}

/** Sends SIGINT to a command that waits for input which never comes. */
export function interrupted(args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = start(args, {})
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (part) => (stdout += part))
    child.stderr.on('data', (part) => (stderr += part))
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.write('a line\n')
    // Time enough to have started; a signal before that would end any process.
    setTimeout(() => child.kill('SIGINT'), 1_000)
  })
}
