/**
 * Runs the built command as people do. Most runs share one process, since most of the time of a short command is its
 * start; those that are about the process itself, or that serve, get their own.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterThisFile } from '../support/endings.ts'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
if (!existsSync(MAIN)) throw new Error('build first: npm run build')
const RUNNER = fileURLToPath(new URL('runner.mjs', import.meta.url))

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
function endWithFile(child: ChildProcess): void {
  const closed = new Promise((resolve) => child.once('close', resolve))
  afterThisFile(() => {
    child.kill('SIGKILL')
    return closed
  })
}

function start(args: readonly string[], { env, cwd }: RunOptions) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...cleanEnvironment(), ...env },
    ...(cwd && { cwd }),
  })
  endWithFile(child)
  return child
}

let runner: ChildProcess | undefined
let last: Promise<unknown> = Promise.resolve()

/** Runs a command to its end, after those that were asked for before it. */
export function cairn(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const run = last.then(() => runInShared(args, options))
  last = run.catch(() => {})
  return run
}

function runInShared(args: readonly string[], { env, ...more }: RunOptions): Promise<Run> {
  runner ??= startRunner()
  const child = runner
  return new Promise((resolve, reject) => {
    const onMessage = (run: unknown): void => {
      child.off('close', onClose)
      resolve(run as Run)
    }
    const onClose = (): void => {
      child.off('message', onMessage)
      reject(new Error(`the process ended with cairn ${args.join(' ')}`))
    }
    child.once('message', onMessage).once('close', onClose)
    child.send({ args, env: { ...cleanEnvironment(), ...env }, ...more })
  })
}

function startRunner(): ChildProcess {
  const child = fork(RUNNER, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  endWithFile(child)
  child.once('close', () => {
    runner = undefined
  })
  return child
}

/** Runs a command as a process of its own. */
export function cairnProcess(args: readonly string[], options: RunOptions = {}): Promise<Run> {
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

/** Kills a command so long after a file is there, as a power cut would; false when it had ended by then. */
export function killedAfter(
  args: readonly string[],
  file: string,
  milliseconds: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = start(args, {})
    const look = setInterval(() => {
      if (!existsSync(file)) return
      clearInterval(look)
      setTimeout(() => child.kill('SIGKILL'), milliseconds)
    }, 5)
    child.on('close', (_, signal) => {
      clearInterval(look)
      resolve(signal === 'SIGKILL')
    })
  })
}
