/**
 * How many heads does a witness cosign, of 10,000 logs? A real `cairn witness` with a load generator beside it; each
 * head is durable before its cosignature leaves. Alone: `npx tsx bench/witness.ts [--smoke]`, after a build.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { formatVkey } from '../src/formats/vkey.ts'
import { type BenchServer, discard, diskBytes, newData, startCairn } from './server.ts'
import { count, head, ms, row } from './table.ts'
import type { WitnessLoad, WitnessPlan } from './witness-load.ts'
import { keyOf } from './witness-requests.ts'

const CONNECTIONS = 64
const LOGS_AT_ONCE = 64

/** `scale` 1 is a full measurement. */
export async function witnesses(scale: number): Promise<void> {
  // So many more than there are connections that no head of a log overtakes the one before it.
  const logs = Math.max(1_000, Math.round(10_000 * scale))
  const directory = await newData()
  const data = join(directory, 'witness')
  const args = ['witness', '--name', 'witness.example/bench']
  let server = await startCairn([...args, '--no-ml-dsa'], data)
  await watch(server, logs)
  await load(server, { logs, rounds: 1, done: 0 })
  const idle = await server.memory()
  const cpu = await server.cpuSeconds()
  const rounds = 5
  const result = await load(server, { logs, rounds, done: 1 })
  const perHead = ((await server.cpuSeconds()) - cpu) / result.requests
  const name = `heads cosigned of ${count(logs)} logs, Ed25519, ${CONNECTIONS} connections`
  row(name, `${count(result.requests / result.seconds)} heads/s`, '2,000')
  row('  p50 / p99', `${ms(result.p50)} / ${ms(result.p99)} ms`)
  row('  CPU of the witness a head', `${(perHead * 1e6).toFixed(0)} us`)
  const loaded = await server.memory()
  row(
    '  resident before and after, of it not file pages',
    `${count(idle.resident)}, ${count(loaded.resident)}, ${count(loaded.anonymous)} MB`,
  )
  row('  disk a log', `${count(diskBytes(data) / logs)} bytes`)
  await server.stop()
  server = await startCairn([...args, '--no-ml-dsa'], data)
  row(`start-up of a witness of ${count(logs)} logs`, `${count(server.startMs)} ms`)
  row('  resident then', `${count((await server.memory()).resident)} MB`)
  await server.stop()
  server = await startCairn(args, data)
  const few = Math.max(20, Math.round(logs / 10))
  const both = await load(server, { logs: few, rounds: 1, done: 1 + rounds })
  row('heads cosigned with ML-DSA-44 as well', `${count(both.requests / both.seconds)} heads/s`)
  row('  p50 / p99', `${ms(both.p50)} / ${ms(both.p99)} ms`)
  await server.stop()
  await discard(directory)
}

/** Tells the witness of its logs, as its operator does. */
async function watch({ port, data }: BenchServer, logs: number): Promise<void> {
  const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
  let next = 0
  async function some(): Promise<void> {
    for (let log = next++; log < logs; log = next++) {
      const answer = await fetch(`http://127.0.0.1:${port}/v1/logs`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ vkeys: [formatVkey(keyOf(log).vkey)] }),
      })
      await answer.arrayBuffer()
      if (!answer.ok) throw new Error(`a log was not taken: ${answer.status}`)
    }
  }
  await Promise.all(Array.from({ length: LOGS_AT_ONCE }, some))
}

async function load(
  { port }: BenchServer,
  plan: Pick<WitnessPlan, 'logs' | 'rounds' | 'done'>,
): Promise<WitnessLoad> {
  const whole: WitnessPlan = { port, connections: CONNECTIONS, ...plan }
  const script = fileURLToPath(new URL('witness-load.ts', import.meta.url))
  const args = ['--import', import.meta.resolve('tsx'), script, JSON.stringify(whole)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error('the load generator failed')
  const result = JSON.parse(output) as WitnessLoad
  if (result.errors > 0)
    throw new Error(`${result.errors} of ${result.requests} heads were refused`)
  return result
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  head()
  await witnesses(argv.includes('--smoke') ? 0.01 : 1)
}
