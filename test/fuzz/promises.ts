/** What parsers promise, and how targets hold them to it. */
import { equal, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import type { Target } from './fuzz.ts'

/** A promise that a parser broke. */
class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

export function promise(holds: boolean, what: string): void {
  if (!holds) throw new BrokenPromise(what)
}

/** The value that a parser makes of an input; undefined when it refuses the input as it should. */
export function attempt<T>(parse: () => T): { readonly value: T } | undefined {
  try {
    return { value: parse() }
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/** A format of bytes, each value of which has one spelling. */
export function canonical<T>(
  name: string,
  seeds: readonly Uint8Array[],
  parse: (bytes: Uint8Array) => T,
  format: (value: T) => Uint8Array | string,
): Target {
  return {
    name,
    seeds,
    run(input) {
      const before = input.slice()
      const read = attempt(() => parse(input))
      promise(equal(before, input), 'the input was changed')
      if (read === undefined) return false
      const written = format(read.value)
      const bytes = typeof written === 'string' ? utf8(written) : written
      promise(equal(bytes, input), 'what was read is written in another way')
      return true
    },
  }
}
