/** Audit records over HTTP: sent to a real `cairn serve`, durable in vault and log when they are answered. */
import { discard, load, newData, startServer } from './server.ts'
import { count, ms, row } from './table.ts'

const AIM = '>= 5,000'
const PATH = '/v1/records'
const ONE = { 'Content-Type': 'application/json' }
const MANY = { 'Content-Type': 'application/x-ndjson' }
const MINIMAL = { Prefer: 'return=minimal' }

/** `scale` 1 is a full measurement. Payloads have 1 kB that no compression makes smaller. */
export async function recordsOverHttp(scale: number): Promise<void> {
  const data = await newData()
  const server = await startServer(data)
  const plan = { path: PATH, kind: 'records', leafBytes: 1_000 } as const
  const batches = Math.max(4, Math.round(100 * scale))
  for (const [what, headers] of [
    ['all receipts', MANY],
    ['no receipts', { ...MANY, ...MINIMAL }],
  ] as const) {
    const many = await load(server, {
      ...plan,
      headers,
      connections: 2,
      requests: batches,
      warmUp: Math.ceil(batches / 5),
      leavesPerRequest: 500,
    })
    row(
      `POST /v1/records, NDJSON of 500, ${what}`,
      `${count(many.leaves / many.seconds)} records/s`,
      AIM,
    )
    row('  p50 / p99 of a batch', `${ms(many.p50)} / ${ms(many.p99)} ms`)
  }
  const requests = Math.max(200, Math.round(30_000 * scale))
  for (const connections of [64, 256]) {
    const cpu = await server.cpuSeconds()
    const single = await load(server, {
      ...plan,
      headers: ONE,
      connections,
      requests,
      warmUp: requests / 5,
    })
    const spent = ((await server.cpuSeconds()) - cpu) / single.leaves
    row(
      `POST /v1/records, one by one, ${connections} connections`,
      `${count(single.leaves / single.seconds)} records/s`,
      AIM,
    )
    row('  p50 / p99', `${ms(single.p50)} / ${ms(single.p99)} ms`)
    row('  server CPU a record, all threads', `${(spent * 1e6).toFixed(0)} us`)
  }
  const alone = await load(server, {
    ...plan,
    headers: ONE,
    requests: Math.max(50, Math.round(500 * scale)),
    warmUp: 20,
  })
  row('POST /v1/records, one client alone: p50 / p99', `${ms(alone.p50)} / ${ms(alone.p99)} ms`)
  await server.stop()
  await discard(data)
}
