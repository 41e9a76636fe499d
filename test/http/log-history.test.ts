import { describe, expect, it } from 'vitest'
import { BUCKETS, durations, durationWithin } from '../../src/http/durations.ts'
import { startHistory } from '../../src/http/log-history.ts'
import type { Head } from '../../src/log/service.ts'

function watched() {
  let [time, size] = [1_000_000, 0]
  const counted = durations()
  const add = counted.series('POST', '/add')
  const history = startHistory({
    log: { head: () => ({ size }) as Head },
    answered: () => [counted.counts('POST', '/add'), undefined],
    now: () => time,
  })
  return {
    history,
    add,
    pass(milliseconds: number, leaves = 0) {
      time += milliseconds
      size += leaves
      history.take()
    },
  }
}

describe('what a log did lately', () => {
  it('is a sample every ten seconds, and one every five minutes', () => {
    const { history, pass, add } = watched()
    for (let i = 0; i < 60; i++) {
      add(3)
      pass(10_000, 5)
    }
    history.stop()
    expect(history.hour.samples).toHaveLength(61)
    expect(history.day.samples.map(({ size }) => size)).toEqual([0, 150, 300])
    expect(history.day.samples.map(({ answered }) => answered)).toEqual([0, 30, 30])
    expect(history.hour.samples.at(-1)).toMatchObject({ size: 300, answered: 1 })
  })

  it('tells durations of each time for itself', () => {
    const { history, pass, add } = watched()
    add(8_000)
    pass(10_000)
    for (let i = 0; i < 100; i++) add(0.5)
    pass(10_000)
    pass(10_000)
    history.stop()
    const [first, slow, quick, idle] = history.hour.samples
    expect(first).toMatchObject({ answered: 0, p50: undefined, p99: undefined })
    expect(slow!.p50).toBeGreaterThan(5_000)
    expect(quick!.p99).toBeLessThanOrEqual(1)
    expect(idle).toMatchObject({ answered: 0, p99: undefined })
  })

  it('forgets what is older, however long the process runs', () => {
    const { history, pass } = watched()
    for (let i = 0; i < 20_000; i++) pass(10_000)
    history.stop()
    expect(history.hour.samples.length).toBeLessThanOrEqual(361)
    expect(history.day.samples.length).toBeLessThanOrEqual(290)
  })

  it('begins anew when the clock is set back', () => {
    const { history, pass } = watched()
    pass(10_000)
    pass(-500_000)
    history.stop()
    expect(history.hour.samples).toHaveLength(1)
  })

  it('takes no sample twice', () => {
    const { history, pass } = watched()
    pass(1)
    pass(1)
    history.stop()
    expect(history.hour.samples).toHaveLength(1)
  })
})

describe('a share of durations', () => {
  it('lies in the bucket that it ends in', () => {
    const counts = new Float64Array(BUCKETS)
    expect(durationWithin(counts, 0.5)).toBeUndefined()
    counts[0] = 50
    counts[3] = 49
    counts[BUCKETS - 1] = 1
    expect(durationWithin(counts, 0.25)).toBe(0.5)
    expect(durationWithin(counts, 0.5)).toBe(1)
    expect(durationWithin(counts, 0.99)).toBe(10)
    // Of what took longer than the last bound nothing more is known.
    expect(durationWithin(counts, 1)).toBe(10_000)
  })
})
