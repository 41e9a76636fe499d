import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { parseNote } from '../../src/formats/note.ts'
import {
  cosigningKey,
  ed25519SigningKey,
  formatSkey,
  mlDsaSigningKey,
  parseSkey,
  vkeyOf,
} from '../../src/formats/signing-key.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)
const malformed = expect.objectContaining({ code: 'MALFORMED' })
const seed = new Uint8Array(32).fill(5)
const text = formatCheckpoint({
  origin: 'example.com/log',
  size: treeSize(1),
  root: rootHash(new Uint8Array(32)),
  extensions: [],
})

describe('signing keys', () => {
  it('refuse names that cannot be key names, and seeds that are not 32 bytes', () => {
    for (const name of ['', 'a b', 'a+b', 'a'.repeat(256)]) {
      expect(() => ed25519SigningKey(name, seed)).toThrow(malformed)
      expect(() => mlDsaSigningKey(name, seed)).toThrow(malformed)
      expect(() => cosigningKey(name, seed, 'ed25519-cosignature')).toThrow(malformed)
    }
    expect(() => ed25519SigningKey('a', seed.subarray(1))).toThrow(RangeError)
    expect(() => mlDsaSigningKey('a', new Uint8Array(33))).toThrow(RangeError)
  })

  it('keep signing when the caller wipes the seed', () => {
    const mine = seed.slice()
    const key = ed25519SigningKey('a', mine)
    const before = key.sign(text)
    mine.fill(0)
    expect(key.sign(text)).toEqual(before)
  })

  it('sign nothing that cannot be the text of a note', () => {
    expect(() => ed25519SigningKey('a', seed).sign('no newline')).toThrow(malformed)
    expect(() => ed25519SigningKey('a', seed).sign('a\r\n')).toThrow(malformed)
  })

  it('sign only checkpoints of their own log with ML-DSA-44', () => {
    expect(() => mlDsaSigningKey('example.com/other', seed).sign(text)).toThrow(/own checkpoints/)
    expect(() => mlDsaSigningKey('example.com/log', seed).sign('hello\n')).toThrow(malformed)
  })

  it('cosign only checkpoints, at whole seconds', () => {
    for (const type of ['ed25519-cosignature', 'ml-dsa-44'] as const) {
      const key = cosigningKey('w', seed, type)
      expect(() => key.cosign('hello\n', 1)).toThrow(malformed)
      expect(() => key.cosign(text, 1.5)).toThrow(RangeError)
      expect(() => key.cosign(text, -1)).toThrow(RangeError)
    }
  })
})

describe('parseSkey', () => {
  const skey = formatSkey({ name: 'example.com/log', type: 'ed25519', seed })

  it('reads back every key that formatSkey writes, and the vkey follows from it', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[!-*,-~]{1,40}$/),
        fc.constantFrom('ed25519' as const, 'ed25519-cosignature' as const, 'ml-dsa-44' as const),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (name, type, anySeed) => {
          const key = { name, type, seed: anySeed }
          const formatted = formatSkey(key)
          expect(parseSkey(formatted)).toEqual(key)
          expect(formatSkey(parseSkey(formatted))).toBe(formatted)
          expect(formatted.split('+')[3]).toBe(vkeyOf(key).keyId)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('gives the vkeys of the keys made from it', () => {
    const keys = [
      ed25519SigningKey('a', seed),
      mlDsaSigningKey('a', seed),
      cosigningKey('a', seed, 'ed25519-cosignature'),
    ]
    for (const { vkey } of keys) expect(vkeyOf({ name: 'a', type: vkey.type, seed })).toEqual(vkey)
  })

  it.each([
    ['another prefix', skey.replace('PRIVATE', 'SECRET')],
    ['white space at the end', `${skey}\n`],
    ['an upper-case key id', skey.replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase())],
    ['another key id', skey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
    ['another name', skey.replace('example.com/log', 'example.com/lag')],
    ['an empty name', skey.replace('example.com/log', '')],
    ['URL-safe base64', skey.replace('AQUF', 'A_UF')],
    ['a seed of 31 bytes', skey.slice(0, -44) + toBase64(Uint8Array.of(1, ...seed.slice(1)))],
    ['an unknown type', skey.slice(0, -44) + toBase64(Uint8Array.of(2, ...seed))],
    ['nothing', ''],
  ])('refuses %s', (_, changed) => {
    expect(changed).not.toBe(skey)
    expect(() => parseSkey(changed)).toThrow(malformed)
  })

  it('never quotes the secret in an error', () => {
    const secret = skey.slice(-44)
    for (const changed of [skey.replace('example', 'exemple'), `${skey}x`, skey.slice(3)]) {
      try {
        parseSkey(changed)
        expect.unreachable()
      } catch (error) {
        expect(String(error)).not.toContain(secret.slice(0, 12))
      }
    }
  })
})

describe.skipIf(!existsSync(shared))("a key of Go's note package (needs ../shared/vectors)", () => {
  it('signs the same bytes here', () => {
    const { valid } = JSON.parse(
      readFileSync(new URL('generated/notes-and-sth.json', shared), 'utf8'),
    ) as { valid: { vkey: string; skey?: string; note: string }[] }
    const vector = valid.find(({ skey }) => skey !== undefined)!
    const secret = parseSkey(vector.skey!)
    expect(formatSkey(secret)).toBe(vector.skey)
    const key = ed25519SigningKey(secret.name, secret.seed)
    expect(key.vkey).toEqual(parseVkey(vector.vkey))
    expect(formatVkey(key.vkey)).toBe(vector.vkey)
    const note = parseNote(utf8(vector.note))
    expect(key.sign(note.text)).toEqual(note.signatures[0])
  })
})
