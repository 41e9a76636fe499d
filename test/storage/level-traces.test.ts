import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { fileWithTrace, Traces } from '../../src/storage/level-traces.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-traces-'))
})
afterEach(() => rm(directory, { recursive: true }))

const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size))

describe('searching for traces', () => {
  it('finds one wherever it begins, also where chunks of a file meet', async () => {
    const trace = random(48)
    const chunk = 2 ** 20
    for (const at of [
      0,
      1,
      15,
      4_000,
      chunk - 48,
      chunk - 47,
      chunk - 17,
      chunk - 16,
      chunk - 1,
      chunk,
      2 * chunk - 5,
    ]) {
      const bytes = random(2 * chunk + 100)
      bytes.set(trace, at)
      await writeFile(join(directory, 'file'), bytes)
      expect(await fileWithTrace(directory, new Traces([trace])), `${at}`).toBe('file')
    }
  })

  it('finds one that is cut in two, and one at the very end', async () => {
    const trace = random(40)
    for (let cut = 0; cut <= 40; cut++) {
      const bytes = concat(random(100), trace.subarray(0, cut), random(7), trace.subarray(cut))
      expect(new Traces([trace]).isIn(bytes), `${cut}`).toBe(true)
    }
  })

  it('names no file that has none', async () => {
    await writeFile(join(directory, 'empty'), '')
    await writeFile(join(directory, 'some'), random(3 * 2 ** 20))
    expect(await fileWithTrace(directory, new Traces([random(16), random(61)]))).toBeUndefined()
    expect(await fileWithTrace(directory, new Traces([]))).toBeUndefined()
  })

  it('is not misled by what begins alike', () => {
    const trace = random(16)
    const near = trace.slice()
    near[15]! ^= 1
    expect(new Traces([trace]).isIn(concat(near, near, trace.subarray(0, 15)))).toBe(false)
    expect(new Traces([trace]).isIn(concat(near, trace))).toBe(true)
  })

  it('refuses a trace that could be there by chance', () => {
    expect(() => new Traces([random(15)])).toThrow(RangeError)
  })

  it('agrees with a plain search', () => {
    const byte = fc.uint8Array({ minLength: 16, maxLength: 20, max: 1 })
    const bytes = fc.uint8Array({ maxLength: 200, max: 1 })
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 3 }), bytes, (traces, where) => {
        const pieces = traces.flatMap((trace) => [trace.subarray(0, 16), trace.subarray(-16)])
        const plainly = pieces.some((piece) => Buffer.from(where).includes(Buffer.from(piece)))
        expect(new Traces(traces).isIn(where)).toBe(plainly)
      }),
    )
  })
})
