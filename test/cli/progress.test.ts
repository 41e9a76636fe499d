import { describe, expect, it } from 'vitest'
import { progressLine, startProgress } from '../../src/cli/progress.ts'
import { styleFor } from '../../src/cli/style.ts'

const plain = styleFor({})

function fakeTerminal(isTTY: boolean) {
  const written: string[] = []
  return { isTTY, columns: 80, written, write: (text: string) => void written.push(text) }
}

describe('progressLine', () => {
  const shape = { label: 'auditing', unit: 'entries', columns: 80 }

  it('has a bar, figures, a rate and the time left', () => {
    const line = progressLine(shape, { done: 250, total: 1000, elapsedMs: 500 }, plain)
    expect(line).toBe('auditing  ━━━━━───────────────   25%  250/1,000 entries  500/s  2 s left')
  })

  it('has no time left at the end', () => {
    const line = progressLine(shape, { done: 1000, total: 1000, elapsedMs: 500 }, plain)
    expect(line).toContain('100%')
    expect(line).not.toContain('left')
  })

  it('counts when the total is not known', () => {
    const line = progressLine(shape, { done: 12_345, total: undefined, elapsedMs: 1000 }, plain)
    expect(line).toBe('auditing  12,345 entries  12.3K/s')
  })

  it('shows bytes as people do', () => {
    const state = { done: 2 ** 20, total: 2 ** 22, elapsedMs: 500 }
    const line = progressLine({ ...shape, unit: 'bytes' }, state, plain)
    expect(line).toContain('25%  1.0 MiB of 4.0 MiB  2.0 MiB/s  2 s left')
  })

  it.each([20, 40, 60, 80, 120])('fits %i columns', (columns) => {
    for (const done of [0, 1, 999_999_999, 1_000_000_000]) {
      const state = { done, total: 1_000_000_000, elapsedMs: 12_345 }
      expect(progressLine({ ...shape, columns }, state, plain).length).toBeLessThan(columns)
    }
  })
})

describe('a progress bar', () => {
  it('draws nothing but on a terminal', () => {
    const pipe = fakeTerminal(false)
    const progress = startProgress({ label: 'x', unit: 'y', stream: pipe })
    progress.update(1, 2)
    progress.clear()
    expect(pipe.written).toEqual([])
  })

  it('draws nothing when it is told to be quiet', () => {
    const stream = fakeTerminal(true)
    startProgress({ label: 'x', unit: 'y', stream, quiet: true }).update(1, 2)
    expect(stream.written).toEqual([])
  })

  it('redraws only now and then, and at the end', () => {
    const stream = fakeTerminal(true)
    let time = 0
    const progress = startProgress({ label: 'x', unit: 'y', stream, total: 100, now: () => time })
    for (let done = 1; done <= 100; done++) {
      time += 10
      progress.update(done)
    }
    expect(stream.written.length).toBeGreaterThan(5)
    expect(stream.written.length).toBeLessThan(20)
    expect(stream.written.at(-1)).toContain('100/100')
  })

  it('leaves an empty line behind', () => {
    const stream = fakeTerminal(true)
    const progress = startProgress({ label: 'x', unit: 'y', stream })
    progress.update(1, 2)
    progress.clear()
    expect(stream.written.at(-1)).toBe('\r\x1b[2K')
  })
})
