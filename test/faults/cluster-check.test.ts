/** That the faults run would notice: the load and the check, on a log of this process, and on what was made wrong. */
import { describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import type { RecordLeaf } from '../../src/formats/record.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { localSigner } from '../../src/log/local-signer.ts'
import type { LogOptions } from '../../src/log/log.ts'
import type { LogService } from '../../src/log/service.ts'
import { afterThisTest } from '../support/endings.ts'
import { type LiveServer, liveServer } from '../support/live-server.ts'
import { discard, newPlace, openAt, type TestLogPlace } from '../support/test-log.ts'
import { checkLog, type Findings, holds, lastLine } from './cluster/check-log.ts'
import { type Journal, newJournal } from './cluster/journal.ts'
import { leavesOf } from './cluster/leaves.ts'
import { startLoad } from './cluster/load.ts'
import { checkRecords, type RecordFindings } from './cluster/records-check.ts'
import { RECORD_TYPE, type RecordsLoad } from './cluster/records-load.ts'
import { SABOTAGES, sabotage } from './cluster/sabotage.ts'

const SEED = 7
const leaves = leavesOf(SEED)

interface World {
  readonly place: TestLogPlace
  readonly log: LogService
  readonly server: LiveServer
  readonly keys: readonly VerifierKey[]
  readonly journal: Journal
}

async function world(options: Partial<LogOptions> = {}): Promise<World> {
  const place = await newPlace()
  afterThisTest(() => discard(place))
  const log = await openAt(place, options)
  afterThisTest(() => log.close())
  const server = await liveServer({ '': log })
  afterThisTest(() => server.close())
  const keys = log.vkeys.map(parseVkey)
  return { place, log, server, keys, journal: newJournal(keys) }
}

async function loaded(submissions: number): Promise<World> {
  const all = await world()
  const { server, journal } = all
  const load = startLoad({ urls: [server.url], leaves, journal, clients: 8, seed: SEED })
  await vi.waitUntil(() => load.counts.submissions >= submissions, { timeout: 30_000 })
  await load.stop()
  expect(load.counts).toMatchObject({ unanswered: 0 })
  return all
}

function check({ log, server, keys, journal }: World): Promise<Findings> {
  const source = createLogClient({ url: server.url }).tileSource()
  return checkLog({ source, checkpoint: utf8(log.head().checkpoint), keys, journal, leaves })
}

it('finds all in order where it is', async () => {
  const all = await loaded(300)
  const findings = await check(all)
  expect(findings.words).toEqual([])
  expect(all.journal.complaints).toEqual([])
  expect(findings).toMatchObject({
    lost: 0,
    duplicated: 0,
    forks: 0,
    foreign: 0,
    unacknowledged: 0,
  })
  expect(findings.acknowledged).toBe(findings.size)
  expect(findings.heads).toBeGreaterThan(1)
  expect(holds(findings)).toBe(true)
  expect(lastLine(findings)).toBe(`acknowledged=${findings.size} lost=0 duplicated=0 forks=0`)
})

it.each(SABOTAGES)('notices: %s', async (what) => {
  const all = await loaded(50)
  await sabotage(what, all.journal, localSigner(all.place.keys))
  const findings = await check(all)
  const expected = { lose: 'lost', duplicate: 'duplicated', fork: 'forks' }[what]
  expect(findings).toMatchObject({ lost: 0, duplicated: 0, forks: 0, [expected]: 1 })
  expect(findings.words).toHaveLength(1)
  expect(holds(findings)).toBe(false)
})

it('notices a leaf that is in the log twice, and one that nobody submitted', async () => {
  const all = await world({ dedup: false })
  await all.log.submit([leaves.of(0), leaves.of(1), leaves.of(0), utf8('from elsewhere')])
  all.journal.acknowledge(0, 0)
  all.journal.acknowledge(1, 1)
  const findings = await check(all)
  expect(findings).toMatchObject({ lost: 0, duplicated: 1, forks: 0, foreign: 1 })
  expect(findings.words).toEqual([
    'leaf 0 is at 0, and again at 2',
    'entry 3 is no leaf that was submitted',
  ])
  expect(holds(findings)).toBe(false)
})

it('notices a leaf at another index, an index given twice, and a head that is not there yet', async () => {
  const all = await world()
  await all.log.submit([leaves.of(0), leaves.of(1)])
  const early = all.log.head().checkpoint
  await all.log.submit([leaves.of(2)])
  all.journal.acknowledge(0, 1)
  all.journal.acknowledge(1, 1)
  all.journal.see(all.log.head().checkpoint, 'a server')
  const source = createLogClient({ url: all.server.url }).tileSource()
  const findings = await checkLog({ ...all, source, checkpoint: utf8(early), leaves })
  expect(findings).toMatchObject({ lost: 1, duplicated: 1, forks: 1, unacknowledged: 0 })
  expect(findings.words).toEqual([
    'a server showed a head of size 3; the final one has 2',
    'leaf 0 was acknowledged at 1, and is at 0',
    'index 1 was given to leaf 0 and to leaf 1',
  ])
})

it('complains about a head that the log has not signed, and keeps none', async () => {
  const { journal, log } = await world()
  await log.submit([leaves.of(0)])
  expect(journal.see(log.head().checkpoint, 'a')).toBe(1)
  expect(journal.see(log.head().checkpoint.replace('\n1\n', '\n2\n'), 'b')).toBeUndefined()
  expect(journal.heads).toHaveLength(1)
  expect(journal.complaints).toHaveLength(1)
})

it('makes leaves of numbers, and finds the numbers again', () => {
  for (const serial of [0, 1, 499, 500, 123_456]) {
    const leaf = leaves.of(serial)
    expect(leaves.serialOf(leaf)).toBe(serial)
    expect(leaves.serialOf(Buffer.concat([leaf, Buffer.of(0)]))).toBeUndefined()
  }
  expect(leaves.of(499).length).toBeGreaterThan(400)
  expect(leaves.serialOf(utf8('cairn 7 01\n'))).toBeUndefined()
  expect(leaves.serialOf(utf8('something'))).toBeUndefined()
})

describe('records', () => {
  /** Three of them, about two people, the second of whom is erased; a test makes something of it wrong. */
  function recorded() {
    const record = (id: string, request_id: string, subject: string): RecordLeaf =>
      ({ id, type: RECORD_TYPE, tenant: 'default', request_id, subject }) as RecordLeaf
    const found = new Map([
      [4, record('a', 'r-0', 'p_1')],
      [6, record('b', 'r-1', 'p_2')],
      [7, record('c', 'r-2', 'p_1')],
      [9, { id: 'd', type: 'erasure', tenant: 'default', subject: 'p_2' } as RecordLeaf],
    ])
    const kept = (prompt: string) => [
      { pointer: '/input/prompt', json: utf8(JSON.stringify(['', '/input/prompt', prompt])) },
    ]
    const payloads = new Map<string, ReturnType<typeof kept> | 'erased'>([
      ['a', kept('first')],
      ['b', 'erased'],
      ['c', kept('third')],
    ])
    const load = {
      jobs: [
        { requests: ['r-0'], placed: [{ id: 'a', index: 4 }] },
        {
          requests: ['r-1', 'r-2'],
          placed: [
            { id: 'b', index: 6 },
            { id: 'c', index: 7 },
          ],
        },
      ],
      prompts: new Map([
        ['r-0', 'first'],
        ['r-1', 'second'],
        ['r-2', 'third'],
      ]),
      subjects: new Map([['r-1', 'ann']]),
      erased: new Set(['p_2']),
      held: new Set<string>(),
      counts: { acknowledged: 3 },
    }
    const indexed = ['a', 'b', 'c']
    const check = (): Promise<RecordFindings> =>
      checkRecords(load as unknown as RecordsLoad, { found, claim: () => true }, indexed, {
        get: async (_, id) => payloads.get(id),
      })
    return { found, payloads, load, indexed, record, kept, check }
  }

  it('are in order where they are', async () => {
    expect(await recorded().check()).toMatchObject({
      ...{ lost: 0, duplicated: 0, foreign: 0, readable: 2, gone: 1, people: 1, words: [] },
    })
  })

  type Recorded = ReturnType<typeof recorded>
  it.each<[string, keyof RecordFindings, (all: Recorded) => unknown]>([
    [
      'one is not where it was said to be',
      'lost',
      ({ load }) => (load.jobs[0]!.placed[0]!.index = 5),
    ],
    ['one is not found', 'lost', ({ indexed }) => indexed.pop()],
    ['one is found twice', 'duplicated', ({ indexed }) => indexed.push('a')],
    [
      'one is in the log twice',
      'duplicated',
      ({ found, indexed, payloads, record, kept }) => {
        found.set(8, record('e', 'r-0', 'p_1'))
        indexed.push('e')
        payloads.set('e', kept('first'))
      },
    ],
    [
      'a payload that was erased is back',
      'lost',
      ({ payloads, kept }) => payloads.set('b', kept('second')),
    ],
    ['a payload is gone', 'lost', ({ payloads }) => payloads.set('c', 'erased')],
    ['a payload is another', 'lost', ({ payloads, kept }) => payloads.set('c', kept('first'))],
    ['an erasure is forgotten', 'lost', ({ load }) => load.erased.add('p_3')],
    ['somebody who is held is erased', 'lost', ({ load }) => load.held.add('ann')],
    [
      'nobody submitted one',
      'foreign',
      ({ load }) => {
        load.prompts.delete('r-1')
      },
    ],
  ])('are wrong when %s', async (_, what, change) => {
    const all = recorded()
    change(all)
    const findings = await all.check()
    expect(findings[what]).toBe(1)
    expect(findings.words.length).toBeGreaterThan(0)
  })
})
