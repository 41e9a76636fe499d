import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { buildTargets } from './build.ts'
import { failure, fuzz, newTrace } from './fuzz.ts'
import { instrument } from './instrument.ts'
import { mutate, randomNumbers } from './mutate.ts'
import { runTarget } from './run-target.ts'
import { makeSeeds } from './seeds.ts'
import { targets } from './targets.ts'

/** A function of a text as it is, and instrumented. */
function sample(body: string) {
  const { code, counters, words } = instrument(`function run(text) {${body}}`, 0)
  const trace = newTrace(counters)
  type Run = (text: string) => unknown
  return {
    plain: new Function('text', body) as Run,
    instrumented: new Function('__fuzz', `${code}; return run`)(trace) as Run,
    trace,
    words,
  }
}

describe('instrumented code', () => {
  it.each([
    'if (text) if (text.length > 1) return 1; else return 2; return text === ""',
    'if (text) if (text.length > 1) return 1; return 2',
    "if (text === 'a') return 1; else if (text === 'b') return 2; else { return 3 }",
    'const n = text ? (text.length, text.length) : -1; return (text && n !== 1) ?? (n === 1 || 2)',
    'let n = 0; for (const c of text) n++; while (n > 3) n--; do n++; while (n < 2); return n',
    'return [...text].map((c) => ({ c })).filter(({ c }) => c !== "a")',
    'try { switch (text.length) { case 0: throw 1; case 1: case 2: return 2; default: return 3 } } catch { return 4 }',
    '(text === "a") === (text !== "b"); return ((text === "a") !== (text === "ab")) === true',
  ])('does what it did before: %s', (body) => {
    const { plain, instrumented } = sample(body)
    for (const text of ['', 'a', 'b', 'ab', 'abc', 'abcdef']) {
      expect(instrumented(text)).toEqual(plain(text))
    }
  })
})

describe('the fuzzer', () => {
  it('finds what is behind several conditions, and shortens the input', () => {
    const { instrumented, trace, words } = sample(`
      if (!text.startsWith('cairn ')) return false
      const [, number, word] = text.split(' ')
      if (Number(number) > 4096 && word !== undefined && word.length === 7) throw new TypeError('here')
      return true`)
    const target = {
      name: 'sample',
      seeds: [],
      run: (input: Uint8Array) => instrumented(new TextDecoder().decode(input)) === true,
    }
    const { findings } = fuzz(target, { trace, words, seconds: 20, seed: 1, maxFindings: 1 })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.reason).toMatch(/^TypeError: here/)
    expect(findings[0]?.input.length).toBeLessThan(24)
  })

  const place = fileURLToPath(
    new URL(`../../node_modules/.cache/cairn-fuzz-test-${process.pid}`, import.meta.url),
  )
  afterAll(() => rm(place, { recursive: true, force: true }))

  it('ends an input that does not, and tells which it is', async () => {
    const built = await buildTargets(place, 'planted.ts')
    const run = { target: 'endless', seconds: 20, seed: 1, hangMs: 300 }
    const { findings } = await runTarget(built, run)
    expect(findings).toEqual([
      { target: 'endless', reason: 'no end after 300 ms', input: Uint8Array.of(7) },
    ])
  })
})

/** Inputs that broke a promise once: regressions/<target>/<name>. */
const regressions = new URL('regressions/', import.meta.url)

describe.each(targets(makeSeeds(new URL('../../spec/vectors/', import.meta.url))))(
  'fuzzed: $name',
  (target) => {
    it('accepts some of its seeds, and keeps its promises on all', () => {
      let accepted = 0
      const count = () => accepted++
      for (const seed of target.seeds) expect(failure(target, seed, count)).toBeUndefined()
      expect(accepted).toBeGreaterThan(0)
    })

    it('keeps its promises on inputs that broke them once', () => {
      const folder = new URL(`${target.name}/`, regressions)
      for (const name of existsSync(folder) ? readdirSync(folder) : []) {
        expect(failure(target, readFileSync(new URL(name, folder))), name).toBeUndefined()
      }
    })

    it('keeps its promises on seeds that were changed', () => {
      const { seeds, repair = (input) => input } = target
      const changed = fc.nat().map((seed) => {
        const random = randomNumbers(seed)
        const material = { random, words: [], others: seeds, maxLength: 4096 }
        return repair(mutate(seeds[seed % seeds.length]!, material))
      })
      fc.assert(
        fc.property(changed, (input) => {
          expect(failure(target, input)).toBeUndefined()
        }),
        { numRuns: 200 },
      )
    })
  },
)
