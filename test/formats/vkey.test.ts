import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519PublicKey } from '#ed25519'
import { sha256 } from '#sha256'
import { concat, toBase64, toHex, utf8 } from '../../src/bytes.ts'
import { checkKeyName, formatVkey, parseVkey, verifierKey } from '../../src/formats/vkey.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)

const FOO = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const publicKey = ed25519PublicKey(new Uint8Array(32).fill(9))

function refused(text: string, reason: RegExp): void {
  expect(() => parseVkey(text)).toThrow(
    expect.objectContaining({ code: 'MALFORMED', message: expect.stringMatching(reason) }),
  )
}

/** A vkey with a right key id, whatever its parts. */
function vkeyText(name: string, typed: Uint8Array): string {
  const id = toHex(sha256(concat(utf8(`${name}\n`), typed)).subarray(0, 4))
  return `${name}+${id}+${toBase64(typed)}`
}

const typed = (type: number, key: Uint8Array) => concat(Uint8Array.of(type), key)

describe('key names', () => {
  it.each(['example.com/log', 'é', 'sigsum.org/v1/tree/e796', '\ufeffname', 'a'.repeat(255)])(
    'may be %j',
    (name) => {
      expect(() => checkKeyName(name)).not.toThrow()
    },
  )

  it.each([
    ['empty', '', /empty/],
    ['with a space', 'a b', /white space/],
    ['with a no-break space', 'a\u00a0b', /white space/],
    ['with U+0085', 'a\u0085b', /white space/],
    ['with an ideographic space', 'a\u3000b', /white space/],
    ['with a line separator', 'a\u2028b', /white space/],
    ['with a tab', 'a\tb', /white space/],
    ['with a newline', 'a\nb', /white space/],
    ['with a plus', 'a+b', /"\+"/],
    ['with a control character', 'a\u0001b', /control/],
    ['with half a surrogate pair', 'a\ud800', /control/],
    ['of 256 bytes', 'a'.repeat(256), /255/],
    ['of 256 bytes in 128 letters', 'é'.repeat(128), /255/],
  ])('may not be %s', (_, name, reason) => {
    expect(() => checkKeyName(name)).toThrow(
      expect.objectContaining({ code: 'MALFORMED', message: expect.stringMatching(reason) }),
    )
  })
})

describe('parseVkey', () => {
  it.each([
    FOO,
    'sigsum.org+e4ade967+AZuUY6B08pW3QVHu8uvsrxWPcAv9nykap2Nb4oxCee+r',
    'example.com+3753d3de+AebBhMcghIUoavZpjuDofa4sW6fYHyVn7gvwDBfvkvuM',
    'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2',
    'TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6',
  ])('reads and writes %s', (text) => {
    expect(formatVkey(parseVkey(text))).toBe(text)
  })

  it('tells the type from the key', () => {
    expect(parseVkey(FOO)).toMatchObject({
      name: 'example.com/foo',
      keyId: '530d903a',
      type: 'ed25519',
    })
    expect(
      parseVkey('remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2').type,
    ).toBe('ed25519-cosignature')
  })

  it('gives one key two ids under types 01 and 04', () => {
    const log = verifierKey('a', 'ed25519', publicKey)
    const witness = verifierKey('a', 'ed25519-cosignature', publicKey)
    expect(log.keyId).not.toBe(witness.keyId)
  })

  it('keeps the key when the caller overwrites its bytes', () => {
    const mine = publicKey.slice()
    const key = verifierKey('a', 'ed25519', mine)
    mine.fill(0)
    expect(key.publicKey).toEqual(publicKey)
  })

  it('reads back every key it writes, in each type', () => {
    const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const name = fc.stringMatching(/^[^\s+]{1,60}$/).filter((text) => {
      try {
        checkKeyName(text)
        return true
      } catch {
        return false
      }
    })
    const mlDsa = fc.uint8Array({ minLength: 1312, maxLength: 1312 })
    fc.assert(
      fc.property(name, seed, mlDsa, (text, secret, quantum) => {
        const ed = ed25519PublicKey(secret)
        for (const key of [
          verifierKey(text, 'ed25519', ed),
          verifierKey(text, 'ed25519-cosignature', ed),
          verifierKey(text, 'ml-dsa-44', quantum),
        ]) {
          expect(parseVkey(formatVkey(key))).toEqual(key)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('refuses a text without two pluses', () => {
    refused('', /form/)
    refused('example.com/foo', /form/)
    refused('example.com/foo+530d903a', /form/)
  })

  it('refuses an empty name and a name with white space', () => {
    refused(FOO.slice('example.com/foo'.length), /empty/)
    refused(` ${FOO}`, /white space/)
  })

  it('refuses a key id that is not 8 lowercase hexadecimal digits', () => {
    refused(FOO.replace('530d903a', '530D903A'), /key id/)
    refused(FOO.replace('530d903a', '30d903a'), /key id/)
    refused(FOO.replace('530d903a', '0530d903a'), /key id/)
  })

  it('refuses a key id that is not of the key', () => {
    refused(FOO.replace('530d903a', '530d903b'), /key id.*530d903a/)
    refused(FOO.replace('/foo', '/bar'), /key id/)
  })

  it('refuses white space at the end', () => {
    refused(`${FOO}\n`, /base64/)
  })

  it('refuses base64 that is not canonical', () => {
    refused(FOO.replace('+Aeky', '+_eky'), /base64/)
    refused(`${FOO}====`, /base64/)
    // A type and 32 bytes leave no bits to spare; an ML-DSA key does.
    const long = vkeyText('a', typed(6, new Uint8Array(1312)))
    expect(long.endsWith('AAA=')).toBe(true)
    refused(`${long.slice(0, -2)}B=`, /base64/)
    refused(long.slice(0, -1), /base64/)
  })

  it('refuses an unknown type', () => {
    for (const type of [0, 2, 3, 5, 7, 0xff]) refused(vkeyText('a', typed(type, publicKey)), /type/)
    refused(vkeyText('a', new Uint8Array()), /missing/)
  })

  it('refuses a key of the wrong length for its type', () => {
    refused(vkeyText('a', typed(1, publicKey.subarray(1))), /31 bytes/)
    refused(vkeyText('a', typed(4, new Uint8Array(1312))), /1312 bytes/)
    refused(vkeyText('a', typed(6, publicKey)), /32 bytes/)
    refused(vkeyText('a', typed(6, new Uint8Array(5000))), /too long/)
  })

  it('refuses Ed25519 keys of small order and in a second spelling', () => {
    const identity = new Uint8Array(32)
    identity[0] = 1
    const secondSpelling = new Uint8Array(32).fill(0xff)
    secondSpelling[31] = 0x7f
    for (const type of [1, 4]) {
      refused(vkeyText('a', typed(type, identity)), /safe Ed25519/)
      refused(vkeyText('a', typed(type, secondSpelling)), /safe Ed25519/)
    }
  })
})

describe.skipIf(!existsSync(shared))('vkeys published elsewhere (need ../shared/vectors)', () => {
  const read = (path: string) => readFileSync(new URL(path, shared), 'utf8')

  it('are read and written back', () => {
    const { vkeys } = JSON.parse(read('generated/keys.json')) as { vkeys: Record<string, string> }
    const texts = [...Object.values(vkeys), read('filosottile-torchwood/mldsa44-log.vkey').trim()]
    for (const text of texts) expect(formatVkey(parseVkey(text))).toBe(text)
    expect(parseVkey(vkeys.m1!).type).toBe('ml-dsa-44')
  })
})
