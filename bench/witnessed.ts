/** How long until a leaf is under a head that two of three witnesses have cosigned; all four are real processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CLI, freePort } from '../test/support/cairn-process.ts'
import { discard, load, newData, startServer } from './server.ts'
import { count, ms, row } from './table.ts'

const WITNESSES = 3
const WITNESSED = {
  path: '/v1/leaves?wait=witnessed',
  headers: { 'Content-Type': 'application/octet-stream', Accept: 'text/plain' },
}

interface BenchWitness {
  readonly process: ChildProcess
  readonly url: string
  readonly vkeys: readonly string[]
}

/** `scale` 1 is a full measurement. */
export async function witnessed(scale: number): Promise<void> {
  const data = await newData()
  // The log's first start makes the keys that its witnesses are told.
  await (await startServer(data)).stop()
  const witnesses: BenchWitness[] = []
  try {
    for (let i = 0; i < WITNESSES; i++) witnesses.push(await startWitness(data, i))
    const policy = join(data, 'policy.txt')
    await writeFile(policy, policyText(witnesses))
    const server = await startServer(data, ['--policy', policy])
    const alone = await load(server, {
      ...WITNESSED,
      connections: 1,
      requests: Math.round(500 * Math.max(scale, 0.05)),
      warmUp: 20,
    })
    const aim = '<= 50 / 150 ms'
    row(
      'submit to witnessed (2 of 3), one client: p50 / p99',
      `${ms(alone.p50)} / ${ms(alone.p99)} ms`,
      aim,
    )
    for (const connections of [64, 512]) {
      const many = await load(server, {
        ...WITNESSED,
        connections,
        requests: Math.round(40_000 * scale) + connections,
        warmUp: connections,
      })
      row(
        `submit to witnessed, ${connections} connections: p50 / p99`,
        `${ms(many.p50)} / ${ms(many.p99)} ms`,
        aim,
      )
      row('  leaves witnessed', `${count(many.leaves / many.seconds)} leaves/s`)
    }
    const add = await load(server, {
      connections: 512,
      requests: Math.round(200_000 * scale),
      warmUp: Math.round(20_000 * scale),
    })
    row(
      'POST /add, 512 connections, three witnesses asked meanwhile',
      `${count(add.leaves / add.seconds)} leaves/s`,
    )
    row('  p50 / p99', `${ms(add.p50)} / ${ms(add.p99)} ms`)
    await server.stop()
  } finally {
    for (const { process } of witnesses) await stop(process)
    await discard(data)
  }
}

async function startWitness(directory: string, i: number): Promise<BenchWitness> {
  const port = await freePort()
  const data = join(directory, `witness${i}`)
  const flags = ['--name', `w${i}.example`, '--log', join(directory, 'log', 'log.vkey')]
  const args = [CLI, 'witness', '--data', data, '--port', String(port), ...flags]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`cairn witness ended with ${child.exitCode}`)
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok === true) break
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const text = await readFile(join(data, 'witness.vkey'), 'utf8')
  return { process: child, url, vkeys: text.trim().split('\n') }
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'exit')
}

/** A witness counts when either of its keys has cosigned; two of three must. */
function policyText(witnesses: readonly BenchWitness[]): string {
  const lines: string[] = []
  for (const [i, { vkeys, url }] of witnesses.entries()) {
    for (const [key, vkey] of vkeys.entries()) lines.push(`witness w${i}-${key} ${vkey} ${url}`)
    lines.push(`group w${i} any ${vkeys.map((_, key) => `w${i}-${key}`).join(' ')}`)
  }
  lines.push(`group q 2 ${witnesses.map((_, i) => `w${i}`).join(' ')}`, 'quorum q')
  return `${lines.join('\n')}\n`
}
