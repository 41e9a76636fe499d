import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#sha256'
import { toHex, utf8 } from '../../src/bytes.ts'
import {
  BACKUP_FORMAT,
  type BackupPart,
  formatBackup,
  MAX_PART,
  parseBackup,
} from '../../src/formats/backup.ts'
import { formatSavedLog, parseSavedLog, type SavedLog } from '../../src/formats/backup-log.ts'
import {
  formatRow,
  formatUse,
  parseEntries,
  parseRows,
  parseUses,
} from '../../src/formats/backup-rows.ts'
import { header } from '../../src/formats/ustar.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { type LeafIndex, treeSize } from '../../src/merkle/position.ts'

const FORMAT: BackupPart = { name: 'format', bytes: utf8(BACKUP_FORMAT) }

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values
}

async function archiveOf(parts: readonly BackupPart[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of formatBackup(each(parts), 1_700_000_000)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function parsed(archive: Uint8Array, pieces: number): Promise<BackupPart[]> {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < archive.length; at += pieces) chunks.push(archive.slice(at, at + pieces))
  const found: BackupPart[] = []
  for await (const { name, bytes, at } of parseBackup(each(chunks))) {
    expect(Buffer.compare(archive.subarray(at, at + bytes.length), bytes)).toBe(0)
    found.push({ name, bytes: new Uint8Array(bytes) })
  }
  return found
}

const aPart = fc.record({
  name: fc.stringMatching(/^[a-z]{1,8}\/[0-9]{1,16}$/),
  bytes: fc.uint8Array({ maxLength: 1_500 }),
})

describe('a backup', () => {
  it('gives its parts back, however it arrives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(aPart, { selector: ({ name }) => name, maxLength: 6 }),
        fc.integer({ min: 1, max: 3_000 }),
        async (parts, pieces) => {
          const archive = await archiveOf([FORMAT, ...parts])
          expect(await parsed(archive, pieces)).toEqual([FORMAT, ...parts])
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is refused when a byte of it was changed, lost or added', async () => {
    const archive = await archiveOf([FORMAT, { name: 'entries/0', bytes: utf8('\0\x03one') }])
    await fc.assert(
      fc.asyncProperty(
        fc.nat(archive.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const changed = Uint8Array.from(archive)
          changed[at]! ^= bits
          await expect(parsed(changed, 4_096)).rejects.toMatchObject({ code: 'MALFORMED' })
          const cut = parsed(archive.slice(0, at), 4_096)
          await expect(cut).rejects.toMatchObject({ code: 'MALFORMED' })
        },
      ),
      { numRuns: 150 },
    )
    const longer = parsed(Buffer.concat([archive, utf8('x')]), 4_096)
    await expect(longer).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  it('is refused when a part was taken out, or two changed places', async () => {
    const parts = ['a/1', 'a/2', 'a/3'].map((name) => ({ name, bytes: utf8(name) }))
    const archive = Buffer.from(await archiveOf([FORMAT, ...parts]))
    const [a, b] = [
      archive.subarray(2 * 1024 - 1024, 2 * 1024),
      archive.subarray(2 * 1024, 3 * 1024),
    ]
    const head = archive.subarray(0, 1024)
    const without = Buffer.concat([head, archive.subarray(2 * 1024)])
    await expect(parsed(without, 999)).rejects.toThrow(/missing, damaged|manifest/)
    const swapped = Buffer.concat([head, b, a, archive.subarray(3 * 1024)])
    await expect(parsed(swapped, 999)).rejects.toThrow(/a\/2 is missing, damaged/)
  })

  it('takes no part that is too large for memory, whatever its header says', async () => {
    const large = Buffer.concat([
      await archiveOf([FORMAT]).then((all) => all.subarray(0, 1024)),
      header('entries/0', MAX_PART + 1, 0),
    ])
    await expect(parsed(large, 512)).rejects.toThrow(/more than any part/)
  })

  it('has a manifest that sha256sum takes', async () => {
    const archive = Buffer.from(await archiveOf([FORMAT])).toString('latin1')
    expect(archive).toContain(`${toHex(sha256(FORMAT.bytes))}  format\n`)
  })

  it('begins as one of this version', async () => {
    const newer = { name: 'format', bytes: utf8('cairn-backup/v2\n') }
    await expect(parsed(await archiveOf([newer]), 512)).rejects.toThrow(/of this version/)
    await expect(parsed(await archiveOf([]), 512)).rejects.toThrow(/of this version/)
  })
})

describe('what a backup says of its log', () => {
  const root = rootHash(new Uint8Array(32).fill(7))
  const head = { size: treeSize(5), root, checkpoint: 'a note\n' }
  const saved: SavedLog = {
    vkeys: ['a', 'b'],
    made: 1_700_000_000_000,
    head,
    publication: { ...head, timestamp: 1_700_000_000_001, treeHeadSignature: Uint8Array.of(1, 2) },
    isNewest: true,
  }

  it('is read as it was written', () => {
    expect(parseSavedLog(formatSavedLog(saved))).toEqual(saved)
    const empty = { ...saved, head: undefined, publication: undefined }
    expect(parseSavedLog(formatSavedLog(empty))).toEqual(empty)
  })

  it.each([
    ['vkeys', 5],
    ['made', -1],
    ['made', 'now'],
    ['newest', 'yes'],
    ['head', { size: 5 }],
    ['head', { size: 5, root: 'AAAA', checkpoint: '' }],
    ['head', { size: 1.5, root: '', checkpoint: '' }],
    ['publication', 7],
  ])('is refused when %s is %j', (name, value) => {
    const document = JSON.parse(Buffer.from(formatSavedLog(saved)).toString())
    const text = utf8(JSON.stringify({ ...document, [name]: value }))
    expect(() => parseSavedLog(text)).toThrow(/./)
  })
})

describe('rows, uses and entries', () => {
  it('are read as they were written, and not when they are cut off', () => {
    const row = fc.record({
      key: fc.uint8Array({ minLength: 1, maxLength: 255 }),
      value: fc.uint8Array({ maxLength: 400 }),
    })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const bytes = Buffer.concat(rows.map(formatRow))
        expect(parseRows(bytes).map(({ key, value }) => [[...key], [...value]])).toEqual(
          rows.map(({ key, value }) => [[...key], [...value]]),
        )
        expect(() => parseRows(bytes.subarray(0, -1))).toThrow(/ends too soon/)
      }),
    )
    const use = {
      key: new Uint8Array(16),
      request: new Uint8Array(32),
      indices: [0, 2 ** 40] as LeafIndex[],
    }
    expect(parseUses(formatUse(use))).toEqual([use])
    expect(() => parseUses(formatUse(use).subarray(0, -1))).toThrow(/ends too soon/)
    const entries = utf8('\0\x03one\0\0\0\x01x')
    expect(parseEntries(entries).map((one) => Buffer.from(one).toString())).toEqual([
      'one',
      '',
      'x',
    ])
    expect(() => parseEntries(entries.subarray(0, -1))).toThrow(/ends too soon/)
  })
})
