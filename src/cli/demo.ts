/** `cairn demo`: a real log from its first start to an attempt at fraud, on a temporary directory. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { fromUtf8 } from '../bytes.ts'
import { createLogClient } from '../client/log-client.ts'
import { CairnError } from '../errors.ts'
import { loadConfig } from '../server/config.ts'
import { type RunningServer, serve } from '../server/serve.ts'
import { readVkeyFile } from '../server/vkey-file.ts'
import { interruptible, printJson, type Terminal, terminal, withCommonHelp } from './command.ts'
import { tamper } from './demo-fraud.ts'
import { invitePeople } from './demo-people.ts'
import { CUSTOMER, demoRecords } from './demo-records.ts'
import { answerComplaint, erasePerson, reportMonth } from './demo-rights.ts'
import { fact, heading, type Stage, type Step } from './demo-stage.ts'
import { audit, explainProof, submitRecords, verifyReceipts } from './demo-steps.ts'
import { forkLog, showWitnesses, startWitnesses } from './demo-witnesses.ts'
import { exitFor } from './exit.ts'
import { duration } from './style.ts'

const ORIGIN = 'demo.example/audit'
const RECORDS = 200

interface DemoFlags {
  readonly keep?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description(
      'Start a log on a temporary directory, submit audit records, verify their receipts offline, audit the log, have ' +
        'witnesses cosign it; answer a complaint with evidence, erase a person, report on the month; then tamper ' +
        'with the log and see that found out.',
    )
    .option('--keep <folder>', 'keep the log and the receipts there, to go on with')
    .action(demo)
  withCommonHelp(command, ['cairn demo', 'cairn demo --keep ./cairn-demo'])
}

async function demo(flags: DemoFlags): Promise<void> {
  const started = performance.now()
  const quiet = flags.json === true
  const out = quiet ? { ...terminal(), line() {}, text() {} } : terminal()
  const folder = await demoFolder(flags.keep)
  const interrupt = interruptible()
  let steps: readonly Step[]
  try {
    const isKept = flags.keep !== undefined
    steps = await play(folder, { isKept, quiet, out, signal: interrupt.signal })
  } finally {
    interrupt.done()
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true })
  }
  const ok = steps.every((step) => step.ok)
  process.exitCode = exitFor(ok)
  const kept = flags.keep === undefined ? undefined : folder
  if (quiet) return printJson({ ok, steps, ...(kept !== undefined && { kept }) })
  summarise(out, steps, { kept, elapsedMs: performance.now() - started })
}

async function demoFolder(keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'cairn-demo-'))
  try {
    await mkdir(keep)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new CairnError('USAGE', `${keep} exists: name a new folder for --keep`, { cause })
  }
  return resolve(keep)
}

async function play(
  folder: string,
  { isKept, quiet, out, signal }: Pick<Stage, 'isKept' | 'quiet' | 'out' | 'signal'>,
): Promise<Step[]> {
  const data = join(folder, 'data')
  const witnesses = await startWitnesses(folder)
  const { policy, policyFile } = witnesses
  const flags = { data, port: 0, origin: ORIGIN, policy: policyFile }
  const restart = async (): Promise<RunningServer> => serve(await loadConfig({ flags, env: {} }))
  let server: RunningServer | undefined
  try {
    server = await restart()
    await witnesses.watch(await readVkeyFile(join(data, 'log.vkey')))
    const token = fromUtf8(await readFile(join(data, 'admin.token'))).trim()
    const stage: Stage = {
      client: createLogClient({ url: server.url, token }),
      trust: { logKeys: await readVkeyFile(join(data, 'log.vkey')) },
      policy,
      people: await invitePeople(server.url, join(data, 'tokens'), signal),
      submissions: demoRecords(RECORDS),
      records: [],
      folder,
      isKept,
      receipts: join(folder, 'receipts'),
      signal,
      quiet,
      out,
    }
    out.line(out.style.bold('Cairn, from the first start to an attempt at fraud'))
    heading(out, 1, 'A log starts')
    fact(out, 'address', server.url)
    fact(out, 'origin', `${ORIGIN}, the name that its signatures carry`)
    fact(out, 'keys', 'Ed25519, and ML-DSA-44 against quantum computers')
    fact(out, 'vault', 'AES-256-GCM, a key for each person')

    const submitted = await submitRecords(stage)
    const verified = await verifyReceipts(stage)
    const explained = await explainProof(stage)
    const audited = await audit(stage)
    const cosigned = await showWitnesses(stage)
    const complaint = await answerComplaint(stage)
    const erased = await erasePerson(stage, complaint)
    const reported = await reportMonth(stage)
    const frauds = await tamper(stage)
    await server.close()
    const forked = await forkLog(stage, { folder, data, policyFile, restart })
    const honest = [submitted, verified, explained, audited, cosigned]
    return [...honest, complaint.step, erased, reported, ...frauds, forked]
  } finally {
    await server?.close()
    await witnesses.close()
  }
}

function summarise(
  out: Terminal,
  steps: readonly Step[],
  { kept, elapsedMs }: { readonly kept: string | undefined; readonly elapsedMs: number },
): void {
  const { style, line } = out
  const ok = steps.every((step) => step.ok)
  line()
  line(
    ok
      ? style.green(style.bold(`All of it held, in ${duration(elapsedMs)}.`))
      : style.red(style.bold('Something did not go as it should: see the crosses above.')),
  )
  line('Whoever holds a receipt can prove what was logged; nobody can change it unseen.')
  if (kept === undefined) {
    line(style.dim('Nothing is left behind; --keep FOLDER keeps it.'))
    return
  }
  line()
  line('Go on with:')
  line(`  cairn verify ${kept}/receipts --vkey ${kept}/data/log.vkey`)
  line(`  cairn verify ${kept}/${CUSTOMER.request}.cairn --vkey ${kept}/data/log.vkey`)
  line(`  cairn audit ${kept}/data`)
  line(`  cairn serve --data ${kept}/data`)
}
