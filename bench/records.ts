/**
 * How many audit records does a log take in a second, all the way: read, split, sealed into the vault, logged, indexed?
 * In this process, over LevelDB on disk; no HTTP. Alone: `npx tsx bench/records.ts [--smoke]`, after a build.
 */
import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { type OpenedRecords, openRecordsAt } from '../test/records/records-place.ts'
import { newKeys } from '../test/support/test-log.ts'
import { discard, newData } from './server.ts'
import { count, head, ms, row } from './table.ts'

const AIM = '>= 5 k/s'
const BATCH = 500
const IN_FLIGHT = 64
const PEOPLE = 1_000
const PAYLOAD = 1_000

/** As a server publishes. */
const LOG = { logOptions: { publishIntervalMs: 250 } }
const BY = { name: 'bench', tenant: 'bench', identity: new Uint8Array(32) }

/** `scale` 1 is a full measurement. */
export async function recording(scale: number): Promise<void> {
  const place = { directory: await newData(), keys: newKeys() }
  let all = await openRecordsAt(place, LOG)
  const batches = Math.max(2, Math.round(100 * scale))
  await measured('in batches of 500, two in flight', all, batches * BATCH, 2, BATCH)
  await measured('one by one, 64 in flight', all, Math.round(30_000 * scale), IN_FLIGHT, 1)
  await measured('one by one, none in flight', all, Math.round(500 * scale), 1, 1)
  await rebuilt(all)
  await erased(all, Math.max(2, Math.round(20 * scale)))
  await all.close()
  const opening = performance.now()
  all = await openRecordsAt(place, LOG)
  row('  opened again', `${ms(performance.now() - opening)} ms`)
  await all.close()
  await discard(place.directory)
}

let made = 0

/** A submission with a payload of about 1 kB that no compression makes smaller. */
function submission(): Uint8Array {
  const n = made++
  const text = createHash('shake256', { outputLength: (PAYLOAD * 3) / 8 }).update(`${n}`)
  const payload = text.digest('base64')
  return new TextEncoder().encode(
    JSON.stringify({
      type: 'llm_request',
      request_id: `req-${n}`,
      session_id: `session-${Math.floor(n / 10)}`,
      subject: `person-${n % PEOPLE}@example.com`,
      resource: `case-${n % 5_000}`,
      model: { name: 'model', version: '1.0', parameters: { temperature: 0.7 } },
      input: { prompt: payload, system_prompt_version: '3' },
      output: { text: payload },
      metrics: { input_tokens: 200, output_tokens: 100, cost: 0.01, currency: 'EUR' },
    }),
  )
}

async function measured(
  what: string,
  { records }: OpenedRecords,
  total: number,
  lanes: number,
  size: number,
): Promise<void> {
  const batches = Array.from({ length: Math.ceil(total / size) }, () =>
    Array.from({ length: size }, submission),
  )
  const sent = batches.length * size
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const latencies: number[] = []
  const cpu = process.cpuUsage()
  const start = performance.now()
  delay.enable()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
        const began = performance.now()
        await records.submit(batch, BY)
        latencies.push(performance.now() - began)
      }
    }),
  )
  const took = performance.now() - start
  await records.settled()
  const found = performance.now() - start
  delay.disable()
  const { user, system } = process.cpuUsage(cpu)
  latencies.sort((one, other) => one - other)
  const at = (share: number): string => ms(latencies[Math.floor(latencies.length * share)] ?? 0)
  row(`  ${what}`, `${count((sent / took) * 1000)}/s`, AIM)
  row('    and can be found', `${count((sent / found) * 1000)}/s`)
  row('    answered in p50, p99', `${at(0.5)}, ${at(0.99)} ms`)
  row('    CPU a record', `${((user + system) / sent).toFixed(0)} µs`)
  row('    longest pause', `${ms(delay.max / 1e6)} ms`)
}

async function rebuilt({ records, log, index }: OpenedRecords): Promise<void> {
  const { size } = log.head()
  const start = performance.now()
  await records.reindex()
  row('  index built again', `${count((size / (performance.now() - start)) * 1000)}/s`)
  const { bytes = 0 } = await index.statistics()
  row('    bytes a record in the index', count(bytes / size))
}

async function erased({ records }: OpenedRecords, people: number): Promise<void> {
  const start = performance.now()
  for (let i = 0; i < people; i++) {
    const subject = `person-${i}@example.com`
    await records.erase({ tenant: BY.tenant, subject, basis: 'bench', by: BY })
  }
  row('  a person erased in', `${ms((performance.now() - start) / people)} ms`)
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  head()
  await recording(argv.includes('--smoke') ? 0.05 : 1)
}
