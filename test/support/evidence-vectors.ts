/** The vectors of evidence: files that hold, and what must be refused of them, and why. */
import { createHash } from 'node:crypto'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { makeDisclosure } from '../../src/formats/disclosure.ts'
import { readEvidence } from '../../src/formats/evidence.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { naiveTreeOf } from '../merkle/naive.ts'
import { completenessOf, mapRootOf } from './completeness-vectors.ts'
import {
  type EvidenceOptions,
  evidenceFile,
  type Files,
  filesOf,
  forged,
  headOfLog,
  recordId,
  recordLog,
  withLines,
} from './evidence.ts'
import { LOG_KEY, ORIGIN, WITNESS_1 } from './example-log.ts'
import { LEAST } from './records.ts'
import { POLICY } from './vector-keys.ts'

export interface EvidenceVector {
  readonly name: string
  /** The time of all files, in seconds since 1970. */
  readonly time: number
  /** In the order of the archive. */
  readonly files: readonly { readonly name: string; readonly text: string }[]
  /** Of the archive of these files. */
  readonly sha256: string
  readonly vkeys: readonly string[]
  readonly policy?: string
  readonly valid: boolean
  /** The checks that fail. */
  readonly failed_checks: readonly string[]
  /** What is said of records: the kind of problem, and the index in the timeline where there is one. */
  readonly problems: readonly { readonly kind: string; readonly index?: number }[]
}

export interface EvidenceVectors {
  readonly about: string
  /** The first of the vectors as an archive, base64. */
  readonly archive: string
  readonly evidence: readonly EvidenceVector[]
  /** Bytes to put into that archive, with which it is refused; or where to cut it off. */
  readonly archives_refused: readonly {
    readonly name: string
    readonly at: number
    readonly bytes: string
  }[]
}

const LOG = recordLog([
  { ...LEAST, request_id: 'req-0' },
  utf8('a leaf that is no record'),
  {
    ...LEAST,
    request_id: 'req-7',
    action: 'answer',
    model: { name: 'assistant', version: '2026-10' },
  },
  { type: 'tool_call', request_id: 'req-7', tool_calls: [{ name: 'notify', arguments: ['Ann'] }] },
  { ...LEAST, request_id: 'req-8' },
  { type: 'decision', request_id: 'req-7', decision: { outcome: 'refund' } },
  { type: 'correction', corrects: recordId(5), extra: { outcome: 'no refund' } },
])
const INDICES = [2, 3, 5, 6]
const OPTIONS: EvidenceOptions = {
  manifest: { query: { request_id: 'req-7' } },
  show: (pointer) => pointer !== '/subject',
}

interface Expectation {
  readonly failed?: readonly string[]
  readonly problems?: readonly (readonly [string, number?])[]
  readonly vkeys?: readonly string[]
  readonly policy?: string | undefined
}

function vector(name: string, evidence: Uint8Array, expected: Expectation = {}): EvidenceVector {
  const { failed = [], problems = [], vkeys = [] } = expected
  const policy = 'policy' in expected ? expected.policy : POLICY
  return {
    name,
    time: readEvidence(evidence).time,
    files: Object.entries(filesOf(evidence)).map(([file, text]) => ({ name: file, text })),
    sha256: createHash('sha256').update(evidence).digest('hex'),
    vkeys,
    ...(policy !== undefined && { policy }),
    valid: failed.length === 0,
    failed_checks: failed,
    problems: problems.map(([kind, index]) => ({ kind, ...(index !== undefined && { index }) })),
  }
}

/** The log with the root of its map, and evidence of the request with the proof of completeness. */
function complete(indices: readonly number[]): Uint8Array {
  const leaves = [...LOG.leaves, mapRootOf(LOG.leaves)]
  const log = { leaves, disclosures: LOG.disclosures, tree: naiveTreeOf(leaves) }
  const term = { tenant: 'acme', field: 'request', value: 'req-7' } as const
  const completeness = completenessOf(log, term, { size: 7, entry: 7 })
  return evidenceFile(log, indices, { ...OPTIONS, completeness })
}

export function evidenceVectors(): EvidenceVectors {
  const whole = evidenceFile(LOG, INDICES, { ...OPTIONS, olderSize: 4 })
  const edited = (
    name: string,
    change: (files: Files) => void,
    failed: readonly string[],
    problems: Expectation['problems'] = [],
  ): EvidenceVector => vector(name, forged(whole, change), { failed, problems })
  const lines =
    (file: string, change: (all: string[]) => readonly string[]) =>
    (files: Files): void =>
      withLines(files, file, change)
  const swap = (all: readonly string[], one: number, other: number): string[] =>
    all.with(one, all[other]!).with(other, all[one]!)
  const resource = makeDisclosure('/resource', 'x', new Uint8Array(16))
  return {
    about:
      'Evidence (evidence.md) by its files, with the vkeys and policy to verify it with, and the verdict. The log, its ' +
      'witnesses and their keys are those of keys.json; the tree is one of seven leaves, six of them records.',
    archive: toBase64(whole),
    evidence: [
      vector('four records, and an earlier head', whole),
      vector('nothing shown, no earlier head', evidenceFile(LOG, [3], { show: () => false })),
      vector('all of a tree that is no power of two', evidenceFile(LOG, [0, 2, 3, 4, 5, 6])),
      vector('a tree of one leaf', evidenceFile(LOG, [0], { size: 1 })),
      vector(
        'no witness is asked for',
        evidenceFile(LOG, [0], {
          witnesses: [],
          policy: utf8(`log ${formatVkey(LOG_KEY.vkey)}\nquorum none\n`),
        }),
        {
          vkeys: [formatVkey(LOG_KEY.vkey)],
          policy: undefined,
        },
      ),
      vector('after an empty tree', evidenceFile(LOG, [2], { olderSize: 0 })),
      vector(
        'one of two witnesses',
        evidenceFile(LOG, INDICES, { ...OPTIONS, witnesses: [WITNESS_1] }),
        {
          failed: ['witnesses', 'policy'],
        },
      ),
      vector(
        'a policy of its own that asks for none',
        evidenceFile(LOG, INDICES, {
          ...OPTIONS,
          witnesses: [],
          policy: utf8(`log ${formatVkey(LOG_KEY.vkey)}\nquorum none\n`),
        }),
        {
          failed: ['witnesses'],
        },
      ),
      vector('no trusted log', whole, {
        failed: ['log signature', 'earlier head'],
        policy: undefined,
      }),
      edited(
        'a head of another size',
        (files) => {
          files['checkpoint.txt'] = files['checkpoint.txt']!.replace('\n7\n', '\n8\n')
        },
        ['log signature', 'earlier head'],
      ),
      edited(
        'a manifest of another log',
        (files) => {
          files['manifest.json'] = files['manifest.json']!.replace(ORIGIN, 'log.example/other')
        },
        ['manifest'],
      ),
      edited(
        'a manifest with tabs',
        (files) => {
          files['manifest.json'] = files['manifest.json']!.replaceAll('  ', '\t')
        },
        ['manifest'],
      ),
      edited(
        'a manifest of another time',
        (files) => {
          files['manifest.json'] = files['manifest.json']!.replace('18:30:00', '18:30:01')
        },
        ['manifest'],
      ),
      edited(
        'another question',
        (files) => {
          files['manifest.json'] = files['manifest.json']!.replace(
            '"request_id": "req-7"',
            '"type": "decision"',
          )
        },
        ['records'],
        [
          ['foreign', 2],
          ['foreign', 3],
        ],
      ),
      edited(
        'another tenant',
        (files) => {
          files['manifest.json'] = files['manifest.json']!.replace('"acme"', '"other"')
        },
        ['records'],
        INDICES.map((index) => ['foreign', index] as const),
      ),
      edited(
        'a record is missing',
        lines('records.jsonl', (all) => all.toSpliced(1, 1)),
        ['records'],
        [['missing', 3], ['missing']],
      ),
      edited(
        'a record was added',
        lines('records.jsonl', (all) => [...all, Buffer.from(LOG.leaves[4]!).toString()]),
        ['records'],
        [['added'], ['foreign'], ['added']],
      ),
      edited(
        'two records have changed places',
        lines('records.jsonl', (all) => swap(all, 2, 3)),
        ['records'],
        [['reordered', 5]],
      ),
      edited(
        'a record was altered',
        lines('records.jsonl', (all) => all.with(0, all[0]!.replace('answer', 'refuse'))),
        ['records', 'inclusion'],
        [
          ['altered', 2],
          ['not in the log', 2],
        ],
      ),
      edited(
        'the timeline says something else',
        lines('timeline.txt', (all) => all.with(1, all[1]!.replace('answer', 'refuse'))),
        ['records'],
        [['altered', 2]],
      ),
      edited(
        'another index',
        lines('timeline.txt', (all) => all.with(2, all[2]!.replace('3', '4'))),
        ['inclusion', 'disclosures'],
        [['disclosure', 4], ['not in the log', 4], ['disclosure', 3], ['proof']],
      ),
      edited(
        'another node in the proof',
        lines('proof.txt', (all) =>
          all.with(0, all[0]!.replace(/ [^ ]+$/, all[1]!.slice(all[1]!.lastIndexOf(' ')))),
        ),
        ['inclusion'],
        [['proof']],
      ),
      edited(
        'a node too many in the proof',
        lines('proof.txt', (all) => [...all, all[0]!.replace('0 ', '9 ')]),
        ['inclusion'],
        [['proof']],
      ),
      edited(
        'another value',
        lines('disclosures.txt', (all) => all.with(0, all[0]!.replace('...', '..'))),
        ['disclosures'],
        [['disclosure', 2]],
      ),
      edited(
        'a value that the record does not have',
        lines('disclosures.txt', (all) =>
          all.toSpliced(2, 0, `2\t${Buffer.from(resource.json).toString()}`),
        ),
        ['disclosures'],
        [['disclosure', 2], ['disclosure', 2], ['disclosure']],
      ),
      edited(
        'a value is missing',
        lines('disclosures.txt', (all) => all.slice(0, -1)),
        ['disclosures'],
        [['disclosure', 6], ['disclosure']],
      ),
      edited(
        'values in another order',
        lines('disclosures.txt', (all) => swap(all, 0, 1)),
        ['disclosures'],
        [['disclosure', 2], ['disclosure']],
      ),
      edited(
        'an earlier head of another tree',
        (files) => {
          files['older-checkpoint.txt'] = headOfLog(recordLog([LEAST, LEAST, LEAST, LEAST]), 4)
        },
        ['earlier head'],
      ),
      edited(
        'another proof from the earlier head',
        lines('consistency.txt', (all) => all.slice(1)),
        ['earlier head'],
      ),
      vector('all records of a request', complete([2, 3, 5, 6])),
      vector('all records of a request but one', complete([2, 5, 6]), {
        failed: ['completeness'],
      }),
      vector(
        'all records of a request, by a changed proof',
        forged(
          complete([2, 3, 5, 6]),
          lines('completeness.txt', (all) => all.map((line) => line.replace('has 2 3', 'has 3'))),
        ),
        { failed: ['completeness'] },
      ),
    ],
    archives_refused: [
      { name: 'another mode', at: 106, bytes: toBase64(utf8('5')) },
      { name: 'another time of one file', at: 512 * 3 + 146, bytes: toBase64(utf8('7')) },
      { name: 'another byte of the manifest', at: 512 * 4 + 146, bytes: toBase64(utf8('7')) },
      { name: 'another checksum', at: 148, bytes: toBase64(utf8('7')) },
      { name: 'an owner by name', at: 265, bytes: toBase64(utf8('root')) },
      { name: 'a name that leads elsewhere', at: 0, bytes: toBase64(utf8('/')) },
      { name: 'no zeros after a file', at: 512 * 4 - 1, bytes: toBase64(utf8('x')) },
      { name: 'no zeros at the end', at: whole.length - 1, bytes: toBase64(utf8('x')) },
      { name: 'a byte too many', at: whole.length, bytes: toBase64(new Uint8Array(1)) },
      { name: 'another sum', at: 512, bytes: toBase64(utf8('0123456789')) },
    ],
  }
}
