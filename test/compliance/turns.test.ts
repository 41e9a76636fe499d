import { describe, expect, it } from 'vitest'
import { newTurns } from '../../src/compliance/turns.ts'

/** Work that ends when it is told to. */
function piece() {
  let end: (error?: Error) => void = () => {}
  const state = { begun: false }
  const done = new Promise<string>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve('done') : reject(error))
  })
  const work = () => {
    state.begun = true
    return done
  }
  return { work, state, end }
}

const soon = () => new Promise((resolve) => setImmediate(resolve))

describe('turns', () => {
  it('let so many in at once, in the order in which they came, and refuse those beyond', async () => {
    const turn = newTurns({ atOnce: 2, waiting: 2, refusal: 'come later' })
    const pieces = Array.from({ length: 5 }, piece)
    const begun = () => pieces.map(({ state }) => state.begun)
    const outcomes = pieces.slice(0, 4).map(({ work }) => turn(work))
    await expect(turn(pieces[4]!.work)).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(begun()).toEqual([true, true, false, false, false])
    pieces[1]!.end()
    await soon()
    expect(begun()).toEqual([true, true, true, false, false])
    pieces[0]!.end(new Error('it failed'))
    await expect(outcomes[0]).rejects.toThrow('it failed')
    await soon()
    expect(begun()).toEqual([true, true, true, true, false])
    const last = turn(pieces[4]!.work)
    for (const { end } of pieces) end()
    expect(await Promise.all([...outcomes.slice(1), last])).toEqual(Array(4).fill('done'))
    expect(await turn(() => Promise.resolve('again'))).toBe('again')
  })
})
