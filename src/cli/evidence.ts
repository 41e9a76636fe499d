/** `cairn evidence`: the records that answer a question, fetched as one file that proves them. */
import { createHash } from 'node:crypto'
import type { Command } from 'commander'
import { createRecordsClient, type EvidenceToMake } from '../client/records-client.ts'
import type { Trust } from '../client/verdict.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { checkSums, readEvidence } from '../formats/evidence.ts'
import { type EvidenceManifest, parseManifest } from '../formats/evidence-manifest.ts'
import {
  type Connection,
  interruptible,
  note,
  printJson,
  terminal,
  withCommonHelp,
  withConnection,
  withTrust,
} from './command.ts'
import { clientOptions } from './connect.ts'
import { reportEvidence } from './evidence-file.ts'
import { startProgress } from './progress.ts'
import { writeWhole } from './receipt-files.ts'
import { type ScopeFlags, scopeOf, withScope } from './scope-flags.ts'
import { byteCount, plural, printable } from './style.ts'
import { readTrust, type TrustFlags } from './trust.ts'

/** Gathering and proving a hundred thousand records takes a log its time. */
const TIMEOUT_MS = 600_000

/** What a log says when nothing matches. */
const NOTHING = 'no record answers this'

interface EvidenceFlags extends Connection, ScopeFlags, TrustFlags {
  readonly out: string
  readonly everything?: boolean
  readonly purpose?: string
  readonly grant?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command.description(
    'Get the records that have all of what is asked for as one file, with the proof that they are in the log, and ' +
      'under a grant their payloads; that is recorded. With --policy or --vkey the file is verified at once.',
  )
  withScope(command)
  command
    .option('--everything', 'all records of the tenant')
    .option('--purpose <text>', 'what for; it stands in the file')
    .option('--grant <id>', 'show the payloads that this grant covers')
    .requiredOption('--out <file>', 'the file to write: complaint.cairn')
    .action((flags: EvidenceFlags) => getEvidence(flags))
  withTrust(command)
  withConnection(command)
  withCommonHelp(command, [
    'cairn evidence --request req-71822 --out req-71822.cairn --vkey cairn-data/log.vkey',
    'cairn evidence --subject ann@example.com --from 2026-11-01 --grant 019a9bd4-5c00-7abc-8def-0123456789ab --out ann.cairn',
  ])
}

async function getEvidence(flags: EvidenceFlags): Promise<void> {
  const request = requestOf(flags)
  const isTrusted = flags.vkey !== undefined || flags.policy !== undefined
  const trust = isTrusted ? await readTrust(flags) : undefined
  const file = await fetchEvidence(request, flags)
  const manifest = manifestOf(file)
  await writeWhole(flags.out, file)
  report(flags, { file, manifest }, trust)
}

/** What the flags ask for. @throws USAGE when that is nothing, and not --everything */
function requestOf(flags: EvidenceFlags): EvidenceToMake {
  const { purpose, grant } = flags
  const scope = scopeOf(flags)
  const isEmpty = Object.keys(scope).length === 0
  if (isEmpty && flags.everything !== true) {
    throw usage('which records? name them with flags such as --request, or pass --everything')
  }
  if (!isEmpty && flags.everything === true) {
    throw usage('--everything goes with no other flag that says which records are meant')
  }
  return { scope, ...(purpose !== undefined && { purpose }), ...(grant !== undefined && { grant }) }
}

async function fetchEvidence(request: EvidenceToMake, flags: EvidenceFlags): Promise<Uint8Array> {
  const options = { ...(await clientOptions(flags)), retries: 2, timeoutMs: TIMEOUT_MS }
  const client = createRecordsClient(options)
  const interrupt = interruptible()
  const quiet = flags.json === true
  const progress = startProgress({ label: 'evidence', unit: 'bytes', quiet })
  progress.update(0)
  try {
    const onBytes = (bytes: number): void => progress.update(bytes)
    return await client
      .evidence(request, { signal: interrupt.signal, onBytes })
      .catch(pointed(flags))
  } finally {
    progress.clear()
    interrupt.done()
  }
}

/** Where nothing was found, and the log can prove that it has nothing, says how to have that. */
function pointed({ request, session, subject, actor }: EvidenceFlags): (error: unknown) => never {
  return (error) => {
    const named = Object.entries({ request, session, subject, actor })
    const [flag] = named.find(([, value]) => value !== undefined) ?? []
    const isNothing = error instanceof CairnError && error.code === 'NOT_FOUND'
    // Of whom nobody knows by a name, there is no pseudonym to ask the log for.
    if (!isNothing || flag === undefined || !error.message.includes(NOTHING)) throw error
    const proof = `to have that proven: cairn search --prove --${flag} … --out FILE`
    throw new CairnError(error.code, `${error.message}; ${proof}`, { cause: error })
  }
}

/** Verifies the file, or else says what it holds. */
function report(
  { out, json = false }: EvidenceFlags,
  { file, manifest }: { readonly file: Uint8Array; readonly manifest: EvidenceManifest },
  trust: Trust | undefined,
): void {
  const sha256 = createHash('sha256').update(file).digest('hex')
  if (trust !== undefined) {
    reportEvidence(out, file, trust, { json })
    if (!json) note(`${out}: ${byteCount(file.length)}, SHA-256 ${sha256}`)
    return
  }
  if (json) {
    printJson({ file: out, bytes: file.length, sha256, claims: manifest })
    return
  }
  const { style, line } = terminal()
  const { records, disclosures, origin } = manifest
  const what = `${plural(records, 'record')} from ${printable(origin)}`
  const shown =
    disclosures === 0 ? 'no payload shown' : plural(disclosures, 'value shown', 'values shown')
  line(
    `${style.green('✓')} ${style.bold(printable(out))}: ${what}, ${shown}, ${byteCount(file.length)}`,
  )
  line(style.dim(`  SHA-256 ${sha256}`))
  note(`not verified: cairn verify ${out} --vkey <the log's log.vkey>`)
}

/** @throws IO when what was fetched is no evidence, or was damaged on its way */
function manifestOf(file: Uint8Array): EvidenceManifest {
  try {
    const files = readEvidence(file)
    checkSums(files)
    return parseManifest(files.parts.get('manifest.json')!)
  } catch (cause) {
    throw new CairnError('IO', `what the log sent is no evidence: ${messageOf(cause)}`, { cause })
  }
}
