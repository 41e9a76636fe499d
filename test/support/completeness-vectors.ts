/** The vectors of completeness: terms and their keys, maps of few and of many entries, and proofs that hold and do not. */
import { fromHex, toBase64, toHex, utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatCompleteList } from '../../src/formats/complete-list.ts'
import { type CompletenessProof, formatCompleteness } from '../../src/formats/completeness.ts'
import { blocksOf } from '../../src/formats/completeness-blocks.ts'
import { formatMapRoot } from '../../src/formats/completeness-root.ts'
import { listedRecord, type MapTerm, termsOf } from '../../src/formats/completeness-terms.ts'
import { formatNote } from '../../src/formats/note.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { type NaiveTree, naiveTreeOf } from '../merkle/naive.ts'
import { LOG_KEY, ORIGIN } from './example-log.ts'
import { type NaiveMap, naiveKey, naiveMap } from './naive-map.ts'
import { ACTOR, LEAST, prepared, SUBJECT } from './records.ts'

export const MAP_KEY: Uint8Array = new Uint8Array(32).fill(0x88)

const idOf = (n: number): string =>
  `019a9bd4-5c00-7${n.toString(16).padStart(3, '0')}-8def-0123456789ab`

function record(n: number, submission: object): Uint8Array {
  const time = { id: idOf(n), time: Date.UTC(2026, 10, 21, 12) + n }
  return prepared({ type: 'llm_request', ...submission }, time).leaf
}

/** A log of records and of other leaves; the entries that say what the map is are added below. */
const FIRST_LEAVES: readonly Uint8Array[] = [
  utf8('genesis'),
  record(1, LEAST),
  record(2, { request_id: 'req-1', session_id: 'session-1', actor: 'bot', type: 'tool_call' }),
  record(3, { request_id: 'req-2', session_id: 'session-1', subject: 'ann@example.com' }),
  record(4, { request_id: 'req-1', tenant: 'other' }),
  record(5, { type: 'correction', corrects: idOf(1), request_id: 'req-3' }),
  utf8('{"id":"no record","version":"cairn-record/v1"}'),
  // A copy that somebody submitted as a leaf.
  record(2, { request_id: 'req-1', session_id: 'session-1', actor: 'bot', type: 'tool_call' }),
]

export interface CompleteLog {
  readonly leaves: readonly Uint8Array[]
  readonly tree: NaiveTree
  readonly note: string
  readonly map: NaiveMap
  /** Where the root of the map is. */
  readonly entry: number
  readonly prove: (term: MapTerm) => CompletenessProof
}

function termsIn(leaves: readonly Uint8Array[]): (index: number) => readonly MapTerm[] {
  const terms = leaves.map((leaf) => {
    const read = listedRecord(leaf)
    return read === undefined ? [] : termsOf(read)
  })
  return (index) => terms[index] ?? []
}

/** The entry that says what the map of these leaves is. */
export function mapRootOf(leaves: readonly Uint8Array[]): Uint8Array {
  const size = treeSize(leaves.length)
  const root = rootHash(naiveMap(MAP_KEY, termsIn(leaves), size).root)
  return formatMapRoot({ origin: ORIGIN, size, root, key: MAP_KEY })
}

/** What the map of the first leaves of a tree of `treeSize` leaves lists under a term; its root is at `entry`. */
export function completenessOf(
  { leaves, tree }: { readonly leaves: readonly Uint8Array[]; readonly tree: NaiveTree },
  term: MapTerm,
  { size, entry, of = leaves.length }: { size: number; entry: number; of?: number },
): CompletenessProof {
  const map = naiveMap(MAP_KEY, termsIn(leaves.slice(0, size)), size)
  return {
    term,
    entry: leafIndex(entry),
    size: treeSize(size),
    root: rootHash(map.root),
    key: MAP_KEY,
    inclusion: tree.path(entry, of).map(nodeHash),
    blocks: map.prove(term),
  }
}

/** A log of these leaves, then some more, then the root of the map of the first, then one leaf more. */
export function completeLog(
  first: readonly Uint8Array[],
  lag: readonly Uint8Array[] = [],
): CompleteLog {
  const size = first.length
  const entry = size + lag.length
  const leaves = [...first, ...lag, mapRootOf(first), utf8('more')]
  const tree = naiveTreeOf(leaves)
  const text = formatCheckpoint({
    origin: ORIGIN,
    size: treeSize(leaves.length),
    root: rootHash(tree.root(0, leaves.length)),
    extensions: [],
  })
  return {
    leaves,
    tree,
    note: formatNote({ text, signatures: [LOG_KEY.sign(text)] }),
    map: naiveMap(MAP_KEY, termsIn(first), size),
    entry,
    prove: (term) => completenessOf({ leaves, tree }, term, { size, entry }),
  }
}

export const COMPLETE_LOG: CompleteLog = completeLog(FIRST_LEAVES)

const of = (field: MapTerm['field'], value: string, tenant = 'acme'): MapTerm => ({
  tenant,
  field,
  value,
})

export const TERMS: readonly { readonly term: MapTerm; readonly indices: readonly number[] }[] = [
  { term: of('request', 'req-1'), indices: [1, 2, 7] },
  { term: of('request', 'req-2'), indices: [3] },
  { term: of('request', 'req-1', 'other'), indices: [4] },
  { term: of('session', 'session-1'), indices: [2, 3, 7] },
  { term: of('subject', SUBJECT), indices: [1, 3] },
  { term: of('actor', ACTOR), indices: [2, 7] },
  { term: of('actor', SUBJECT), indices: [] },
  { term: of('record', idOf(1)), indices: [1, 5] },
  { term: of('record', idOf(6)), indices: [] },
  { term: of('request', 'req-4'), indices: [] },
  { term: of('request', 'req-17'), indices: [] },
  { term: of('request', 'pr\u00fcfung 9 \u{1f512}'), indices: [] },
]

export interface CompletenessVector {
  readonly name: string
  readonly proof: string
  readonly valid: boolean
  readonly indices?: readonly number[]
  /** Why it must be refused. */
  readonly reason?: string
}

function invalid(): CompletenessVector[] {
  const good = COMPLETE_LOG.prove(TERMS[0]!.term)
  const text = Buffer.from(formatCompleteness(good)).toString()
  const none = COMPLETE_LOG.prove(of('request', 'req-4'))
  const refuse = (name: string, proof: string | CompletenessProof): CompletenessVector => ({
    name,
    proof: typeof proof === 'string' ? proof : Buffer.from(formatCompleteness(proof)).toString(),
    valid: false,
  })
  const [block] = good.blocks
  const withBlock = (change: object): CompletenessProof => ({
    ...good,
    blocks: [{ ...block!, ...change }],
  })
  const flipped = nodeHash(good.inclusion[0]!.with(0, good.inclusion[0]![0]! ^ 1))
  return [
    refuse('an entry left out', withBlock({ indices: block!.indices.slice(1) })),
    refuse('an entry too many', withBlock({ indices: [1, 2, 6, 7] })),
    refuse('another entry', withBlock({ indices: [1, 2, 6] })),
    refuse('an entry beyond the map', withBlock({ indices: [1, 2, 8] })),
    refuse('entries in another order', text.replace('has 1 2 7', 'has 2 1 7')),
    refuse(
      'nothing where something is',
      withBlock({
        indices: [],
        proof: { ...block!.proof, found: { kind: 'nothing' } },
      }),
    ),
    refuse('the proof of another term', { ...good, term: of('request', 'req-2') }),
    refuse('the term of another tenant', { ...good, term: of('request', 'req-1', 'other') }),
    refuse('the same value of another field', { ...good, term: of('session', 'req-1') }),
    refuse(
      'the key itself as another one',
      withBlock({
        indices: [],
        proof: {
          found: { kind: 'other', key: naiveKey(MAP_KEY, good.term), value: MAP_KEY },
          path: block!.proof.path,
        },
      }),
    ),
    refuse('another key of the map', { ...good, key: new Uint8Array(32) }),
    refuse('another root hash of the map', { ...good, root: rootHash(new Uint8Array(32)) }),
    refuse('a map of fewer entries', { ...good, size: treeSize(7) }),
    refuse('a map of more entries than came before', { ...good, size: treeSize(10) }),
    refuse('another entry for the root of the map', { ...good, entry: leafIndex(9) }),
    refuse('another inclusion proof', {
      ...good,
      inclusion: [flipped, ...good.inclusion.slice(1)],
    }),
    refuse(
      'a node too few',
      withBlock({ proof: { ...block!.proof, path: block!.proof.path.slice(1) } }),
    ),
    refuse(
      'a node too many',
      withBlock({
        proof: { ...block!.proof, path: [undefined, ...block!.proof.path] },
      }),
    ),
    refuse('a block too few', text.slice(0, text.indexOf('\n\nhas') + 1)),
    refuse('a block too many', { ...good, blocks: [block!, block!] }),
    refuse('no newline at the end', text.slice(0, -1)),
    refuse('carriage returns', text.replaceAll('\n', '\r\n')),
    refuse('a leading zero', text.replace('has 1 2', 'has 01 2')),
    refuse('two spaces', text.replace('has 1 2', 'has 1  2')),
    refuse('another version', text.replace('/v1', '/v2')),
    refuse('a field that records are not listed by', text.replace('acme request', 'acme model')),
    refuse('a subject that is no pseudonym', text.replace('request req-1', 'subject ann')),
    refuse(
      'the proof that there is nothing, with a list',
      Buffer.from(formatCompleteness(none))
        .toString()
        .replace('\nnone\n', '\nnone 3\n')
        .replace('\nother ', '\nother 3 '),
    ),
    refuse('a map of nothing', text.replace('\n8\n8\n', '\n8\n0\n')),
  ]
}

export interface CompleteListVector {
  readonly name: string
  readonly file: string
  readonly valid: boolean
  /** The check that fails. */
  readonly failed_check?: 'format' | 'log signature' | 'completeness'
  readonly indices?: readonly number[]
}

/** What it is about in the file: the checkpoint of the log, and a proof. */
export function completeListOf(term: MapTerm): string {
  const file = formatCompleteList({
    checkpoint: COMPLETE_LOG.note,
    proof: COMPLETE_LOG.prove(term),
  })
  return Buffer.from(file).toString()
}

function completeLists(): CompleteListVector[] {
  const some = TERMS[0]!
  const good = completeListOf(some.term)
  const none = completeListOf(of('request', 'req-4'))
  const { note } = COMPLETE_LOG
  const proof = Buffer.from(formatCompleteness(COMPLETE_LOG.prove(some.term))).toString()
  const foreign = completeLog(FIRST_LEAVES.slice(0, 5))
  const refuse = (
    failed_check: CompleteListVector['failed_check'],
    name: string,
    file: string,
  ): CompleteListVector => ({ name, file, valid: false, failed_check: failed_check! })
  return [
    { name: 'a list', file: good, valid: true, indices: some.indices },
    { name: 'none', file: none, valid: true, indices: [] },
    refuse('format', 'the file in another version', good.replace('list/v1', 'list/v2')),
    refuse(
      'format',
      'the proof in another version',
      good.replace('completeness/v1', 'completeness/v2'),
    ),
    refuse('format', 'no blank line before the checkpoint', good.replace('\n\n', '\n')),
    refuse('format', 'no blank line before the proof', good.replace('\n\ncairn', '\ncairn')),
    refuse('format', 'two blank lines before the proof', good.replace('\n\ncairn', '\n\n\ncairn')),
    refuse('format', 'no checkpoint', good.replace(note, '')),
    refuse('format', 'no proof', good.replace(proof, '')),
    refuse(
      'format',
      'the proof before the checkpoint',
      `cairn-complete-list/v1\n\n${proof}\n${note}`,
    ),
    refuse('format', 'a second proof', `${good}\n${proof}`),
    refuse('format', 'a line more', `${good}more\n`),
    refuse('format', 'no newline at the end', good.slice(0, -1)),
    refuse('format', 'carriage returns', good.replaceAll('\n', '\r\n')),
    refuse('log signature', 'another size in the checkpoint', good.replace('\n10\n', '\n11\n')),
    refuse('completeness', 'the checkpoint of another tree', good.replace(note, foreign.note)),
    refuse('completeness', 'an entry left out', good.replace('has 1 2 7', 'has 1 2')),
    refuse('completeness', 'none where there are some', good.replace('has 1 2 7', 'none')),
    refuse('completeness', 'another term', good.replace('request req-1', 'request req-2')),
    refuse('completeness', 'none of another term', none.replace('request req-4', 'request req-1')),
    refuse('completeness', 'none of another tenant', none.replace('acme request', 'other request')),
  ]
}

/** Few terms, far apart: what large blocks, small blocks and the rest are made of. */
const LISTED: readonly { readonly index: number; readonly term: MapTerm }[] = [
  { index: 0, term: of('request', 'req-1') },
  { index: 4_095, term: of('request', 'req-1') },
  { index: 4_096, term: of('session', 'session-1') },
  { index: 262_143, term: of('request', 'req-1') },
  { index: 262_144, term: of('request', 'req-2') },
  { index: 266_239, term: of('request', 'req-1') },
  { index: 270_336, term: of('request', 'req-1') },
  { index: 270_340, term: of('session', 'session-1') },
]
const SIZES = [1, 4_095, 4_096, 4_097, 8_192, 262_143, 262_144, 262_145, 266_240, 270_336, 270_341]

export function completenessVectors(): object {
  const byIndex = new Map(LISTED.map(({ index, term }) => [index, [term]]))
  return {
    about:
      'spec/completeness.md. Bytes are in hexadecimal, proofs as text. The checkpoint is signed by the Ed25519 key of the ' +
      'log in keys.json; the proofs are held against it. leaves are those of its tree.',
    map_key: toHex(MAP_KEY),
    leaves: COMPLETE_LOG.leaves.map((leaf) => toHex(leaf)),
    checkpoint: COMPLETE_LOG.note,
    map_root: {
      entry: COMPLETE_LOG.entry,
      size: COMPLETE_LOG.entry,
      root: toHex(COMPLETE_LOG.map.root),
    },
    terms: TERMS.map(({ term, indices }) => ({
      ...term,
      key: toHex(naiveKey(MAP_KEY, term)),
      indices,
    })),
    proofs: [
      ...TERMS.map(({ term, indices }) => ({
        name: `${term.tenant} ${term.field} ${term.value}`,
        proof: Buffer.from(formatCompleteness(COMPLETE_LOG.prove(term))).toString(),
        valid: true,
        indices,
      })),
      ...invalid(),
    ],
    files: completeLists(),
    map_roots_invalid: invalidRoots(),
    listed: LISTED.map(({ index, term }) => ({ index, ...term })),
    maps: SIZES.map((size) => ({
      size,
      blocks: blocksOf(treeSize(size)).length,
      root: toHex(naiveMap(MAP_KEY, (index) => byIndex.get(index) ?? [], size).root),
    })),
  }
}

function invalidRoots(): object[] {
  const good = [ORIGIN, '8', toBase64(COMPLETE_LOG.map.root), toBase64(MAP_KEY), '']
  const said = ['cairn-map/v1', ...good].join('\n')
  const [, , root, key] = good as [string, string, string, string]
  return [
    { reason: 'another version', leaf: said.replace('v1', 'v2') },
    { reason: 'no newline at the end', leaf: said.slice(0, -1) },
    { reason: 'a line more', leaf: `${said}more\n` },
    { reason: 'a line fewer', leaf: said.replace(`${key}\n`, '') },
    { reason: 'no entries', leaf: said.replace('\n8\n', '\n0\n') },
    { reason: 'a leading zero', leaf: said.replace('\n8\n', '\n08\n') },
    {
      reason: 'a root hash of 31 bytes',
      leaf: said.replace(root, toBase64(fromHex('00'.repeat(31)))),
    },
    { reason: 'a key of 33 bytes', leaf: said.replace(key, toBase64(fromHex('00'.repeat(33)))) },
    { reason: 'no origin', leaf: said.replace(ORIGIN, '') },
    { reason: 'carriage returns', leaf: said.replaceAll('\n', '\r\n') },
  ]
}
