/** `cairn search --prove`: what the log lists of one request, session, person or record, or that it lists nothing, proven. */
import { createRecordsClient, type ListedBy } from '../client/records-client.ts'
import { namedTerm, verifyCompleteList } from '../client/verify-complete-list.ts'
import { usage } from '../errors.ts'
import { parseCompleteList } from '../formats/complete-list.ts'
import { type Connection, interruptible, note, printJson, terminal } from './command.ts'
import { clientOptions } from './connect.ts'
import { exitFor } from './exit.ts'
import { writeWhole } from './receipt-files.ts'
import { byteCount, plural, printable } from './style.ts'
import { readTrust, type TrustFlags } from './trust.ts'
import { printVerdict } from './verify-output.ts'

/** Before it answers, the log commits to its map, and waits for its witnesses. */
const TIMEOUT_MS = 120_000

export interface ProveFlags extends Connection, TrustFlags {
  readonly out?: string
  readonly json?: boolean
}

export async function proveList(asked: ListedBy, flags: ProveFlags): Promise<void> {
  const { out, json = false } = flags
  if (Object.keys(asked).length !== 1) {
    throw usage('--prove takes one of --request, --session, --subject, --actor and --record')
  }
  if (out === undefined) throw usage('name the file to write with --out')
  const isTrusted = flags.vkey !== undefined || flags.policy !== undefined
  const trust = isTrusted ? await readTrust(flags) : undefined
  const options = { ...(await clientOptions(flags)), retries: 2, timeoutMs: TIMEOUT_MS }
  const interrupt = interruptible()
  const file = await createRecordsClient(options)
    .completeList(asked, { signal: interrupt.signal })
    .finally(() => interrupt.done())
  await writeWhole(out, file)
  if (trust !== undefined) {
    const verdict = verifyCompleteList(file, trust)
    process.exitCode = exitFor(verdict.ok)
    return printVerdict(out, verdict, { json })
  }
  const { term, size, entry, blocks } = parseCompleteList(file).proof
  const claimed = blocks.flatMap(({ indices }) => indices)
  if (json) {
    const claims = { ...term, indices: claimed, size, entry }
    return printJson({ file: out, bytes: file.length, claims })
  }
  const { style, line } = terminal()
  const entries = claimed.length === 0 ? 'no entry' : plural(claimed.length, 'entry', 'entries')
  const what = `${entries} of ${printable(namedTerm(term))}, up to tree size ${size}`
  line(`${style.green('✓')} ${style.bold(printable(out))}: ${what}, ${byteCount(file.length)}`)
  note(`not verified: cairn verify ${out} --vkey <the log's log.vkey>`)
}
