/** The vectors of receipts: what verifies, and what must be refused for which reason. */
import { toBase64, toHex, utf8 } from '../../src/bytes.ts'
import {
  type CborMap,
  type CborValue,
  COSE_SIGN1_TAG,
  decodeCbor,
  encodeCbor,
} from '../../src/formats/cbor.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import {
  coseReceiptAt,
  inclusionAt,
  jsonReceiptAt,
  LEAVES,
  LOG_KEY,
  ORIGIN,
  rootAt,
  tlogProofAt,
  WITNESS_2,
} from './example-log.ts'
import { BOTH, ML_DSA_KEY, POLICY, SIZE, WITNESSED } from './vector-keys.ts'

/** How a receipt is to be verified, and with which outcome. */
export interface ReceiptVector {
  readonly name: string
  /** Hexadecimal. */
  readonly leaf: string
  /** Text, or hexadecimal for COSE. */
  readonly receipt: string
  readonly vkeys: readonly string[]
  readonly policy?: string
  readonly valid: boolean
  readonly index?: number
  readonly size?: number
  /** The check that fails, and why. */
  readonly failed_check?: string
  readonly reason?: string
}

const LOG_VKEYS = [formatVkey(LOG_KEY.vkey)]
const LEAF_4 = toHex(LEAVES[4]!)

function valid(
  index: number,
  size: number,
  receipt: string,
  more: Partial<ReceiptVector> = {},
): ReceiptVector {
  const name = `entry ${index} of ${size}`
  return {
    name,
    leaf: toHex(LEAVES[index]!),
    receipt,
    vkeys: LOG_VKEYS,
    valid: true,
    index,
    size,
    ...more,
  }
}
function invalid(
  failed_check: string,
  reason: string,
  receipt: string,
  more: Partial<ReceiptVector> = {},
): ReceiptVector {
  return {
    name: reason,
    leaf: LEAF_4,
    receipt,
    vkeys: LOG_VKEYS,
    valid: false,
    failed_check,
    reason,
    ...more,
  }
}

export function tlogProofs(): object {
  const good = tlogProofAt(4, SIZE)
  const end = good.indexOf('\n\n')
  const lines = good.slice(0, end).split('\n')
  const other = tlogProofAt(4, SIZE - 1)
  const mlDsa = formatVkey(ML_DSA_KEY.vkey)
  return {
    about:
      'tlog-proof receipts as text, with the leaf in hexadecimal, the vkeys and policy to verify with, and the verdict.',
    receipts: [
      valid(0, 1, tlogProofAt(0, 1)),
      valid(0, SIZE, tlogProofAt(0, SIZE)),
      valid(4, SIZE, good),
      valid(12, SIZE, tlogProofAt(12, SIZE)),
      valid(4, SIZE, tlogProofAt(4, SIZE, { extra: utf8('note') }), { name: 'with an extra line' }),
      valid(4, SIZE, tlogProofAt(4, SIZE, BOTH), {
        name: 'both signatures',
        vkeys: [...LOG_VKEYS, mlDsa],
      }),
      valid(4, SIZE, tlogProofAt(4, SIZE, BOTH), { name: 'by ML-DSA-44', vkeys: [mlDsa] }),
      valid(4, SIZE, tlogProofAt(4, SIZE, WITNESSED), { name: 'with a quorum', policy: POLICY }),
      invalid('format', 'another version', good.replace('@v1', '@v2')),
      invalid('format', 'the index has a leading zero', good.replace('index 4', 'index 04')),
      invalid('format', 'no index', good.replace('index 4\n', '')),
      invalid('format', 'no blank line before the checkpoint', good.replace('\n\n', '\n')),
      invalid('format', 'no checkpoint', `${good.slice(0, end)}\n\n`),
      invalid(
        'format',
        'a hash is not canonical base64',
        good.replace(lines[2]!, lines[2]!.replace('=', '')),
      ),
      invalid('leaf', 'an empty leaf', good, { leaf: '' }),
      invalid('log signature', 'the log is not trusted', good, {
        vkeys: [formatVkey(ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(0x55)).vkey)],
      }),
      invalid('log signature', 'the checkpoint is changed', good.replace('\n13\n', '\n14\n')),
      invalid('witnesses', 'no quorum', tlogProofAt(4, SIZE, { witnesses: [WITNESS_2] }), {
        policy: POLICY,
      }),
      invalid('inclusion', 'another index', good.replace('index 4', 'index 5')),
      invalid('inclusion', 'an index beyond the size', good.replace('index 4', 'index 13')),
      invalid('inclusion', 'a hash is missing', good.replace(`${lines[2]}\n`, '')),
      invalid(
        'inclusion',
        'a hash too many',
        good.replace(`${lines[2]}\n`, `${lines[2]}\n${lines[2]}\n`),
      ),
      invalid('inclusion', 'another leaf', good, { leaf: toHex(LEAVES[5]!) }),
      invalid(
        'inclusion',
        'the checkpoint of another size',
        `${good.slice(0, end)}${other.slice(other.indexOf('\n\n'))}`,
      ),
    ],
  }
}

export function jsonReceipts(): object {
  const good = JSON.parse(jsonReceiptAt(4, SIZE))
  const text = JSON.stringify(good)
  const changed = (members: object): string => JSON.stringify({ ...good, ...members })
  return {
    about:
      'JSON receipts as text, with the leaf in hexadecimal, the vkeys and policy to verify with, and the verdict.',
    receipts: [
      valid(0, 1, jsonReceiptAt(0, 1)),
      valid(4, SIZE, text),
      valid(12, SIZE, jsonReceiptAt(12, SIZE)),
      valid(4, SIZE, JSON.stringify(good, null, 2), { name: 'indented' }),
      valid(4, SIZE, JSON.stringify(Object.fromEntries(Object.entries(good).reverse())), {
        name: 'members in another order',
      }),
      valid(4, SIZE, jsonReceiptAt(4, SIZE, WITNESSED), { name: 'with a quorum', policy: POLICY }),
      invalid('format', 'another version', changed({ version: 'cairn-receipt/v2' })),
      invalid('format', 'a member too many', changed({ note: '' })),
      invalid('format', 'a member is missing', changed({ origin: undefined })),
      invalid('format', 'a member twice', text.replace('"index":4', '"index":4,"index":4')),
      invalid('format', 'an index as text', changed({ index: '4' })),
      invalid('format', 'an index with a fraction', text.replace('"index":4', '"index":4.0')),
      invalid(
        'format',
        'a leaf hash of 31 bytes',
        changed({ leaf_hash: toBase64(new Uint8Array(31)) }),
      ),
      invalid(
        'signed facts',
        'another origin than in the checkpoint',
        changed({ origin: 'other.example/log' }),
      ),
      invalid(
        'signed facts',
        'another tree size than in the checkpoint',
        changed({ tree_size: 14 }),
      ),
      invalid(
        'signed facts',
        'another root hash than in the checkpoint',
        changed({ root_hash: good.leaf_hash }),
      ),
      invalid(
        'leaf',
        'another leaf hash than the leaf has',
        changed({ leaf_hash: good.root_hash }),
      ),
      invalid('leaf', 'another leaf', text, { leaf: toHex(LEAVES[5]!) }),
      invalid('log signature', 'the log is not trusted', text, { vkeys: [] }),
      invalid('inclusion', 'another index', changed({ index: 5 })),
      invalid('inclusion', 'an empty path', changed({ inclusion_path: [] })),
    ],
  }
}

/** The four parts of a COSE_Sign1 with a detached payload. */
function partsOf(bytes: Uint8Array): [Uint8Array, CborMap, null, Uint8Array] {
  return (decodeCbor(bytes) as unknown as { value: [Uint8Array, CborMap, null, Uint8Array] }).value
}

export function coseReceipts(): object {
  const bytes = coseReceiptAt(4, SIZE)
  const [protectedBytes, unprotected, , signature] = partsOf(bytes)
  const header = decodeCbor(protectedBytes) as CborMap
  const claims = header.get(15) as CborMap
  const { proof } = inclusionAt(12, SIZE)
  const build = (parts: {
    header?: CborMap
    unprotected?: CborMap
    payload?: Uint8Array
    from?: Uint8Array
  }): string => {
    const [originalHeader, originalUnprotected, , originalSignature] = partsOf(parts.from ?? bytes)
    const encoded = parts.header === undefined ? originalHeader : encodeCbor(parts.header)
    const tagged = [
      encoded,
      parts.unprotected ?? originalUnprotected,
      parts.payload ?? null,
      originalSignature,
    ]
    return toHex(encodeCbor({ tag: COSE_SIGN1_TAG, value: tagged }))
  }
  const changed = (key: number, item: CborValue): CborMap => new Map([...header, [key, item]])
  const without = (key: number): CborMap => new Map([...header].filter(([name]) => name !== key))
  const moved = (size: number, index: number): CborMap =>
    new Map([[396, new Map([[-1, [encodeCbor([size, index, proof])]]])]])
  const last = coseReceiptAt(12, SIZE)
  const entry12 = { leaf: toHex(LEAVES[12]!) }
  const lastHeader = decodeCbor(partsOf(last)[0]) as CborMap
  const movedClaims = new Map([
    ...(lastHeader.get(15) as CborMap),
    [-65537, 7] as const,
    [-65538, 6] as const,
  ])
  return {
    about:
      'COSE receipts in hexadecimal, with the leaf in hexadecimal, the vkeys and policy to verify with, and the verdict.',
    receipts: [
      valid(0, 2, toHex(coseReceiptAt(0, 2))),
      valid(4, SIZE, toHex(bytes)),
      valid(12, SIZE, toHex(last)),
      invalid('format', 'no tag', toHex(bytes.subarray(1))),
      invalid('format', 'a byte after it', `${toHex(bytes)}00`),
      invalid('format', 'the root hash is attached', build({ payload: rootAt(SIZE) })),
      invalid('format', 'algorithm -8', build({ header: changed(1, -8) })),
      invalid(
        'format',
        'no tree algorithm in the protected header',
        build({ header: without(395) }),
      ),
      invalid('format', 'another tree algorithm', build({ header: changed(395, 2) })),
      invalid(
        'format',
        'the labels of the drafts',
        build({ unprotected: new Map([[-222, unprotected.get(396)!]]) }),
      ),
      invalid('format', 'a critical header', build({ header: changed(2, [395]) })),
      invalid(
        'format',
        'a claim beyond the profile',
        build({ header: changed(15, new Map([...claims, [2, 'subject'] as const])) }),
      ),
      invalid(
        'format',
        'a key that is not in its shortest form',
        toHex(bytes).replace('19018c', '1a0000018c'),
      ),
      invalid(
        'signed facts',
        'no claims: size and index are not signed',
        build({ header: without(15) }),
      ),
      invalid(
        'signed facts',
        'the proof of entry 6 of 7, where entry 12 of 13 is signed and the path leads to the same root',
        build({ from: last, unprotected: moved(7, 6) }),
        entry12,
      ),
      invalid(
        'log signature',
        'claims moved along with the proof',
        build({
          from: last,
          header: new Map([...lastHeader, [15, movedClaims]]),
          unprotected: moved(7, 6),
        }),
        entry12,
      ),
      invalid('leaf', 'another leaf', toHex(bytes), { leaf: toHex(LEAVES[5]!) }),
      invalid('log signature', 'the log is not trusted', toHex(bytes), {
        vkeys: [formatVkey(ML_DSA_KEY.vkey)],
      }),
      invalid(
        'log signature',
        'a changed signature',
        toHex(bytes)
          .slice(0, -2)
          .concat(signature.at(-1) === 0 ? '01' : '00'),
      ),
      invalid(
        'witnesses',
        'a policy with a quorum, and no cosignatures in a COSE receipt',
        toHex(bytes),
        { policy: POLICY },
      ),
    ],
  }
}
