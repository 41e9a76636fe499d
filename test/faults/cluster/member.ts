/** One server of a log that several share, and what looks after it: whatever ends it, it is started again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ServeProcess, startServe } from '../../support/cairn-process.ts'

export interface MemberOptions {
  readonly name: string
  readonly data: string
  readonly port: number
  readonly flags: readonly string[]
}

export interface Member {
  readonly name: string
  readonly url: string
  readonly data: string
  readonly state: 'up' | 'paused' | 'down'
  /** Its last words each time that it ended although nobody ended it. */
  readonly surprises: readonly string[]
  /** Its last words each time that it did not start. */
  readonly failedStarts: readonly string[]
  /** How long each start took that did not fail, in milliseconds. */
  readonly startTimes: readonly number[]
  /** Starts it, again and again until it runs or is closed. @throws Error when it does not run after so many attempts */
  start(attempts?: number): Promise<void>
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>
  /** Stops it where it stands (SIGSTOP); its connections stay open. */
  pause(): void
  resume(): void
  output(): string
  /** Ends it for good, in an orderly way. Resolves to its exit code. */
  close(): Promise<number | null>
}

const PAUSE_MS = 300
const LAST_WORDS = 2_000

export function newMember({ name, data, port, flags }: MemberOptions): Member {
  const url = `http://127.0.0.1:${port}`
  const surprises: string[] = []
  const failedStarts: string[] = []
  const startTimes: number[] = []
  let running: ServeProcess | undefined
  let state: Member['state'] = 'down'
  let isClosed = false
  /** What all its processes wrote before the one that runs. */
  let written = ''

  async function start(attempts = Number.POSITIVE_INFINITY): Promise<void> {
    for (let attempt = 1; !isClosed; attempt++) {
      const began = performance.now()
      const took = (): number => Math.round(performance.now() - began)
      try {
        watch(await startServe(data, port, flags))
        startTimes.push(took())
        written += `(started in ${took()} ms)\n`
        return
      } catch (error) {
        failedStarts.push((error as Error).message.slice(-LAST_WORDS))
        written += `(did not start in ${took()} ms) ${(error as Error).message}\n`
        if (attempt >= attempts) throw error
        await sleep(PAUSE_MS)
      }
    }
  }

  function watch(server: ServeProcess): void {
    running = server
    state = 'up'
    server.process.on('exit', (code, signal) => {
      written += server.output()
      if (running !== server) return
      running = undefined
      state = 'down'
      if (isClosed) return
      surprises.push(`${signal ?? code}: ${server.output().slice(-LAST_WORDS)}`)
      void start()
    })
  }

  /** Nobody is to be surprised that it ends. */
  function letGo(): ServeProcess | undefined {
    const server = running
    running = undefined
    state = 'down'
    return server
  }

  return {
    name,
    url,
    data,
    surprises,
    failedStarts,
    startTimes,
    get state() {
      return state
    },
    start,
    async kill() {
      await letGo()?.kill()
    },
    async stop() {
      await letGo()?.stop()
    },
    pause() {
      running?.process.kill('SIGSTOP')
      state = 'paused'
    },
    resume() {
      running?.process.kill('SIGCONT')
      if (running !== undefined) state = 'up'
    },
    output: () => written + (running?.output() ?? ''),
    async close() {
      isClosed = true
      const server = letGo()
      if (server === undefined) return null
      server.process.kill('SIGCONT')
      return server.stop()
    },
  }
}
