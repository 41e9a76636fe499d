import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import {
  formatAddCheckpoint,
  MAX_ADD_CHECKPOINT_SIZE,
  parseAddCheckpoint,
} from '../../src/formats/add-checkpoint.ts'
import { formatNote, parseSignatureLines } from '../../src/formats/note.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const HASH = toBase64(new Uint8Array(32).fill(1))
const NOTE = formatNote({
  text: `example.com/log\n5\n${HASH}\n`,
  signatures: [{ name: 'example.com/log', keyId: '01020304', signature: new Uint8Array(64) }],
})

describe('a request to a witness', () => {
  it('comes back as it went in', () => {
    const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeHash)
    fc.assert(
      fc.property(
        fc.maxSafeNat().map(treeSize),
        fc.array(hashes, { maxLength: 63 }),
        (oldSize, proof) => {
          const request = { oldSize, proof, checkpoint: NOTE }
          const { note, head, ...parsed } = parseAddCheckpoint(utf8(formatAddCheckpoint(request)))
          expect(parsed).toEqual(request)
          expect(head.size).toBe(5)
          expect(note.signatures).toHaveLength(1)
        },
      ),
      { numRuns: 100 },
    )
  })

  it.each([
    ['nothing', ''],
    ['a checkpoint alone', NOTE],
    ['no old line', `\n${NOTE}`],
    ['an old line without a size', `old \n\n${NOTE}`],
    ['a leading zero', `old 05\n\n${NOTE}`],
    ['a sign', `old +5\n\n${NOTE}`],
    ['a size above 2^53-1', `old 9007199254740992\n\n${NOTE}`],
    ['another word', `new 0\n\n${NOTE}`],
    ['two spaces', `old  0\n\n${NOTE}`],
    ['a trailing space', `old 0 \n\n${NOTE}`],
    ['carriage returns', `old 0\r\n\r\n${NOTE}`],
    ['no blank line', `old 0\n${HASH}\n${NOTE}`],
    ['two blank lines', `old 0\n\n\n${NOTE}`],
    ['a hash of 31 bytes', `old 1\n${toBase64(new Uint8Array(31))}\n\n${NOTE}`],
    ['a hash that is not canonical', `old 1\n${HASH.slice(0, -2)}F=\n\n${NOTE}`],
    ['64 hashes', `old 1\n${`${HASH}\n`.repeat(64)}\n${NOTE}`],
    ['no checkpoint', 'old 0\n\n'],
    ['an unsigned checkpoint', `old 0\n\n${NOTE.slice(0, NOTE.indexOf('\n\n') + 2)}`],
    ['a note that is no checkpoint', `old 0\n\n${NOTE.replace('\n5\n', '\n')}`],
    ['bytes that follow', `old 0\n\n${NOTE}x`],
  ])('is refused with %s', (_, text) => {
    expect(() => parseAddCheckpoint(utf8(text))).toThrow(CairnError)
    expect(() => parseAddCheckpoint(utf8(text))).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
  })

  it('is refused above its largest size', () => {
    const bytes = new Uint8Array(MAX_ADD_CHECKPOINT_SIZE + 1)
    expect(() => parseAddCheckpoint(bytes)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
  })
})

describe('the answer of a witness', () => {
  const line = NOTE.slice(NOTE.indexOf('\n\n') + 2)

  it('is one signature line or more', () => {
    expect(parseSignatureLines(utf8(line))).toHaveLength(1)
    expect(parseSignatureLines(utf8(line + line))).toHaveLength(2)
  })

  it.each(['', '\n', line.slice(0, -1), `${line}\n`, `\n${line}`, NOTE, line.replace('—', '-')])(
    'is nothing else: %j',
    (text) => {
      expect(() => parseSignatureLines(utf8(text))).toThrow(CairnError)
    },
  )
})
