/** Long ways: in parts, past wrong entries, and never twice. */
import { describe, expect, it } from 'vitest'
import { at, type Front, frontOf, kindsOf, newTreeLog, saying, useScene, watch } from './scene.ts'

useScene()

/** What is tried here takes long on a busy machine, and is not about slow servers. */
const PATIENT = { headTimeoutMs: 10_000, tileTimeoutMs: 10_000 }

/** Bundles that were asked for, by their number. */
function bundlesSeen({ seen }: Front): number[] {
  return seen
    .filter((path) => path.startsWith('/tile/entries/'))
    .map((path) =>
      Number(path.replace('/tile/entries/', '').replace(/\.p.*/, '').replace(/\D/g, '')),
    )
}

describe('a long way', () => {
  it('is gone in parts, and nothing is read twice', async () => {
    const log = await newTreeLog()
    log.append(20_000)
    const front = await frontOf(log.url)
    let watching = await watch({ logs: at(front.url, log), timing: { ...PATIENT, concurrency: 2 } })
    let rounds = 0
    for (let size = 0; size < 20_000; rounds++) {
      const { logs } = await watching.monitor.round({ deadlineMs: 40 })
      expect(logs[0]?.alerts).toEqual([])
      size = logs[0]!.size
      if (size === 0) expect(logs[0]?.underWay?.total).toBe(20_000)
      // Some of the parts are gone by another process.
      if (rounds % 2 === 1) watching = await watching.again()
    }
    expect(rounds).toBeGreaterThan(1)
    const bundles = bundlesSeen(front)
    // What was on its way at the end of a part is asked for again, and no more.
    expect(bundles.length).toBeLessThanOrEqual(79 + 2 * rounds)
    expect(new Set(bundles).size).toBe(79)
  })

  it('reads exactly the entries that are new', async () => {
    const log = await newTreeLog()
    log.append(1_000)
    const front = await frontOf(log.url)
    const watching = await watch({ logs: at(front.url, log), timing: PATIENT })
    await watching.round()
    front.seen.length = 0
    log.append(1_000)
    await watching.round()
    expect(bundlesSeen(front)).toEqual([3, 4, 5, 6, 7])
    front.seen.length = 0
    await watching.round()
    expect(front.seen).toEqual(['/checkpoint'])
  })

  it('ends at a wrong entry early, and goes on from there once it is mended', async () => {
    const log = await newTreeLog()
    log.append(70_000)
    const front = await frontOf(log.url)
    const changed = log.bundle(200, 256)
    changed[changed.length - 1]! ^= 1
    front.instead.set('/tile/entries/200', saying(changed))
    const watching = await watch({ logs: at(front.url, log), timing: PATIENT })
    const alerts = await watching.round()
    expect(kindsOf(alerts)).toEqual(['wrong-entries'])
    expect(alerts[0]?.message).toContain(`entry ${200 * 256 + 255} does not hash to its place`)
    // Found at the end of a stretch of 65,536 entries, long before the root.
    expect(Math.max(...bundlesSeen(front))).toBeLessThan(273)

    front.instead.clear()
    front.seen.length = 0
    const later = await watching.again()
    expect(await later.round()).toEqual([])
    expect(Math.min(...bundlesSeen(front))).toBe(200)
    expect(later.events.find(({ event }) => event === 'head')).toMatchObject({ size: 70_000 })
  })

  it('to a head that the log takes back leads to the one it shows then', async () => {
    const log = await newTreeLog()
    log.append(10_000)
    const front = await frontOf(log.url)
    const older = log.note()
    log.append(10_000)
    const watching = await watch({
      logs: at(front.url, log),
      timing: { ...PATIENT, concurrency: 1 },
    })
    await watching.monitor.round({ deadlineMs: 1 })
    front.instead.set('/checkpoint', saying(older))
    expect(kindsOf(await watching.round())).toEqual(['rollback'])
    front.instead.clear()
    expect(await watching.round()).toEqual([])
    expect(watching.events.findLast(({ event }) => event === 'head')).toMatchObject({
      size: 20_000,
    })
  })

  it('that is stopped is not taken for trouble', async () => {
    const log = await newTreeLog()
    log.append(100_000)
    const watching = await watch({ logs: at(log.url, log), timing: { ...PATIENT, concurrency: 1 } })
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 20)
    const { logs } = await watching.monitor.round({ signal: stop.signal })
    expect(logs).toMatchObject([{ size: 0, alerts: [] }])
    expect(watching.events).toEqual([])
    const later = await watching.again()
    expect(await later.round()).toEqual([])
  })
})
