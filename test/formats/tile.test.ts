import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { bundlePath, parseTilePath, TILE_WIDTH, tilePath } from '../../src/formats/tile.ts'

function codeOf(path: string): string {
  try {
    parseTilePath(path)
    return 'accepted'
  } catch (error) {
    if (error instanceof CairnError) return error.code
    throw error
  }
}

describe('the path of a tile', () => {
  it.each([
    ['tile/0/000', 0, 0, 256],
    ['tile/0/005', 0, 5, 256],
    ['tile/0/999', 0, 999, 256],
    ['tile/1/x001/000', 1, 1000, 256],
    ['tile/0/x001/x234/067', 0, 1_234_067, 256],
    ['tile/0/x001/x234/067.p/5', 0, 1_234_067, 5],
    ['tile/2/000.p/1', 2, 0, 1],
    ['tile/10/000.p/10', 10, 0, 10],
    ['tile/63/123.p/255', 63, 123, 255],
    ['tile/63/x009/x007/x199/x254/x740/991', 63, Number.MAX_SAFE_INTEGER, 256],
  ])('%s is read and written', (path, level, tile, width) => {
    expect(parseTilePath(path)).toEqual({ kind: 'tile', level, tile, width })
    expect(tilePath(level, tile, width)).toBe(path)
  })

  it('is written and read back for every coordinate', () => {
    const level = fc.integer({ min: 0, max: 63 })
    const width = fc.integer({ min: 1, max: TILE_WIDTH })
    const tile = fc.oneof(fc.nat(2000), fc.maxSafeNat())
    fc.assert(
      fc.property(level, tile, width, (level, tile, width) => {
        expect(parseTilePath(tilePath(level, tile, width))).toEqual({
          kind: 'tile',
          level,
          tile,
          width,
        })
      }),
    )
  })

  it.each([
    [-1, 0, 256],
    [64, 0, 256],
    [0.5, 0, 256],
    [0, -1, 256],
    [0, 2 ** 53, 256],
    [0, 0.5, 256],
    [0, 0, 0],
    [0, 0, 257],
    [0, 0, 1.5],
  ])('is not written for level %d, tile %d, width %d', (level, tile, width) => {
    expect(() => tilePath(level, tile, width)).toThrow(RangeError)
  })
})

describe('the path of an entry bundle', () => {
  it.each([
    ['tile/entries/000', 0, 256],
    ['tile/entries/000.p/1', 0, 1],
    ['tile/entries/x001/x234/067.p/255', 1_234_067, 255],
    ['tile/entries/x009/x007/x199/x254/x740/991', Number.MAX_SAFE_INTEGER, 256],
  ])('%s is read and written', (path, bundle, width) => {
    expect(parseTilePath(path)).toEqual({ kind: 'bundle', bundle, width })
    expect(bundlePath(bundle, width)).toBe(path)
  })

  it('is written and read back for every coordinate', () => {
    const width = fc.integer({ min: 1, max: TILE_WIDTH })
    fc.assert(
      fc.property(fc.oneof(fc.nat(2000), fc.maxSafeNat()), width, (bundle, width) => {
        expect(parseTilePath(bundlePath(bundle, width))).toEqual({ kind: 'bundle', bundle, width })
      }),
    )
  })

  it.each([
    [-1, 256],
    [2 ** 53, 256],
    [0, 0],
    [0, 257],
  ])('is not written for bundle %d, width %d', (bundle, width) => {
    expect(() => bundlePath(bundle, width)).toThrow(RangeError)
  })
})

describe('a path is refused', () => {
  it.each([
    '',
    'tile',
    'tile/',
    'tile/0',
    'tile/0/',
    'tile/x',
    '/tile/0/000',
    'tile/0/000/',
    'tile//000',
    'tile/0//000',
    'Tile/0/000',
    'tiles/0/000',
    'tile/Entries/000',
    'tile/entries',
    'tile/entries/',
    'tile/entries/0/000',
    'tile/data/000',
    'checkpoint',
    // levels
    'tile/64/000',
    'tile/99/000',
    'tile/100/000',
    'tile/00/000',
    'tile/01/000',
    'tile/-1/000',
    'tile/+1/000',
    'tile/1.0/000',
    'tile/0x1/000',
    // indices
    'tile/0/0',
    'tile/0/00',
    'tile/0/0000',
    'tile/0/00a',
    'tile/0/-01',
    'tile/0/x001',
    'tile/0/x001/',
    'tile/0/001/002',
    'tile/0/x001/x002',
    'tile/0/x001/0002',
    'tile/0/x001/02',
    'tile/0/x01/002',
    'tile/0/x0001/002',
    'tile/0/xx01/002',
    'tile/0/X001/002',
    'tile/0/001/x002',
    'tile/0/x000/001',
    'tile/0/x000/x001/002',
    'tile/0/x000/000',
    'tile/0/x018/x446/x744/x073/x709/x551/616',
    'tile/0/x099/x999/x999/x999/x999/x999/999',
    'tile/0/x001/x000/x000/x000/x000/x000/x000/000',
    'tile/entries/x018/x446/x744/x073/x709/x551/616',
    'tile/entries/x000/001',
    'tile/entries/001/002',
    // widths
    'tile/0/000.p',
    'tile/0/000.p/',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/257',
    'tile/0/000.p/999',
    'tile/0/000.p/1000',
    'tile/0/000.p/01',
    'tile/0/000.p/-1',
    'tile/0/000.p/+1',
    'tile/0/000.p/1.5',
    'tile/0/000.p/a',
    'tile/0/000.p/1/',
    'tile/0/000.p/1/2',
    'tile/0/000.p1',
    'tile/0/000/p/1',
    'tile/0/000p/1',
    'tile/0/x001.p/1/002',
    'tile/entries/000.p',
    'tile/entries/000.p/0',
    'tile/entries/000.p/256',
    // anything around it
    ' tile/0/000',
    'tile/0/000 ',
    'tile/0/000\n',
    'tile/0/000?',
    'tile/0/%30%30%30',
    'tile/0/000.p/1\n',
    'tile/٠/000',
    'tile/0/٠٠٠',
  ])('%j', (path) => {
    expect(codeOf(path)).toBe('MALFORMED')
  })

  it('quickly, however long it is', () => {
    expect(codeOf(`tile/0/${'x001/'.repeat(1_000_000)}001`)).toBe('MALFORMED')
  })

  it.each([
    'tile/63/x999/x999/x999/x999/x999/999.p/255',
    'tile/0/x018/x446/x744/x073/x709/x551/615',
    'tile/entries/x018/x446/x744/x073/x709/x551/615.p/255',
    'tile/0/x009/x007/x199/x254/x740/992',
  ])('as not here when it is well-formed but beyond 2^53-1: %s', (path) => {
    expect(codeOf(path)).toBe('NOT_FOUND')
  })

  it('or accepted as the only spelling of what it names', () => {
    const piece = fc.constantFrom('tile', '/', 'entries', '0', '1', '63', '000', 'x', '.p', '255')
    const path = fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join(''))
    const near = fc
      .tuple(fc.maxSafeNat(), fc.nat(30), fc.constantFrom('', '0', '/', 'x', '.', '00'))
      .map(([tile, at, piece]) => {
        const good = tilePath(0, tile, 1 + (tile % 256))
        return good.slice(0, at) + piece + good.slice(at)
      })
    fc.assert(
      fc.property(fc.oneof(path, near), (path) => {
        if (codeOf(path) !== 'accepted') return
        const named = parseTilePath(path)
        const written =
          named.kind === 'tile'
            ? tilePath(named.level, named.tile, named.width)
            : bundlePath(named.bundle, named.width)
        expect(written).toBe(path)
      }),
      { numRuns: 2000 },
    )
  })
})
