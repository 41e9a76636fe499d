/**
 * The vectors of spec/vectors, made by this code with fixed keys: what an implementation in another language has to
 * agree with. Everything is deterministic, so that they can be made again and compared byte for byte.
 */
import { toBase64, toHex } from '../../src/bytes.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { encodeByteStrings } from '../../src/formats/cbor.ts'
import { formatSkey } from '../../src/formats/signing-key.ts'
import { bundlePath, tilePath } from '../../src/formats/tile.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { EMPTY_ROOT } from '../../src/merkle/hash.ts'
import { completenessVectors } from './completeness-vectors.ts'
import { evidenceVectors } from './evidence-vectors.ts'
import {
  COSIGNED_AT,
  checkpointAt,
  consistencyOf,
  hashesOf,
  inclusionAt,
  LEAVES,
  LOG_KEY,
  LOG_ML_DSA_SEED,
  LOG_SEED,
  ORIGIN,
  rootAt,
  WITNESS_1,
  WITNESS_2,
} from './example-log.ts'
import { coseReceipts, jsonReceipts, tlogProofs } from './receipt-vectors.ts'
import { recordVectors } from './record-vectors.ts'
import { splitViews } from './split-view-vectors.ts'
import {
  BOTH,
  ML_DSA_KEY,
  POLICY,
  SIZE,
  WITNESS_ML_DSA,
  WITNESS_ML_DSA_SEED,
  WITNESSED,
} from './vector-keys.ts'
import { subtrees, witness } from './witness-vectors.ts'

const hexes = (list: readonly Uint8Array[]): string[] => list.map(toHex)

function tree(): object {
  const hashes = hashesOf(LEAVES)
  const sizes = Array.from({ length: SIZE + 1 }, (_, size) => size)
  const inclusion = sizes.flatMap((size) =>
    Array.from({ length: size }, (_, index) => {
      const { leafHash, proof } = inclusionAt(index, size)
      return {
        index,
        size,
        leaf_hash: toHex(leafHash),
        path: hexes(proof),
        root: toHex(rootAt(size)),
      }
    }),
  )
  const consistency = sizes.slice(1).flatMap((second) =>
    Array.from({ length: second }, (_, at) => {
      const first = at + 1
      const path = consistencyOf(first, hashes.slice(0, second))
      return {
        first,
        second,
        path: hexes(path),
        first_root: toHex(rootAt(first)),
        second_root: toHex(rootAt(second)),
      }
    }),
  )
  return {
    about:
      'RFC 6962 over SHA-256, all bytes in hexadecimal. roots[n] is the root of the first n leaves.',
    leaves: LEAVES.map((leaf, index) => ({
      index,
      leaf: toHex(leaf),
      leaf_hash: toHex(hashes[index]!),
    })),
    roots: sizes.map((size) => toHex(size === 0 ? EMPTY_ROOT : rootAt(size))),
    inclusion,
    consistency,
    inclusion_invalid: invalidInclusion(),
    consistency_invalid: invalidConsistency(),
  }
}

function invalidInclusion(): object[] {
  const { leafHash, proof } = inclusionAt(4, SIZE)
  const good = {
    index: 4,
    size: SIZE,
    leaf_hash: toHex(leafHash),
    path: hexes(proof),
    root: toHex(rootAt(SIZE)),
  }
  const [first = '', ...rest] = good.path
  return [
    { reason: 'another index', ...good, index: 5 },
    { reason: 'the index is not below the size', ...good, index: SIZE },
    { reason: 'another size', ...good, size: 8 },
    { reason: 'a hash too few', ...good, path: rest },
    { reason: 'a hash too many', ...good, path: [...good.path, first] },
    { reason: 'hashes in another order', ...good, path: [...rest, first] },
    { reason: 'a hash of 31 bytes', ...good, path: [first.slice(2), ...rest] },
    { reason: 'the root of another tree', ...good, root: toHex(rootAt(8)) },
    { reason: 'another leaf', ...good, leaf_hash: first },
  ]
}

function invalidConsistency(): object[] {
  const path = hexes(consistencyOf(6, hashesOf(LEAVES)))
  const good = {
    first: 6,
    second: SIZE,
    path,
    first_root: toHex(rootAt(6)),
    second_root: toHex(rootAt(SIZE)),
  }
  const same = {
    first: 6,
    second: 6,
    path: [],
    first_root: good.first_root,
    second_root: good.first_root,
  }
  return [
    { reason: 'another first size', ...good, first: 5 },
    { reason: 'sizes the wrong way round', ...good, first: SIZE, second: 6 },
    {
      reason: 'there is no proof from the empty tree',
      ...good,
      first: 0,
      path: [],
      first_root: toHex(EMPTY_ROOT),
    },
    { reason: 'an empty proof', ...good, path: [] },
    { reason: 'a hash too few', ...good, path: path.slice(1) },
    { reason: 'a hash too many', ...good, path: [...path, path[0]] },
    { reason: 'another first root', ...good, first_root: toHex(rootAt(5)) },
    { reason: 'another second root', ...good, second_root: toHex(rootAt(12)) },
    { reason: 'two roots for one size', ...same, second_root: good.second_root },
    { reason: 'a proof between equal sizes that is not empty', ...same, path: [path[0]] },
  ]
}

function keys(): object {
  const ed25519 = formatVkey(LOG_KEY.vkey)
  const [name, id, key] = ed25519.split('+')
  return {
    about:
      'Verifier keys (signed-note) and what they are made from. Seeds are 32 bytes in hexadecimal.',
    keys: [
      { role: 'log', type: '01 Ed25519', seed: toHex(LOG_SEED), key: LOG_KEY },
      { role: 'log', type: '06 ML-DSA-44', seed: toHex(LOG_ML_DSA_SEED), key: ML_DSA_KEY },
      { role: 'witness', type: '04 Ed25519 cosignature', seed: '33'.repeat(32), key: WITNESS_1 },
      { role: 'witness', type: '04 Ed25519 cosignature', seed: '44'.repeat(32), key: WITNESS_2 },
      {
        role: 'witness',
        type: '06 ML-DSA-44',
        seed: toHex(WITNESS_ML_DSA_SEED),
        key: WITNESS_ML_DSA,
      },
    ].map(({ key: { vkey }, ...rest }) => ({
      ...rest,
      name: vkey.name,
      key_id: vkey.keyId,
      vkey: formatVkey(vkey),
    })),
    skey: formatSkey({ name: ORIGIN, type: 'ed25519', seed: LOG_SEED }),
    policy: POLICY,
    invalid: [
      { reason: 'the key id is not that of the key', vkey: `${name}+00000000+${key}` },
      { reason: 'another name needs another key id', vkey: `other.example/log+${id}+${key}` },
      { reason: 'key id in upper case', vkey: `${name}+${id!.toUpperCase()}+${key}` },
      { reason: 'no name', vkey: `+${id}+${key}` },
      { reason: 'white space in the name', vkey: `log example+${id}+${key}` },
      { reason: 'no key', vkey: `${name}+${id}` },
      { reason: 'a key cut short', vkey: ed25519.replace(/=+$/, '').slice(0, -1) },
      { reason: 'a newline at the end', vkey: `${ed25519}\n` },
    ],
  }
}

function checkpoints(): object {
  const note = checkpointAt(SIZE)
  const [origin, size, root] = note.split('\n') as [string, string, string]
  const other = checkpointAt(SIZE - 1)
  const signature = (text: string): string => text.slice(text.indexOf('\n\n') + 2)
  const invalid = (reason: string, changed: string): object => ({ reason, note: changed })
  const resigned = (text: string): string => {
    const { keyId, signature: bytes } = LOG_KEY.sign(text)
    return `${text}\n\u2014 ${ORIGIN} ${toBase64(Uint8Array.of(...Buffer.from(keyId, 'hex'), ...bytes))}\n`
  }
  return {
    about:
      'Checkpoints, each to be opened with both vkeys of the log in keys.json. The ML-DSA-44 signatures are of the ' +
      'deterministic variant; a signature need not be made again, only verified. invalid ones must be refused.',
    valid: [
      { name: 'empty tree, Ed25519', size: 0, root: toHex(EMPTY_ROOT), note: checkpointAt(0) },
      { name: 'one leaf, Ed25519', size: 1, root: toHex(rootAt(1)), note: checkpointAt(1) },
      { name: 'Ed25519 alone', size: SIZE, root: toHex(rootAt(SIZE)), note },
      {
        name: 'ML-DSA-44 alone',
        size: SIZE,
        root: toHex(rootAt(SIZE)),
        note: checkpointAt(SIZE, { keys: [ML_DSA_KEY] }),
      },
      { name: 'both', size: SIZE, root: toHex(rootAt(SIZE)), note: checkpointAt(SIZE, BOTH) },
      {
        name: 'both and two cosignatures',
        cosigned_at: COSIGNED_AT,
        size: SIZE,
        root: toHex(rootAt(SIZE)),
        note: checkpointAt(SIZE, WITNESSED),
      },
    ],
    invalid: [
      invalid(
        'the signature of another checkpoint',
        `${origin}\n${size}\n${root}\n\n${signature(other)}`,
      ),
      invalid(
        'no signature by a known key',
        note.replace(`\u2014 ${ORIGIN} `, '\u2014 other.example/log '),
      ),
      invalid(
        'the origin is not the name of the key that signed',
        resigned(`other.example/log\n${size}\n${root}\n`),
      ),
      invalid('a leading zero in the size', resigned(`${origin}\n0${size}\n${root}\n`)),
      invalid(
        'a root hash of 31 bytes',
        resigned(`${origin}\n${size}\n${toBase64(rootAt(SIZE).subarray(1))}\n`),
      ),
      invalid('no root hash', resigned(`${origin}\n${size}\n`)),
      invalid('an empty line', resigned(`${origin}\n${size}\n${root}\n\n`)),
      invalid('no newline at the end', note.slice(0, -1)),
      invalid('carriage returns', note.replaceAll('\n', '\r\n')),
      invalid('a hyphen for the dash', note.replace('\u2014', '-')),
      invalid('no blank line', note.replace('\n\n', '\n')),
    ],
  }
}

function tiles(): object {
  const paths = [
    [0, 0, 256],
    [0, 0, 1],
    [0, 5, 112],
    [1, 999, 255],
    [0, 1000, 256],
    [2, 1234067, 5],
  ] as const
  return {
    about:
      'The entry bundle and the level-0 tile of the leaves in tree.json, a sequence of them, and tile paths.',
    bundle: toHex(encodeBundle(LEAVES)),
    tile: hexes(hashesOf(LEAVES)).join(''),
    cbor_sequence: toHex(encodeByteStrings(LEAVES)),
    paths: [
      ...paths.map(([level, tile, width]) => ({
        level,
        tile,
        width,
        path: tilePath(level, tile, width),
      })),
      ...paths.map(([, bundle, width]) => ({ bundle, width, path: bundlePath(bundle, width) })),
    ],
    invalid_paths: [
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/64/000',
      'tile/00/000',
      'tile/0/x001',
      'tile/0/001/002',
      'tile/0/x000/001',
      'tile/0/0001',
      'tile/0/000.p',
      'tile/entries/000/',
    ],
  }
}

/** The files of spec/vectors by name. */
export function vectorFiles(): ReadonlyMap<string, string> {
  const files: Record<string, object> = {
    'tree.json': tree(),
    'keys.json': keys(),
    'checkpoints.json': checkpoints(),
    'tlog-proofs.json': tlogProofs(),
    'json-receipts.json': jsonReceipts(),
    'cose-receipts.json': coseReceipts(),
    'tiles.json': tiles(),
    'split-views.json': splitViews(),
    'subtrees.json': subtrees(),
    'witness.json': witness(),
    'records.json': recordVectors(),
    'evidence.json': evidenceVectors(),
    'completeness.json': completenessVectors(),
  }
  return new Map(
    Object.entries(files).map(([name, value]) => [name, `${JSON.stringify(value, null, 1)}\n`]),
  )
}
