import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toBase64, utf8 } from '../../src/bytes.ts'
import { verifyNoteSignature } from '../../src/formats/cosignature.ts'
import {
  formatNote,
  formatSignatureLine,
  MAX_NOTE_SIGNATURES,
  MAX_NOTE_SIZE,
  parseNote,
} from '../../src/formats/note.ts'
import { parseVkey } from '../../src/formats/vkey.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)

const line = (name: string, bytes: readonly number[] = [1, 2, 3, 4, 5]) =>
  `\u2014 ${name} ${toBase64(Uint8Array.from(bytes))}\n`

function refused(note: string | Uint8Array, reason: RegExp, code = 'MALFORMED'): void {
  const bytes = typeof note === 'string' ? utf8(note) : note
  expect(() => parseNote(bytes)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(reason) }),
  )
}

describe('parseNote', () => {
  it('splits the text from the signatures and keeps the last newline of the text', () => {
    const note = parseNote(utf8(`one\ntwo\n\n${line('a')}${line('b', [255, 0, 0, 1, 9, 9])}`))
    expect(note).toEqual({
      text: 'one\ntwo\n',
      signatures: [
        { name: 'a', keyId: '01020304', signature: Uint8Array.of(5) },
        { name: 'b', keyId: 'ff000001', signature: Uint8Array.of(9, 9) },
      ],
    })
  })

  it('splits at the last blank line', () => {
    expect(parseNote(utf8(`one\n\ntwo\n\n\n${line('a')}`)).text).toBe('one\n\ntwo\n\n')
  })

  it('keeps a byte-order mark', () => {
    expect(parseNote(utf8(`\ufeffone\n\n${line('a')}`)).text).toBe('\ufeffone\n')
  })

  it('takes 100 signatures, repeated lines among them, and no more', () => {
    const note = `one\n\n${line('a').repeat(MAX_NOTE_SIGNATURES)}`
    expect(parseNote(utf8(note)).signatures.length).toBe(100)
    refused(note + line('b'), /more than 100/, 'TOO_LARGE')
  })

  it('takes a megabyte and no more', () => {
    const rest = `\n\n${line('a')}`
    const text = 'x'.repeat(MAX_NOTE_SIZE - utf8(rest).length)
    expect(parseNote(utf8(text + rest)).text.length).toBe(text.length + 1)
    refused(`${text}x${rest}`, /larger/, 'TOO_LARGE')
  })

  it('refuses a note without a blank line', () => {
    refused('', /blank line/)
    refused(`one\n${line('a')}`, /blank line/)
  })

  it('refuses a note without signatures', () => {
    refused('one\n\n', /no signature/)
  })

  it('refuses a last line without its newline', () => {
    refused(`one\n\n${line('a').trimEnd()}`, /newline/)
  })

  it('refuses bytes that are not UTF-8', () => {
    refused(concat(Uint8Array.of(0xff), utf8(`one\n\n${line('a')}`)), /UTF-8/)
    refused(concat(Uint8Array.of(0xed, 0xa0, 0x80), utf8(`\n\n${line('a')}`)), /UTF-8/)
  })

  it('refuses control characters', () => {
    for (const control of ['\0', '\t', '\r', '\u001f']) {
      refused(`one${control}\n\n${line('a')}`, /control/)
    }
    refused(`one\r\n\r\n${line('a')}`, /blank line/)
    refused(`one\n\n${line('a').replace('\n', '\r\n')}`, /base64/)
  })

  it('refuses a signature line with another dash or other spaces', () => {
    refused(`one\n\n${line('a').replace('\u2014', '-')}`, /em dash/)
    refused(`one\n\n${line('a').replace('\u2014', '\u2013')}`, /em dash/)
    refused(`one\n\n${line('a').replace('\u2014 ', '\u2014')}`, /em dash/)
    refused(`one\n\n ${line('a')}`, /em dash/)
    refused(`one\n\n\u2014 a\n`, /no signature after/)
    refused(`one\n\n${line('a').replace('\u2014 ', '\u2014  ')}`, /name is empty/)
    refused(`one\n\n${line('a').replace('a ', 'a  ')}`, /base64/)
    refused(`one\n\n${line('a').replace('\n', ' \n')}`, /base64/)
  })

  it('refuses a name that cannot be a key name', () => {
    refused(`one\n\n${line('a+b')}`, /"\+"/)
    refused(`one\n\n${line('a\u3000b')}`, /white space/)
    refused(`one\n\n${line('a'.repeat(256))}`, /255/)
  })

  it('refuses base64 that is not canonical', () => {
    refused(`one\n\n\u2014 a AQIDBAV=\n`, /base64/)
    refused(`one\n\n\u2014 a AQIDBAU\n`, /base64/)
    refused(`one\n\n\u2014 a _QIDBAU=\n`, /base64/)
  })

  it('refuses a signature of fewer than 5 bytes', () => {
    refused(`one\n\n${line('a', [1, 2, 3, 4])}`, /5 bytes/)
    refused(`one\n\n\u2014 a \n`, /5 bytes/)
  })

  it('reads back whatever formatNote writes, and writes back whatever it read', () => {
    const text = fc
      .array(fc.stringMatching(/^[ -~\u0080-\uffef]{0,20}$/), { minLength: 1, maxLength: 5 })
      .filter((lines) => lines.every((l) => !/\p{Surrogate}/u.test(l)))
      .map((lines) => `${lines.join('\n')}\n`)
    const signature = fc.record({
      name: fc.stringMatching(/^[!-*,-~]{1,20}$/),
      keyId: fc.stringMatching(/^[0-9a-f]{8}$/),
      signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
    })
    const note = fc.record({
      text,
      signatures: fc.array(signature, { minLength: 1, maxLength: 20 }),
    })
    fc.assert(
      fc.property(note, (value) => {
        const formatted = formatNote(value)
        expect(parseNote(utf8(formatted))).toEqual(value)
        expect(formatNote(parseNote(utf8(formatted)))).toBe(formatted)
      }),
      { numRuns: 100 },
    )
  })
})

describe('formatNote', () => {
  const signature = { name: 'a', keyId: '01020304', signature: Uint8Array.of(5) }

  it('writes the grammar of signed-note', () => {
    expect(formatNote({ text: 'one\n', signatures: [signature] })).toBe(
      'one\n\n\u2014 a AQIDBAU=\n',
    )
  })

  it('refuses what parseNote would refuse', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    const tooLarge = expect.objectContaining({ code: 'TOO_LARGE' })
    const format = (text: string, signatures = [signature]) => formatNote({ text, signatures })
    expect(() => format('one')).toThrow(malformed)
    expect(() => format('one\r\n')).toThrow(malformed)
    expect(() => format('\ud800\n')).toThrow(malformed)
    expect(() => format('one\n', [])).toThrow(malformed)
    expect(() => format('one\n', Array(101).fill(signature))).toThrow(tooLarge)
    expect(() => format(`${'x'.repeat(MAX_NOTE_SIZE)}\n`)).toThrow(tooLarge)
  })

  it('refuses signature lines that cannot be read back', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    expect(() => formatSignatureLine({ ...signature, name: 'a b' })).toThrow(malformed)
    expect(() => formatSignatureLine({ ...signature, keyId: '010203' })).toThrow(malformed)
    expect(() => formatSignatureLine({ ...signature, keyId: '0102030G' })).toThrow(malformed)
    expect(() => formatSignatureLine({ ...signature, signature: new Uint8Array() })).toThrow(
      malformed,
    )
  })
})

describe.skipIf(!existsSync(shared))('notes published elsewhere (need ../shared/vectors)', () => {
  interface Vector {
    source: string
    vkey: string
    note: string
    extraVkeys?: string[]
  }
  const { valid } = JSON.parse(
    readFileSync(new URL('generated/notes-and-sth.json', shared), 'utf8'),
  ) as { valid: Vector[] }

  it.each(valid)('are read and written back: $source', ({ note }) => {
    expect(formatNote(parseNote(utf8(note)))).toBe(note)
  })

  it.each(valid.filter((vector) => !vector.source.includes('0x05')))(
    'verify with their keys: $source',
    ({ vkey, note, extraVkeys = [] }) => {
      const parsed = parseNote(utf8(note))
      for (const key of [vkey, ...extraVkeys].map(parseVkey)) {
        const signature = parsed.signatures.find(({ keyId }) => keyId === key.keyId)!
        expect(verifyNoteSignature(parsed, signature, key)).toEqual({})
        const changed = { ...parsed, text: parsed.text.replace(/.\n/, '\u00e9\n') }
        expect(() => verifyNoteSignature(changed, signature, key)).toThrow(
          expect.objectContaining({ code: 'VERIFICATION_FAILED' }),
        )
      }
    },
  )

  it('of type 05 (an RFC 6962 tree head) have a key of a type not known here', () => {
    const { vkey } = valid.find((vector) => vector.source.includes('0x05'))!
    expect(() => parseVkey(vkey)).toThrow(/type is 0x05/)
  })
})
