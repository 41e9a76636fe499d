import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote, type NoteSignature } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { cosigningKey, ed25519SigningKey, mlDsaSigningKey } from '../../src/formats/signing-key.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)

const ORIGIN = 'example.com/log'
const text = formatCheckpoint({
  origin: ORIGIN,
  size: treeSize(7),
  root: rootHash(new Uint8Array(32).fill(1)),
  extensions: [],
})
const seed = (fill: number) => new Uint8Array(32).fill(fill)
const log = ed25519SigningKey(ORIGIN, seed(1))
const quantum = mlDsaSigningKey(ORIGIN, seed(2))
const w1 = cosigningKey('w1', seed(3), 'ed25519-cosignature')
const w2 = cosigningKey('w2', seed(4), 'ml-dsa-44')
const logLine = log.sign(text)
const quantumLine = quantum.sign(text)
const w1Line = w1.cosign(text, 100)
const w2Line = w2.cosign(text, 200)
const junk: NoteSignature = { name: 'grease', keyId: '00000000', signature: Uint8Array.of(1) }

const note = (...signatures: NoteSignature[]) => utf8(formatNote({ text, signatures }))
const logKeys = [log.vkey, quantum.vkey]
const witnesses = [w1.vkey, w2.vkey]

function broken(signature: NoteSignature): NoteSignature {
  const bytes = signature.signature.slice()
  bytes[20] = bytes[20]! ^ 1
  return { ...signature, signature: bytes }
}

function refused(bytes: Uint8Array, reason: RegExp, keys = logKeys, cosigners = witnesses): void {
  expect(() => openCheckpoint(bytes, keys, cosigners)).toThrow(
    expect.objectContaining({
      code: 'VERIFICATION_FAILED',
      message: expect.stringMatching(reason),
    }),
  )
}

describe('openCheckpoint', () => {
  it('gives the checkpoint, who of the log has signed, and the cosignatures with their times', () => {
    const opened = openCheckpoint(note(logLine, quantumLine, w1Line, w2Line), logKeys, witnesses)
    expect(opened.checkpoint).toMatchObject({ origin: ORIGIN, size: 7 })
    expect(opened.note.text).toBe(text)
    expect(opened.logSignatures).toEqual(logKeys)
    expect(opened.cosignatures).toEqual([
      { key: w1.vkey, timestamp: 100 },
      { key: w2.vkey, timestamp: 200 },
    ])
  })

  it('is content with one of several log keys', () => {
    expect(openCheckpoint(note(quantumLine), logKeys).logSignatures).toEqual([quantum.vkey])
    expect(openCheckpoint(note(logLine, quantumLine), [log.vkey]).logSignatures).toEqual([log.vkey])
  })

  it('does not care about the order of lines nor about lines by unknown keys', () => {
    const lines = [logLine, quantumLine, w1Line, junk, { ...junk, name: 'other' }]
    fc.assert(
      fc.property(fc.shuffledSubarray(lines, { minLength: 5 }), (shuffled) => {
        const opened = openCheckpoint(note(...shuffled), logKeys, witnesses)
        expect(opened.logSignatures.length).toBe(2)
        expect(opened.cosignatures.length).toBe(1)
      }),
      { numRuns: 10 },
    )
  })

  it('ignores a known name with another key id, and a known key id under another name', () => {
    const opened = openCheckpoint(
      note(logLine, { ...broken(logLine), keyId: '12345678' }, { ...broken(w1Line), name: 'w3' }),
      logKeys,
      witnesses,
    )
    expect(opened.cosignatures).toEqual([])
  })

  it('counts repeated lines by one key once, and keeps the first time', () => {
    const opened = openCheckpoint(
      note(logLine, logLine, w1Line, w1Line, w1.cosign(text, 300)),
      logKeys,
      witnesses,
    )
    expect(opened.logSignatures).toEqual([log.vkey])
    expect(opened.cosignatures).toEqual([{ key: w1.vkey, timestamp: 100 }])
  })

  it('takes no ML-DSA-44 signature at the time 0 for a cosignature, though it verifies', () => {
    const timeless = w2.cosign(text, 0)
    expect(openCheckpoint(note(logLine, timeless), logKeys, witnesses).cosignatures).toEqual([])
    const both = openCheckpoint(note(logLine, timeless, w2Line), logKeys, witnesses)
    expect(both.cosignatures).toEqual([{ key: w2.vkey, timestamp: 200 }])
    refused(note(logLine, broken(timeless)), /w2 .*does not verify/)
    // The standard gives the time 0 a meaning of its own for ML-DSA-44 only.
    const early = openCheckpoint(note(logLine, w1.cosign(text, 0)), logKeys, witnesses)
    expect(early.cosignatures).toEqual([{ key: w1.vkey, timestamp: 0 }])
  })

  it('reads past more than 16 unknown lines', () => {
    const lines = Array.from({ length: 98 }, (_, i) => ({ ...junk, name: `grease${i}` }))
    expect(openCheckpoint(note(...lines, w1Line, logLine), logKeys, witnesses)).toMatchObject({
      cosignatures: [{ timestamp: 100 }],
    })
  })

  it('knows no witness unless told', () => {
    expect(openCheckpoint(note(logLine, w1Line), logKeys).cosignatures).toEqual([])
    expect(openCheckpoint(note(logLine, broken(w1Line)), logKeys).cosignatures).toEqual([])
  })

  it('refuses the whole note when any line of a known key does not verify', () => {
    refused(note(broken(logLine)), /does not verify/)
    refused(note(logLine, broken(quantumLine)), /does not verify/)
    refused(note(logLine, broken(w1Line)), /w1 .*does not verify/)
    refused(note(logLine, w2Line, broken(w2Line)), /w2 .*does not verify/)
  })

  it('refuses a note that no given log key has signed', () => {
    refused(note(w1Line, w2Line), /no signature by a given log key/)
    refused(note(logLine), /no signature by a given log key/, [quantum.vkey])
    refused(note(logLine), /none of the given log keys/, [])
  })

  it('refuses a signature by a key that is not named by the origin', () => {
    const other = ed25519SigningKey('example.com/other', seed(1))
    refused(note(other.sign(text)), /none of the given log keys has that name/, [other.vkey])
    expect(openCheckpoint(note(other.sign(text), logLine), [other.vkey, log.vkey])).toMatchObject({
      logSignatures: [{ name: ORIGIN }],
    })
  })

  it('refuses a note whose text is no checkpoint, though its signature holds', () => {
    const signed = formatNote({ text: 'hello\n', signatures: [log.sign('hello\n')] })
    expect(() => openCheckpoint(utf8(signed), logKeys)).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
  })

  it('lets no key sign in a role that its type does not allow', () => {
    const usage = expect.objectContaining({ code: 'USAGE' })
    const cosigner = cosigningKey(ORIGIN, seed(1), 'ed25519-cosignature')
    expect(() => openCheckpoint(note(logLine), [cosigner.vkey])).toThrow(usage)
    expect(() => openCheckpoint(note(logLine), [log.vkey], [log.vkey])).toThrow(usage)
  })

  it('does not take one of two keys that a line cannot tell apart', () => {
    const twin: VerifierKey = { ...w1.vkey, publicKey: w2.vkey.publicKey.subarray(0, 32) }
    expect(() => openCheckpoint(note(logLine), [log.vkey], [w1.vkey, twin])).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(/two different/) }),
    )
    const again = openCheckpoint(note(logLine, w1Line), [log.vkey], [w1.vkey, { ...w1.vkey }])
    expect(again.cosignatures.length).toBe(1)
  })

  it('refuses a note with any bit flipped in its text or in a known line', () => {
    const whole = note(logLine, w1Line)
    fc.assert(
      fc.property(fc.nat(whole.length * 8 - 1), (bit) => {
        const mangled = whole.slice()
        const at = Math.floor(bit / 8)
        mangled[at] = mangled[at]! ^ (1 << (bit % 8))
        let opened: ReturnType<typeof openCheckpoint> | undefined
        try {
          opened = openCheckpoint(mangled, logKeys, witnesses)
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^(MALFORMED|VERIFICATION_FAILED)$/),
          })
        }
        // A changed name or key id makes the witness's line unknown; the log's line and the text must be intact.
        if (opened !== undefined) {
          expect(opened.note.text).toBe(text)
          expect(opened.cosignatures).toEqual([])
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe.skipIf(!existsSync(shared))('published checkpoints (need ../shared/vectors)', () => {
  const read = (path: string) => readFileSync(new URL(path, shared))
  const { vkeys } = JSON.parse(read('generated/keys.json').toString()) as {
    vkeys: Record<'log' | 'w1' | 'w2' | 'm1', string>
  }

  it('of Tessera open with its key, all 16, and with no other', () => {
    const folder = new URL('transparency-dev-tessera/log/', shared)
    const files = readdirSync(folder).filter((name) => name.startsWith('checkpoint.'))
    expect(files.length).toBe(16)
    for (const file of files) {
      const bytes = readFileSync(new URL(file, folder))
      const opened = openCheckpoint(bytes, [parseVkey(vkeys.log)])
      expect(`checkpoint.${opened.checkpoint.size}`).toBe(file)
      expect(formatNote(opened.note)).toBe(bytes.toString())
      const other = ed25519SigningKey('example.com/log/testdata', seed(1)).vkey
      refused(bytes, /no signature by a given log key/, [other])
    }
  })

  it('with cosignatures of three witnesses open', () => {
    for (const size of [1, 15]) {
      const opened = openCheckpoint(
        read(`generated/checkpoint-${size}.cosigned`),
        [parseVkey(vkeys.log)],
        [vkeys.w1, vkeys.w2, vkeys.m1].map(parseVkey),
      )
      expect(opened.checkpoint.size).toBe(size)
      expect(opened.cosignatures.map(({ timestamp }) => timestamp)).toEqual(
        Array(3).fill(1700000000),
      )
    }
  })

  it('signed with ML-DSA-44 by the log alone open', () => {
    const key = parseVkey(read('filosottile-torchwood/mldsa44-log.vkey').toString().trim())
    const opened = openCheckpoint(read('filosottile-torchwood/mldsa44-log.checkpoint'), [key])
    expect(opened.logSignatures).toEqual([key])
  })

  it('of sum.golang.org are refused, since its key is not named by its origin', () => {
    const { valid } = JSON.parse(read('generated/notes-and-sth.json').toString()) as {
      valid: { vkey: string; note: string }[]
    }
    const { vkey, note: published } = valid.find(({ vkey: v }) => v.startsWith('sum.golang.org'))!
    refused(utf8(published), /none of the given log keys has that name/, [parseVkey(vkey)])
  })
})
