/**
 * Coverage-guided fuzzing of every parser: `npm run fuzz -- [--seconds N] [--seed N] [target...]`. The seconds are for
 * all targets together. Prints what was tried; inputs that break a promise go to fuzz-findings/, and the exit code is 1.
 */
import { createHash } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildTargets } from './build.ts'
import type { Finding } from './fuzz.ts'
import type { Report } from './job.ts'
import { runTarget } from './run-target.ts'
import { makeSeeds } from './seeds.ts'
import { targets } from './targets.ts'

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
const seconds = Number(values.seconds ?? 60)
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const known = targets(makeSeeds(new URL('../../spec/vectors/', import.meta.url))).map(
  ({ name }) => name,
)
const unknown = positionals.filter((name) => !known.includes(name))
if (unknown.length > 0 || !(seconds > 0) || !Number.isInteger(seed)) {
  console.error(
    `usage: npm run fuzz -- [--seconds N] [--seed N] [target...]\ntargets: ${known.join(', ')}`,
  )
  process.exit(2)
}
const chosen = positionals.length > 0 ? positionals : known

const place = fileURLToPath(
  new URL(`../../node_modules/.cache/cairn-fuzz-${process.pid}`, import.meta.url),
)
const reports: Report[] = []
try {
  const built = await buildTargets(place)
  const threads = Math.min(availableParallelism(), chosen.length)
  const share = (seconds * threads) / chosen.length
  console.log(
    `${chosen.length} targets, ${share.toFixed(1)} s each, ${threads} at a time; --seed ${seed}; ${built.counters} counters\n`,
  )
  console.log(row('target', 'inputs', 'per second', 'accepted', 'kept', 'features'))
  const queue = [...chosen]
  const work = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const report = await runTarget(built, { target: name, seconds: share, seed })
      reports.push(report)
      const { executions, accepted, corpus, features } = report
      const rate = Math.round(executions / share)
      console.log(
        row(
          name,
          ...[executions, rate, accepted, corpus, features].map((n) => n.toLocaleString('en')),
        ),
      )
    }
  }
  await Promise.all(Array.from({ length: threads }, work))
} finally {
  await rm(place, { recursive: true, force: true })
}

const findings = reports.flatMap((report) => report.findings)
for (const finding of findings) await keep(finding)
const executions = reports.reduce((sum, report) => sum + report.executions, 0)
console.log(`\n${executions.toLocaleString('en')} inputs, ${findings.length} findings`)
process.exitCode = findings.length > 0 ? 1 : 0

function row(name: string, ...columns: readonly string[]): string {
  return `  ${name.padEnd(20)}${columns.map((column) => column.padStart(12)).join('')}`
}

async function keep({ target, reason, input }: Finding): Promise<void> {
  const name = `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 8)}`
  await mkdir('fuzz-findings', { recursive: true })
  await writeFile(join('fuzz-findings', name), input)
  const shown = Buffer.from(input.subarray(0, 600)).toString('base64')
  console.log(
    `\nFOUND in ${target}, ${input.length} bytes, in fuzz-findings/${name}\n${reason}\nbegins with, in base64: ${shown}`,
  )
}
