/**
 * A log on several servers that share a database and a bucket: how fast it takes leaves and answers, what it asks of
 * object storage, how fast it is read, and how long nobody leads. PostgreSQL, S3 server, servers and load share the machine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeByteStrings } from '../src/formats/cbor.ts'
import type { Member } from '../test/faults/cluster/member.ts'
import { closeConnections, exchange } from '../test/faults/cluster/request.ts'
import { type Stage, type StageOptions, setStage } from '../test/faults/cluster/stage.ts'
import { caughtUp } from '../test/faults/cluster/verdict.ts'
import { withClient } from '../test/support/postgres.ts'
import { type CountingFront, countingFront } from './counting-front.ts'
import type { LoadPlan } from './load.ts'
import type { ReadPlan, ReadResult } from './read-load.ts'
import { load, measured } from './server.ts'
import { count, ms, row } from './table.ts'

const CONNECTIONS = 512
const BATCH = { 'Content-Type': 'application/cbor-seq', Prefer: 'return=minimal' }
const RECEIPT = { 'Content-Type': 'application/octet-stream', Accept: 'application/json' }
const LEAF_BYTES = 300
/** Leaves that are sent at once, and how often, for a steady rate. */
const PACE = { leaves: 100, everyMs: 100 } as const
/** What is in the archive for a minute leaves the database, with the next checkpoint after that. */
const RELEASE_MS = 100_000

/** `scale` 1 is a full measurement. */
export async function clustering(scale: number): Promise<void> {
  try {
    for (const servers of [1, 2, 3]) await onStage({ servers }, (stage) => writing(stage, scale))
    for (const intervalMs of scale < 0.5 ? [1_000] : [200, 1_000, 5_000]) {
      await archiving(intervalMs, scale)
    }
    await onStage({ servers: 3 }, async (stage) => {
      await reading(stage, scale)
      await failingOver(stage, scale)
    })
  } finally {
    closeConnections()
  }
}

let isTold = false

async function onStage(
  options: StageOptions,
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = await setStage(options)
  try {
    if (!isTold) console.log(`\n${await versions(stage)}\n`)
    isTold = true
    await leaderOf(stage)
    await work(stage)
  } finally {
    await stage.close()
  }
}

async function versions({ postgres, archive }: Stage): Promise<string> {
  const version = await withClient(postgres.url, async (client) => {
    const { rows } = await client.query(
      `SELECT current_setting('server_version') || ', fsync ' || current_setting('fsync') AS text`,
    )
    return rows[0]!.text as string
  })
  return `PostgreSQL ${version}; ${archive.name.replace(/, s3:.*/, '')}`
}

/** The server that leads, once there is one. */
async function leaderOf({ leaders, memberAt }: Stage): Promise<Member> {
  for (;;) {
    const term = leaders.now()
    const member = term && memberAt(term.url)
    if (member !== undefined) return member
    await sleep(10)
  }
}

function portOf({ url }: Pick<Member, 'url'>): number {
  return Number(new URL(url).port)
}

interface Summed {
  readonly perSecond: number
  /** Milliseconds; of the slowest server. */
  readonly p50: number
  readonly p99: number
}

/** One load generator for each server, with their shares of the connections and requests. */
async function loadAll(
  members: readonly Member[],
  plan: Partial<LoadPlan> & Pick<LoadPlan, 'connections' | 'requests'>,
): Promise<Summed> {
  const share = (all: number): number => Math.max(1, Math.round(all / members.length))
  const results = await Promise.all(
    members.map((member) =>
      load(
        { port: portOf(member) },
        {
          ...plan,
          connections: share(plan.connections),
          requests: share(plan.requests),
          warmUp: share(plan.warmUp ?? 0),
        },
      ),
    ),
  )
  return {
    perSecond: results.reduce((sum, { leaves, seconds }) => sum + leaves / seconds, 0),
    p50: Math.max(...results.map(({ p50 }) => p50)),
    p99: Math.max(...results.map(({ p99 }) => p99)),
  }
}

/** How fast leaves are taken, and how soon there is a receipt. */
async function writing(stage: Stage, scale: number): Promise<void> {
  const { members } = stage
  const on = members.length === 1 ? '1 server' : `${members.length} servers`
  const requests = Math.round(200_000 * scale)
  const warmUp = Math.round(30_000 * scale)
  const add = await loadAll(members, { connections: CONNECTIONS, requests, warmUp })
  row(`${on}: POST /add, ${CONNECTIONS} connections`, `${count(add.perSecond)} leaves/s`, '10,000')
  row('  p50 / p99', `${ms(add.p50)} / ${ms(add.p99)} ms`)
  const batches = await loadAll(members, {
    path: '/v1/leaves',
    headers: BATCH,
    connections: 6,
    requests: Math.max(30, Math.round(600 * scale)),
    warmUp: 6,
    leavesPerRequest: 1_000,
  })
  row(`${on}: batches of 1,000 leaves, 6 connections`, `${count(batches.perSecond)} leaves/s`)
  const leader = await leaderOf(stage)
  const follower = members.find((member) => member !== leader)
  for (const [what, who] of [
    ['the leader', [leader]],
    ['a follower', follower === undefined ? [] : [follower]],
  ] as const) {
    if (who.length === 0) continue
    const alone = await loadAll(who, {
      path: '/v1/leaves',
      headers: RECEIPT,
      connections: 1,
      requests: Math.max(50, Math.round(1_000 * scale)),
      warmUp: 20,
    })
    row(
      `${on}: receipt of ${what}, one client: p50 / p99`,
      `${ms(alone.p50)} / ${ms(alone.p99)} ms`,
    )
  }
  const many = await loadAll(members, {
    path: '/v1/leaves',
    headers: RECEIPT,
    connections: 64,
    requests: Math.round(40_000 * scale) + 64,
    warmUp: 640,
  })
  row(`${on}: receipts, 64 connections: p50 / p99`, `${ms(many.p50)} / ${ms(many.p99)} ms`)
  row('  leaves', `${count(many.perSecond)} leaves/s`)
}

/** What a steady stream of leaves asks of object storage. */
async function archiving(intervalMs: number, scale: number): Promise<void> {
  let front: CountingFront | undefined
  const before = async (endpoint: string): Promise<string> => {
    front = await countingFront(endpoint)
    return front.endpoint
  }
  const flags = ['--archive-interval', String(intervalMs)]
  const seconds = Math.max(3, 40 * scale) + intervalMs / 1_000
  try {
    await onStage({ servers: 1, flags, archive: { before } }, async (stage) => {
      if (front === undefined) return row('requests to S3', 'no S3 server is prepared')
      const warm = await pace(stage.members[0]!, 2_000)
      await caughtUp(stage)
      front.take()
      const leaves = await pace(stage.members[0]!, seconds * 1_000)
      const late = (await caughtUp(stage)).late
      if (late.length > 0 || warm === 0) throw new Error(late.join('; '))
      const { puts, gets, deletes, bytesUp } = front.take()
      const each = (value: number): string => count((value / leaves) * 1e6)
      const rate = count(leaves / seconds)
      row(`archive every ${intervalMs / 1_000} s, ${rate} leaves/s: PUTs per million`, each(puts))
      row('  GETs / DELETEs per million', `${each(gets)} / ${each(deletes)}`)
      row('  bytes sent per million', `${count(bytesUp / leaves)} MB`)
    })
  } finally {
    await front?.close()
  }
}

/** Submits at a steady rate. Returns how many leaves that were. */
async function pace({ url }: Member, milliseconds: number): Promise<number> {
  const started = performance.now()
  let leaves = 0
  for (let at = started; at < started + milliseconds; at += PACE.everyMs) {
    await sleep(Math.max(0, at - performance.now()))
    const batch = Array.from({ length: PACE.leaves }, () => {
      const leaf = Buffer.alloc(LEAF_BYTES)
      crypto.getRandomValues(leaf)
      return leaf
    })
    const body = encodeByteStrings(batch)
    const outgoing = { method: 'POST', headers: BATCH, body, timeoutMs: 10_000 } as const
    const { status } = await exchange(`${url}/v1/leaves`, outgoing)
    if (status !== 201) throw new Error(`a batch was answered with ${status}`)
    leaves += PACE.leaves
  }
  return leaves
}

/** How fast tiles are read: those in the database, and those that are only in the archive. */
async function reading(stage: Stage, scale: number): Promise<void> {
  const { members, postgres } = stage
  const follower = members.find((member) => member.url !== stage.leaders.now()?.url)!
  const leaves = Math.max(10_000, Math.round(500_000 * scale))
  const before = await databaseBytes(stage)
  await loadAll([members[0]!], {
    path: '/v1/leaves',
    headers: BATCH,
    connections: 4,
    requests: leaves / 1_000,
    leavesPerRequest: 1_000,
  })
  const { late } = await caughtUp(stage)
  if (late.length > 0) throw new Error(late.join('; '))
  const size = await stage.sequencedSize()
  row(
    'database bytes a leaf, all in the database',
    `${count(((await databaseBytes(stage)) - before) / size)} bytes`,
  )
  const requests = Math.max(500, Math.round(40_000 * scale))
  const read = async (where: string, below: number): Promise<void> => {
    for (const what of ['tiles', 'bundles'] as const) {
      const plan: ReadPlan = { port: portOf(follower), what, below, connections: 64, requests }
      const result = await measured<ReadResult>('bench/read-load.ts', plan)
      const perSecond = result.requests / result.seconds
      const megabytes = result.bytes / result.seconds / 1e6
      row(
        `${what === 'tiles' ? 'hash tiles' : 'entry bundles'} read from ${where}, 64 connections`,
        `${count(perSecond)} per s, ${count(megabytes)} MB/s`,
      )
      row('  p50 / p99', `${ms(result.p50)} / ${ms(result.p99)} ms`)
    }
  }
  await read('the database', Math.floor(size / 256))
  if (scale < 0.5) return
  const until = performance.now() + RELEASE_MS
  let released = 0
  while (released < size / 2 && performance.now() < until) {
    await pace(members[0]!, 500)
    released = await withClient(postgres.url, async (client) => {
      const { rows } = await client.query('SELECT released FROM cairn.archive')
      return Number(rows[0]!.released)
    })
  }
  if (released < size / 2) return row('released tiles', `none after ${RELEASE_MS / 1_000} s`)
  await read('the archive', Math.floor(released / 256))
  await withClient(postgres.url, (client) => client.query('VACUUM FULL'))
  row(
    'database bytes a leaf, tiles in the archive only',
    `${count(((await databaseBytes(stage)) - before) / (await stage.sequencedSize()))} bytes`,
  )
}

function databaseBytes({ postgres }: Stage): Promise<number> {
  return withClient(postgres.url, async (client) => {
    const { rows } = await client.query('SELECT pg_database_size(current_database()) AS bytes')
    return Number(rows[0]!.bytes)
  })
}

/** How long a server takes to start, and a log to be led again. */
async function failingOver(stage: Stage, scale: number): Promise<void> {
  const rounds = scale < 0.5 ? 1 : 5
  for (const how of ['killed', 'stopped'] as const) {
    const without: number[] = []
    const starts: number[] = []
    for (let i = 0; i < rounds; i++) {
      const leader = await leaderOf(stage)
      const { epoch } = stage.leaders.now()!
      // Not at the same moment of every lease.
      await sleep(700 + 211 * i)
      const at = performance.now()
      if (how === 'killed') await leader.kill()
      else await leader.stop()
      const next = await stage.leaders.after(epoch, 30_000)
      if (next === undefined) throw new Error('nobody leads')
      without.push(next.since - at)
      const began = performance.now()
      await leader.start()
      while ((await exchange(`${leader.url}/readyz`, { timeoutMs: 5_000 })).status !== 200) {
        await sleep(5)
      }
      starts.push(performance.now() - began)
    }
    row(
      `leader ${how}, until another leads: least / most`,
      `${ms(Math.min(...without))} / ${ms(Math.max(...without))} ms`,
      how === 'killed' ? '<= 4,000 ms' : '',
    )
    row(
      '  start of a server on the log: least / most',
      `${ms(Math.min(...starts))} / ${ms(Math.max(...starts))} ms`,
    )
  }
}
