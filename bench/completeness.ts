/**
 * What does it cost to keep the map of records (spec/completeness.md), beside taking the records? In this process, over
 * LevelDB on disk; no HTTP. Alone: `npx tsx bench/completeness.ts [--smoke]`, after a build.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import type { CompletenessService } from '../src/completeness/service.ts'
import { openCompleteness } from '../src/completeness/upkeep.ts'
import { openLevelIndexStore } from '../src/storage/level-index.ts'
import { openRecordsAt } from '../test/records/records-place.ts'
import { newKeys } from '../test/support/test-log.ts'
import { discard, newData } from './server.ts'
import { count, head, ms, row } from './table.ts'

const AIM = 'a tenth of the CPU of taking a record'
const BATCH = 500
const PEOPLE = 1_000
const BY = { name: 'bench', tenant: 'bench', identity: new Uint8Array(32) }

let made = 0

/** A submission with a payload of about 1 kB: four terms, of which its id is new, and every other time its request. */
function submission(): Uint8Array {
  const n = made++
  const payload = createHash('shake256', { outputLength: 375 }).update(`${n}`).digest('base64')
  return new TextEncoder().encode(
    JSON.stringify({
      type: 'llm_request',
      request_id: `req-${Math.floor(n / 2)}`,
      session_id: `session-${Math.floor(n / 10)}`,
      subject: `person-${n % PEOPLE}@example.com`,
      model: { name: 'model', version: '1.0', parameters: { temperature: 0.7 } },
      input: { prompt: payload, system_prompt_version: '3' },
      output: { text: payload },
      metrics: { input_tokens: 200, output_tokens: 100, cost: 0.01, currency: 'EUR' },
    }),
  )
}

/** CPU a record, in microseconds, in user and system mode, all threads together. */
function cpuSince(start: NodeJS.CpuUsage, records: number): number {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / records
}

/** Takes records in batches of 500; gives CPU a record until all of it is found, and in the map where there is one. */
async function taking(batches: number, withMap: boolean): Promise<number> {
  const place = { directory: await newData(), keys: newKeys() }
  let map: CompletenessService | undefined
  const all = await openRecordsAt(place, {
    logOptions: { publishIntervalMs: 250 },
    onFollowed: (from, to, found) => map?.hear(from, to, found),
  })
  const store = await openLevelIndexStore(join(place.directory, 'map'))
  if (withMap) map = await openCompleteness({ log: all.log, store })
  const input = Array.from({ length: batches }, () => Array.from({ length: BATCH }, submission))
  const cpu = process.cpuUsage()
  for (const batch of input) await all.records.submit(batch, BY)
  await all.records.settled()
  await map?.settled()
  await map?.committed()
  const spent = cpuSince(cpu, batches * BATCH)
  if (map !== undefined) await proving(map, all.log.head().size)
  await map?.close()
  await all.close()
  await store.close()
  await discard(place.directory)
  return spent
}

async function proving(map: CompletenessService, size: number): Promise<void> {
  const committed = await map.committed()
  const asked = 200
  const begun = performance.now()
  for (let i = 0; i < asked; i++) {
    const value = `req-${Math.floor((i * size) / asked)}`
    await map.prove({ tenant: 'bench', field: 'request', value }, committed, size as never)
  }
  row('  a proof, one after the other', `${ms((performance.now() - begun) / asked)} ms`)
}

/** `scale` 1 is a full measurement. */
export async function mapping(scale: number): Promise<void> {
  const batches = Math.max(4, Math.round(150 * scale))
  row('records, four times', count(batches * BATCH))
  // The first pays for what is compiled meanwhile.
  await taking(4, true)
  const spent = { without: [] as number[], with: [] as number[] }
  for (let round = 0; round < 2; round++) {
    spent.without.push(await taking(batches, false))
    spent.with.push(await taking(batches, true))
  }
  const [without, withMap] = [Math.min(...spent.without), Math.min(...spent.with)]
  row('  CPU a record without the map, with it', `${without.toFixed(0)}, ${withMap.toFixed(0)} µs`)
  row('  the map', `${((100 * (withMap - without)) / without).toFixed(1)} %`, AIM)
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  head()
  await mapping(argv.includes('--smoke') ? 0.02 : 1)
}
