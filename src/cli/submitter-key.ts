/** `cairn key submitter`: the keys with which submitters sign their records; and signing with them. */
import { createHmac, randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import { fromUtf8, toBase64Url, utf8 } from '../bytes.ts'
import { inRecord } from '../client/record-lines.ts'
import { CairnError, malformed, messageOf, usage } from '../errors.ts'
import { canonicalJson } from '../formats/canonical-json.ts'
import { isJsonObject, parseJson } from '../formats/json-strict.ts'
import { jsonOf, type SubmittedRecord } from '../formats/record.ts'
import { MAX_RECORD_DEPTH, MAX_SUBMISSION_SIZE } from '../formats/record-members.ts'
import { type SubmitterKey, signSubmission } from '../formats/record-signature.ts'
import { formatSkey, parseSkey, vkeyOf } from '../formats/signing-key.ts'
import { formatVkey } from '../formats/vkey.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { note, printJson, terminal, withCommonHelp } from './command.ts'

const PRIVATE_FILE = 0o600
const SEED_SIZE = 32
const NONCE_SIZE = 24
const MAX_KEY_SIZE = 1_024

interface SubmitterFlags {
  readonly out: string
  readonly json?: boolean
}

export function withSubmitterKeys(command: Command): void {
  const submitter = command
    .command('submitter')
    .summary('make a key that signs records')
    .description(
      'Make a key with which a submitter signs records, so that not even the operator of a log can ' +
        'invent them. The vkey that is printed goes into the settings of the log; the file stays with the submitter.',
    )
    .argument('<name>', 'name of the key, such as payments-app.2026')
    .requiredOption('--out <file>', 'where the private key is to be')
    .action(makeKey)
  withCommonHelp(submitter, ['cairn key submitter payments-app.2026 --out payments.key'])
}

async function makeKey(name: string, flags: SubmitterFlags): Promise<void> {
  const key = { name, type: 'ed25519', seed: new Uint8Array(randomBytes(SEED_SIZE)) } as const
  const vkey = formatVkey(vkeyOf(key))
  await writeNew(flags.out, `${formatSkey(key)}\n`)
  if (flags.json === true) return printJson({ name, file: flags.out, vkey })
  note(`${flags.out} holds the private key; the log is told of the other one:`)
  terminal().line(vkey)
}

/** A key that is overwritten is lost, so none is. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', PRIVATE_FILE)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    if (exists) throw usage(`${path} exists, and a key is never replaced`, cause)
    throw new CairnError('IO', `cannot write ${path}: ${messageOf(cause)}`, { cause })
  }
}

/** The key in a file that `cairn key submitter` has made. @throws USAGE, IO */
export async function readSubmitterKey(path: string): Promise<SubmitterKey> {
  const bytes = await readFileUpTo(path, MAX_KEY_SIZE)
  try {
    const { name, type, seed } = parseSkey(fromUtf8(bytes).trim())
    if (type !== 'ed25519') throw malformed(`it is of type ${type}; submitters sign with ed25519`)
    return { keyId: name, seed }
  } catch (cause) {
    throw usage(`${path} is no key of a submitter: ${messageOf(cause)}`, cause)
  }
}

/**
 * Records with the signature of a submitter. One that has no nonce gets its own; a run that is repeated under the same
 * `run` gives the same ones, so that it is the same submission.
 * @throws MALFORMED, TOO_LARGE while they are read
 */
export async function* signRecords(
  records: AsyncIterable<Uint8Array>,
  key: SubmitterKey,
  run: string,
): AsyncGenerator<Uint8Array> {
  let place = 0
  for await (const bytes of records) {
    const nonce = nonceOf(key, run, place++)
    try {
      yield signRecord(bytes, key, nonce)
    } catch (error) {
      throw inRecord(place, error)
    }
  }
}

function signRecord(bytes: Uint8Array, key: SubmitterKey, nonce: string): Uint8Array {
  const value = parseJson(bytes, { size: MAX_SUBMISSION_SIZE, depth: MAX_RECORD_DEPTH })
  if (!isJsonObject(value)) throw malformed('a record is a JSON object')
  // What else is wrong with it is said once it is signed.
  const signed = signSubmission({ nonce, ...value } as unknown as SubmittedRecord, key)
  return utf8(canonicalJson(jsonOf(signed)))
}

/** To whoever has not the key this is random. */
function nonceOf({ seed }: SubmitterKey, run: string, place: number): string {
  const mac = createHmac('sha256', seed).update(`cairn-record-nonce/v1\n${place}\n${run}`)
  return toBase64Url(new Uint8Array(mac.digest().subarray(0, NONCE_SIZE)))
}
