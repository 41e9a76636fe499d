import { describe, expect, it } from 'vitest'
import { turnsFor } from '../../src/http/turns.ts'

/** A work that ends when it is told to. */
function work(): {
  run: () => Promise<string>
  readonly started: () => boolean
  end: (fails?: Error) => void
} {
  let isStarted = false
  const { promise, resolve, reject } = withResolvers()
  return {
    run: () => {
      isStarted = true
      return promise
    },
    started: () => isStarted,
    end: (fails) => (fails === undefined ? resolve('done') : reject(fails)),
  }
}

function withResolvers() {
  let resolve!: (value: string) => void
  let reject!: (error: Error) => void
  const promise = new Promise<string>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('turns', () => {
  it('run so much at once, let some wait in their order, and refuse more', async () => {
    const inTurn = turnsFor('evidence', { running: 2, waiting: 2 })
    const works = [work(), work(), work(), work()]
    const given = works.map(({ run }) => inTurn(run))
    await expect(inTurn(work().run)).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: 'too much evidence is asked for at once; try again shortly',
    })
    const started = (): boolean[] => works.map((one) => one.started())
    expect(started()).toEqual([true, true, false, false])
    works[1]!.end()
    await soon()
    expect(started()).toEqual([true, true, true, false])
    for (const one of works) one.end()
    expect(await Promise.all(given)).toEqual(['done', 'done', 'done', 'done'])
  })

  it('are handed on by a work that fails, and are all there again at the end', async () => {
    const inTurn = turnsFor('evidence', { running: 1, waiting: 1 })
    for (let round = 0; round < 3; round++) {
      const [failing, next] = [work(), work()]
      const failed = inTurn(failing.run)
      const done = inTurn(next.run)
      failing.end(new Error('it failed'))
      await expect(failed).rejects.toThrow('it failed')
      next.end()
      expect(await done).toBe('done')
    }
  })

  it('take a work that throws at once for one that fails', async () => {
    const inTurn = turnsFor('evidence', { running: 1, waiting: 0 })
    const throwing = (): Promise<never> => {
      throw new Error('at once')
    }
    await expect(inTurn(throwing)).rejects.toThrow('at once')
    await expect(inTurn(async () => 'free')).resolves.toBe('free')
  })
})
