/** A folder with one file of each kind that docs/verify.md verifies, as its examples name them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../src/bytes.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { completeListOf } from './completeness-vectors.ts'
import { evidenceFile, forged, recordId, recordLog, withLines } from './evidence.ts'
import {
  checkpointAt,
  coseReceiptAt,
  jsonReceiptAt,
  LEAVES,
  LOG_KEY,
  tlogProofAt,
} from './example-log.ts'
import { LEAST } from './records.ts'
import { readText } from './sources.ts'
import type { SplitViewVector } from './split-view-vectors.ts'
import { identity, issuing, pemOf, stamp, timeStamping } from './time-stamps.ts'
import { ML_DSA_KEY, POLICY, SIZE, WITNESSED } from './vector-keys.ts'

export interface VerifyPlace {
  readonly folder: string
  at(...parts: string[]): string
  remove(): Promise<void>
}

export async function verifyPlace(): Promise<VerifyPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-verify-'))
  const at = (...parts: string[]): string => join(folder, ...parts)
  const files = await contents()
  await mkdir(at('receipts'))
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(at(name), content)))
  return { folder, at, remove: () => rm(folder, { recursive: true }) }
}

async function contents(): Promise<Readonly<Record<string, string | Uint8Array>>> {
  const root = await identity({ name: 'Example Trust Services', extensions: issuing() })
  const signer = await identity({
    name: 'Example Time Stamps',
    issuer: root,
    extensions: timeStamping(),
  })
  const head = checkpointAt(SIZE, WITNESSED)
  const complaint = evidenceFile(
    recordLog([
      { ...LEAST, request_id: 'req-7', action: 'answer', model: { name: 'assistant' } },
      { type: 'decision', request_id: 'req-7', decision: { outcome: 'refund' } },
      { type: 'correction', corrects: recordId(1), extra: { outcome: 'no refund' } },
    ]),
    [0, 1, 2],
    { manifest: { query: { request_id: 'req-7' } } },
  )
  const { split_views } = JSON.parse(readText('spec/vectors/split-views.json')) as {
    split_views: SplitViewVector[]
  }
  return {
    'log.vkey': `${formatVkey(LOG_KEY.vkey)}\n${formatVkey(ML_DSA_KEY.vkey)}\n`,
    'policy.txt': POLICY,
    'receipts/4.tlog-proof': tlogProofAt(4, SIZE, WITNESSED),
    'receipts/7.json': jsonReceiptAt(7, SIZE, WITNESSED),
    'receipts/12.cose': coseReceiptAt(12, SIZE),
    ...Object.fromEntries([4, 7, 12].map((index) => [`receipts/${index}.leaf`, LEAVES[index]!])),
    'edited.json': utf8(Buffer.from(LEAVES[4]!).toString().replace('answer', 'refuse')),
    'head.checkpoint': head,
    'head.tsr': await stamp({ signer, data: utf8(head) }),
    'authority.pem': pemOf(root.parsed.der),
    'complaint.cairn': complaint,
    'altered.cairn': forged(complaint, (all) =>
      withLines(all, 'records.jsonl', (lines) =>
        lines.with(0, lines[0]!.replace('answer', 'refuse')),
      ),
    ),
    'nothing.list': completeListOf({ tenant: 'acme', field: 'request', value: 'req-4' }),
    'fork.split-view': split_views[0]!.split_view,
  }
}
