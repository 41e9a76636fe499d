import { expect, it } from 'vitest'
import { whileLeading } from '../../src/server/while-leading.ts'

class Counter {
  #count = 0
  async add(by: number): Promise<number> {
    this.#count += by
    return this.#count
  }
}

it('stands for whatever is there, and refuses while nothing is', async () => {
  let current: Counter | undefined
  const counter = whileLeading<Pick<Counter, 'add'>>(() => current)
  const refused = { code: 'UNAVAILABLE', message: expect.stringMatching(/does not lead/) }
  await expect(counter.add(1)).rejects.toMatchObject(refused)
  current = new Counter()
  expect([await counter.add(1), await counter.add(2)]).toEqual([1, 3])
  current = new Counter()
  expect(await counter.add(5)).toBe(5)
  current = undefined
  await expect(counter.add(1)).rejects.toMatchObject(refused)
})
