import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fromUtf8, toHex, utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { formatAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import { verifyNoteSignature } from '../../src/formats/cosignature.ts'
import { formatNote, parseNote, parseSignatureLines } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { treeSize } from '../../src/merkle/position.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import {
  cosign,
  heldStore,
  NAME,
  passing,
  type WitnessPlace,
  witnessPlace,
} from './test-witness.ts'
import { WitnessedLog } from './witnessed-log.ts'

const ORIGIN = 'log.example/one'
const HASH = originHash(ORIGIN)

let place: WitnessPlace
let log: WitnessedLog
beforeEach(async () => {
  place = await witnessPlace()
  log = new WitnessedLog(ORIGIN)
})
afterEach(() => place.remove())

/** A witness that watches the log by its Ed25519 key. */
async function watching(
  options: Parameters<WitnessPlace['open']>[0] = {},
): Promise<WitnessService> {
  const witness = await place.open(options)
  await witness.watch([log.key.vkey])
  return witness
}

describe('a head that extends the last one', () => {
  it('is cosigned with both keys, Ed25519 first', async () => {
    const witness = await watching({ mlDsa: true, now: () => 1_700_000_000_999 })
    for (const [from, to] of [
      [0, 3],
      [3, 4],
      [4, 100],
    ] as const) {
      const { cosignatures, ...rest } = await cosign(witness, log.request(from, to))
      expect(rest).toEqual({
        outcome: 'cosigned',
        origin: ORIGIN,
        size: to,
        timestamp: 1_700_000_000,
      })
      const names = parseSignatureLines(utf8(cosignatures)).map(({ name }) => name)
      expect(names).toEqual([NAME, `${NAME}/ml-dsa-44`])
      const note = utf8(log.head(to) + cosignatures)
      const opened = openCheckpoint(note, [log.key.vkey], witness.vkeys.map(parseVkey))
      expect(opened.cosignatures.map(({ timestamp }) => timestamp)).toEqual([
        1_700_000_000, 1_700_000_000,
      ])
    }
  })

  it('is cosigned with Ed25519 alone when there is no other key', async () => {
    const witness = await watching()
    expect(witness.vkeys).toHaveLength(1)
    const { cosignatures } = await cosign(witness, log.request(0, 3))
    expect(parseSignatureLines(utf8(cosignatures)).map(({ name }) => name)).toEqual([NAME])
  })

  it.each([0, 1, 2, 1_000])('may be of any size at first: %s', async (size) => {
    const witness = await watching()
    await cosign(witness, log.request(0, size))
    expect(witness.logs()[0]?.head).toMatchObject({ size, root: log.root(size) })
  })

  it('may follow an empty tree, with an empty proof', async () => {
    const witness = await watching()
    await cosign(witness, log.request(0, 0))
    await cosign(witness, log.request(0, 0))
    await cosign(witness, log.request(0, 5))
  })

  it('may be the same again: the time is a new one then', async () => {
    let seconds = 1_000
    const witness = await watching({ now: () => seconds * 1000 })
    await cosign(witness, log.request(0, 3))
    seconds += 60
    const again = await cosign(witness, log.request(3, 3))
    expect(again.timestamp).toBe(1_060)
    const [line] = parseSignatureLines(utf8(again.cosignatures))
    const note = parseNote(utf8(log.head(3)))
    expect(verifyNoteSignature(note, line!, parseVkey(witness.vkeys[0]!)).timestamp).toBe(1_060)
    expect(witness.logs()[0]?.head?.timestamp).toBe(1_060)
  })
})

describe('the time of a cosignature', () => {
  it('never goes back, whatever the clock does and however often the witness starts', async () => {
    let seconds = 5_000
    const options = { now: () => seconds * 1000 }
    let witness = await watching(options)
    expect((await cosign(witness, log.request(0, 3))).timestamp).toBe(5_000)
    seconds = 100
    expect((await cosign(witness, log.request(3, 3))).timestamp).toBe(5_000)
    expect((await cosign(witness, log.request(3, 4))).timestamp).toBe(5_000)
    witness = await place.open(options)
    expect((await cosign(witness, log.request(4, 4))).timestamp).toBe(5_000)
    seconds = 5_001
    expect((await cosign(witness, log.request(4, 6))).timestamp).toBe(5_001)
  })

  it('is not held back by the times of other logs', async () => {
    let seconds = 5_000
    const witness = await watching({ now: () => seconds * 1000 })
    const other = new WitnessedLog('log.example/two')
    await witness.watch([other.key.vkey])
    await cosign(witness, log.request(0, 3))
    seconds = 100
    expect((await cosign(witness, other.request(0, 3))).timestamp).toBe(100)
  })

  it('is never 0, which would claim nothing', async () => {
    const witness = await watching({ now: () => 0 })
    expect((await cosign(witness, log.request(0, 3))).timestamp).toBe(1)
  })
})

describe('a head that does not extend the last one', () => {
  const outcomeOf = async (witness: WitnessService, body: Uint8Array) =>
    (await witness.addCheckpoint(body)).outcome

  it('is met with the size that is known', async () => {
    const witness = await watching()
    expect(await witness.addCheckpoint(log.request(2, 3))).toEqual({ outcome: 'conflict', size: 0 })
    await cosign(witness, log.request(0, 5))
    for (const [from, to] of [
      [0, 5],
      [0, 9],
      [4, 9],
      [6, 9],
      [3, 4],
      [0, 3],
    ] as const) {
      const outcome = await witness.addCheckpoint(log.request(from, to))
      expect(outcome).toEqual({ outcome: 'conflict', size: 5 })
    }
    expect(await witness.conflicts()).toEqual([])
  })

  it('is refused when the proof does not hold', async () => {
    const witness = await watching()
    await cosign(witness, log.request(0, 5))
    const proof = log.proof(5, 9)
    for (const wrong of [[], proof.slice(1), [...proof, proof[0]!], [...proof].reverse()]) {
      expect(await outcomeOf(witness, log.request(5, 9, { proof: wrong }))).toBe('inconsistent')
    }
    expect(witness.logs()[0]?.head?.size).toBe(5)
    await cosign(witness, log.request(5, 9))
  })

  it('is refused when there is a proof where none can be', async () => {
    const witness = await watching()
    const proof = log.proof(5, 9)
    expect(await outcomeOf(witness, log.request(0, 9, { proof }))).toBe('inconsistent')
    await cosign(witness, log.request(0, 9))
    expect(await outcomeOf(witness, log.request(9, 9, { proof }))).toBe('inconsistent')
    expect(await witness.conflicts()).toEqual([])
  })

  it('is refused when the old size is above the new one', async () => {
    const witness = await watching()
    await cosign(witness, log.request(0, 9))
    expect(await outcomeOf(witness, log.request(9, 5))).toBe('malformed')
  })

  it('is refused when an empty tree has another root', async () => {
    const witness = await watching()
    const root = log.root(4)
    expect(await outcomeOf(witness, log.request(0, 0, { root }))).toBe('inconsistent')
    expect(witness.logs()[0]?.head).toBeUndefined()
    expect(await witness.conflicts()).toEqual([])
  })
})

describe('the signatures of a log', () => {
  const outcomeOf = async (witness: WitnessService, body: Uint8Array) =>
    (await witness.addCheckpoint(body)).outcome
  const stranger = ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(9))

  it('are needed, by a key that is known', async () => {
    const witness = await watching()
    expect(await outcomeOf(witness, log.request(0, 3, { keys: [stranger] }))).toBe('untrusted')
    expect(await outcomeOf(witness, log.request(0, 3, { keys: [log.mlDsaKey] }))).toBe('untrusted')
    expect(await outcomeOf(witness, log.request(0, 3, { keys: [stranger, log.key] }))).toBe(
      'cosigned',
    )
  })

  it('are refused when one of a known key fails, although another holds', async () => {
    const witness = await place.open()
    await witness.watch([log.key.vkey, log.mlDsaKey.vkey])
    const both = [log.key, log.mlDsaKey]
    for (const broken of [0, 1]) {
      const { text, signatures } = parseNote(utf8(log.head(3, { keys: both })))
      const { name, keyId, signature } = signatures[broken]!
      const bytes = signature.slice()
      bytes[bytes.length - 1]! ^= 1
      const mangled = signatures.map((one, i) =>
        i === broken ? { name, keyId, signature: bytes } : one,
      )
      const checkpoint = formatNote({ text, signatures: mangled })
      const body = formatAddCheckpoint({ oldSize: treeSize(0), proof: [], checkpoint })
      expect(await outcomeOf(witness, utf8(body))).toBe('untrusted')
      // A good line of the same key does not make up for it, before or after.
      for (const lines of [
        [...mangled, ...signatures],
        [...signatures, ...mangled],
      ]) {
        const twice = formatNote({ text, signatures: lines })
        const request = { oldSize: treeSize(0), proof: [], checkpoint: twice }
        expect(await outcomeOf(witness, utf8(formatAddCheckpoint(request)))).toBe('untrusted')
      }
    }
    expect(await outcomeOf(witness, log.request(0, 3, { keys: both }))).toBe('cosigned')
  })

  it('are refused, not misread, when their base64 has bits after its last byte', async () => {
    const witness = await watching()
    const body = fromUtf8(log.request(0, 3))
    expect(body).toMatch(/[AEIMQUYcgkosw048]=\n$/)
    const stray = (text: string) =>
      text.replace(
        /(.)=\n$/,
        (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=\n`,
      )
    expect(await outcomeOf(witness, utf8(stray(body)))).toBe('untrusted')
    const other = fromUtf8(new WitnessedLog('log.example/2').request(0, 3))
    expect(await outcomeOf(witness, utf8(stray(other)))).toBe('unknown-log')
    for (const worse of [
      stray(body).replace('old 0', 'old 00'),
      body.replace(/=\n$/, '\n'),
      body.replace(/.=\n$/, '-=\n'),
      body.replace(/=\n$/, '==\n'),
    ]) {
      expect(await outcomeOf(witness, utf8(worse))).toBe('malformed')
    }
    expect(await outcomeOf(witness, utf8(body))).toBe('cosigned')
  })

  it('may be by any of the known keys', async () => {
    const witness = await place.open()
    await witness.watch([log.key.vkey, log.mlDsaKey.vkey])
    await cosign(witness, log.request(0, 3, { keys: [log.mlDsaKey] }))
    await cosign(witness, log.request(3, 4, { keys: [log.key] }))
    await cosign(witness, log.request(4, 5, { keys: [log.mlDsaKey, log.key] }))
  })

  it('are kept as far as they were verified, and no others', async () => {
    const witness = await place.open({ mlDsa: true })
    await witness.watch([log.key.vkey, log.mlDsaKey.vkey])
    const forged = {
      name: NAME,
      keyId: parseVkey(witness.vkeys[0]!).keyId,
      signature: new Uint8Array(72),
    }
    const keys = [stranger, log.mlDsaKey, log.key, log.key, { sign: () => forged }]
    const { cosignatures } = await cosign(witness, log.request(0, 3, { keys }))
    const shown = await witness.checkpoint(HASH)
    expect(shown?.endsWith(`\n${cosignatures}`)).toBe(true)
    const { signatures } = parseNote(utf8(shown!))
    expect(signatures.map(({ keyId }) => keyId)).toEqual([
      log.mlDsaKey.vkey.keyId,
      log.key.vkey.keyId,
      ...witness.vkeys.map((vkey) => parseVkey(vkey).keyId),
    ])
    const known = [log.key.vkey, log.mlDsaKey.vkey]
    const opened = openCheckpoint(utf8(shown!), known, witness.vkeys.map(parseVkey))
    expect([opened.logSignatures.length, opened.cosignatures.length]).toEqual([2, 2])
  })
})

describe('extension lines', () => {
  const extensions = ['a line', 'another']

  it('are refused by a witness that signs with ML-DSA-44, which does not cover them', async () => {
    const witness = await watching({ mlDsa: true })
    const outcome = await witness.addCheckpoint(log.request(0, 3, { extensions }))
    expect(outcome).toMatchObject({ outcome: 'malformed', detail: /extension/ })
    expect(witness.logs()[0]?.head).toBeUndefined()
  })

  it('are covered by Ed25519, and shown', async () => {
    const witness = await watching({ now: () => 7_000 })
    const first = await cosign(witness, log.request(0, 3, { extensions }))
    const note = utf8(log.head(3, { extensions }) + first.cosignatures)
    const keys = witness.vkeys.map(parseVkey)
    expect(openCheckpoint(note, [log.key.vkey], keys).cosignatures).toHaveLength(1)
    expect(await witness.checkpoint(HASH)).toBe(fromUtf8(note))
    // The same tree at the same second, with other lines: another statement.
    await cosign(witness, log.request(3, 3, { extensions: ['other'] }))
    const shown = await witness.checkpoint(HASH)
    expect(openCheckpoint(utf8(shown!), [log.key.vkey], keys).checkpoint.extensions).toEqual([
      'other',
    ])
  })
})

describe('the logs of a witness', () => {
  it('are those that it was told of', async () => {
    const witness = await watching()
    const other = new WitnessedLog('log.example/0')
    expect(await witness.addCheckpoint(other.request(0, 3))).toMatchObject({
      outcome: 'unknown-log',
    })
    await witness.watch([other.key.vkey, other.mlDsaKey.vkey])
    await cosign(witness, other.request(0, 3))
    expect(witness.logs().map(({ origin, vkeys }) => [origin, vkeys.length])).toEqual([
      ['log.example/0', 2],
      [ORIGIN, 1],
    ])
    expect(witness.statistics().logs).toBe(2)
    expect(witness.log(HASH)).toEqual(witness.logs()[1])
    expect(witness.log(originHash('log.example/2'))).toBeUndefined()
    await witness.unwatch(ORIGIN)
    expect(witness.log(HASH)).toBeUndefined()
  })

  it('keep their last head when they are not watched any more, so that nothing older can follow', async () => {
    let witness = await watching()
    await cosign(witness, log.request(0, 9))
    const shown = await witness.checkpoint(HASH)
    expect(await witness.unwatch(ORIGIN)).toBe(true)
    expect(await witness.unwatch(ORIGIN)).toBe(false)
    expect(await witness.unwatch('log.example/never')).toBe(false)
    expect(witness.logs()).toEqual([])
    expect(await witness.addCheckpoint(log.request(9, 10))).toMatchObject({
      outcome: 'unknown-log',
    })
    expect(await witness.checkpoint(HASH)).toBe(shown)
    witness = await place.open()
    expect(witness.logs()).toEqual([])
    await witness.watch([log.key.vkey])
    const fork = new WitnessedLog(ORIGIN, 'fork')
    expect(await witness.addCheckpoint(fork.request(0, 5))).toEqual({
      outcome: 'conflict',
      size: 9,
    })
    await cosign(witness, log.request(9, 10))
  })

  it('may change their keys', async () => {
    const witness = await watching()
    await cosign(witness, log.request(0, 9))
    await witness.watch([log.mlDsaKey.vkey])
    expect(await witness.addCheckpoint(log.request(9, 10))).toMatchObject({ outcome: 'untrusted' })
    await cosign(witness, log.request(9, 10, { keys: [log.mlDsaKey] }))
    expect(witness.statistics().logs).toBe(1)
  })

  it('cost nothing when they are given again as they are', async () => {
    const witness = await watching()
    const { commits } = witness.statistics()
    await witness.watch([log.key.vkey])
    expect(witness.statistics().commits).toBe(commits)
    const again = await place.open()
    await again.watch([log.key.vkey])
    expect(again.statistics().commits).toBe(0)
  })

  it.each([
    ['no keys', () => []],
    ['keys of two logs', () => [log.key.vkey, new WitnessedLog('log.example/2').key.vkey]],
    [
      'a witness’s key',
      () => [cosigningKey(ORIGIN, new Uint8Array(32).fill(1), 'ed25519-cosignature').vkey],
    ],
    ['a key twice', () => [log.key.vkey, log.key.vkey]],
    [
      'too many keys',
      () =>
        Array.from(
          { length: 17 },
          (_, i) => ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(100 + i)).vkey,
        ),
    ],
  ])('are not watched by %s', async (_, keys) => {
    const witness = await place.open()
    await expect(witness.watch(keys())).rejects.toMatchObject({ code: 'USAGE' })
    expect(witness.logs()).toEqual([])
  })

  it('that were changed or removed while a request waited are not cosigned as before', async () => {
    const store = heldStore()
    const witness = await watching({ wrap: (inner) => store.wrap(inner) })
    const before = store.writes
    store.hold()
    const first = witness.addCheckpoint(log.request(0, 3))
    await vi.waitUntil(() => store.writes > before)
    const changed = witness.watch([log.mlDsaKey.vkey])
    const byOldKey = witness.addCheckpoint(log.request(3, 4))
    const byBoth = witness.addCheckpoint(log.request(3, 5, { keys: [log.key, log.mlDsaKey] }))
    store.letGo()
    expect(await first).toMatchObject({ outcome: 'cosigned' })
    await changed
    expect(await byOldKey).toMatchObject({ outcome: 'untrusted' })
    expect(await byBoth).toMatchObject({ outcome: 'cosigned', size: 5 })

    store.hold()
    const newest = { keys: [log.mlDsaKey] }
    const writing = store.writes
    const last = witness.addCheckpoint(log.request(5, 6, newest))
    await vi.waitUntil(() => store.writes > writing)
    const removed = witness.unwatch(ORIGIN)
    const late = witness.addCheckpoint(log.request(6, 7, newest))
    store.letGo()
    expect(await last).toMatchObject({ outcome: 'cosigned' })
    expect(await removed).toBe(true)
    expect(await late).toMatchObject({ outcome: 'unknown-log' })
  })
})

describe('what a witness shows of a log', () => {
  it('is nothing before the first cosignature', async () => {
    const witness = await watching()
    expect(await witness.checkpoint(HASH)).toBeUndefined()
    await witness.addCheckpoint(log.request(2, 3))
    expect(await witness.checkpoint(HASH)).toBeUndefined()
    expect(await witness.checkpoint(originHash('log.example/never'))).toBeUndefined()
    expect(await witness.checkpoint('')).toBeUndefined()
    expect(await witness.checkpoint(HASH.toUpperCase())).toBeUndefined()
  })

  it('is what was answered, at once and after a restart', async () => {
    let witness = await watching({ mlDsa: true })
    for (const [from, to] of [
      [0, 3],
      [3, 7],
    ] as const) {
      const { cosignatures } = await cosign(witness, log.request(from, to))
      const expected = log.head(to) + cosignatures
      expect(await witness.checkpoint(HASH)).toBe(expected)
      witness = await place.open({ mlDsa: true })
      expect(await witness.checkpoint(HASH)).toBe(expected)
      expect(await witness.checkpoint(HASH)).toBe(expected)
    }
  })

  it('is signed again when the signature was lost, over the same head and time', async () => {
    // As after a crash between the write and the signature.
    const forgetful = await watching({
      mlDsa: true,
      now: () => 9_000_000,
      wrap: (store) =>
        passing(store, (changes) =>
          store.write(changes.filter(({ kind }) => kind !== 'keep-cosignatures')),
        ),
    })
    const { cosignatures } = await cosign(forgetful, log.request(0, 3))
    const witness = await place.open({ mlDsa: true, now: () => 10_000_000 })
    const shown = (await witness.checkpoint(HASH))!
    const keys = witness.vkeys.map(parseVkey)
    const opened = openCheckpoint(utf8(shown), [log.key.vkey], keys)
    expect(opened.cosignatures.map(({ timestamp }) => timestamp)).toEqual([9_000, 9_000])
    // Ed25519 gives the very same signature.
    expect(shown).toContain(cosignatures.split('\n')[0])
    expect(await witness.checkpoint(HASH)).toBe(shown)
    const again = await place.open({ mlDsa: true })
    expect(await again.checkpoint(HASH)).toBe(shown)
    await cosign(again, log.request(3, 4))
  })
})

describe('statistics', () => {
  it('count answers by their outcome', async () => {
    const witness = await watching()
    await cosign(witness, log.request(0, 3))
    await witness.addCheckpoint(log.request(0, 3))
    await witness.addCheckpoint(utf8('what'))
    await witness.addCheckpoint(new Uint8Array(300_000))
    await witness.addCheckpoint(new WitnessedLog('x').request(0, 1))
    await witness.addCheckpoint(log.request(3, 4, { keys: [log.mlDsaKey] }))
    await witness.addCheckpoint(log.request(3, 4, { proof: [] }))
    expect(witness.statistics()).toMatchObject({
      logs: 1,
      waiting: 0,
      conflicts: 1,
      answers: {
        cosigned: 1,
        conflict: 1,
        malformed: 1,
        'too-large': 1,
        'unknown-log': 1,
        untrusted: 1,
        inconsistent: 1,
        failed: 0,
      },
    })
    expect(witness.statistics().commits).toBeGreaterThan(2)
    expect(toHex(witness.logs()[0]!.head!.root)).toBe(toHex(log.root(3)))
  })
})

describe('closing', () => {
  it('finishes what was taken, and takes no more', async () => {
    const witness = await watching()
    const taken = witness.addCheckpoint(log.request(0, 3))
    const closed = witness.close()
    await expect(witness.addCheckpoint(log.request(3, 4))).rejects.toMatchObject({
      code: 'STOPPED',
    })
    expect(await taken).toMatchObject({ outcome: 'cosigned' })
    await closed
    const again = await place.open()
    expect(again.logs()[0]?.head?.size).toBe(3)
  })
})
