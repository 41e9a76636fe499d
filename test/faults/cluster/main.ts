/**
 * `npm run faults:cluster -- [--seconds 60] [--servers 3] [--seed N]`: a log on several servers under load, while its
 * leader is killed, paused and cut off, its database restarted and its bucket refused; then everything that clients were
 * told is held against the log: leaves, and records with their payloads. Starts PostgreSQL, object storage and the servers itself. The last line is
 *
 *     acknowledged=N lost=0 duplicated=0 forks=0
 *
 * and the exit code 1 unless it reads so. `--break lose|duplicate|fork` makes what was recorded wrong in that way before
 * it is checked, to see that it is noticed. `--logs FOLDER` keeps what servers and database wrote.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { utf8 } from '../../../src/bytes.ts'
import { startProgress } from '../../../src/cli/progress.ts'
import { checkLog, type Findings, holds, lastLine } from './check-log.ts'
import { watchHeads } from './heads.ts'
import { newJournal } from './journal.ts'
import { leavesOf } from './leaves.ts'
import { startLoad } from './load.ts'
import { startLine } from './progress-line.ts'
import { seededRandom } from './random.ts'
import { checkRecords, recordEntries, searchAll, withRecords } from './records-check.ts'
import { startRecords } from './records-load.ts'
import { inspectAll, withVault } from './records-vault.ts'
import { closeConnections } from './request.ts'
import { printRun } from './run-table.ts'
import { SABOTAGES, type Sabotage, sabotage } from './sabotage.ts'
import { startSchedule, timingFor } from './schedule.ts'
import { type Stage, setStage } from './stage.ts'
import { auditArchive, auditServers, caughtUp, sourceAt, unproven } from './verdict.ts'

const CLIENTS = 48
/** Those who submit records. */
const RECORD_CLIENTS = 4
const USAGE =
  'usage: npm run faults:cluster -- [--seconds 60] [--servers 3] [--seed N] [--clients N] [--directory] [--logs FOLDER] [--break lose|duplicate|fork]'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    servers: { type: 'string', default: '3' },
    clients: { type: 'string', default: String(CLIENTS) },
    seed: { type: 'string' },
    directory: { type: 'boolean', default: false },
    logs: { type: 'string' },
    break: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const servers = Number(values.servers)
const clients = Number(values.clients)
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const broken = values.break as Sabotage | undefined
const isUsable =
  seconds > 0 &&
  [servers, clients].every((value) => Number.isInteger(value) && value > 0) &&
  Number.isInteger(seed) &&
  (broken === undefined || SABOTAGES.includes(broken))
if (!isUsable) {
  console.error(USAGE)
  process.exit(2)
}

let stage: Stage | undefined
const interrupted = (): void => {
  void stage?.close().finally(() => process.exit(130))
}
process.once('SIGINT', interrupted)
process.once('SIGTERM', interrupted)
try {
  stage = await setStage({ servers, wires: true, archive: { directory: values.directory } })
  const findings = await run(stage)
  console.log(lastLine(findings.findings))
  process.exitCode = findings.ok ? 0 : 1
} finally {
  closeConnections()
  if (stage !== undefined && values.logs !== undefined) await keepLogs(stage, values.logs)
  await stage?.close()
}

/** What servers and database wrote, for whoever looks for the cause of something. */
async function keepLogs({ members, postgres }: Stage, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const { name, output } of members) {
    await writeFile(join(folder, `${name.replace(' ', '-')}.log`), output())
  }
  await copyFile(join(postgres.directory, 'postgres.log'), join(folder, 'postgres.log'))
}

async function run(stage: Stage): Promise<{ findings: Findings; ok: boolean }> {
  const { archive, postgres, members, keys, signer } = stage
  console.log(
    `${members.length} servers, ${clients} clients, ${seconds} s, --seed ${seed}; PostgreSQL at port ${postgres.port}, fsync on; archive: ${archive.name}\n`,
  )
  const journal = newJournal(keys)
  const leaves = leavesOf(seed)
  const urls = members.map(({ url }) => url)
  const started = performance.now()
  const watch = watchHeads(stage, journal)
  const load = startLoad({ urls, leaves, journal, clients, seed })
  const token = await stage.token()
  const records = startRecords({ urls, token, seed, clients: RECORD_CLIENTS })
  const line = startLine({ stage, journal, load, started, seconds })
  const schedule = startSchedule({
    stage,
    timing: timingFor(seconds),
    random: seededRandom(seed),
    tell: line.tell,
    complain: journal.complain,
    leaf: () => leaves.of(journal.order[0] ?? 0),
    token,
  })
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
  await schedule.stop()
  await Promise.all([load.stop(), records.stop()])
  const stopped = performance.now()
  line.tell('the load has ended')
  const { head, late } = await caughtUp(stage)
  line.tell(late.length === 0 ? 'all have caught up' : 'not all have caught up')
  await watch.stop()
  line.stop()
  const complaints = [...journal.complaints, ...records.complaints, ...late]
  for (const { name, surprises } of members) {
    for (const words of surprises) complaints.push(`${name} ended by itself: ${words}`)
  }

  if (broken !== undefined) await sabotage(broken, journal, signer)
  if (late.length > 0) line.tell(await stage.databaseState().catch(String))
  if (head === undefined) throw new Error(`there is no final head: ${late.join('; ')}`)
  const bar = startProgress({ label: 'checking', unit: 'entries' })
  const entries = recordEntries()
  const leafFindings = await checkLog({
    source: sourceAt(head.url),
    checkpoint: utf8(head.checkpoint),
    keys,
    journal,
    leaves,
    claim: entries.claim,
    progress: bar.update,
  })
  bar.clear()
  const indexed = await searchAll(head.url, token)
  complaints.push(...(await unproven(stage, journal, head.checkpoint)))
  complaints.push(...(await auditServers(stage, journal)))
  await stage.closeMembers()
  const recordFindings = await withVault(stage, (vault) =>
    checkRecords(records, entries, indexed, vault),
  )
  const findings = withRecords(leafFindings, recordFindings)
  complaints.push(...(await inspectAll(stage)))
  await postgres.stop()
  // All that is left is the bucket.
  complaints.push(...(await auditArchive(stage)))
  const { faults } = schedule
  const done = { stage, journal, load, records, faults, started, stopped }
  printRun({ ...done, findings: leafFindings, recordFindings })
  for (const words of [...findings.words, ...complaints.slice(0, 20)]) console.log(`! ${words}`)
  if (complaints.length > 20) console.log(`! and ${complaints.length - 20} more`)
  return { findings, ok: holds(findings) && complaints.length === 0 }
}
