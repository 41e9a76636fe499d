/** What every HeadStore must do, whatever it keeps its heads in. Each adapter's test runs this suite. */
import { afterEach, describe, expect, it } from 'vitest'
import type { HeadStore } from '../../src/storage/heads-port.ts'

/** A place for one store: opened again and again on the same bytes, then thrown away. */
export interface HeadStorePlace {
  open(): Promise<HeadStore>
  remove(): Promise<void>
}

export const NOON: number = Date.UTC(2026, 10, 21, 12, 0, 0, 7)
export const headAt = (time: number, checkpoint = `note of ${time}\n`) => ({ time, checkpoint })

/** The suite. `place` makes an empty place for each test. */
export function headStoreConformance(name: string, place: () => Promise<HeadStorePlace>): void {
  describe(`${name} as a store of heads`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    })

    async function fresh(): Promise<HeadStorePlace> {
      const here = await place()
      cleanups.push(() => here.remove())
      return here
    }

    it('has them again when it is opened again, the earliest first', async () => {
      const here = await fresh()
      const first = await here.open()
      expect(first.times()).toEqual([])
      for (const time of [NOON, NOON - 1, NOON + 86_400_000]) await first.keep(headAt(time))
      await first.keep(headAt(NOON, 'another\n'))
      await first.forget(NOON - 1)
      await first.forget(NOON - 1)
      expect(first.times()).toEqual([NOON, NOON + 86_400_000])

      const again = await here.open()
      expect(again.times()).toEqual([NOON, NOON + 86_400_000])
      expect(await again.read(NOON)).toEqual(headAt(NOON, 'another\n'))
      expect(await first.read(NOON)).toEqual(headAt(NOON, 'another\n'))
    })

    it('gives a note as it was, whatever is in it', async () => {
      const here = await fresh()
      const checkpoint = 'log.example/ä\n0\n\u{1f50f}\n\n— log.example/ä AAAA\n'
      await (await here.open()).keep(headAt(0, checkpoint))
      expect(await (await here.open()).read(0)).toEqual(headAt(0, checkpoint))
    })

    it('refuses what it does not have', async () => {
      const store = await (await fresh()).open()
      await store.keep(headAt(NOON))
      await expect(store.read(NOON + 1)).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: 'no head of 2026-11-21T12:00:00.008Z is kept',
      })
      await store.forget(NOON)
      await expect(store.read(NOON)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })
}
