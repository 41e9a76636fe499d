/**
 * How fast is it? `npm run bench` measures a real `cairn serve` over HTTP on this machine, with a load generator beside
 * it, and prints a table as it goes. `--smoke` does the same with small numbers, to see that it still runs;
 * `--leaves N` sets how large the log grows (5,000,000 unless told), `--only records,search` picks parts.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { utf8 } from '../src/bytes.ts'
import type { Verdict } from '../src/client/verdict.ts'
import { receiptVerifier, verifyReceipt } from '../src/client/verify-receipt.ts'
import { formatTlogProof } from '../src/formats/tlog-proof.ts'
import { parseVkey } from '../src/formats/vkey.ts'
import { hashLeaf } from '../src/merkle/hash.ts'
import { leafIndex } from '../src/merkle/position.ts'
import { discard as discardPlace, newPlace, openAt } from '../test/support/test-log.ts'
import { auditing } from './audit.ts'
import { clustering } from './cluster.ts'
import { mapping } from './completeness.ts'
import { recording } from './records.ts'
import { recordsOverHttp } from './records-http.ts'
import { searching } from './search.ts'
import { discard, diskBytes, load, newData, startServer } from './server.ts'
import { count, head, ms, row } from './table.ts'
import { keeping } from './vault.ts'
import { witnesses } from './witness.ts'
import { witnessed } from './witnessed.ts'

const { values } = parseArgs({
  options: { smoke: { type: 'boolean' }, leaves: { type: 'string' }, only: { type: 'string' } },
})
const scale = values.smoke === true ? 0.01 : 1
const grown = Number(values.leaves ?? (values.smoke === true ? 20_000 : 5_000_000))
const BATCH = { 'Content-Type': 'application/cbor-seq', Prefer: 'return=minimal' }
const LEAF = { 'Content-Type': 'application/octet-stream' }

console.log(
  `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}; server and load share the machine\n`,
)
/** What is measured, in this order. */
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  singles,
  batches,
  growth,
  receipts,
  witnessed: () => witnessed(scale),
  witnesses: () => witnesses(scale),
  records: () => recordsOverHttp(scale),
  intake: () => recording(scale),
  vault: () => keeping(scale),
  search: () => searching(scale),
  completeness: () => mapping(scale),
  audit: () => auditing(scale),
  cluster: () => clustering(scale),
}
const wanted = values.only?.split(',') ?? Object.keys(PARTS)
const unknown = wanted.filter((name) => PARTS[name] === undefined)
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(', ')}; there is ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}
head()
for (const name of wanted) await PARTS[name]!()

/** Single leaves over HTTP, durable, deduplicated, each unique, 300 bytes that do not compress. */
async function singles(): Promise<void> {
  const data = await newData()
  const server = await startServer(data)
  const requests = Math.round(300_000 * scale)
  const warmUp = Math.round(60_000 * scale)
  const add = await load(server, { connections: 512, requests, warmUp })
  row(
    'POST /add, 512 connections',
    `${count(add.leaves / add.seconds)} leaves/s`,
    '33,000 (floor 20,000)',
  )
  row('  p50 / p99', `${ms(add.p50)} / ${ms(add.p99)} ms`)
  const wide = await load(server, { connections: 64, requests: requests / 2, warmUp })
  row('POST /add, 64 connections', `${count(wide.leaves / wide.seconds)} leaves/s`)
  row('  p50 / p99', `${ms(wide.p50)} / ${ms(wide.p99)} ms`, '<= 5 / 25 ms')
  const alone = await load(server, {
    connections: 1,
    requests: Math.round(3_000 * Math.max(scale, 0.1)),
    warmUp: 100,
  })
  row('POST /add, one client alone: p50 / p99', `${ms(alone.p50)} / ${ms(alone.p99)} ms`, '<= 3 ms')
  const minimal = await load(server, {
    path: '/v1/leaves',
    headers: { ...LEAF, Prefer: 'return=minimal' },
    connections: 512,
    requests,
    warmUp,
  })
  row(
    'POST /v1/leaves, index only, 512 connections',
    `${count(minimal.leaves / minimal.seconds)} leaves/s`,
  )
  for (const [name, accept] of [
    ['JSON receipt', 'application/json'],
    ['tlog-proof', 'text/plain'],
    ['COSE receipt', 'application/cose'],
  ] as const) {
    const full = await load(server, {
      path: '/v1/leaves',
      headers: { ...LEAF, Accept: accept },
      connections: 512,
      requests: requests / 2,
      warmUp,
    })
    row(
      `POST /v1/leaves, ${name}, 512 connections`,
      `${count(full.leaves / full.seconds)} leaves/s`,
    )
    row('  p50 / p99', `${ms(full.p50)} / ${ms(full.p99)} ms`)
  }
  await server.stop()
  await discard(data)
}

async function batches(): Promise<void> {
  const data = await newData()
  const server = await startServer(data)
  const requests = Math.max(20, Math.round(1_000 * scale))
  const plan = {
    path: '/v1/leaves',
    connections: 8,
    requests,
    warmUp: requests / 10,
    leavesPerRequest: 1_000,
  }
  const result = await load(server, { ...plan, headers: BATCH })
  row(
    'CBOR sequences of 1,000 leaves, 8 connections',
    `${count(result.leaves / result.seconds)} leaves/s`,
    '100,000',
  )
  row('  p50 / p99 of a batch', `${ms(result.p50)} / ${ms(result.p99)} ms`)
  const full = await load(server, {
    ...plan,
    requests: requests / 5,
    warmUp: 2,
    headers: { 'Content-Type': 'application/cbor-seq' },
  })
  row('  the same with all receipts', `${count(full.leaves / full.seconds)} leaves/s`)
  await server.stop()
  await discard(data)
}

/** What a leaf costs in a small log and in a large one, and what the large one takes. */
async function growth(): Promise<void> {
  const data = await newData()
  let server = await startServer(data)
  const probe = Math.max(2_000, Math.round(200_000 * scale))
  let size = 0
  const costs: number[] = []
  for (const target of [10_000, 100_000, 1_000_000, 5_000_000]) {
    if (target > grown) break
    const requests = Math.floor((target - size) / 1_000)
    if (requests > 0) {
      const filled = await load(server, {
        path: '/v1/leaves',
        headers: BATCH,
        connections: 4,
        requests,
        leavesPerRequest: 1_000,
      })
      size += filled.leaves
    }
    await server.settle()
    const cpu = await server.cpuSeconds()
    const single = await load(server, { connections: 512, requests: probe })
    const cost = ((await server.cpuSeconds()) - cpu) / single.leaves
    size += single.leaves
    costs.push(cost)
    const rate = `${count(single.leaves / single.seconds)} leaves/s`
    row(
      `single leaves at ${count(target)}: server CPU a leaf, rate`,
      `${(cost * 1e6).toFixed(1)} us, ${rate}`,
      'flat within 20 %',
    )
  }
  row(
    '  largest over smallest CPU a leaf',
    `${(Math.max(...costs) / Math.min(...costs)).toFixed(2)}`,
    '<= 1.20',
  )
  const memory = await server.memory()
  row(
    `memory at ${count(size)} leaves, after that load`,
    `${count(memory.resident)} MB resident`,
    '<= 400 MB',
  )
  row('  of it not file pages', `${count(memory.anonymous)} MB`)
  await server.stop()
  server = await startServer(data)
  row(`start-up at ${count(size)} leaves`, `${count(server.startMs)} ms`, '<= 1,000 ms')
  row('  resident then', `${count((await server.memory()).resident)} MB`, '<= 400 MB')
  await server.stop()
  row('disk a leaf of 300 bytes', `${(diskBytes(data) / size).toFixed(0)} bytes`, '<= 420')
  await discard(data)
}

/** Receipts made and verified on one core, without HTTP. */
async function receipts(): Promise<void> {
  const place = await newPlace()
  const log = await openAt(place)
  const leaves = Array.from({ length: 20_000 }, (_, i) => utf8(`leaf ${i} `.padEnd(300, 'x')))
  for (let i = 0; i < leaves.length; i += 5_000) await log.submit(leaves.slice(i, i + 5_000))
  const rounds = Math.max(200, Math.round(20_000 * scale))
  const proofs: Uint8Array[] = []
  const head = log.head()
  let started = performance.now()
  for (let i = 0; i < rounds; i++) {
    const place = leaves.length - 1 - (i % 10_000)
    const { index, proof } = await log.inclusionUnder(
      leafIndex(place),
      hashLeaf(leaves[place]!),
      head,
    )
    proofs.push(utf8(formatTlogProof({ index, proof, checkpoint: head.checkpoint })))
  }
  const perSecond = (times: number): string =>
    `${count(times / ((performance.now() - started) / 1000))} per s and core`
  row('tlog-proof receipts made for leaves just added', perSecond(rounds))
  started = performance.now()
  const read = Math.max(100, Math.round(5_000 * scale))
  for (let i = 0; i < read; i++) {
    const {
      index,
      proof,
      head: under,
    } = await log.inclusion(leafIndex((i * 7_919) % leaves.length))
    formatTlogProof({ index, proof, checkpoint: under.checkpoint })
  }
  row('tlog-proof receipts made from the store', perSecond(read))
  const trust = { logKeys: log.vkeys.map(parseVkey) }
  const checks = Math.max(100, Math.round(5_000 * scale))
  const alone = (leaf: Uint8Array, receipt: Uint8Array): Verdict =>
    verifyReceipt({ leaf, receipt, trust })
  for (const [name, verify] of [
    ['offline verifications (Ed25519)', alone],
    ['  the same by one verifier, under one head', receiptVerifier(trust)],
  ] as const) {
    started = performance.now()
    for (let i = 0; i < checks; i++) {
      const leaf = leaves[leaves.length - 1 - (i % 10_000)]!
      if (!verify(leaf, proofs[i % rounds]!).ok) throw new Error('a receipt does not verify')
    }
    row(name, perSecond(checks))
  }
  await log.close()
  await discardPlace(place)
}
