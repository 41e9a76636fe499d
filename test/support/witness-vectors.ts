/**
 * The vectors of a witness: requests in the order in which they are sent to one that knows nothing yet, and its
 * answers. And those of subtrees, with their proofs.
 */
import { createHash } from 'node:crypto'
import { toBase64, toHex, utf8 } from '../../src/bytes.ts'
import { formatAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import {
  formatNote,
  formatSignatureLine,
  type NoteSignature,
  parseNote,
} from '../../src/formats/note.ts'
import { formatSignSubtree } from '../../src/formats/sign-subtree.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { isSubtree, type Subtree } from '../../src/merkle/subtree.ts'
import type { NaiveTree } from '../merkle/naive.ts'
import { COSIGNED_AT, LOG_KEY, ORIGIN, WITNESS_1, WITNESS_2 } from './example-log.ts'
import { FORKED_TREE, headWith, TREE } from './split-view-vectors.ts'
import { ML_DSA_KEY, SIZE, WITNESS_ML_DSA } from './vector-keys.ts'

export interface WitnessStep {
  readonly name: string
  readonly path: string
  /** Of a POST; a step without one is a GET. */
  readonly body?: string
  readonly status: number
  /** The body of the answer, where it is fixed. */
  readonly answer?: string
}

export interface WitnessVectors {
  readonly about: string
  readonly vkeys: readonly string[]
  readonly log_vkeys: readonly string[]
  readonly time: number
  readonly steps: readonly WitnessStep[]
}

type Lines = (text: string) => readonly NoteSignature[]

const BY_LOG: Lines = (text) => [LOG_KEY.sign(text)]
const BY_BOTH: Lines = (text) => [LOG_KEY.sign(text), ML_DSA_KEY.sign(text)]
const spoiled = (line: NoteSignature): NoteSignature => ({
  ...line,
  signature: line.signature.with(40, line.signature[40]! ^ 1),
})

/** A head of a tree, signed by the log's Ed25519 key unless told otherwise. */
function noteOf(tree: NaiveTree, size: number, lines: Lines = BY_LOG): string {
  return headWith(size, tree.root(0, size), lines).note
}

/** The body of add-checkpoint: the proof is the one that holds in the tree, unless told otherwise. */
function request(oldSize: number, checkpoint: string, proof: readonly Uint8Array[] = []): string {
  return formatAddCheckpoint({
    oldSize: treeSize(oldSize),
    proof: proof.map(nodeHash),
    checkpoint,
  })
}

function add(name: string, status: number, body: string, answer?: string): WitnessStep {
  return { name, path: '/add-checkpoint', body, status, ...(answer !== undefined && { answer }) }
}

/** A request that is granted: the answer is what the witness's keys say of the checkpoint at the fixed time. */
function granted(name: string, body: string): WitnessStep {
  const { text } = parseNote(utf8(body.slice(body.indexOf('\n\n') + 2)))
  const lines = [WITNESS_1, WITNESS_ML_DSA].map((key) => key.cosign(text, COSIGNED_AT))
  return add(name, 200, body, lines.map(formatSignatureLine).join(''))
}

function addCheckpointSteps(): WitnessStep[] {
  const first = noteOf(TREE, 5)
  const second = noteOf(TREE, SIZE)
  const [text = '', signatures = ''] = second.split('\n\n')
  const good = request(5, noteOf(TREE, SIZE, BY_BOTH), TREE.proof(5, SIZE))
  const hash = toBase64(TREE.root(0, 1))
  const stranger = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(0x55))
  const foreign = headWith(9, TREE.root(0, 9), (t) => [stranger.sign(t)], 'other.example/log').note
  const unsigned = noteOf(TREE, 9, (t) => [WITNESS_2.cosign(t, COSIGNED_AT)])
  const half = noteOf(TREE, 9, (t) => [LOG_KEY.sign(t), spoiled(ML_DSA_KEY.sign(t))])
  const extended = `${text}\nan extension\n`
  return [
    add('no old line', 400, second),
    add('a leading zero in the old size', 400, request(0, second).replace('old 0', 'old 00')),
    add('no blank line before the checkpoint', 400, request(0, second).replace('\n\n', '\n')),
    add('a hash that is not canonical base64', 400, `old 5\n${hash.slice(0, -1)}\n\n${second}`),
    add('64 hashes', 400, request(5, second, Array(64).fill(TREE.root(0, 1)))),
    add('no checkpoint', 400, 'old 0\n\n'),
    add('no signature', 400, `old 0\n\n${text}\n\n`),
    add('no root hash', 400, `old 0\n\n${ORIGIN}\n13\n\n${signatures}`),
    add('carriage returns', 400, request(0, second).replaceAll('\n', '\r\n')),
    add(
      'an extension line',
      400,
      request(0, formatNote({ text: extended, signatures: BY_LOG(extended) })),
    ),
    add('another log', 404, request(0, foreign)),
    add('another log, and an old size above the new one', 404, request(10, foreign)),
    add('no signature by a key of the log', 403, request(0, unsigned)),
    add('one of two signatures by keys of the log does not verify', 403, request(0, half)),
    add('no signature by the log, and an old size above the new one', 403, request(10, unsigned)),
    add('an old size above the new one', 400, request(SIZE + 1, second)),
    add(
      'a root of size 0 that is not that of the empty tree',
      422,
      request(0, headWith(0, TREE.root(0, 1)).note),
    ),
    add('an old size, when nothing was cosigned yet', 409, good, '0\n'),
    add('a proof from size 0', 422, request(0, first, TREE.proof(4, 5))),
    granted('the empty tree', request(0, noteOf(TREE, 0))),
    granted('the empty tree again', request(0, noteOf(TREE, 0))),
    granted('the first leaves', request(0, first)),
    granted('the same head again, for a newer time', request(5, first)),
    granted('the same head signed by both keys of the log', request(5, noteOf(TREE, 5, BY_BOTH))),
    add('a proof between equal sizes', 422, request(5, first, TREE.proof(4, 5))),
    add('two roots for one size', 422, request(5, noteOf(FORKED_TREE, 5))),
    add('an old size of 0, to ask for the right one', 409, request(0, second), '5\n'),
    add('an older old size', 409, request(4, second, TREE.proof(4, SIZE)), '5\n'),
    add('an old size that was not cosigned', 409, request(6, second, TREE.proof(6, SIZE)), '5\n'),
    add('another old size and a wrong proof', 409, request(4, second, TREE.proof(3, SIZE)), '5\n'),
    add('no proof', 422, request(5, second)),
    add('a proof of another size', 422, request(5, second, TREE.proof(6, SIZE))),
    add('a hash too many', 422, request(5, second, [...TREE.proof(5, SIZE), TREE.root(0, 1)])),
    add('another tree', 422, request(5, noteOf(FORKED_TREE, SIZE), FORKED_TREE.proof(5, SIZE))),
    granted('more leaves', good),
    add('an older head', 409, request(5, noteOf(TREE, 9), TREE.proof(5, 9)), '13\n'),
    add('an older head, from the newest', 400, request(SIZE, noteOf(TREE, 9))),
  ]
}

function subtreeOf(start: number, end: number): Subtree {
  return { start: treeSize(start), end: treeSize(end) }
}

const BY_WITNESS: Lines = (text) => [WITNESS_1.cosign(text, COSIGNED_AT)]

function subtreeBody(start: number, end: number, lines: Lines = BY_WITNESS): string {
  return formatSignSubtree({
    subtree: subtreeOf(start, end),
    hash: nodeHash(TREE.root(start, end)),
    proof: TREE.subtreeProof(start, end, SIZE).map(nodeHash),
    checkpoint: noteOf(TREE, SIZE, lines),
  })
}

function sign(name: string, status: number, body: string): WitnessStep {
  return { name, path: '/sign-subtree', body, status }
}

function signed(name: string, start: number, end: number, lines?: Lines): WitnessStep {
  const hash = nodeHash(TREE.root(start, end))
  const answer = formatSignatureLine(
    WITNESS_ML_DSA.cosignSubtree({ origin: ORIGIN, subtree: subtreeOf(start, end), hash }),
  )
  return { ...sign(name, 200, subtreeBody(start, end, lines)), answer }
}

function signSubtreeSteps(): WitnessStep[] {
  const good = subtreeBody(8, 13)
  const [range = '', hash = '', ...hashes] = good.slice(0, good.indexOf('\n\n')).split('\n')
  const changed = (lines: readonly string[]): string =>
    `${lines.join('\n')}${good.slice(good.indexOf('\n\n'))}`
  const foreign = headWith(SIZE, TREE.root(0, SIZE), BY_WITNESS, 'other.example/log').note
  return [
    signed('a subtree at the end', 8, 13),
    signed('a complete subtree', 4, 8),
    signed('one leaf', 12, 13),
    signed('the beginning', 0, 6),
    signed('the whole tree', 0, 13),
    signed('by the ML-DSA-44 cosignature', 8, 13, (t) => [WITNESS_ML_DSA.cosign(t, COSIGNED_AT)]),
    signed('among other signatures', 8, 13, (t) => [
      LOG_KEY.sign(t),
      WITNESS_2.cosign(t, COSIGNED_AT),
      ...BY_WITNESS(t),
    ]),
    sign('no subtree line', 400, changed([hash, ...hashes])),
    sign('no hash', 400, changed([range])),
    sign('a leading zero', 400, changed(['subtree 08 13', hash, ...hashes])),
    sign('a range that is no subtree', 400, changed(['subtree 4 13', hash, ...hashes])),
    sign('an empty subtree', 400, changed(['subtree 8 8', hash, ...hashes])),
    sign('a subtree beyond the tree', 400, changed(['subtree 8 14', hash, ...hashes])),
    sign('64 hashes', 400, changed([range, hash, ...Array(64).fill(hash)])),
    sign('another log', 404, good.slice(0, good.indexOf('\n\n') + 2) + foreign),
    sign('no cosignature by the witness', 403, subtreeBody(8, 13, BY_LOG)),
    sign(
      'a cosignature by another witness',
      403,
      subtreeBody(8, 13, (t) => [WITNESS_2.cosign(t, COSIGNED_AT)]),
    ),
    sign(
      'a cosignature that does not verify',
      403,
      subtreeBody(8, 13, (t) => BY_WITNESS(t).map(spoiled)),
    ),
    sign(
      'no cosignature, and a proof that does not hold',
      403,
      subtreeBody(8, 13, BY_LOG).replace(hash, toBase64(TREE.root(0, 1))),
    ),
    sign('another hash', 422, changed([range, toBase64(TREE.root(0, 1)), ...hashes])),
    sign('another subtree', 422, changed(['subtree 8 12', hash, ...hashes])),
    sign('a hash too few', 422, changed([range, hash, ...hashes.slice(1)])),
    sign('a hash too many', 422, changed([range, hash, ...hashes, hash])),
  ]
}

export function witness(): WitnessVectors {
  const path = `/${createHash('sha256').update(ORIGIN).digest('hex')}/checkpoint`
  const latest = noteOf(TREE, SIZE, (text) => [
    ...BY_BOTH(text),
    ...[WITNESS_1, WITNESS_ML_DSA].map((key) => key.cosign(text, COSIGNED_AT)),
  ])
  const unknown = `/${createHash('sha256').update('other.example/log').digest('hex')}/checkpoint`
  return {
    about:
      'Requests to a witness that watches the log of tree.json and has cosigned nothing yet, in their order, and its ' +
      'answers. Its clock stands at `time`. A step with a body is a POST, one without is a GET. An Ed25519 line of an ' +
      'answer is to be the same; an ML-DSA-44 line, made by the deterministic variant, need only verify. Other bodies ' +
      'of refusals are free. In the other tree entry 3 is the nine bytes of "rewritten".',
    vkeys: [WITNESS_1, WITNESS_ML_DSA].map(({ vkey }) => formatVkey(vkey)),
    log_vkeys: [LOG_KEY, ML_DSA_KEY].map(({ vkey }) => formatVkey(vkey)),
    time: COSIGNED_AT,
    steps: [
      { name: 'nothing to monitor yet', path, status: 404 },
      ...addCheckpointSteps(),
      { name: 'the newest head, to monitor', path, status: 200, answer: latest },
      { name: 'a log that is not watched', path: unknown, status: 404 },
      ...signSubtreeSteps(),
    ],
  }
}

export interface SubtreeVector {
  readonly start: number
  readonly end: number
  readonly size: number
  readonly hash: string
  readonly path: readonly string[]
  readonly root: string
  readonly reason?: string
}

function proofOf(start: number, end: number, size: number): SubtreeVector {
  return {
    start,
    end,
    size,
    hash: toHex(TREE.root(start, end)),
    path: TREE.subtreeProof(start, end, size).map(toHex),
    root: toHex(TREE.root(0, size)),
  }
}

export function subtrees(): object {
  const proofs: SubtreeVector[] = []
  for (const size of [1, 2, 5, 8, SIZE]) {
    for (let end = 1; end <= size; end++) {
      for (let start = 0; start < end; start++) {
        if (isSubtree(subtreeOf(start, end))) proofs.push(proofOf(start, end, size))
      }
    }
  }
  const good = proofOf(8, 11, SIZE)
  const [first = '', ...rest] = good.path
  return {
    about:
      'Subtrees of the tree in tree.json, and the proofs that trees contain them. All bytes are in hexadecimal. Those ' +
      'of `invalid` must not verify.',
    proofs,
    invalid: [
      { reason: 'another start', ...good, start: 0 },
      { reason: 'another end', ...good, end: 12 },
      { reason: 'another size', ...good, size: 11 },
      { reason: 'no subtree: the start is no multiple of 4', ...good, start: 9 },
      { reason: 'no subtree: it is empty', ...good, end: 8 },
      { reason: 'it ends beyond the tree', ...good, end: 14 },
      { reason: 'another hash', ...good, hash: first },
      { reason: 'another root', ...good, root: toHex(TREE.root(0, 12)) },
      { reason: 'a hash too few', ...good, path: rest },
      { reason: 'a hash too many', ...good, path: [...good.path, first] },
      { reason: 'hashes in another order', ...good, path: [...rest, first] },
      { reason: 'a hash of 31 bytes', ...good, path: [first.slice(2), ...rest] },
      { reason: 'an empty proof', ...good, path: [] },
    ],
  }
}
