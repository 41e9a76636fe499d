import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Archive, formatArchive, parseArchive } from '../../src/formats/ustar.ts'
import { refusalOf } from '../support/records.ts'

const anyArchive: fc.Arbitrary<Archive> = fc.record({
  time: fc.integer({ min: 0, max: 8 ** 11 - 1 }),
  files: fc.array(
    fc.record({
      name: fc.stringMatching(/^[!-~]{1,100}$/),
      bytes: fc.uint8Array({ maxLength: 1100 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

describe('an archive', () => {
  it('gives back its files', () => {
    fc.assert(
      fc.property(anyArchive, (archive) => {
        const bytes = formatArchive(archive)
        expect(bytes.length % 512).toBe(0)
        const back = parseArchive(bytes, 4)
        expect(back.time).toBe(archive.time)
        expect(back.files.map(({ name, bytes }) => [name, [...bytes]])).toEqual(
          archive.files.map(({ name, bytes }) => [name, [...bytes]]),
        )
      }),
    )
  })

  it('has one spelling: whatever is accepted is made again, to the byte', () => {
    fc.assert(
      fc.property(anyArchive, fc.nat(), fc.integer({ min: 1, max: 255 }), (archive, seed, bits) => {
        const changed = formatArchive(archive)
        changed[seed % changed.length]! ^= bits
        let accepted: Archive | undefined
        try {
          accepted = parseArchive(changed, 4)
        } catch (error) {
          expect((error as Error).message).toMatch(/archive|time|zeros/)
        }
        if (accepted) expect(formatArchive(accepted)).toEqual(changed)
      }),
      { numRuns: 300 },
    )
  })

  const file = { name: 'a.txt', bytes: new Uint8Array([97, 10]) }
  const whole = formatArchive({ time: 1, files: [file] })

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /does not end with two empty blocks$/],
    ['one empty block', new Uint8Array(512), /does not end with two empty blocks$/],
    ['part of a header', whole.subarray(0, 300), /header of file 1/],
    ['part of a file', whole.subarray(0, 513), /ends inside a.txt/],
    ['part of the zeros after a file', whole.subarray(0, 600), /a.txt is not followed by zeros/],
    ['no end', whole.subarray(0, 1024), /two empty blocks after a.txt/],
    [
      'more after its end',
      new Uint8Array([...whole, ...new Uint8Array(512)]),
      /two empty blocks after a.txt/,
    ],
    [
      'more files than expected',
      formatArchive({ time: 1, files: [file, file, file] }),
      /more than 2 files/,
    ],
    [
      'files of several times',
      Uint8Array.from([...whole.subarray(0, 1024), ...formatArchive({ time: 2, files: [file] })]),
      /another time/,
    ],
  ])('is refused with %s', (_, bytes, why) => {
    expect(refusalOf(() => parseArchive(bytes, 2))).toMatch(why)
  })

  it('has no room for other names and times', () => {
    for (const name of ['', 'a b', 'ä', 'x'.repeat(101)]) {
      expect(() => formatArchive({ time: 0, files: [{ ...file, name }] })).toThrow(
        /expected a short/,
      )
    }
    for (const time of [-1, 0.5, 8 ** 11]) {
      expect(() => formatArchive({ time, files: [file] })).toThrow(/expected a number from 0/)
    }
  })
})
