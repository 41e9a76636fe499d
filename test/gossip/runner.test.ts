/** When heads are sent, what is remembered, and that no sink is in the way of another. */
import { readFile, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { type Gossip, type GossipOptions, startGossip } from '../../src/gossip/runner.ts'
import { retryDelay, type SinkSchedule } from '../../src/gossip/schedule.ts'
import type { HeadSink, PublishedHead, SinkReceipt } from '../../src/gossip/sink.ts'
import type { GossipEvent } from '../../src/gossip/sink-loop.ts'
import { fileStates, freshState, parseState } from '../../src/gossip/state.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { headAt, newFolder, type Place, SCHEDULE, until } from './heads.ts'

const MINUTE = 60_000

/** An outside system in this process: takes what it is sent, unless it is told to fail or to hang. */
interface Recorder extends HeadSink {
  readonly sizes: number[]
  mode: 'take' | 'fail' | 'hang' | 'hang for ever'
}

function recorder(name: string, target = 'here'): Recorder {
  const sizes: number[] = []
  return {
    name,
    kind: 'file',
    target,
    sizes,
    mode: 'take',
    async send(head, signal): Promise<SinkReceipt> {
      if (this.mode === 'fail') throw new CairnError('IO', 'is out of order')
      if (this.mode === 'hang for ever') await new Promise(() => {})
      if (this.mode === 'hang') {
        await new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        )
      }
      sizes.push(head.size)
      return { detail: `took ${head.size}` }
    },
  }
}

let place: Place
let clock: number
let head: PublishedHead | undefined
let events: GossipEvent[]
let gossip: Gossip | undefined

beforeEach(async () => {
  place = await newFolder()
  clock = 1_700_000_000_000
  head = undefined
  events = []
})

afterEach(async () => {
  await gossip?.close()
  gossip = undefined
  await place.discard()
})

async function start(
  sinks: readonly HeadSink[],
  schedule: Partial<SinkSchedule> = {},
  options: Partial<GossipOptions> = {},
): Promise<Gossip> {
  gossip = await startGossip({
    sinks: sinks.map((sink) => ({ sink, schedule: { ...SCHEDULE, ...schedule } })),
    head: () => head,
    states: fileStates(place.at('gossip')),
    now: () => clock,
    random: () => 1,
    retry: { firstMs: 1_000, maxMs: 4_000 },
    leastPauseMs: 0,
    onEvent: (event) => events.push(event),
    ...options,
  })
  return gossip
}

/** Shows a head, or none, after some time, and waits until all that is due was tried. */
async function show(size: number | undefined, later = 0): Promise<void> {
  clock += later
  if (size !== undefined) head = headAt(size)
  gossip!.notify()
  await idle()
}

function idle(): Promise<void> {
  return until('all attempts end', () => gossip!.status().every(({ sending }) => !sending))
}

describe('a head', () => {
  it('is sent at once when it is the first, and once', async () => {
    const sink = recorder('one')
    await start([sink])
    await show(undefined)
    expect(sink.sizes).toEqual([])
    await show(3)
    await show(3, 10 * MINUTE)
    expect(sink.sizes).toEqual([3])
    expect(gossip!.status()).toEqual([
      {
        name: 'one',
        kind: 'file',
        lastSize: 3,
        lag: 0,
        lastSuccess: 1_700_000_000_000,
        lastReceipt: 'took 3',
        attempts: 1,
        failures: 0,
        failuresInARow: 0,
        sending: false,
      },
    ])
  })

  it('that is there at start is sent', async () => {
    head = headAt(5)
    const sink = recorder('one')
    await start([sink])
    await idle()
    expect(sink.sizes).toEqual([5])
  })

  it('of an empty log is not sent', async () => {
    const sink = recorder('one')
    await start([sink], { renew: true })
    await show(0, 10 * MINUTE)
    expect(sink.sizes).toEqual([])
  })

  it('that is newer is due after a time', async () => {
    const sink = recorder('one')
    await start([sink])
    await show(3)
    await show(4, MINUTE - 1)
    expect(sink.sizes).toEqual([3])
    expect(gossip!.status()[0]!.lag).toBe(1)
    await show(5, 1)
    expect(sink.sizes).toEqual([3, 5])
  })

  it('is due after so many entries, when that is sooner', async () => {
    const sink = recorder('one')
    await start([sink], { everyEntries: 4 })
    await show(3)
    await show(6, 1)
    await show(7, 1)
    await show(10, 1)
    await show(11, 1)
    expect(sink.sizes).toEqual([3, 7, 11])
  })

  it('is sent again for an idle log only where that is wanted', async () => {
    const [once, renewed] = [recorder('once'), recorder('renewed')]
    gossip = await startGossip({
      sinks: [
        { sink: once, schedule: SCHEDULE },
        { sink: renewed, schedule: { ...SCHEDULE, renew: true } },
      ],
      head: () => head,
      states: fileStates(place.at('gossip')),
      now: () => clock,
      leastPauseMs: 0,
    })
    await show(3)
    await show(3, MINUTE - 1)
    await show(3, 1)
    expect(once.sizes).toEqual([3])
    expect(renewed.sizes).toEqual([3, 3])
  })

  it('is sent when it is due, without anybody telling', async () => {
    const sink = recorder('one')
    await start([sink], { everyMs: 50 }, { now: Date.now })
    await show(3)
    head = headAt(4)
    gossip!.notify()
    await until('the next head is sent', () => sink.sizes.length === 2)
    expect(sink.sizes).toEqual([3, 4])
  })

  it('is never sent sooner than the least pause after the one before', async () => {
    const sink = recorder('one')
    await start([sink], { everyEntries: 1 }, { leastPauseMs: 150 })
    const started = performance.now()
    for (let size = 1; size <= 13; size++) await show(size)
    await until('the newest is sent', () => sink.sizes.at(-1) === 13)
    expect(performance.now() - started).toBeGreaterThan(140)
    expect(sink.sizes).toEqual([1, 13])
  })

  it('is the newest one, however many there were meanwhile', async () => {
    const sink = recorder('one')
    await start([sink], { everyEntries: 1 })
    sink.mode = 'hang'
    head = headAt(1)
    gossip!.notify()
    for (let size = 2; size <= 12; size++) {
      head = headAt(size)
      gossip!.notify()
    }
    expect(gossip!.status()[0]).toMatchObject({ sending: true, lag: 12, attempts: 0 })
    await gossip!.close()
    sink.mode = 'take'
    await start([sink], { everyEntries: 1 })
    await idle()
    expect(sink.sizes).toEqual([12])
  })
})

describe('a sink that fails', () => {
  it('is tried again after pauses that double, up to a limit, with the newest head', async () => {
    const sink = recorder('one')
    await start([sink])
    sink.mode = 'fail'
    await show(1)
    const status = () => gossip!.status()[0]!
    expect(status()).toMatchObject({ attempts: 1, failures: 1, failuresInARow: 1, lastSize: 0 })
    expect(status().lastError).toEqual({ at: 1_700_000_000_000, message: 'is out of order' })
    const pauses = [1_000, 2_000, 4_000, 4_000]
    for (const [i, pause] of pauses.entries()) {
      await show(undefined, pause - 1)
      expect(status().attempts, `before pause ${i} ended`).toBe(i + 1)
      await show(undefined, 1)
      expect(status().attempts, `after pause ${i}`).toBe(i + 2)
    }
    sink.mode = 'take'
    await show(9, 4_000)
    expect(sink.sizes).toEqual([9])
    expect(status()).toMatchObject({ attempts: 6, failures: 5, failuresInARow: 0, lastSize: 9 })
    expect(status().lastError?.message).toBe('is out of order')
    expect(events).toEqual([
      { event: 'gossip-failed', sink: 'one', reason: 'is out of order' },
      { event: 'gossip-sent-again', sink: 'one', reason: 'took a head of 9 entries' },
    ])
  })

  it('cannot steer a terminal or fill a page by what it says', async () => {
    const sink = recorder('one')
    sink.send = async () => {
      throw new CairnError('IO', `\u001b[2J\u202e${'x'.repeat(100_000)}`)
    }
    await start([sink])
    await show(1)
    const message = gossip!.status()[0]!.lastError!.message
    expect(message).toMatch(/^\ufffd\[2J\ufffdx{100}/)
    expect(message.length).toBeLessThan(3_000)
    expect((events[0] as { reason: string }).reason).toBe(message)
  })

  it('is given up on after its time, even if it does not listen', async () => {
    const [deaf, heeding] = [recorder('deaf'), recorder('heeding')]
    deaf.mode = 'hang for ever'
    heeding.mode = 'hang'
    await start([deaf, heeding], { timeoutMs: 40 })
    await show(1)
    for (const status of gossip!.status()) {
      expect(status).toMatchObject({ failures: 1, sending: false })
      expect(status.lastError?.message).toBe('did not take the head in time')
    }
  })

  it('is not tried again while an earlier attempt has not ended', async () => {
    const sink = recorder('one')
    sink.mode = 'hang for ever'
    let calls = 0
    let end = () => {}
    sink.send = async () => {
      calls++
      await new Promise<void>((resolve) => {
        end = resolve
      })
      return undefined
    }
    await start([sink], { timeoutMs: 20 })
    await show(1)
    for (let i = 0; i < 3; i++) await show(undefined, 10_000)
    expect(calls).toBe(1)
    expect(gossip!.status()[0]).toMatchObject({
      failuresInARow: 4,
      lastError: { message: 'still does not answer to an earlier attempt' },
    })
    end()
    await new Promise((resolve) => setImmediate(resolve))
    head = headAt(1)
    clock += 10_000
    gossip!.notify()
    await until('it is tried again', () => calls === 2)
    end()
    await idle()
    expect(gossip!.status()[0]).toMatchObject({ failuresInARow: 0, lastSize: 1 })
  })

  it('keeps nobody else from getting heads', async () => {
    const sinks = ['good', 'failing', 'hanging', 'deaf'].map((name) => recorder(name))
    const [good, failing, hanging, deaf] = sinks as [Recorder, Recorder, Recorder, Recorder]
    failing.mode = 'fail'
    hanging.mode = 'hang'
    deaf.mode = 'hang for ever'
    await start(sinks, { everyEntries: 1 })
    for (let size = 1; size <= 10; size++) {
      head = headAt(size)
      gossip!.notify()
      await until('the good one has it', () => good.sizes.length === size)
    }
    expect(good.sizes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const started = performance.now()
    await gossip!.close()
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  it('costs the caller nothing', async () => {
    const sinks = Array.from({ length: 50 }, (_, i) => recorder(`sink-${i}`))
    for (const sink of sinks) sink.mode = 'hang for ever'
    await start(sinks)
    head = headAt(1)
    const started = performance.now()
    for (let i = 0; i < 1_000; i++) gossip!.notify()
    expect((performance.now() - started) / 1_000).toBeLessThan(1)
  })

  it('waits longer by chance', () => {
    const retry = { firstMs: 100, maxMs: 10_000 }
    expect(retryDelay(1, retry, 0)).toBe(50)
    expect(retryDelay(1, retry, 1)).toBe(100)
    expect(retryDelay(4, retry, 0.5)).toBe(600)
    expect(retryDelay(100_000, retry, 1)).toBe(10_000)
  })
})

describe('after a restart', () => {
  it('nothing is sent again, and the next head is due when it would have been', async () => {
    const sink = recorder('one')
    await start([sink])
    await show(3)
    await gossip!.close()
    clock += MINUTE / 2
    await start([sink])
    await show(4)
    expect(sink.sizes).toEqual([3])
    expect(gossip!.status()[0]).toMatchObject({ lastSize: 3, lag: 1, attempts: 1 })
    await show(4, MINUTE / 2)
    expect(sink.sizes).toEqual([3, 4])
  })

  it('failures are remembered, and the pause goes on', async () => {
    const sink = recorder('one')
    sink.mode = 'fail'
    await start([sink])
    await show(3)
    await show(3, 1_000)
    await gossip!.close()
    sink.mode = 'take'
    await start([sink])
    await show(3, 1_999)
    expect(sink.sizes).toEqual([])
    expect(gossip!.status()[0]).toMatchObject({
      attempts: 2,
      failures: 2,
      failuresInARow: 2,
      lastError: { message: 'is out of order' },
    })
    await show(3, 1)
    expect(sink.sizes).toEqual([3])
  })

  it('an attempt that was cut off is made anew, and counts as none', async () => {
    const sink = recorder('one')
    sink.mode = 'hang'
    await start([sink])
    head = headAt(3)
    gossip!.notify()
    await gossip!.close()
    sink.mode = 'take'
    await start([sink])
    await idle()
    expect(sink.sizes).toEqual([3])
    expect(gossip!.status()[0]).toMatchObject({ attempts: 1, failures: 0 })
    expect(events).toEqual([])
  })

  it('a sink that leads elsewhere begins anew', async () => {
    await start([recorder('one', 'https://a.example/')])
    await show(3)
    await gossip!.close()
    const sink = recorder('one', 'https://b.example/')
    await start([sink])
    await idle()
    expect(sink.sizes).toEqual([3])
  })

  it('a state that cannot be read is told of, and heads are sent again', async () => {
    await start([recorder('one')])
    await show(3)
    await gossip!.close()
    await writeFile(place.at('gossip', 'one.json'), '{"version":"cairn-gossip-state/v1"')
    const sink = recorder('one')
    await start([sink])
    await idle()
    expect(sink.sizes).toEqual([3])
    expect(events).toMatchObject([
      { event: 'gossip-state-failed', reason: expect.stringMatching(/begins anew/) },
    ])
  })

  it('a clock that was ahead does not hold heads back for ever', async () => {
    const sink = recorder('one')
    clock += 1_000 * MINUTE
    await start([sink])
    await show(3)
    await gossip!.close()
    clock -= 1_000 * MINUTE
    await start([sink])
    await show(4)
    expect(sink.sizes).toEqual([3])
    await show(4, MINUTE)
    expect(sink.sizes).toEqual([3, 4])
  })
})

describe('the state', () => {
  it('that cannot be written is told of, and heads are sent all the same', async () => {
    await writeFile(place.at('gossip'), 'a file where a directory should be')
    const sink = recorder('one')
    await start([sink], { everyEntries: 1 })
    await show(3)
    await show(4)
    expect(sink.sizes).toEqual([3, 4])
    expect(events.map(({ event }) => event)).toContain('gossip-state-failed')
  })

  it('is read as it was written', async () => {
    const sink = recorder('one')
    sink.mode = 'fail'
    await start([sink])
    await show(3)
    const failed = parseState(await readFile(place.at('gossip', 'one.json')))
    expect(failed).toEqual({
      ...freshState('here'),
      attempts: 1,
      failures: 1,
      failuresInARow: 1,
      lastError: { at: 1_700_000_000_000, message: 'is out of order' },
      retryAt: 1_700_000_001_000,
    })
    sink.mode = 'take'
    await show(3, 1_000)
    expect(parseState(await readFile(place.at('gossip', 'one.json')))).toEqual({
      target: 'here',
      lastSize: 3,
      lastRoot: headAt(3).root,
      lastSuccess: 1_700_000_001_000,
      lastReceipt: 'took 3',
      lastError: { at: 1_700_000_000_000, message: 'is out of order' },
      attempts: 2,
      failures: 1,
      failuresInARow: 0,
    })
  })

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"version":"cairn-gossip-state/v2"}',
    '{"version":"cairn-gossip-state/v1","target":"x","lastSize":-1,"attempts":0,"failures":0,"failuresInARow":0}',
    '{"version":"cairn-gossip-state/v1","target":"x","lastSize":1e300,"attempts":0,"failures":0,"failuresInARow":0}',
    '{"version":"cairn-gossip-state/v1","lastSize":0,"attempts":0,"failures":0,"failuresInARow":0}',
    '{"version":"cairn-gossip-state/v1","target":"x","lastSize":0,"attempts":0,"failures":0,"failuresInARow":0,"lastRoot":"AAAA"}',
    '{"version":"cairn-gossip-state/v1","target":"x","lastSize":0,"attempts":0,"failures":0,"failuresInARow":0,"lastError":{}}',
    '{"version":"cairn-gossip-state/v1","target":"x","lastSize":0,"attempts":0,"failures":0,"failuresInARow":0,"retryAt":"soon"}',
  ])('is refused when it is %s', (text) => {
    expect(() => parseState(Buffer.from(text))).toThrow(CairnError)
  })
})

describe('a log that was rolled back or replaced', () => {
  it('is told of by a sink that has seen more', async () => {
    const sink = recorder('one')
    await start([sink])
    await show(5)
    await gossip!.close()
    await start([sink])
    await show(4, 10 * MINUTE)
    await show(4, 10 * MINUTE)
    expect(sink.sizes).toEqual([5])
    expect(gossip!.status()[0]!.contradiction).toMatch(/a head of 5 entries was sent before/)
    expect(events).toMatchObject([{ event: 'gossip-contradiction', sink: 'one' }])
  })

  it('is told of by a sink that has seen another root', async () => {
    const sink = recorder('one')
    await start([sink])
    await show(5)
    await gossip!.close()
    await start([sink])
    head = { ...headAt(5), size: treeSize(5), root: rootHash(new Uint8Array(32)) }
    gossip!.notify()
    await idle()
    expect(gossip!.status()[0]!.contradiction).toMatch(/this one has another root/)
  })
})
