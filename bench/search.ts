/**
 * How soon does a search answer, over a million records? The index alone, in this process, over LevelDB on disk; no HTTP.
 * Alone: `npx tsx bench/search.ts [--smoke]`, after a build.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import type { LeafIndex } from '../src/merkle/position.ts'
import type { SearchQuery } from '../src/search/query.ts'
import {
  type IndexedRecord,
  openSearchIndex,
  type SearchIndex,
} from '../src/search/search-index.ts'
import { openLevelIndexStore } from '../src/storage/level-index.ts'
import { APART, records, TENANT } from './search-records.ts'
import { discard, newData } from './server.ts'
import { count, head, ms, row } from './table.ts'

const BATCH = 500
const AIM = '<= 20 ms p99'
const DAY_MS = 86_400_000

/** `scale` 1 is a full measurement: a million records. */
export async function searching(scale: number): Promise<void> {
  const size = Math.round(1_000_000 * scale)
  const rounds = Math.max(20, Math.round(1_000 * scale))
  const directory = await newData()
  let store = await openLevelIndexStore(directory)
  let index = await openSearchIndex({ store })
  const sample = await build(index, size, rounds)
  let opening = performance.now()
  await store.close()
  opening = performance.now()
  store = await openLevelIndexStore(directory)
  index = await openSearchIndex({ store })
  row('  opened again', `${ms(performance.now() - opening)} ms`)
  await queries(index, sample)
  await deep(index, rounds)
  await appending(index, size)
  await forgetting(index, sample)
  const clearing = performance.now()
  await index.clear()
  row('  all removed', `${ms(performance.now() - clearing)} ms`)
  await store.close()
  await discard(directory)
}

/** Takes in all records; gives some of them, spread evenly. */
async function build(index: SearchIndex, size: number, wanted: number): Promise<IndexedRecord[]> {
  const sample: IndexedRecord[] = []
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const cpu = process.cpuUsage()
  let spent = 0
  let cpuSpent = 0
  let some: IndexedRecord[] = []
  for (const record of records(size)) {
    some.push(record)
    if (record.record.tenant === TENANT && record.index % Math.floor(size / wanted) === 0) {
      sample.push(record)
    }
    if (some.length < BATCH && record.index + 1 < size) continue
    const before = process.cpuUsage(cpu)
    const started = performance.now()
    delay.enable()
    await index.apply({ records: some, next: (record.index + 1) as LeafIndex })
    delay.disable()
    spent += performance.now() - started
    const after = process.cpuUsage(cpu)
    cpuSpent += after.user + after.system - before.user - before.system
    some = []
  }
  row(
    `records taken in, ${BATCH} at a time, ${count(size)} in all`,
    `${count((size / spent) * 1000)} records/s`,
    '30,000',
  )
  row('  CPU a record, all threads', `${(cpuSpent / size).toFixed(1)} us`)
  row(
    '  event loop held up: p99 / longest',
    `${ms(delay.percentile(99) / 1e6)} / ${ms(delay.max / 1e6)} ms`,
  )
  const { bytes = 0 } = await index.statistics()
  row('  disk a record', `${(bytes / size).toFixed(0)} bytes`)
  return sample
}

async function queries(index: SearchIndex, sample: readonly IndexedRecord[]): Promise<void> {
  const tenant = TENANT
  const timeOf = ({ record }: IndexedRecord): number => Date.parse(record.time)
  const kinds: readonly [string, (one: IndexedRecord, i: number) => SearchQuery][] = [
    ['by request', ({ record }) => ({ tenant, request: record.request_id! })],
    ['by session', ({ record }) => ({ tenant, session: record.session_id! })],
    ['by subject', ({ record }) => ({ tenant, subject: record.subject! })],
    [
      'by subject, oldest first',
      ({ record }) => ({ tenant, subject: record.subject!, order: 'oldest' }),
    ],
    [
      'by model, within a day',
      (one) => ({
        tenant,
        model: one.record.model!.name!,
        from: timeOf(one) - DAY_MS,
        before: timeOf(one),
      }),
    ],
    [
      'by model and actor, within a day',
      (one) => ({
        tenant,
        model: one.record.model!.name!,
        actor: one.record.actor!,
        from: timeOf(one) - DAY_MS,
        before: timeOf(one),
      }),
    ],
    ...[0.01, 0.1, 0.3].map((cost): [string, () => SearchQuery] => [
      `by type and a minimum cost of ${cost}`,
      () => ({ tenant, type: 'llm_request', minimumCost: cost }),
    ]),
    ['by type, costliest first', () => ({ tenant, type: 'llm_request', order: 'costliest' })],
    [
      'by subject, costliest first',
      ({ record }) => ({ tenant, subject: record.subject!, order: 'costliest' }),
    ],
    [
      'by model, cheapest first',
      ({ record }) => ({ tenant, model: record.model!.name!, order: 'cheapest' }),
    ],
    ['by blind term', ({ blindTerms = [] }) => ({ tenant, blind: blindTerms })],
    ['by nothing, newest', () => ({ tenant })],
    [
      'by a model, version and environment',
      ({ record }) => ({
        tenant,
        model: record.model!.name!,
        modelVersion: record.model!.version!,
        environment: record.environment!,
      }),
    ],
    ['by two terms of most records that share three', () => ({ tenant, ...APART })],
  ]
  for (const [name, queryOf] of kinds) {
    const times: number[] = []
    let found = 0
    for (const [i, one] of sample.entries()) {
      const query = queryOf(one, i)
      const started = performance.now()
      found += (await index.search(query)).records.length
      times.push(performance.now() - started)
    }
    report(name, times, found / sample.length)
  }
}

function report(name: string, times: number[], found: number): void {
  times.sort((a, b) => a - b)
  const at = (part: number): string => ms(times[Math.floor(part * (times.length - 1))]!)
  row(`${name}: p50 / p99 / longest`, `${at(0.5)} / ${at(0.99)} / ${at(1)} ms`, AIM)
  row('  records on a page', found.toFixed(1))
}

/** Page after page of one answer. */
async function deep(index: SearchIndex, pages: number): Promise<void> {
  for (const order of ['newest', 'costliest'] as const) {
    const times: number[] = []
    let cursor: string | undefined
    do {
      const started = performance.now()
      const page = await index.search({
        tenant: TENANT,
        environment: 'production',
        order,
        ...(cursor && { cursor }),
      })
      times.push(performance.now() - started)
      cursor = page.cursor
    } while (cursor !== undefined && times.length < pages)
    report(`page after page by environment, ${order} first`, times, 50)
  }
}

/** Searches while records are taken in. */
async function appending(index: SearchIndex, size: number): Promise<void> {
  const more = Math.max(2_000, Math.round(size / 20))
  const times: number[] = []
  let done = false
  const taking = (async () => {
    let some: IndexedRecord[] = []
    for (const { index: at, record } of records(more)) {
      some.push({ index: (size + at) as LeafIndex, record })
      if (some.length < 50 && at + 1 < more) continue
      await index.apply({ records: some, next: (size + at + 1) as LeafIndex })
      some = []
      // A tenth of the most: what a busy log would send.
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    done = true
  })()
  let found = 0
  while (!done) {
    const started = performance.now()
    const subject = (await index.search({ tenant: TENANT, limit: 1 })).records[0]?.subject
    if (subject === undefined) continue
    found += (await index.search({ tenant: TENANT, subject })).records.length
    times.push((performance.now() - started) / 2)
  }
  await taking
  report('by subject, while 5,000 a second are taken in', times, found / times.length)
}

/** What it takes to forget a person. */
async function forgetting(index: SearchIndex, sample: readonly IndexedRecord[]): Promise<void> {
  for (const one of sample.slice(0, 3)) {
    const subject = one.record.subject!
    const started = performance.now()
    const changed = await index.dropBlindTerms(TENANT, subject)
    row(`a subject of ${count(changed)} records forgotten`, `${ms(performance.now() - started)} ms`)
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  head()
  await searching(argv.includes('--smoke') ? 0.01 : 1)
}
