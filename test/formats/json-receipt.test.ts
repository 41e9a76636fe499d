import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import {
  type JsonReceipt,
  MAX_JSON_RECEIPT_SIZE,
  parseJsonReceipt,
} from '../../src/formats/json-receipt.ts'
import { checkpointAt, inclusionAt, jsonReceiptAt, ORIGIN, rootAt } from '../support/example-log.ts'

const text = jsonReceiptAt(4, 13)
const receipt = JSON.parse(text) as JsonReceipt

function changed(members: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...receipt, ...members })
}
function without(name: keyof JsonReceipt): string {
  const { [name]: _, ...rest } = receipt
  return JSON.stringify(rest)
}
function code(json: string | Uint8Array): unknown {
  try {
    parseJsonReceipt(json)
  } catch (error) {
    return (error as { code: unknown }).code
  }
  return 'accepted'
}

describe('a JSON receipt', () => {
  it('has its members in their order, and size and root from the checkpoint', () => {
    expect(Object.keys(receipt)).toEqual([
      'version',
      'origin',
      'index',
      'leaf_hash',
      'inclusion_path',
      'tree_size',
      'root_hash',
      'checkpoint',
    ])
    expect(receipt.tree_size).toBe(13)
    expect(receipt.root_hash).toBe(toBase64(rootAt(13)))
  })

  it('comes back as it was made', () => {
    for (const [index, size] of [
      [0, 1],
      [0, 13],
      [12, 13],
      [4, 7],
    ] as const) {
      const { leafHash, proof } = inclusionAt(index, size)
      expect(parseJsonReceipt(jsonReceiptAt(index, size))).toEqual({
        origin: ORIGIN,
        index,
        leafHash,
        proof,
        size,
        root: rootAt(size),
        checkpoint: checkpointAt(size),
      })
    }
  })

  it('may be indented, have its members in another order, and escape what it likes', () => {
    const parsed = parseJsonReceipt(text)
    const reversed = JSON.stringify(Object.fromEntries(Object.entries(receipt).reverse()))
    const ascii = text.replace(
      /[^\0-~]/gu,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    expect(ascii).toContain('\\u2014')
    for (const spelling of [`\r\n\t${JSON.stringify(receipt, null, 2)}\n`, reversed, ascii]) {
      expect(parseJsonReceipt(utf8(spelling))).toEqual(parsed)
    }
  })

  it.each<[string, string]>([
    ['nothing', ''],
    ['text', 'receipt'],
    ['a string', '"receipt"'],
    ['null', 'null'],
    ['an array', '[]'],
    ['an array of receipts', `[${text}]`],
    ['something after it', `${text} 1`],
    ['a byte-order mark', `\uFEFF${text}`],
    ['a member too many', changed({ note: '' })],
    ['a member of a prototype', text.replace('{', '{"__proto__":null,')],
    ['a member twice', text.replace('"index":4', '"index":5,"index":4')],
    ['a member twice, once escaped', text.replace('"index":4', '"\\u0069ndex":5,"index":4')],
    ['another version', changed({ version: 'cairn-receipt/v2' })],
    ['an origin that is no text', changed({ origin: 1 })],
    ['half a character', changed({ origin: '\ud800' })],
    ['an index as text', changed({ index: '4' })],
    ['a negative index', changed({ index: -1 })],
    ['a fraction', changed({ index: 4.5 })],
    ['an index with a fraction of zero', text.replace('"index":4', '"index":4.0')],
    ['an index with an exponent', text.replace('"index":4', '"index":4e0')],
    ['an index that rounds to another', text.replace('"index":4', '"index":4.0000000000000000001')],
    ['an index of 2^53-1', changed({ index: Number.MAX_SAFE_INTEGER })],
    ['an index of 2^53', text.replace('"index":4', '"index":9007199254740992')],
    ['minus zero', text.replace('"index":4', '"index":-0')],
    [
      'a nested index',
      text.replace('"index":4', `"index":${'['.repeat(50_000)}${']'.repeat(50_000)}`),
    ],
    ['a leaf hash of 31 bytes', changed({ leaf_hash: toBase64(new Uint8Array(31)) })],
    ['a leaf hash in URL-safe base64', changed({ leaf_hash: '-'.repeat(43).concat('=') })],
    ['a path that is no array', changed({ inclusion_path: {} })],
    ['a hash that is no text', changed({ inclusion_path: [null] })],
    ['a short hash', changed({ inclusion_path: [...receipt.inclusion_path, 'AA=='] })],
    ['64 hashes', changed({ inclusion_path: Array(64).fill(receipt.root_hash) })],
    ['a checkpoint that is no note', changed({ checkpoint: 'none' })],
    ...Object.keys(receipt).map((name): [string, string] => [
      `no ${name}`,
      without(name as keyof JsonReceipt),
    ]),
  ])('with %s is refused', (_, json) => {
    expect(code(json)).toBe('MALFORMED')
  })

  it.each([
    ['origin', changed({ origin: 'other.example/log' })],
    ['tree size', changed({ tree_size: 12 })],
    ['root hash', changed({ root_hash: toBase64(new Uint8Array(32)) })],
  ])('that states another %s than its checkpoint is refused', (_, json) => {
    expect(code(json)).toBe('VERIFICATION_FAILED')
  })

  it('of invalid UTF-8 is refused', () => {
    const bytes = utf8(text)
    bytes[bytes.indexOf(0x63)] = 0xff
    expect(code(bytes)).toBe('MALFORMED')
  })

  it('beyond the size limit is refused, and one that is long is not', () => {
    expect(code(' '.repeat(MAX_JSON_RECEIPT_SIZE + 1))).toBe('TOO_LARGE')
    expect(code(`${text}${' '.repeat(MAX_JSON_RECEIPT_SIZE - utf8(text).length)}`)).toBe('accepted')
    const long = changed({ origin: '\\"'.repeat(500_000) })
    expect(code(long)).toBe('VERIFICATION_FAILED')
  })
})
