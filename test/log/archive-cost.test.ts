/** What an archive asks of the bucket, by the real archiver on a small log, held against the formula of archiver.ts. */
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import type { ArchiveCounts } from '../../src/log/archive-port.ts'
import type { Head, LogService } from '../../src/log/service.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import {
  archive,
  newDirectory,
  newMark,
  newTestLog,
  published,
  until,
  watched,
} from './archived-log.ts'

/** Leaves, of which a log with 10,000 of them a second gets from one checkpoint to the next. */
const INTERVALS = [
  { seconds: 0.2, growth: 2_000 },
  { seconds: 1, growth: 10_000 },
  { seconds: 5, growth: 50_000 },
] as const
const SIZE = 100_000
const STEP = INTERVALS[0].growth
const LEAF_BYTES = 200
const MILLION = 1_000_000

interface Cost {
  readonly writes: number
  readonly removals: number
  readonly bytes: number
}

/** As in the comment of archiver.ts, for so many leaves. */
function formula(leaves: number, growth: number, b: number, c: number): Cost {
  let s = 0
  for (let per = 256; per < leaves; per *= 256) s += Math.min(1, growth / per)
  const heads = leaves / growth
  return {
    // One head is kept: all of it takes less than a minute.
    writes: leaves / 256 + leaves / 255 + (2 + s) * heads + heads + 1,
    removals: (2 + s) * heads,
    bytes:
      leaves * b + (leaves / 255) * 8192 + heads * (128 * b + 4096 * (1 + s)) + (heads + 1) * c,
  }
}

async function addLeaves(log: LogService, size: number): Promise<Head> {
  const from = log.head().size
  const leaves = Array.from({ length: size - from }, (_, i) =>
    utf8(`${from + i} `.padEnd(LEAF_BYTES, '.')),
  )
  await log.submit(leaves)
  return await until(() => {
    const head = published(log)
    return head?.size === size ? head : undefined
  })
}

describe('the cost of an archive', { timeout: 120_000 }, () => {
  it('is as calculated, whatever the interval', async () => {
    const test = await newTestLog()
    const heads: Head[] = []
    for (let size = STEP; size <= SIZE; size += STEP) heads.push(await addLeaves(test.log, size))
    const c = utf8(heads[0]!.checkpoint).length
    const table = [
      `requests and bytes for a million leaves of ${LEAF_BYTES} bytes, checkpoints of ${c}:`,
    ]

    for (const { seconds, growth } of INTERVALS) {
      const objects = watched(await openObjectDirectory(await newDirectory()))
      const cell = newMark()
      const every = growth / STEP
      let shown = heads[every - 1]!
      const archiver = archive(test, objects, cell, {
        publication: () => shown,
        settleMs: 0,
        headIntervalMs: 60_000,
      })
      for (let at = every - 1; at < heads.length; at += every) {
        shown = heads[at]!
        await archiver.has(shown.size)
      }
      await until(() => (cell.mark.released === SIZE ? true : undefined))
      await archiver.close()

      const { counts } = archiver.status()
      const expected = formula(SIZE, growth, LEAF_BYTES + 2, c)
      expect(writesOf(counts) / expected.writes).toBeCloseTo(1, 1.5)
      expect((counts.createdBytes + counts.replacedBytes) / expected.bytes).toBeCloseTo(1, 1.5)
      const partials = (calls: readonly string[]): number =>
        calls.filter((call) => call.includes('.p/')).length
      const left = (await objects.list('tile/')).filter((name) => name.includes('.p/')).length
      const created = partials(objects.calls.filter((call) => call.startsWith('create')))
      expect(created - counts.removed).toBe(left)
      // At every 32,000 leaves there is none: a round growth shows more of that than a real one.
      expect(created / expected.removals).toBeCloseTo(1, 0.7)
      // What reads and lists comes once a term and once a minute.
      expect(objects.calls.filter((call) => /^(get|list)/.test(call)).length).toBeLessThan(12)

      const million = formula(MILLION, growth, LEAF_BYTES + 2, c)
      table.push(
        `  every ${seconds} s at 10,000/s: ${Math.round(million.writes)} writes, ${Math.round(million.removals)} removals, ` +
          `${(million.bytes / MILLION).toFixed(1)} MB (of ${SIZE}: ${writesOf(counts)} writes, calculated ${Math.round(expected.writes)}; ` +
          `${((counts.createdBytes + counts.replacedBytes) / MILLION).toFixed(2)} MB, calculated ${(expected.bytes / MILLION).toFixed(2)})`,
      )
    }
    console.log(table.join('\n'))
  })
})

const writesOf = ({ created, replaced }: ArchiveCounts): number => created + replaced
