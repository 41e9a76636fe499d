/** Runs a target in a thread of its own, and ends the thread when an input does not. */
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Built } from './build.ts'
import { newTrace } from './fuzz.ts'
import { CURRENT_SIZE, type Job, type Report } from './job.ts'

export interface Run {
  readonly target: string
  readonly seconds: number
  readonly seed: number
  /** How long one input may take before it counts as one that never ends. */
  readonly hangMs?: number
}

const VECTORS = new URL('../../spec/vectors/', import.meta.url)
const HANG_MS = 10_000

/** The targets of a bundle, which is loaded into this thread to know them. */
export async function targetNames({ bundle, counters }: Built): Promise<string[]> {
  Object.assign(globalThis, { __fuzz: newTrace(counters) })
  const loaded = (await import(pathToFileURL(bundle).href)) as typeof import('./bundle.ts')
  return loaded.targets(loaded.makeSeeds(VECTORS)).map(({ name }) => name)
}

export async function runTarget(built: Built, run: Run): Promise<Report> {
  const current = new SharedArrayBuffer(CURRENT_SIZE)
  const job: Job = {
    bundle: pathToFileURL(built.bundle).href,
    vectors: VECTORS.href,
    counters: built.counters,
    words: built.words,
    target: run.target,
    seconds: run.seconds,
    seed: run.seed,
    current,
  }
  const worker = new Worker(built.worker, { workerData: job })
  const head = new Int32Array(current, 0, 2)
  const { hangMs = HANG_MS } = run
  return new Promise((resolve, reject) => {
    let begun = 0
    let since = performance.now()
    const watch = setInterval(() => {
      const now = Atomics.load(head, 0)
      if (now !== begun) {
        begun = now
        since = performance.now()
      } else if (begun > 0 && performance.now() - since > hangMs) {
        const input = new Uint8Array(current, 8, head[1]).slice()
        const finding = { target: run.target, reason: `no end after ${hangMs} ms`, input }
        finish()
        const counts = { executions: begun, accepted: 0, corpus: 0, features: 0 }
        resolve({ target: run.target, ...counts, findings: [finding] })
      }
    }, 100)
    const finish = (): void => {
      clearInterval(watch)
      void worker.terminate()
    }
    worker.once('message', (report: Report) => {
      finish()
      resolve(report)
    })
    worker.once('error', (error) => {
      finish()
      reject(error)
    })
  })
}
