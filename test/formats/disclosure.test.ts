import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64Url, toBase64Url, utf8 } from '../../src/bytes.ts'
import {
  disclosureDigest,
  disclosureOf,
  formatDisclosure,
  MAX_DISCLOSURE_SIZE,
  makeDisclosure,
  openDisclosure,
  parseDisclosure,
} from '../../src/formats/disclosure.ts'
import { MAX_SUBMISSION_SIZE } from '../../src/formats/record-members.ts'
import { anyJson, refusalOf } from '../support/records.ts'

const SALT = Uint8Array.from({ length: 16 }, (_, i) => i)
const SALT_TEXT = 'AAECAwQFBgcICQoLDA0ODw'
const POINTER = '/input/prompt'

const refusal = (text: string): string =>
  refusalOf(() => parseDisclosure(Buffer.from(text).toString('base64url')))

describe('the digest of a disclosure', () => {
  it.each([
    // RFC 9901 sections 4.2.3 and 5.1.
    [
      'WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0',
      'X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0',
    ],
    ['WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0', 'w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs'],
    [
      'WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd',
      'jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4',
    ],
  ])('of %s is that of RFC 9901', (text, digest) => {
    const json = fromBase64Url(text)
    expect(formatDisclosure({ json })).toBe(text)
    expect(toBase64Url(disclosureDigest({ json }))).toBe(digest)
  })

  it('is the SHA-256 of the text in ASCII', () => {
    fc.assert(
      fc.property(anyJson, fc.uint8Array({ minLength: 16, maxLength: 16 }), (value, salt) => {
        const made = makeDisclosure(POINTER, value, salt)
        const text = Buffer.from(made.json).toString('base64url')
        expect(formatDisclosure(made)).toBe(text)
        expect(Buffer.from(disclosureDigest(made))).toEqual(
          createHash('sha256').update(text, 'ascii').digest(),
        )
      }),
    )
  })
})

describe('a disclosure', () => {
  it('is an array of salt, pointer and value', () => {
    const { pointer, json } = makeDisclosure(POINTER, { b: 1, a: ['ä'] }, SALT)
    expect(pointer).toBe(POINTER)
    expect(Buffer.from(json).toString()).toBe(`["${SALT_TEXT}","${POINTER}",{"a":["ä"],"b":1}]`)
  })

  it('comes back as it was, from its bytes and from its text', () => {
    fc.assert(
      fc.property(anyJson, fc.uint8Array({ minLength: 16, maxLength: 16 }), (value, salt) => {
        const made = makeDisclosure(POINTER, value, salt)
        const opened = openDisclosure(made)
        expect(opened).toEqual({
          ...made,
          salt: toBase64Url(salt),
          value: JSON.parse(JSON.stringify(value)),
        })
        expect(parseDisclosure(formatDisclosure(made))).toEqual(opened)
        expect(disclosureOf(made.json)).toEqual(made)
      }),
    )
  })

  it('needs 16 bytes of salt', () => {
    expect(() => makeDisclosure(POINTER, 1, SALT.subarray(1))).toThrow(RangeError)
    expect(() => makeDisclosure(POINTER, 1, new Uint8Array(17))).toThrow(RangeError)
  })

  it('holds a value as large as a submission, and not much more', () => {
    const value = 'x'.repeat(MAX_SUBMISSION_SIZE)
    const made = makeDisclosure(POINTER, value, SALT)
    expect(parseDisclosure(formatDisclosure(made)).value).toBe(value)
    const refused = refusalOf(() => makeDisclosure(POINTER, `${value}${'x'.repeat(1024)}`, SALT))
    expect(refused).toBe(
      `TOO_LARGE /input/prompt: a disclosure has ${MAX_DISCLOSURE_SIZE} bytes at most`,
    )
    const json = new Uint8Array(MAX_DISCLOSURE_SIZE + 1).fill(0x20)
    json.set(utf8(`["${SALT_TEXT}","${POINTER}",`))
    expect(refusalOf(() => disclosureOf(json))).toContain('TOO_LARGE')
    expect(refusalOf(() => openDisclosure({ json }))).toContain('TOO_LARGE')
    expect(refusalOf(() => parseDisclosure('W'.repeat(12_000_000)))).toContain('TOO_LARGE')
  })

  it('has its one spelling', () => {
    const good = `["${SALT_TEXT}","${POINTER}",{"a":1,"b":2}]`
    expect(refusal(good)).toBe('accepted')
    for (const [what, text] of [
      ['an object', '{"a":1}'],
      ['two items', `["${SALT_TEXT}","${POINTER}"]`],
      ['four items', `["${SALT_TEXT}","${POINTER}",1,2]`],
      ['white space', good.replace(',', ', ')],
      ['members in another order', `["${SALT_TEXT}","${POINTER}",{"b":2,"a":1}]`],
      ['a member twice', `["${SALT_TEXT}","${POINTER}",{"a":1,"a":1}]`],
      ['an escape too many', `["${SALT_TEXT}","${POINTER}","\\u0041"]`],
      ['another spelling of a number', `["${SALT_TEXT}","${POINTER}",1.0]`],
      ['a number that is not exact', `["${SALT_TEXT}","${POINTER}",12345678901234567890]`],
      ['a short salt', good.replace(SALT_TEXT, SALT_TEXT.slice(1))],
      ['a long salt', good.replace(SALT_TEXT, `${SALT_TEXT}AA`)],
      ['a salt with bits too many', good.replace(SALT_TEXT, `${SALT_TEXT.slice(0, -1)}x`)],
      ['a salt in standard base64', good.replace(SALT_TEXT, `+${SALT_TEXT.slice(1)}`)],
      ['a salt that is no text', `[1,"${POINTER}",1]`],
      ['a pointer that is no text', `["${SALT_TEXT}",1,1]`],
      ['a pointer to the whole', `["${SALT_TEXT}","",1]`],
      ['a pointer without a slash', `["${SALT_TEXT}","input",1]`],
      ['a pointer with an escape', `["${SALT_TEXT}","/inp\\u0075t",1]`],
      ['a pointer with a quote', `["${SALT_TEXT}","/a\\"b",1]`],
      ['a pointer of 300 characters', `["${SALT_TEXT}","/${'x'.repeat(300)}",1]`],
      ['something after it', `${good} `],
      ['another after it', `${good}${good}`],
      ['no end', good.slice(0, -1)],
      ['a byte-order mark', `\ufeff${good}`],
      ['too much nesting', `["${SALT_TEXT}","${POINTER}",${'['.repeat(33)}${']'.repeat(33)}]`],
    ] as const) {
      expect(refusal(text), what).toContain('MALFORMED')
    }
    const text = Buffer.from(good).toString('base64url')
    for (const [what, other] of [
      ['padding', `${text}=`],
      ['a newline', `${text}\n`],
      ['a letter of standard base64', `${text.slice(0, -1)}/`],
      ['a letter too few', text.slice(0, -3)],
    ] as const) {
      expect(
        refusalOf(() => parseDisclosure(other)),
        what,
      ).toContain('MALFORMED')
    }
  })

  it('is no longer what it was after any change', () => {
    const value = { answer: 'äöü', list: [1, 2.5, null] }
    const made = makeDisclosure(POINTER, value, SALT)
    const digest = toBase64Url(disclosureDigest(made))
    for (let at = 0; at < made.json.length; at++) {
      const json = made.json.with(at, made.json[at]! ^ 1)
      expect(toBase64Url(disclosureDigest({ json }))).not.toBe(digest)
    }
  })
})
