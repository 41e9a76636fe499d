import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { openLevelWitnessStore } from '../../src/storage/level-witness.ts'
import {
  conflictKey,
  cosignaturesKey,
  decodeConflict,
  decodeHead,
  decodeLog,
  encodeConflict,
  encodeHead,
  encodeLog,
  headKey,
  logKey,
} from '../../src/storage/level-witness-records.ts'
import {
  advance,
  all,
  conflictOf,
  headOf,
  watch,
  witnessStoreConformance,
} from './witness-conformance.ts'

witnessStoreConformance('the level store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
  return {
    open: () => openLevelWitnessStore(directory),
    remove: () => rm(directory, { recursive: true }),
  }
})

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-level-'))
})
afterEach(() => rm(directory, { recursive: true }))

const ORIGIN = 'log.example/a'

describe('the level store of a witness', () => {
  it('is one process’s at a time', async () => {
    const store = await openLevelWitnessStore(directory)
    await expect(openLevelWitnessStore(directory)).rejects.toMatchObject({ code: 'LOCKED' })
    await store.close()
    await (await openLevelWitnessStore(directory)).close()
  })

  it('is made only when it may be', async () => {
    const opened = openLevelWitnessStore(join(directory, 'none'), { createIfMissing: false })
    await expect(opened).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it.each([
    ['the keys', logKey(ORIGIN), (store: Store) => all(store.logs())],
    ['the head', headKey(ORIGIN), (store: Store) => store.head(ORIGIN)],
    ['the cosignatures', cosignaturesKey(ORIGIN), (store: Store) => store.head(ORIGIN)],
    [
      'a conflict',
      conflictKey(ORIGIN, conflictOf(ORIGIN, 1).id),
      (store: Store) => all(store.conflicts()),
    ],
  ])('says that %s are damaged, or of a newer format', async (_, key, read) => {
    const made = await openLevelWitnessStore(directory)
    await made.write([watch(ORIGIN, 'k'), advance(ORIGIN, undefined, headOf(7))])
    await made.write([{ kind: 'keep-conflict', conflict: conflictOf(ORIGIN, 1) }])
    await made.close()
    for (const [value, code] of [
      [Uint8Array.of(1), 'CORRUPT'],
      [Uint8Array.of(), 'CORRUPT'],
      [new Uint8Array(200).fill(2), 'NEWER_FORMAT'],
    ] as const) {
      const engine = new Level<Uint8Array, Uint8Array>(directory, {
        keyEncoding: 'view',
        valueEncoding: 'view',
      })
      await engine.put(key, value)
      await engine.close()
      const store = await openLevelWitnessStore(directory)
      await expect(read(store)).rejects.toMatchObject({ code })
      await store.close()
    }
  })
})

type Store = Awaited<ReturnType<typeof openLevelWitnessStore>>

describe('the records', () => {
  it('are read as they were written', () => {
    const log = encodeLog(ORIGIN, ['one', 'two'])
    expect(decodeLog(logKey(ORIGIN), log)).toEqual({ origin: ORIGIN, vkeys: ['one', 'two'] })
    const head = encodeHead(headOf(7), Uint8Array.of(1, 2))
    expect(decodeHead(head)).toEqual({ head: headOf(7), rest: Uint8Array.of(1, 2) })
    const conflict = conflictOf(ORIGIN, 1)
    const key = conflictKey(ORIGIN, conflict.id)
    expect(decodeConflict(key, encodeConflict(conflict))).toEqual(conflict)
  })

  it('are refused under the key of another log', () => {
    const key = logKey('log.example/b')
    expect(() => decodeLog(key, encodeLog(ORIGIN, []))).toThrow(/cannot be read/)
    const conflict = conflictOf(ORIGIN, 1)
    const other = conflictKey('log.example/b', conflict.id)
    expect(() => decodeConflict(other, encodeConflict(conflict))).toThrow(/cannot be read/)
  })

  it('are refused when they are cut off, or say a length beyond their end', () => {
    const conflict = encodeConflict(conflictOf(ORIGIN, 1))
    const key = conflictKey(ORIGIN, conflictOf(ORIGIN, 1).id)
    for (let end = 0; end < 30; end++) {
      expect(() => decodeConflict(key, conflict.subarray(0, end)), `${end}`).toThrow()
    }
    const length = 10 + 1 + ORIGIN.length
    const longer = concat(
      conflict.subarray(0, length),
      Uint8Array.of(0xff),
      conflict.subarray(length + 1),
    )
    expect(() => decodeConflict(key, longer)).toThrow(/cannot be read/)
    expect(() => decodeHead(encodeHead(headOf(7), Uint8Array.of()).subarray(0, 46))).toThrow()
  })

  it('have ids of 16 bytes', () => {
    expect(() => conflictKey(ORIGIN, new Uint8Array(15))).toThrow(RangeError)
  })
})
