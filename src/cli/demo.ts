/** `cairn demo`: a real log from its first start to an attempt at fraud, on a temporary directory. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import { auditLog } from '../client/audit-log.ts'
import { createLogClient, type LogClient } from '../client/log-client.ts'
import type { Check, Trust } from '../client/verdict.ts'
import { verifyReceipt } from '../client/verify-receipt.ts'
import { CairnError } from '../errors.ts'
import { parseJsonReceipt } from '../formats/json-receipt.ts'
import { formatTlogProof, parseTlogProof } from '../formats/tlog-proof.ts'
import { nodeHash } from '../merkle/hash.ts'
import { loadConfig } from '../server/config.ts'
import { serve } from '../server/serve.ts'
import type { TileSource } from '../tiles/source.ts'
import { interruptible, printJson, type Terminal, terminal, withCommonHelp } from './command.ts'
import { demoRecords } from './demo-records.ts'
import { drawInclusionPath } from './draw-path.ts'
import { exitFor } from './exit.ts'
import { startProgress } from './progress.ts'
import { receiptFiles, writeReceipt } from './receipt-files.ts'
import { byteCount, duration, plural } from './style.ts'
import { formatChecks, wrap } from './table.ts'
import { readVkeyFile } from './trust.ts'

const ORIGIN = 'demo.example/audit'
const RECORDS = 200

interface DemoFlags {
  readonly keep?: string
  readonly json?: boolean
}

/** What a step of the demonstration came to. */
interface Step {
  readonly step: string
  readonly ok: boolean
  readonly detail: string
}

/** What the steps work with. */
interface Stage {
  readonly client: LogClient
  readonly trust: Trust
  readonly records: readonly Uint8Array[]
  readonly receipts: string
  readonly signal: AbortSignal
  readonly quiet: boolean
  readonly out: Terminal
}

export function configure(command: Command): void {
  command
    .description(
      'Start a log on a temporary directory, submit sample records, verify their receipts offline, ' +
        'audit the log, then tamper with it and see that found out.',
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
    steps = await play(folder, { quiet, out, signal: interrupt.signal })
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
  { quiet, out, signal }: Pick<Stage, 'quiet' | 'out' | 'signal'>,
): Promise<Step[]> {
  const data = join(folder, 'data')
  const config = await loadConfig({
    flags: { data, port: 0, origin: ORIGIN, 'publish-interval': 50 },
    env: {},
  })
  const server = await serve(config)
  try {
    const token = fromUtf8(await readFile(join(data, 'admin.token'))).trim()
    const stage: Stage = {
      client: createLogClient({ url: server.url, token }),
      trust: { logKeys: await readVkeyFile(join(data, 'log.vkey')) },
      records: demoRecords(RECORDS),
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

    const submitted = await submitRecords(stage)
    const verified = await verifyReceipts(stage)
    const explained = await explainProof(stage)
    const audited = await audit(stage)
    const frauds = await tamper(stage)
    return [submitted, verified, explained, audited, ...frauds]
  } finally {
    await server.close()
  }
}

async function submitRecords(stage: Stage): Promise<Step> {
  const { client, records, receipts, signal, quiet, out } = stage
  heading(out, 2, `${records.length} records of a bank's AI systems are submitted, one by one`)
  const progress = startProgress({ label: '  submitting', unit: 'records', total: RECORDS, quiet })
  await mkdir(receipts)
  const times: number[] = []
  for (const [i, record] of records.entries()) {
    const asked = performance.now()
    const receipt = await client.submit(record, { signal })
    times.push(performance.now() - asked)
    await writeReceipt(receipts, receipt.index, formatTlogProof(receipt), record)
    progress.update(i + 1)
  }
  progress.clear()
  for (const [type, number] of countTypes(records)) fact(out, type, String(number))
  const again = await client.submit(records[41]!, { signal })
  const ok = again.index === 41
  const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!
  const detail = `${records.length} records logged, each answered with its receipt (median ${duration(median)})`
  result(out, true, detail)
  result(out, ok, 'record 41, submitted again, keeps its index')
  return { step: 'submit', ok, detail }
}

/** How many records there are of each type, the most frequent first. */
function countTypes(records: readonly Uint8Array[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const record of records) {
    const { type } = JSON.parse(fromUtf8(record)) as { type: string }
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a)
}

async function verifyReceipts({ trust, receipts, quiet, out }: Stage): Promise<Step> {
  heading(out, 3, "Each receipt is verified offline, with the log's public key alone")
  const files = await receiptFiles(receipts)
  const total = files.length
  const progress = startProgress({ label: '  verifying', unit: 'receipts', total, quiet })
  const heads = new Set<number | undefined>()
  let held = 0
  for (const [i, file] of files.entries()) {
    const [receipt, leaf] = await Promise.all([
      readFile(file),
      readFile(file.replace(/\.tlog-proof$/, '.leaf')),
    ])
    const verdict = verifyReceipt({ leaf, receipt, trust })
    if (verdict.ok) held++
    heads.add(verdict.size)
    progress.update(i + 1)
  }
  progress.clear()
  const ok = held === RECORDS
  const detail = `${held} of ${total} receipts hold, under ${plural(heads.size, 'signed head')}`
  result(out, ok, detail)
  return { step: 'verify', ok, detail }
}

async function explainProof(stage: Stage): Promise<Step> {
  const { client, records, trust, signal, out } = stage
  const index = 77
  heading(out, 4, `Why a receipt is proof: record ${index} on its way to the signed root`)
  const bytes = await receiptUnderAll(stage, index)
  const receipt = parseJsonReceipt(bytes)
  const lines = drawInclusionPath(receipt, out.style)
  for (const line of lines) out.line(`   ${line}`)
  out.line()
  out.line(
    `   ${out.style.green('●')} computed from the record   ${out.style.cyan('○')} in the receipt`,
  )
  const formats = [bytes, await client.receipt(index, 'cose', { signal })]
  formats.push(await client.receipt(index, 'tlog-proof', { signal }))
  const ok = formats.every(
    (form) => verifyReceipt({ leaf: records[index]!, receipt: form, trust }).ok,
  )
  const detail = `${receipt.proof.length} hashes tie one record to a tree of ${receipt.size}, in any of three formats`
  result(out, ok, detail)
  return { step: 'prove', ok, detail }
}

/** A receipt under a head that has all records. Heads are published a few times a second, so it may take a moment. */
async function receiptUnderAll({ client, signal }: Stage, index: number): Promise<Uint8Array> {
  for (;;) {
    const bytes = await client.receipt(index, 'json', { signal })
    if (parseJsonReceipt(bytes).size >= RECORDS) return bytes
    await new Promise((done) => setTimeout(done, 20))
  }
}

async function audit({ client, trust, signal, quiet, out }: Stage): Promise<Step> {
  heading(out, 5, 'An auditor recomputes the whole log, over HTTP')
  const progress = startProgress({ label: '  auditing', unit: 'entries', quiet })
  const verdict = await auditLog({
    source: client.tileSource({ signal }),
    checkpoint: await client.checkpoint({ signal }),
    trust,
    progress: progress.update,
    signal,
  })
  progress.clear()
  checks(out, verdict.checks)
  const ok = verdict.ok && verdict.size === RECORDS
  const detail = `${plural(verdict.size ?? 0, 'entry', 'entries')} (${byteCount(verdict.bytes)}) recomputed`
  result(out, ok, detail)
  return { step: 'audit', ok, detail }
}

/** Three attempts. Each step is good when the fraud is found out. */
async function tamper(stage: Stage): Promise<Step[]> {
  heading(stage.out, 6, 'Somebody cheats')
  return [await changeRecord(stage), await changeProof(stage), await changeLog(stage)]
}

async function changeRecord({ records, trust, receipts, out }: Stage): Promise<Step> {
  const index = records.findIndex((record) => fromUtf8(record).includes('"decision":"decline"'))
  const before = fromUtf8(records[index]!)
  const at = before.indexOf('"score":0.') + '"score":0.'.length
  const digit = before[at] === '9' ? '8' : '9'
  const after = `${before.slice(0, at)}${digit}${before.slice(at + 1)}`
  out.line(`   ${out.style.bold('One byte of a record:')} the score of loan decision ${index}`)
  out.line(`     logged   ${excerpt(before, at, out.style.green)}`)
  out.line(`     claimed  ${excerpt(after, at, out.style.red)}`)
  const receipt = await readFile(join(receipts, `${index}.tlog-proof`))
  const original = verifyReceipt({ leaf: utf8(before), receipt, trust })
  const forged = verifyReceipt({ leaf: utf8(after), receipt, trust })
  checks(out, forged.checks.filter(hasFailed))
  return caught(out, 'changed record', original.ok && !forged.ok)
}

/** The neighbourhood of a character, which is painted. */
function excerpt(text: string, at: number, paint: (text: string) => string): string {
  return `…${text.slice(at - 34, at)}${paint(text[at]!)}${text.slice(at + 1, at + 20)}…`
}

async function changeProof({ records, trust, receipts, out }: Stage): Promise<Step> {
  const index = 150
  const receipt = parseTlogProof(await readFile(join(receipts, `${index}.tlog-proof`)))
  const [sibling, ...rest] = receipt.proof
  const changed = Uint8Array.from(sibling!)
  changed[0] = 255 - changed[0]!
  out.line(`   ${out.style.bold('One byte of a proof:')} the first hash in receipt ${index}`)
  const before = toHex(sibling!.subarray(0, 12))
  const after = toHex(changed.subarray(0, 12))
  out.line(`     issued   ${out.style.green(before.slice(0, 2))}${before.slice(2)}…`)
  out.line(`     claimed  ${out.style.red(after.slice(0, 2))}${after.slice(2)}…`)
  const forged = formatTlogProof({ ...receipt, proof: [nodeHash(changed), ...rest] })
  const verdict = verifyReceipt({ leaf: records[index]!, receipt: utf8(forged), trust })
  checks(out, verdict.checks.filter(hasFailed))
  return caught(out, 'changed proof', !verdict.ok)
}

/** The operator itself changes an entry that was logged, and serves the changed one. */
async function changeLog({ client, trust, signal, out }: Stage): Promise<Step> {
  const honest = client.tileSource({ signal })
  const dishonest: TileSource = {
    tile: honest.tile,
    async bundle(bundle, width) {
      const framed = await honest.bundle(bundle, width)
      framed[framed.length - 10]! ^= 1
      return framed
    },
  }
  out.line(`   ${out.style.bold('One byte of the log:')} its operator rewrites the last record`)
  const checkpoint = await client.checkpoint({ signal })
  const verdict = await auditLog({ source: dishonest, checkpoint, trust, signal })
  checks(out, verdict.checks.filter(hasFailed))
  for (const { name, detail } of verdict.faults) {
    const lines = wrap(detail, out.columns - 16)
    out.line(`     ${out.style.red(name)}  ${lines.join(`\n${' '.repeat(7 + name.length)}`)}`)
  }
  return caught(out, 'changed log', !verdict.ok)
}

function hasFailed(check: Check): boolean {
  return check.status === 'failed'
}

function heading(out: Terminal, number: number, text: string): void {
  out.line()
  out.line(`${out.style.cyan(String(number))}  ${out.style.bold(text)}`)
}

function fact(out: Terminal, name: string, value: string): void {
  out.line(`   ${out.style.dim(name.padEnd(20))}${value}`)
}

function result(out: Terminal, ok: boolean, text: string): void {
  const mark = ok ? out.style.green('✓') : out.style.red('✗')
  out.line(`   ${mark} ${wrap(text, out.columns - 6).join('\n     ')}`)
}

function checks(out: Terminal, list: readonly Check[]): void {
  const table = formatChecks(list, out.style, out.columns - 3)
  out.text(table.replace(/^/gm, '   ').replace(/ +$/, ''))
}

function caught(out: Terminal, step: string, ok: boolean): Step {
  const detail = ok ? 'found out' : 'NOT FOUND OUT'
  result(out, ok, detail)
  return { step, ok, detail }
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
  line(`  cairn audit ${kept}/data`)
  line(`  cairn serve --data ${kept}/data`)
}
