/** Arrays of bytes are compared as bytes: element by element, as vitest does, takes seconds for a few megabytes. */
import { expect } from 'vitest'

expect.addEqualityTesters([
  function sameBytes(one: unknown, other: unknown): boolean | undefined {
    if (!(one instanceof Uint8Array && other instanceof Uint8Array)) return undefined
    if (one.constructor !== other.constructor) return undefined
    return Buffer.compare(one, other) === 0
  },
])
