/**
 * Runs the built command as people do. Most runs share processes, since most of the time of a short command is its
 * start; those that are about the process itself get their own.
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

interface Printed {
  stdout: string
  stderr: string
}

/** Processes with nothing to do, for the next command of this or another test file. They end with this process. */
const idle: ChildProcess[] = []

let last: Promise<unknown> = Promise.resolve()

/** Runs a command to its end, after those that were asked for before it. */
export function cairn(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const run = last.then(() => {
    const printed = { stdout: '', stderr: '' }
    const { ended } = inShared(args, options, printed)
    return ended.then((code) => {
      if (code === null) throw new Error(`the process ended with cairn ${args.join(' ')}`)
      return { code, ...printed }
    })
  })
  last = run.catch(() => {})
  return run
}

/** Runs a command in a process that others were run in, and will be. `ended` gives null when the process did. */
function inShared(
  args: readonly string[],
  { env, ...more }: RunOptions,
  printed: Printed,
  onOutput: () => void = () => undefined,
): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const child = idle.pop() ?? startRunner()
  const ended = new Promise<number | null>((resolve) => {
    const end = (code: number | null): void => {
      child.off('message', onMessage).off('close', onClose)
      resolve(code)
    }
    const onClose = (): void => end(null)
    const onMessage = (said: { stdout?: Buffer; stderr?: Buffer; code?: number }): void => {
      if (said.code === undefined) {
        printed.stdout += said.stdout?.toString() ?? ''
        printed.stderr += said.stderr?.toString() ?? ''
        onOutput()
      } else {
        idle.push(child)
        end(said.code)
      }
    }
    child.on('message', onMessage).on('close', onClose)
  })
  // One that a test left running is no use to the next file.
  afterThisFile(() => {
    if (idle.includes(child)) return
    child.kill('SIGKILL')
    return ended
  })
  child.send({ args, env: { ...cleanEnvironment(), ...env }, ...more })
  return { child, ended }
}

function startRunner(): ChildProcess {
  const child = fork(RUNNER, {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.once('close', () => {
    const at = idle.indexOf(child)
    if (at >= 0) idle.splice(at, 1)
  })
  child.unref()
  child.channel?.unref()
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
    const printed = { stdout: '', stderr: '' }
    let isOver = false
    const asked = [command, '--port', '0', ...args]
    const { child, ended } = inShared(asked, options, printed, () => {
      const url = /http:\/\/[^\s"]+/.exec(printed.stdout)?.[0]
      if (url === undefined) return
      resolve({
        url,
        stdout: () => printed.stdout,
        stderr: () => printed.stderr,
        stop(signal = 'SIGTERM') {
          if (!isOver) child.kill(signal)
          return ended
        },
      })
    })
    ended.then((code) => {
      isOver = true
      reject(new Error(`${command} ended with ${code}: ${printed.stderr}`))
    })
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
