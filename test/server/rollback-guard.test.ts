/** An old copy of a witness's data is noticed, as long as what guards it is not old as well. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { guardStore } from '../../src/server/rollback-guard.ts'
import { openLevelWitnessStore } from '../../src/storage/level-witness.ts'
import type { WitnessStore } from '../../src/storage/witness-port.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'

const LOG = new WitnessedLog('log.example')

let place: string
let store: string
let file: string
let errors: unknown[]
const opened: WitnessStore[] = []

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-guard-'))
  store = join(place, 'store')
  file = join(place, 'guard', 'w.guard')
  errors = []
})
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close().catch(() => undefined)
  await rm(place, { recursive: true, force: true })
})

async function open(delayMs = 5): Promise<WitnessStore> {
  const plain = await openLevelWitnessStore(store)
  opened.push(plain)
  const guarded = await guardStore(plain, file, { delayMs, onError: (error) => errors.push(error) })
  opened.push(guarded)
  return guarded
}

async function close(): Promise<void> {
  for (const one of opened.splice(0).reverse()) await one.close()
}

/** Cosigns a head at a time, as far as the store is told. */
async function advance(guarded: WitnessStore, size: number, timestamp: number): Promise<void> {
  const previous = (await guarded.head(LOG.origin)) ?? undefined
  await guarded.write([
    { kind: 'watch', origin: LOG.origin, vkeys: ['x'] },
    {
      kind: 'advance',
      origin: LOG.origin,
      previous: previous && {
        size: previous.size,
        root: previous.root,
        timestamp: previous.timestamp,
      },
      head: { size: treeSize(size), root: LOG.root(size), timestamp },
      checkpoint: utf8(LOG.head(size)),
    },
  ])
}

const guard = () => readFile(file, 'utf8')
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('the guard of a witness', () => {
  it('follows the newest head, never ahead of the store', async () => {
    const guarded = await open()
    expect(await guard()).toBe('cairn-witness-guard/v1 0\n')
    for (const [size, time] of [
      [1, 1000],
      [2, 1000],
      [3, 1500],
    ] as const) {
      await advance(guarded, size, time)
      await expect.poll(guard).toBe(`cairn-witness-guard/v1 ${time}\n`)
    }
    await close()
    await close()
    await open()
    expect(await readdir(join(place, 'guard'))).toEqual(['w.guard'])
  })

  it('is written at the latest when the store is closed', async () => {
    await advance(await open(60_000), 1, 1000)
    expect(await guard()).toBe('cairn-witness-guard/v1 0\n')
    await close()
    expect(await guard()).toBe('cairn-witness-guard/v1 1000\n')
  })

  it('refuses an older copy of the store, and takes the newest back', async () => {
    await advance(await open(), 1, 1000)
    await close()
    await cp(store, join(place, 'old'), { recursive: true })
    await advance(await open(), 2, 2000)
    await close()
    await cp(store, join(place, 'newest'), { recursive: true })
    await rm(store, { recursive: true })
    await cp(join(place, 'old'), store, { recursive: true })
    for (let again = 0; again < 2; again++) {
      await expect(open()).rejects.toEqual(
        refusal('CORRUPT', /rolled back: .* until 1970-01-01T00:33:20.* since 1970-01-01T00:16:40/),
      )
      await close()
    }
    expect(await guard()).toBe('cairn-witness-guard/v1 2000\n')
    await rm(store, { recursive: true })
    await cp(join(place, 'newest'), store, { recursive: true })
    await open()
  })

  it('refuses an empty store in the place of one that was used', async () => {
    await advance(await open(), 1, 1000)
    await close()
    await rm(store, { recursive: true })
    await expect(open()).rejects.toEqual(refusal('CORRUPT', /remembers nothing; put the newest/))
  })

  it('counts a log that is not watched any more', async () => {
    const guarded = await open()
    await advance(guarded, 1, 1000)
    await guarded.write([{ kind: 'watch', origin: LOG.origin, vkeys: [] }])
    await close()
    await open()
  })

  it('begins anew where it is missing, as after a move', async () => {
    await advance(await open(), 1, 1000)
    await close()
    await rm(file)
    await open()
    expect(await guard()).toBe('cairn-witness-guard/v1 1000\n')
  })

  it.each(['', 'garbage\n', 'cairn-witness-guard/v1 x\n', 'cairn-witness-guard/v1 1', '\xff'])(
    'is refused when it reads %j',
    async (text) => {
      await (await open()).close()
      opened.splice(0)
      await writeFile(file, text, 'latin1')
      await expect(open()).rejects.toEqual(
        refusal('CORRUPT', /w\.guard is damaged .* remove it if/),
      )
    },
  )

  it('is refused where it cannot be written', async () => {
    file = join(place, 'file', 'w.guard')
    await writeFile(join(place, 'file'), '')
    await expect(open()).rejects.toEqual(refusal('IO', /cannot (read|write) .*w\.guard: /))
  })

  it('says so when it cannot be written any more, and lets the witness go on', async () => {
    const guarded = await open()
    await rm(join(place, 'guard'), { recursive: true })
    await writeFile(join(place, 'guard'), '')
    await advance(guarded, 1, 1000)
    await expect.poll(() => errors).toEqual([refusal('IO', /choose another place with --rollback/)])
    await rm(join(place, 'guard'))
    await mkdir(join(place, 'guard'))
    await advance(guarded, 2, 2000)
    await expect.poll(() => guard().catch(String)).toBe('cairn-witness-guard/v1 2000\n')
  })
})
