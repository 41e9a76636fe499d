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
import { type Built, buildTargets } from './build.ts'
import type { Finding } from './fuzz.ts'
import type { Report } from './job.ts'
import { runTarget, targetNames } from './run-target.ts'

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
const seconds = Number(values.seconds ?? 60)
const seed = Number(values.seed ?? Date.now() % 1_000_000)

const place = fileURLToPath(
  new URL(`../../node_modules/.cache/cairn-fuzz-${process.pid}`, import.meta.url),
)
try {
  const built = await buildTargets(place)
  const known = await targetNames(built)
  const chosen = positionals.length > 0 ? positionals : known
  if (chosen.some((name) => !known.includes(name)) || !(seconds > 0) || !Number.isInteger(seed)) {
    const flags = '[--seconds N] [--seed N] [target...]'
    console.error(`usage: npm run fuzz -- ${flags}\ntargets: ${known.join(', ')}`)
    process.exitCode = 2
  } else {
    const reports = await run(built, chosen)
    const findings = reports.flatMap((report) => report.findings)
    for (const finding of findings) await keep(finding)
    const executions = reports.reduce((sum, report) => sum + report.executions, 0)
    console.log(`\n${executions.toLocaleString('en')} inputs, ${findings.length} findings`)
    process.exitCode = findings.length > 0 ? 1 : 0
  }
} finally {
  await rm(place, { recursive: true, force: true })
}

async function run(built: Built, chosen: readonly string[]): Promise<Report[]> {
  const reports: Report[] = []
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
      const counts = [executions, Math.round(executions / share), accepted, corpus, features]
      console.log(row(name, ...counts.map((count) => count.toLocaleString('en'))))
    }
  }
  await Promise.all(Array.from({ length: threads }, work))
  return reports
}

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
