import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSignedState } from '../../src/log/signed-state.ts'
import { hashLeaf, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const VKEY = 'log.example+00000000+AAAA'
const headOf = (size: number) => ({
  size: treeSize(size),
  root: rootHash(hashLeaf(Uint8Array.of(size % 256))),
})

let place: string
let file: string
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-signed-'))
  file = join(place, 'deep', 'signed-head')
})
afterEach(() => rm(place, { recursive: true }))

/** Overwrites bytes of the file. */
async function spoil(from: number, to: number): Promise<void> {
  const bytes = await readFile(file)
  bytes.fill(0x7a, from, to)
  await writeFile(file, bytes)
}

describe('the signer state', () => {
  it('is made where it is missing, for its owner alone, and remembers the last head', async () => {
    let state = await openSignedState(file, VKEY)
    expect(state.existed).toBe(false)
    expect(state.last).toBeUndefined()
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    for (const size of [0, 1, 2, 2 ** 33, 2 ** 52 + 1]) await state.record(headOf(size))
    expect(state.last).toEqual(headOf(2 ** 52 + 1))
    await state.close()
    state = await openSignedState(file, VKEY)
    expect(state.existed).toBe(true)
    expect(state.last).toEqual(headOf(2 ** 52 + 1))
    await state.close()
  })

  it('falls back to the record before when the newest was torn, and goes on from there', async () => {
    let state = await openSignedState(file, VKEY)
    for (const size of [1, 2, 3]) await state.record(headOf(size))
    await state.close()
    // Records alternate: the third is in the second slot.
    await spoil(512 + 100, 1024)
    state = await openSignedState(file, VKEY)
    expect(state.last).toEqual(headOf(2))
    await state.record(headOf(4))
    await state.close()
    state = await openSignedState(file, VKEY)
    expect(state.last).toEqual(headOf(4))
    await state.close()
  })

  it('refuses a file of which neither record can be read', async () => {
    const state = await openSignedState(file, VKEY)
    for (const size of [1, 2]) await state.record(headOf(size))
    await state.close()
    await spoil(30, 40)
    await spoil(512 + 30, 512 + 40)
    await expect(openSignedState(file, VKEY)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('refuses a file that is something else', async () => {
    await mkdir(join(place, 'deep'))
    await writeFile(file, 'a shopping list\n')
    await expect(openSignedState(file, VKEY)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('refuses the file of another log', async () => {
    const state = await openSignedState(file, VKEY)
    await state.record(headOf(1))
    await state.close()
    const other = openSignedState(file, 'other.example+00000000+AAAA')
    await expect(other).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('another log'),
    })
  })

  it('refuses to let a smaller head be signed, or another of the same size', async () => {
    const state = await openSignedState(file, VKEY)
    state.mustFollow(headOf(5))
    await state.record(headOf(5))
    state.mustFollow(headOf(5))
    state.mustFollow(headOf(6))
    expect(() => state.mustFollow(headOf(4))).toThrow('5 leaves was signed before')
    expect(() => state.mustFollow({ size: treeSize(5), root: headOf(9).root })).toThrow(
      'another head of 5 leaves',
    )
    await state.close()
  })

  it('lets the next head be checked while the last one is being recorded', async () => {
    const state = await openSignedState(file, VKEY)
    for (let size = 1; size < 50; size++) {
      const recording = state.record(headOf(size))
      for (let i = 0; i < 20; i++) {
        state.mustFollow(headOf(size + 1))
        await new Promise(setImmediate)
      }
      await recording
    }
    await state.close()
  })

  it('notices that another process signs with the same key', async () => {
    const ours = await openSignedState(file, VKEY)
    await ours.record(headOf(1))
    const theirs = await openSignedState(file, VKEY)
    await theirs.record(headOf(2))
    expect(() => ours.mustFollow(headOf(3))).toThrow('another process')
    await ours.close()
    await theirs.close()
  })

  it('says where it cannot be kept', async () => {
    await writeFile(join(place, 'a-file'), '')
    const state = openSignedState(join(place, 'a-file', 'signed-head'), VKEY)
    await expect(state).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('a-file'),
    })
  })
})
