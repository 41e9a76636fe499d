/** Fuzzes one target in a thread: see run-target.ts. Bundled apart from the code that it runs. */
import { parentPort, workerData } from 'node:worker_threads'
import { fuzz, MAX_INPUT, newTrace } from './fuzz.ts'
import type { Job, Report } from './job.ts'

const job = workerData as Job
const trace = newTrace(job.counters)
Object.assign(globalThis, { __fuzz: trace })
const { targets, makeSeeds } = (await import(job.bundle)) as typeof import('./bundle.ts')
const target = targets(makeSeeds(new URL(job.vectors))).find(({ name }) => name === job.target)
if (target === undefined) throw new Error(`there is no target ${job.target}`)

const head = new Int32Array(job.current, 0, 2)
const place = new Uint8Array(job.current, 8)
const outcome = fuzz(target, {
  trace,
  words: job.words,
  seconds: job.seconds,
  seed: job.seed,
  onInput(input) {
    const length = Math.min(input.length, MAX_INPUT)
    place.set(input.subarray(0, length))
    head[1] = length
    Atomics.add(head, 0, 1)
  },
})
parentPort?.postMessage({ ...outcome, target: job.target } satisfies Report)
