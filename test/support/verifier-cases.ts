/**
 * One table of files to verify, good and tampered with, with the verdict on each. The library, the command and the page in
 * the browser are all held against it, and against each other.
 */
import { concat, fromHex, utf8 } from '../../src/bytes.ts'
import type { FileKind } from '../../src/client/file-kind.ts'
import type { Trust } from '../../src/client/verdict.ts'
import { parsePolicy } from '../../src/formats/policy.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatArchive } from '../../src/formats/ustar.ts'
import { formatVkey, parseVkey } from '../../src/formats/vkey.ts'
import type { CompleteListVector } from './completeness-vectors.ts'
import { cutShort, wrongKinds } from './damaged-cases.ts'
import type { EvidenceVectors } from './evidence-vectors.ts'
import { checkpointAt, LOG_KEY, ORIGIN, WITNESS_1 } from './example-log.ts'
import { hostileCases } from './hostile-cases.ts'
import type { ReceiptVector } from './receipt-vectors.ts'
import { readText } from './sources.ts'
import type { SplitViewVector } from './split-view-vectors.ts'
import { identity, issuing, pemOf, stamp, timeStamping } from './time-stamps.ts'
import { ML_DSA_KEY, POLICY, SIZE, WITNESSED } from './vector-keys.ts'

export interface VerifierCase {
  /** Unique in the table. */
  readonly name: string
  /** What the file may be called; the ending is right where the file is what it should be. */
  readonly file: string
  readonly bytes: Uint8Array
  /** For a receipt. */
  readonly leaf?: Uint8Array
  /** For a time-stamp: the checkpoint. */
  readonly data?: Uint8Array
  /** For a time-stamp: certificates, in PEM. */
  readonly authorities?: Uint8Array
  /** Either some of these, or a policy that names logs. */
  readonly vkeys: readonly string[]
  readonly policy?: string
  readonly kind: FileKind
  readonly ok: boolean
  /** The checks that fail. */
  readonly failed: readonly string[]
}

const STRANGER = formatVkey(ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(0x55)).vkey)
const VKEYS: readonly string[] = [formatVkey(LOG_KEY.vkey)]
const BOTH_VKEYS = [...VKEYS, formatVkey(ML_DSA_KEY.vkey)]

/** Whom a case believes, for the library. */
export function trustOf({ vkeys, policy }: Pick<VerifierCase, 'vkeys' | 'policy'>): Trust {
  const logKeys = vkeys.map(parseVkey)
  return policy === undefined ? { logKeys } : { logKeys, policy: parsePolicy(utf8(policy)) }
}

/** As the command takes them: a policy that names logs stands alone, and somebody has to be trusted. */
function trusting(vkeys: readonly string[], policy: string | undefined) {
  if (policy !== undefined) return { vkeys: /^log /m.test(policy) ? [] : vkeys, policy }
  return { vkeys: vkeys.length > 0 ? vkeys : [STRANGER] }
}

/** All of them; the same each time, but for the signatures of the time-stamps. */
export async function verifierCases(): Promise<readonly VerifierCase[]> {
  return [
    ...receiptCases('tlog-proofs.json', 'tlog-proof', 'tlog-proof'),
    ...receiptCases('json-receipts.json', 'json', 'json'),
    ...receiptCases('cose-receipts.json', 'cose', 'cose'),
    ...checkpointCases(),
    ...splitViewCases(),
    ...evidenceCases(),
    ...completeListCases(),
    ...(await timeStampCases()),
    ...cutShort(),
    ...wrongKinds(),
    ...(await hostileCases()),
  ]
}

function receiptCases(
  vectors: string,
  kind: 'tlog-proof' | 'json' | 'cose',
  ending: string,
): VerifierCase[] {
  const { receipts } = JSON.parse(readText(`spec/vectors/${vectors}`)) as {
    receipts: ReceiptVector[]
  }
  return receipts.map(({ name, leaf, receipt, vkeys, policy, valid, failed_check }) => ({
    name: `${kind}: ${name}`,
    file: `receipt.${ending}`,
    bytes: kind === 'cose' ? fromHex(receipt) : utf8(receipt),
    leaf: fromHex(leaf),
    ...trusting(vkeys, policy),
    kind,
    ok: valid,
    failed: failed_check === undefined ? [] : [failed_check],
  }))
}

function checkpointCases(): VerifierCase[] {
  interface Vectors {
    readonly valid: readonly { readonly name: string; readonly note: string }[]
    readonly invalid: readonly { readonly reason: string; readonly note: string }[]
  }
  const { valid, invalid } = JSON.parse(readText('spec/vectors/checkpoints.json')) as Vectors
  const one = (name: string, note: string, more: Partial<VerifierCase> = {}): VerifierCase => ({
    name: `checkpoint: ${name}`,
    file: 'head.checkpoint',
    bytes: utf8(note),
    vkeys: BOTH_VKEYS,
    kind: 'checkpoint',
    ok: true,
    failed: [],
    ...more,
  })
  return [
    ...valid.map(({ name, note }) => one(name, note)),
    ...invalid.map(({ reason, note }) =>
      one(reason, note, {
        ok: false,
        // Without a signature line there is no telling that it was meant to be a checkpoint.
        ...(reason === 'a hyphen for the dash'
          ? { kind: 'unknown', failed: ['format'] }
          : { failed: ['log signature'] }),
      }),
    ),
    one('the log is not trusted', checkpointAt(SIZE), {
      vkeys: [STRANGER],
      ok: false,
      failed: ['log signature'],
    }),
    one('with a quorum', checkpointAt(SIZE, WITNESSED), trusting([], POLICY)),
    one('one of two witnesses', checkpointAt(SIZE, { witnesses: [WITNESS_1] }), {
      ...trusting([], POLICY),
      ok: false,
      failed: ['witnesses'],
    }),
  ]
}

function splitViewCases(): VerifierCase[] {
  const { split_views } = JSON.parse(readText('spec/vectors/split-views.json')) as {
    split_views: SplitViewVector[]
  }
  return split_views.map(({ name, split_view, vkeys, policy, valid, failed_check }) => ({
    name: `split view: ${name}`,
    file: 'fork.split-view',
    bytes: utf8(split_view),
    ...trusting(vkeys, policy),
    kind: 'split-view',
    ok: valid,
    failed: failed_check === undefined ? [] : [failed_check],
  }))
}

/** What is found out only by those who read the files of the archive. */
const LATER: Readonly<Record<string, readonly string[]>> = {
  'another sum': ['contents'],
  'another byte of the manifest': ['contents', 'manifest'],
}

function evidenceCases(): VerifierCase[] {
  const vectors = JSON.parse(readText('spec/vectors/evidence.json')) as EvidenceVectors
  const whole = new Uint8Array(Buffer.from(vectors.archive, 'base64'))
  const made = vectors.evidence.map(
    ({ name, time, files, vkeys, policy, valid, failed_checks }): VerifierCase => ({
      name: `evidence: ${name}`,
      file: 'trail.cairn',
      bytes: formatArchive({
        time,
        files: files.map((part) => ({
          name: `cairn-evidence/${part.name}`,
          bytes: utf8(part.text),
        })),
      }),
      ...trusting(vkeys, policy),
      kind: 'evidence',
      ok: valid,
      failed: failed_checks,
    }),
  )
  const refused = vectors.archives_refused.map(({ name, at, bytes }): VerifierCase => {
    const put = new Uint8Array(Buffer.from(bytes, 'base64'))
    return {
      name: `evidence: ${name}`,
      file: 'trail.cairn',
      bytes: concat(whole.subarray(0, at), put, whole.subarray(at + put.length)),
      ...trusting([], POLICY),
      kind: at === 0 ? 'unknown' : 'evidence',
      ok: false,
      failed: LATER[name] ?? ['format'],
    }
  })
  return [...made, ...refused]
}

function completeListCases(): VerifierCase[] {
  const { files } = JSON.parse(readText('spec/vectors/completeness.json')) as {
    files: CompleteListVector[]
  }
  const one = (name: string, file: string, more: Partial<VerifierCase> = {}): VerifierCase => ({
    name: `complete list: ${name}`,
    file: 'req-1.list',
    bytes: utf8(file),
    vkeys: VKEYS,
    kind: 'complete-list',
    ok: true,
    failed: [],
    ...more,
  })
  const good = files[0]!.file
  return [
    ...files.map(({ name, file, valid, failed_check }) =>
      one(name, file, { ok: valid, failed: failed_check === undefined ? [] : [failed_check] }),
    ),
    one('the log is not trusted', good, {
      vkeys: [STRANGER],
      ok: false,
      failed: ['log signature'],
    }),
    one('a witness is missing', good, {
      ...trusting([], POLICY),
      ok: false,
      failed: ['witnesses'],
    }),
    one('cut in the middle', good.slice(0, good.length >> 1), { ok: false, failed: ['format'] }),
  ]
}

async function timeStampCases(): Promise<VerifierCase[]> {
  const root = await identity({ name: 'Root', extensions: issuing() })
  const other = await identity({ name: 'Root', extensions: issuing() })
  const signer = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
  const data = utf8(checkpointAt(7))
  const response = await stamp({ signer, data })
  const one = (name: string, more: Partial<VerifierCase> = {}): VerifierCase => ({
    name: `time-stamp: ${name}`,
    file: 'head.tsr',
    bytes: response,
    data,
    authorities: utf8(pemOf(root.parsed.der)),
    vkeys: VKEYS,
    kind: 'time-stamp',
    ok: true,
    failed: [],
    ...more,
  })
  const refused = (name: string, failed: readonly string[], more: Partial<VerifierCase>) =>
    one(name, { ok: false, failed, ...more })
  const spoiled = response.slice()
  spoiled[spoiled.length - 1]! ^= 1
  return [
    one('of a checkpoint'),
    refused('of another checkpoint', ['time-stamped data'], { data: utf8(checkpointAt(8)) }),
    refused('the authority is not trusted', ['time-stamp authority'], {
      authorities: utf8(pemOf(other.parsed.der)),
    }),
    refused('a changed signature', ['time-stamp signature'], { bytes: spoiled }),
    refused('a refusal of the authority', ['time-stamp'], {
      bytes: await stamp({ signer, data, status: 2, withoutToken: true }),
    }),
    refused('cut short', ['time-stamp'], { bytes: response.subarray(0, 200) }),
    refused('the log is not trusted', ['log signature'], { vkeys: [STRANGER] }),
    refused('of no checkpoint', ['log signature'], {
      data: utf8('not a checkpoint'),
      bytes: await stamp({ signer, data: utf8('not a checkpoint') }),
    }),
    refused('a witness is missing', ['witnesses'], trusting([], POLICY)),
    refused('the signer is not for time-stamps', ['time-stamp authority'], {
      bytes: await stamp({ signer: await identity({ name: 'X', issuer: root }), data }),
    }),
  ]
}
