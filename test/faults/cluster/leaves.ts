/** The leaves of a run: each is made of its number, so that a journal of millions need not keep them. */
import { equal } from '../../../src/bytes.ts'
import { MAX_ENTRY_SIZE } from '../../../src/formats/bundle.ts'
import { seededRandom } from './random.ts'

export interface Leaves {
  of(serial: number): Uint8Array
  /** The number that a leaf was made of; undefined when it is none of this run, or was changed. */
  serialOf(leaf: Uint8Array): number | undefined
}

/** Most leaves have up to so many bytes beside their number. */
const USUAL = 300
/** One in so many is much larger. */
const LARGE_EVERY = 500
const PREFIX_MAX = 64
const NEW_LINE = 0x0a

export function leavesOf(seed: number): Leaves {
  const random = seededRandom(seed)
  const noise = Uint8Array.from({ length: MAX_ENTRY_SIZE * 2 }, () => random.below(256))
  const name = `cairn ${seed} `

  function of(serial: number): Uint8Array {
    const own = seededRandom(serial)
    const large = serial % LARGE_EVERY === LARGE_EVERY - 1
    const length = own.below(large ? MAX_ENTRY_SIZE - PREFIX_MAX : USUAL)
    const from = own.below(noise.length - length)
    return Buffer.concat([Buffer.from(`${name}${serial}\n`), noise.subarray(from, from + length)])
  }

  return {
    of,
    serialOf(leaf) {
      const end = leaf.subarray(0, PREFIX_MAX).indexOf(NEW_LINE)
      const text = Buffer.from(leaf.subarray(0, Math.max(end, 0))).toString('latin1')
      const digits = text.slice(name.length)
      if (!text.startsWith(name) || !/^(0|[1-9][0-9]{0,14})$/.test(digits)) return undefined
      const serial = Number(digits)
      return equal(of(serial), leaf) ? serial : undefined
    },
  }
}
