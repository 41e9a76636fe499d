import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64 } from '../../src/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)
const ROOT = 'rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs='

function refused(text: string, reason: RegExp, code = 'MALFORMED'): void {
  expect(() => parseCheckpoint(text)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(reason) }),
  )
}

describe('parseCheckpoint', () => {
  it('reads origin, size, root hash and extension lines', () => {
    const checkpoint = parseCheckpoint(`go.sum database tree\n15\n${ROOT}\none\ntwo +\n`)
    expect(checkpoint.origin).toBe('go.sum database tree')
    expect(checkpoint.size).toBe(15)
    expect(toBase64(checkpoint.root)).toBe(ROOT)
    expect(checkpoint.extensions).toEqual(['one', 'two +'])
  })

  it('reads the smallest and the largest size', () => {
    expect(parseCheckpoint(`a\n0\n${ROOT}\n`).size).toBe(0)
    expect(parseCheckpoint(`a\n9007199254740991\n${ROOT}\n`).size).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('refuses fewer than three lines', () => {
    refused('', /newline/)
    refused('\n', /empty line/)
    refused('a\n', /three lines/)
    refused('a\n1\n', /three lines/)
  })

  it('refuses a last line without its newline', () => {
    refused(`a\n1\n${ROOT}`, /newline/)
  })

  it('refuses empty lines anywhere', () => {
    refused(`\n1\n${ROOT}\n`, /empty line/)
    refused(`a\n\n${ROOT}\n`, /empty line/)
    refused(`a\n1\n${ROOT}\n\n`, /empty line/)
    refused(`a\n1\n${ROOT}\n\nx\n`, /empty line/)
  })

  it('refuses a size that is not plain decimal', () => {
    for (const size of ['01', '00', '+1', '-1', ' 1', '1 ', '1e3', '0x10', '1.0', '١', 'x']) {
      refused(`a\n${size}\n${ROOT}\n`, /size of checkpoint is not a decimal/)
    }
  })

  it('says so when a size is above 2^53-1', () => {
    refused(`a\n9007199254740992\n${ROOT}\n`, /size of checkpoint is larger than 2\^53-1/)
    refused(`a\n18446744073709551615\n${ROOT}\n`, /larger than 2\^53-1/)
  })

  it('refuses a root hash that is not the canonical base64 of 32 bytes', () => {
    refused(`a\n1\n${ROOT.replace('cs=', 'ct=')}\n`, /base64/)
    refused(`a\n1\n${ROOT.slice(0, -1)}\n`, /base64/)
    refused(`a\n1\n${ROOT.replace('/', '_')}\n`, /base64/)
    refused(`a\n1\n${toBase64(new Uint8Array(31))}\n`, /31 bytes/)
    refused(`a\n1\n${toBase64(new Uint8Array(33))}\n`, /33 bytes/)
  })

  it('refuses an origin above 255 bytes', () => {
    expect(parseCheckpoint(`${'a'.repeat(255)}\n1\n${ROOT}\n`).origin.length).toBe(255)
    refused(`${'a'.repeat(256)}\n1\n${ROOT}\n`, /255/)
    refused(`${'é'.repeat(128)}\n1\n${ROOT}\n`, /255/)
  })

  it('refuses control characters', () => {
    refused(`a\r\n1\r\n${ROOT}\r\n`, /control/)
    refused(`a\n1\n${ROOT}\nx\ty\n`, /control/)
  })

  it('refuses more than a note may hold', () => {
    refused(`a\n1\n${ROOT}\n${'x'.repeat(1_000_000)}\n`, /larger/, 'TOO_LARGE')
  })

  it('reads back whatever formatCheckpoint writes, and writes back whatever it read', () => {
    const text = fc.stringMatching(/^[ -~\u00a0-\u00ff]{1,60}$/)
    const checkpoint = fc.record({
      origin: text,
      size: fc.nat(Number.MAX_SAFE_INTEGER).map(treeSize),
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(rootHash),
      extensions: fc.array(text, { maxLength: 3 }),
    })
    fc.assert(
      fc.property(checkpoint, (value) => {
        const formatted = formatCheckpoint(value)
        expect(parseCheckpoint(formatted)).toEqual(value)
        expect(formatCheckpoint(parseCheckpoint(formatted))).toBe(formatted)
      }),
      { numRuns: 100 },
    )
  })
})

describe('formatCheckpoint', () => {
  const root = rootHash(new Uint8Array(32))
  const size = treeSize(1)

  it('refuses parts that cannot be read back', () => {
    for (const [origin, extensions] of [
      ['', []],
      ['a\nb', []],
      ['a'.repeat(256), []],
      ['a\ud800', []],
      ['a', ['']],
      ['a', ['x\ny']],
    ] as const) {
      expect(() => formatCheckpoint({ origin, size, root, extensions })).toThrow(
        expect.objectContaining({ code: 'MALFORMED' }),
      )
    }
  })
})

describe.skipIf(!existsSync(shared))('checkpoints of Tessera (need ../shared/vectors)', () => {
  it('are read and written back', () => {
    const folder = new URL('transparency-dev-tessera/log/', shared)
    const files = readdirSync(folder).filter((name) => name.startsWith('checkpoint.'))
    expect(files.length).toBe(16)
    for (const file of files) {
      const { text } = parseNote(readFileSync(new URL(file, folder)))
      const checkpoint = parseCheckpoint(text)
      expect(`checkpoint.${checkpoint.size}`).toBe(file)
      expect(formatCheckpoint(checkpoint)).toBe(text)
    }
  })
})
