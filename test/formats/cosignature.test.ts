import { createPublicKey, verify } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { concat, fromUtf8, toHex, utf8 } from '../../src/bytes.ts'
import { formatCheckpoint, parseCheckpoint } from '../../src/formats/checkpoint.ts'
import {
  ed25519CosignedMessage,
  mlDsaCosignedMessage,
  mlDsaSubtreeMessage,
  timestampedSignature,
  verifyNoteSignature,
  verifySubtreeSignature,
} from '../../src/formats/cosignature.ts'
import { type NoteSignature, parseNote, type SignedNote } from '../../src/formats/note.ts'
import { cosigningKey, ed25519SigningKey, mlDsaSigningKey } from '../../src/formats/signing-key.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)

const checkpoint = {
  origin: 'example.com/log',
  size: treeSize(2 ** 40 + 5),
  root: rootHash(new Uint8Array(32).fill(3)),
  extensions: ['an extension'],
}
const text = formatCheckpoint(checkpoint)
const seed = new Uint8Array(32).fill(4)
const ed = cosigningKey('w.example/1', seed, 'ed25519-cosignature')
const ml = cosigningKey('w.example/1', seed, 'ml-dsa-44')

function noteOf(signature: NoteSignature, of = text): SignedNote {
  return { text: of, signatures: [signature] }
}

function refused(note: SignedNote, signature: NoteSignature, key: VerifierKey, why: RegExp): void {
  expect(() => verifyNoteSignature(note, signature, key)).toThrow(
    expect.objectContaining({ code: 'VERIFICATION_FAILED', message: expect.stringMatching(why) }),
  )
}

/** The signature with the eight bytes of its timestamp replaced. */
function withTimestamp(signature: NoteSignature, seconds: bigint): NoteSignature {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, seconds)
  return { ...signature, signature: concat(bytes, signature.signature.subarray(8)) }
}

describe('the message of an Ed25519 cosignature', () => {
  it('is a header, the time and the whole text', () => {
    expect(fromUtf8(ed25519CosignedMessage('a\n1\nx\n', 1679315147))).toBe(
      'cosignature/v1\ntime 1679315147\na\n1\nx\n',
    )
  })

  it('takes whole seconds only', () => {
    for (const time of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => ed25519CosignedMessage(text, time)).toThrow(RangeError)
      expect(() => timestampedSignature(time, seed)).toThrow(RangeError)
    }
  })
})

describe('the message of an ML-DSA-44 cosignature', () => {
  it('is the subtree from 0 to the size, with lengths before the names', () => {
    const message = mlDsaCosignedMessage({ cosigner: 'é', timestamp: 258, checkpoint })
    expect(toHex(message)).toBe(
      [
        toHex(utf8('subtree/v1\n\0')),
        '02c3a9',
        '0000000000000102',
        '0f',
        toHex(utf8('example.com/log')),
        '0000000000000000',
        '0000010000000005',
        '03'.repeat(32),
      ].join(''),
    )
  })

  it('refuses names whose length does not fit a byte', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    const long = 'a'.repeat(256)
    expect(() => mlDsaCosignedMessage({ cosigner: long, timestamp: 0, checkpoint })).toThrow(
      malformed,
    )
    const other = { ...checkpoint, origin: long }
    expect(() => mlDsaCosignedMessage({ cosigner: 'w', timestamp: 0, checkpoint: other })).toThrow(
      malformed,
    )
  })
})

describe.each([
  ['Ed25519', ed],
  ['ML-DSA-44', ml],
])('a cosignature by %s', (_, cosigner) => {
  const signature = cosigner.cosign(text, 1700000000)
  const key = cosigner.vkey

  it('verifies and gives its time', () => {
    expect(verifyNoteSignature(noteOf(signature), signature, key)).toEqual({
      timestamp: 1700000000,
    })
  })

  it('may have the time 0 and the largest safe one', () => {
    for (const timestamp of [0, Number.MAX_SAFE_INTEGER]) {
      const made = cosigner.cosign(text, timestamp)
      expect(verifyNoteSignature(noteOf(made), made, key)).toEqual({ timestamp })
    }
  })

  it('fails for another time', () => {
    refused(noteOf(signature), withTimestamp(signature, 1700000001n), key, /does not verify/)
  })

  it('fails with a plain reason for a time above 2^53-1 and above 2^63-1', () => {
    refused(noteOf(signature), withTimestamp(signature, 2n ** 53n), key, /2\^53-1 seconds/)
    refused(noteOf(signature), withTimestamp(signature, 2n ** 63n - 1n), key, /2\^53-1 seconds/)
    refused(noteOf(signature), withTimestamp(signature, 2n ** 63n), key, /above 2\^63-1/)
    refused(noteOf(signature), withTimestamp(signature, 2n ** 64n - 1n), key, /above 2\^63-1/)
  })

  it('fails for another origin, size or root', () => {
    for (const changed of [
      { ...checkpoint, origin: 'example.com/lag' },
      { ...checkpoint, size: treeSize(5) },
      { ...checkpoint, root: rootHash(new Uint8Array(32)) },
    ]) {
      refused(noteOf(signature, formatCheckpoint(changed)), signature, key, /does not verify/)
    }
  })

  it('fails when a byte is missing, added or changed', () => {
    const body = signature.signature
    const other = body.slice()
    other[body.length - 1] = other[body.length - 1]! ^ 1
    for (const changed of [body.subarray(1), concat(body, Uint8Array.of(0)), other]) {
      const mangled = { ...signature, signature: changed }
      refused(noteOf(mangled), mangled, key, /does not verify/)
    }
    const short = { ...signature, signature: Uint8Array.of(1) }
    refused(noteOf(short), short, key, /1 bytes/)
  })

  it('fails over a note that is no checkpoint', () => {
    refused(noteOf(signature, 'hello\n'), signature, key, /checkpoints only/)
  })

  it('fails for a key of another name or id', () => {
    refused(noteOf(signature), { ...signature, name: 'w.example/2' }, key, /names w.example.2/)
    refused(noteOf(signature), { ...signature, keyId: '00000000' }, key, /00000000/)
  })
})

describe('what a cosignature covers', () => {
  const without = formatCheckpoint({ ...checkpoint, extensions: [] })

  it('includes extension lines under Ed25519 and leaves them out under ML-DSA-44', () => {
    const bySigner = ed.cosign(text, 1)
    refused(noteOf(bySigner, without), bySigner, ed.vkey, /does not verify/)
    const byMl = ml.cosign(text, 1)
    expect(verifyNoteSignature(noteOf(byMl, without), byMl, ml.vkey)).toEqual({ timestamp: 1 })
  })

  it('includes the name of an ML-DSA-44 cosigner', () => {
    const signature = ml.cosign(text, 1)
    const other = cosigningKey('w.example/2', seed, 'ml-dsa-44').vkey
    const renamed = { ...signature, name: other.name, keyId: other.keyId }
    refused(noteOf(renamed), renamed, other, /does not verify/)
  })
})

describe('a cosignature of a subtree', () => {
  const subtreeOf = (start: number, end: number) => ({ start: treeSize(start), end: treeSize(end) })
  const hash = nodeHash(new Uint8Array(32).fill(3))
  const cosigned = { origin: 'example.com/log', subtree: subtreeOf(8, 13), hash }
  const signature = ml.cosignSubtree(cosigned)

  function isRefused(changed: object, line = signature, key = ml.vkey, why = /does not verify/) {
    expect(() => verifySubtreeSignature({ ...cosigned, ...changed }, line, key)).toThrow(
      expect.objectContaining({
        code: 'VERIFICATION_FAILED',
        message: expect.stringMatching(why),
      }),
    )
  }

  it('signs its bounds at the time 0', () => {
    expect(toHex(mlDsaSubtreeMessage('w', cosigned))).toBe(
      [
        toHex(utf8('subtree/v1\n\0')),
        '0177',
        '0000000000000000',
        '0f',
        toHex(utf8('example.com/log')),
        '0000000000000008',
        '000000000000000d',
        '03'.repeat(32),
      ].join(''),
    )
    verifySubtreeSignature(cosigned, signature, ml.vkey)
  })

  it('fails for another log, other bounds, another hash, or another key', () => {
    isRefused({ origin: 'example.com/lag' })
    isRefused({ subtree: subtreeOf(8, 12) })
    isRefused({ subtree: subtreeOf(16, 21) })
    isRefused({ hash: nodeHash(new Uint8Array(32)) })
    const other = cosigningKey('w.example/2', seed, 'ml-dsa-44').vkey
    isRefused({}, signature, other, /names w.example.1/)
    isRefused({}, { ...signature, name: other.name, keyId: other.keyId }, other)
  })

  it('fails when it states a time, though that was signed', () => {
    // From 0 a subtree is a tree, and the witness has cosigned it at a time.
    const { origin, size, root } = checkpoint
    const tree = { origin, subtree: subtreeOf(0, size), hash: nodeHash(root) }
    verifySubtreeSignature(tree, ml.cosignSubtree(tree), ml.vkey)
    isRefused(tree, ml.cosign(text, 1), ml.vkey, /time 0/)
    isRefused({}, withTimestamp(signature, 1n), ml.vkey, /time 0/)
  })

  it('from 0 is a cosignature of the tree that makes no claim about time', () => {
    const { origin, size, root } = checkpoint
    const tree = { origin, subtree: subtreeOf(0, size), hash: nodeHash(root) }
    const line = ml.cosignSubtree(tree)
    expect(verifyNoteSignature(noteOf(line), line, ml.vkey)).toEqual({ timestamp: 0 })
  })

  it('is of ML-DSA-44 only', () => {
    expect(() => ed.cosignSubtree(cosigned)).toThrow(expect.objectContaining({ code: 'USAGE' }))
    const line = { ...signature, keyId: ed.vkey.keyId }
    isRefused({}, line, ed.vkey, /signs no subtrees/)
  })

  it.each([
    [8, 8],
    [4, 13],
    [13, 8],
  ])('is not made of a range that is no subtree: [%d, %d)', (start, end) => {
    const wrong = { ...cosigned, subtree: subtreeOf(start, end) }
    expect(() => ml.cosignSubtree(wrong)).toThrow(RangeError)
    expect(() => mlDsaSubtreeMessage('w', wrong)).toThrow(RangeError)
  })
})

describe('a plain Ed25519 signature', () => {
  const key = ed25519SigningKey('a', seed)
  const signature = key.sign('any text\n')

  it('covers the text of any note and has no time', () => {
    const note = noteOf(signature, 'any text\n')
    expect(verifyNoteSignature(note, signature, key.vkey)).toEqual({})
    refused(noteOf(signature, 'any text\n\n'), signature, key.vkey, /does not verify/)
  })

  it('is no cosignature, nor the other way round, though the seed is the same', () => {
    const cosigner = cosigningKey('a', seed, 'ed25519-cosignature')
    const relabelled = { ...key.sign(text), keyId: cosigner.vkey.keyId }
    refused(noteOf(relabelled), relabelled, cosigner.vkey, /64 bytes, not 72/)
    const cosignature = { ...cosigner.cosign(text, 1), keyId: key.vkey.keyId }
    refused(noteOf(cosignature), cosignature, key.vkey, /72 bytes, not 64/)
  })
})

describe.skipIf(!existsSync(shared))('published cosignatures (need ../shared/vectors)', () => {
  const read = (path: string) => readFileSync(new URL(path, shared))
  const keys = JSON.parse(read('generated/keys.json').toString()) as {
    timestamp: number
    vkeys: Record<'log' | 'w1' | 'w2' | 'm1', string>
    cosigned_message_hex_size15: string
    ed25519_signed_message_utf8_size15: string
  }

  it('sign exactly these bytes', () => {
    const { text: published } = parseNote(read('generated/checkpoint-15.cosigned'))
    const timestamp = keys.timestamp
    expect(fromUtf8(ed25519CosignedMessage(published, timestamp))).toBe(
      keys.ed25519_signed_message_utf8_size15,
    )
    const cosigned = {
      cosigner: 'witness.example/m1',
      timestamp,
      checkpoint: parseCheckpoint(published),
    }
    expect(toHex(mlDsaCosignedMessage(cosigned))).toBe(keys.cosigned_message_hex_size15)
  })

  it.each(['generated/checkpoint-1.cosigned', 'generated/checkpoint-15.cosigned'])(
    'verify: %s',
    (path) => {
      const note = parseNote(read(path))
      expect(note.signatures.length).toBe(4)
      const known = Object.values(keys.vkeys).map(parseVkey)
      const times = note.signatures.map((signature) => {
        const key = known.find(({ keyId }) => keyId === signature.keyId)!
        return verifyNoteSignature(note, signature, key).timestamp
      })
      expect(times).toEqual([undefined, 1700000000, 1700000000, 1700000000])
    },
  )

  it.each(['generated/checkpoint-1.cosigned', 'generated/checkpoint-15.cosigned'])(
    'are made again from their seeds: %s',
    (path) => {
      const { text: published, signatures } = parseNote(read(path))
      for (const [name, fill, vkey] of [
        ['witness.example/w1', 2, keys.vkeys.w1],
        ['witness.example/w2', 3, keys.vkeys.w2],
      ] as const) {
        const key = cosigningKey(name, new Uint8Array(32).fill(fill), 'ed25519-cosignature')
        expect(key.vkey).toEqual(parseVkey(vkey))
        expect(key.cosign(published, keys.timestamp)).toEqual(
          signatures.find((signature) => signature.name === name),
        )
      }
      const m1 = cosigningKey('witness.example/m1', new Uint8Array(32).fill(1), 'ml-dsa-44')
      expect(m1.vkey).toEqual(parseVkey(keys.vkeys.m1))
    },
  )

  it('verify the ML-DSA-44 signature of a log over its own checkpoint', () => {
    const note = parseNote(read('filosottile-torchwood/mldsa44-log.checkpoint'))
    const key = parseVkey(read('filosottile-torchwood/mldsa44-log.vkey').toString().trim())
    expect(verifyNoteSignature(note, note.signatures[0]!, key)).toEqual({ timestamp: 0 })
  })
})

it('a log signs its own checkpoint with ML-DSA-44 at the time 0', () => {
  const key = mlDsaSigningKey('example.com/log', seed)
  const signature = key.sign(text)
  expect(verifyNoteSignature(noteOf(signature), signature, key.vkey)).toEqual({ timestamp: 0 })
})

it('OpenSSL alone accepts an Ed25519 cosignature', () => {
  const signature = ed.cosign(text, 5)
  const der = concat(
    Uint8Array.from(Buffer.from('302a300506032b6570032100', 'hex')),
    ed.vkey.publicKey,
  )
  const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  const message = utf8(`cosignature/v1\ntime 5\n${text}`)
  expect(verify(null, message, key, signature.signature.subarray(8))).toBe(true)
})
