/** Runs a target on ever new inputs, and keeps those that reach code or come nearer to comparisons than any before. */
import { STEPS } from './instrument.ts'
import { type Material, mutate, randomNumbers } from './mutate.ts'

/** What instrumented code writes to. */
export interface Trace {
  /** How often each branch was taken, modulo 256. */
  readonly hits: Uint8Array
  /** Texts that were compared in vain since this was emptied last. */
  readonly learnt: string[]
  same(first: number, a: unknown, b: unknown): boolean
}

export interface Target {
  readonly name: string
  /** Inputs to begin with, accepted and refused ones. */
  readonly seeds: readonly Uint8Array[]
  /**
   * Feeds an input to the parser, and says whether the parser accepted it.
   * @throws anything when the parser breaks a promise
   */
  run(input: Uint8Array): boolean
  /** Mends what random changes break and a parser checks early, such as a checksum. */
  repair?(input: Uint8Array): Uint8Array
}

export interface Finding {
  readonly target: string
  readonly reason: string
  readonly input: Uint8Array
}

export interface Outcome {
  readonly executions: number
  /** Inputs that the parser accepted. */
  readonly accepted: number
  /** Inputs that were kept because they did something new. */
  readonly corpus: number
  /** Branches and steps of comparisons that were seen. */
  readonly features: number
  readonly findings: readonly Finding[]
}

export interface FuzzOptions {
  readonly trace: Trace
  /** Text constants of the code. */
  readonly words: readonly string[]
  readonly seconds: number
  readonly seed: number
  /** It ends early with so many findings of different kinds; 5 unless told. */
  readonly maxFindings?: number
  /** Told of each input before it is run, so that one that never ends is known. */
  readonly onInput?: (input: Uint8Array) => void
}

/** An input may take this long; a slower one gets more chances, since the machine has other work. */
export const SLOW_MS = 100
const CHANCES = 5
export const MAX_INPUT = 16_384
/** Words taken from comparisons that failed; older ones give way. */
const MAX_LEARNT = 64
const LONGEST_WORD = 64

/** The trace of a bundle with so many counters. */
export function newTrace(counters: number): Trace {
  const learnt: string[] = []
  const learn = (word: string): void => {
    if (word !== '' && word.length <= LONGEST_WORD && learnt.length < MAX_LEARNT) learnt.push(word)
  }
  const hits = new Uint8Array(Math.ceil(counters / 4) * 4)
  return {
    hits,
    learnt,
    same(first, a, b) {
      if (a === b) return true
      if (typeof a === 'string' && typeof b === 'string') {
        const most = Math.min(STEPS - 1, a.length)
        let steps = 0
        while (steps < most && a.charCodeAt(steps) === b.charCodeAt(steps)) steps++
        hits[first + steps] = 1
        learn(a)
        learn(b)
      } else if (typeof a === 'number' && typeof b === 'number') {
        hits[first + ((Math.clz32(Math.abs(a - b)) >> 1) % STEPS)] = 1
      }
      return false
    },
  }
}

/** Fuzzes one target for some time. */
export function fuzz(target: Target, options: FuzzOptions): Outcome {
  const { trace, seconds, seed, maxFindings = 5 } = options
  const random = randomNumbers(seed)
  const encoder = new TextEncoder()
  const constants = options.words.map((word) => encoder.encode(word))
  const learnt: Uint8Array[] = []
  const corpus: Uint8Array[] = []
  const findings = new Map<string, Finding>()
  const seen = new Uint8Array(trace.hits.length)
  let executions = 0
  let accepted = 0
  const end = performance.now() + seconds * 1000

  const execute = (input: Uint8Array): void => {
    options.onInput?.(input)
    trace.hits.fill(0)
    executions++
    const reason = failure(target, input, () => {
      accepted++
    })
    if (reason !== undefined) {
      const kind = kindOf(reason)
      if (!findings.has(kind)) findings.set(kind, { target: target.name, reason, input })
    } else if (isNew(trace.hits, seen)) corpus.push(input)
  }

  for (const input of target.seeds) execute(input)
  if (corpus.length === 0) corpus.push(new Uint8Array())
  while (performance.now() < end && findings.size < maxFindings) {
    // What was found last is looked at more often: it has been changed less.
    const parent = corpus[Math.floor((1 - random() ** 2) * corpus.length)]!
    for (const word of trace.learnt.splice(0)) {
      learnt[Math.floor(random() * MAX_LEARNT)] = encoder.encode(word)
    }
    const words = [...constants, ...learnt.filter((word) => word !== undefined)]
    const material: Material = { random, words, others: corpus, maxLength: MAX_INPUT }
    for (let i = 0; i < 16 && findings.size < maxFindings; i++) {
      const input = mutate(parent, material)
      execute(target.repair !== undefined && random() < 0.5 ? target.repair(input) : input)
    }
  }
  return {
    executions,
    accepted,
    corpus: corpus.length,
    features: seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0),
    findings: [...findings.values()].map((finding) => shortened(target, finding)),
  }
}

/** Why a target fails on an input, or undefined when it does not. */
export function failure(
  target: Target,
  input: Uint8Array,
  onAccepted: () => void = () => {},
): string | undefined {
  const timed = (): number => {
    const started = performance.now()
    if (target.run(input)) onAccepted()
    return performance.now() - started
  }
  try {
    for (let chance = 0; timed() > SLOW_MS; chance++) {
      if (chance === CHANCES) return `slower than ${SLOW_MS} ms`
    }
  } catch (error) {
    return error instanceof Error
      ? `${error.name}: ${error.message}\n${error.stack}`
      : String(error)
  }
  return undefined
}

/** What two inputs that fail in the same way have in common: the kind of error, and where it came from. */
function kindOf(reason: string): string {
  const name = reason.split(':')[0]
  const place = reason.split('\n').find((line) => line.startsWith('    at '))
  return `${name}${place ?? ''}`
}

/** Whether there is a count in a range of its own (1, 2, 3, 4 to 7, 8 to 15, …) that was not seen before. */
function isNew(hits: Uint8Array, seen: Uint8Array): boolean {
  const quads = new Uint32Array(hits.buffer)
  let found = false
  for (let quad = 0; quad < quads.length; quad++) {
    if (quads[quad] === 0) continue
    for (let i = quad * 4; i < quad * 4 + 4; i++) {
      const count = hits[i]!
      if (count === 0) continue
      const range = count < 4 ? count - 1 : Math.min(7, 32 - Math.clz32(count))
      const bit = 1 << range
      if ((seen[i]! & bit) === 0) {
        seen[i]! |= bit
        found = true
      }
    }
  }
  return found
}

/** The same finding with an input as short as leaving out parts makes it. */
function shortened(target: Target, finding: Finding): Finding {
  const kind = kindOf(finding.reason)
  if (kind.startsWith('slower')) return finding
  let { input } = finding
  for (let size = input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= input.length; ) {
      const shorter = new Uint8Array([...input.subarray(0, at), ...input.subarray(at + size)])
      const reason = failure(target, shorter)
      if (reason !== undefined && kindOf(reason) === kind) input = shorter
      else at += size
    }
  }
  return { ...finding, input }
}
