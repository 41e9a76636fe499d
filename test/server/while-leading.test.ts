import { describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
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

describe('what fails because the term of the service is over', () => {
  const tooLate = new CairnError('UNAVAILABLE', 'no longer', {
    cause: new CairnError('CONFLICT', 'the term is over'),
  })
  async function failing(error: Error, isOver: boolean): Promise<unknown> {
    let current: { submit(): Promise<void>; erase(): Promise<void> } | undefined
    const fail = async (): Promise<void> => {
      if (isOver) current = undefined
      throw error
    }
    current = { submit: fail, erase: fail }
    const service = whileLeading(() => current, ['submit'])
    const fate = async (call: () => Promise<void>) =>
      call().catch((given) => given.fate ?? given.code)
    const submit = await fate(() => service.submit())
    current = { submit: fail, erase: fail }
    return [submit, await fate(() => service.erase())]
  }

  it('was not done where the log says so, and else may have been', async () => {
    expect(await failing(tooLate, true)).toEqual(['not-done', 'UNAVAILABLE'])
    const fenced = new CairnError('CONFLICT', 'the term is over')
    expect(await failing(fenced, true)).toEqual(['not-done', 'unknown'])
    const failed = new CairnError('STOPPED', 'nothing more is written', { cause: fenced })
    expect(await failing(failed, true)).toEqual(['not-done', 'unknown'])
    expect(await failing(fenced, false)).toEqual(['CONFLICT', 'CONFLICT'])
    const closed = new CairnError('STOPPED', 'the vault is closed')
    expect(await failing(closed, true)).toEqual(['unknown', 'unknown'])
    expect(await failing(closed, false)).toEqual(['STOPPED', 'STOPPED'])
  })

  it('is said as it is when it is about the request', async () => {
    const wrong = new CairnError('MALFORMED', '/type: is missing')
    expect(await failing(wrong, true)).toEqual(['MALFORMED', 'MALFORMED'])
    expect(await failing(new TypeError('a mistake'), true)).toEqual([undefined, undefined])
  })
})
