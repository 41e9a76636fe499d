/**
 * Audit records over HTTP: sent to a real `cairn serve`, durable in vault and log when they are answered; found again,
 * and erased. On LevelDB, and on PostgreSQL with fsync, which shares the machine as well.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startPostgres } from '../test/support/postgres.ts'
import { type BenchServer, discard, load, newData, startServer } from './server.ts'
import { count, ms, row } from './table.ts'

const AIM = '>= 5,000'
const SEARCH_AIM = '<= 20 ms p99'
const PATH = '/v1/records'
const ONE = { 'Content-Type': 'application/json' }
const MANY = { 'Content-Type': 'application/x-ndjson' }
const MINIMAL = { Prefer: 'return=minimal' }
/** Payloads have 1 kB that no compression makes smaller. */
const PLAN = { path: PATH, kind: 'records', leafBytes: 1_000 } as const
/** Of each person who is erased. */
const RECORDS_OF_ONE = 5

/** `scale` 1 is a full measurement. */
export async function recordsOverHttp(scale: number): Promise<void> {
  await onStorage('LevelDB', [], scale)
  const postgres = await startPostgres({ settings: { fsync: 'on' } })
  try {
    await onStorage('PostgreSQL', ['--database', postgres.url], scale)
  } finally {
    await postgres.remove()
  }
}

async function onStorage(name: string, flags: readonly string[], scale: number): Promise<void> {
  const data = await newData()
  const server = await startServer(data, flags)
  row(`records over HTTP, on ${name}`, '')
  await inBatches(server, scale)
  await oneByOne(server, scale)
  await alone(server, scale)
  await searching(server, scale)
  await erasing(server, scale)
  await server.stop()
  await discard(data)
}

async function inBatches(server: BenchServer, scale: number): Promise<void> {
  const batches = Math.max(4, Math.round(100 * scale))
  for (const [what, headers] of [
    ['all receipts', MANY],
    ['no receipts', { ...MANY, ...MINIMAL }],
  ] as const) {
    const many = await load(server, {
      ...PLAN,
      headers,
      connections: 2,
      requests: batches,
      warmUp: Math.ceil(batches / 5),
      leavesPerRequest: 500,
    })
    row(`  NDJSON of 500, ${what}`, `${count(many.leaves / many.seconds)} records/s`, AIM)
    row('    p50 / p99 of a batch', `${ms(many.p50)} / ${ms(many.p99)} ms`)
  }
}

async function oneByOne(server: BenchServer, scale: number): Promise<void> {
  const requests = Math.max(200, Math.round(30_000 * scale))
  for (const connections of [64, 256]) {
    const cpu = await server.cpuSeconds()
    const warmUp = requests / 5
    const single = await load(server, { ...PLAN, headers: ONE, connections, requests, warmUp })
    const spent = ((await server.cpuSeconds()) - cpu) / (single.leaves + warmUp)
    const rate = `${count(single.leaves / single.seconds)} records/s`
    row(`  one by one, ${connections} connections`, rate, AIM)
    row('    p50 / p99', `${ms(single.p50)} / ${ms(single.p99)} ms`)
    row('    server CPU a record, all threads', `${(spent * 1e6).toFixed(0)} us`)
  }
}

async function alone(server: BenchServer, scale: number): Promise<void> {
  const requests = Math.max(50, Math.round(500 * scale))
  const one = await load(server, { ...PLAN, headers: ONE, requests, warmUp: 20 })
  row('  submit to receipt, one client alone: p50 / p99', `${ms(one.p50)} / ${ms(one.p99)} ms`)
}

/** As many people, requests and sessions as the load has made. */
async function searching(server: BenchServer, scale: number): Promise<void> {
  const times = Math.max(20, Math.round(500 * scale))
  const digits = (n: number, width: number): string => String(n).padStart(width, '0')
  for (const [what, query] of [
    ['by request', (n: number) => `request_id=req-${digits(n, 9)}`],
    ['by subject', (n: number) => `subject=person-${digits(n, 3)}@example.com`],
    [
      'by subject, costliest first',
      (n: number) => `subject=person-${digits(n, 3)}@example.com&order=costliest`,
    ],
    ['by model, newest first', () => 'model=model'],
  ] as const) {
    const spent = await timed(times, 1, async (n) => {
      const found = await ask(server, `${PATH}?${query((n * 7) % 100)}`)
      if ((found as { records: unknown[] }).records.length === 0) throw new Error('nothing found')
    })
    row(`  search ${what}: p50 / p99`, `${ms(spent.p50)} / ${ms(spent.p99)} ms`, SEARCH_AIM)
  }
}

/** Of people with some records, each about a resource. */
async function erasing(server: BenchServer, scale: number): Promise<void> {
  const people = Math.max(2, Math.round(50 * scale))
  const nameOf = (n: number): string => `leaving-${n}@example.com`
  const lines = Array.from({ length: 2 * people * RECORDS_OF_ONE }, (_, i) =>
    JSON.stringify({
      type: 'llm_request',
      subject: nameOf(i % (2 * people)),
      resource: `case-${i}`,
      input: { prompt: `question ${i}` },
    }),
  )
  await ask(server, PATH, lines.join('\n'), MANY)
  for (const [i, inFlight] of [1, 8].entries()) {
    const { perSecond } = await timed(people, inFlight, async (n) => {
      const subject = nameOf(i * people + n)
      await ask(server, '/v1/erasures', JSON.stringify({ subject, basis: 'bench' }), ONE)
    })
    row(`  people erased, ${inFlight} at once`, `${perSecond.toFixed(1)} erasures/s`)
  }
}

interface Times {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

/** Does `work` so many times, `inFlight` at a time. */
async function timed(
  times: number,
  inFlight: number,
  work: (n: number) => Promise<void>,
): Promise<Times> {
  const spent: number[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < times) {
      const started = performance.now()
      await work(next++)
      spent.push(performance.now() - started)
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: inFlight }, lane))
  const perSecond = (times * 1_000) / (performance.now() - started)
  spent.sort((a, b) => a - b)
  const at = (share: number): number => spent[Math.floor(spent.length * share)]!
  return { perSecond, p50: at(0.5), p99: at(0.99) }
}

/** As the administrator. */
async function ask(
  { port, data }: BenchServer,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
  const own = { ...headers, Authorization: `Bearer ${token}` }
  const asked = { headers: own, ...(body !== undefined && { method: 'POST', body }) }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, asked)
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}`)
  return answer.json()
}
