/** Files that were cut or changed on their way, and such as people have at hand and take for a receipt. */
import { concat, fromHex, utf8 } from '../../src/bytes.ts'
import type { FileKind } from '../../src/client/file-kind.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { coseReceiptAt, jsonReceiptAt, LEAVES, LOG_KEY, tlogProofAt } from './example-log.ts'
import { BOTH, ML_DSA_KEY, POLICY, SIZE } from './vector-keys.ts'
import type { VerifierCase } from './verifier-cases.ts'

const VKEYS: readonly string[] = [formatVkey(LOG_KEY.vkey)]
const BOTH_VKEYS = [...VKEYS, formatVkey(ML_DSA_KEY.vkey)]

/** Files that end too early, or go on, or were changed on their way. */
export function cutShort(): VerifierCase[] {
  const index = 4
  const leaf = LEAVES[index]!
  const proof = utf8(tlogProofAt(index, SIZE, BOTH))
  const json = utf8(jsonReceiptAt(index, SIZE))
  const cose = coseReceiptAt(index, SIZE)
  const refused = (
    name: string,
    file: string,
    bytes: Uint8Array,
    kind: FileKind,
    failed: string,
  ): VerifierCase => ({
    name,
    file,
    bytes,
    leaf,
    vkeys: BOTH_VKEYS,
    kind,
    ok: false,
    failed: [failed],
  })
  const carriage = (bytes: Uint8Array) =>
    utf8(Buffer.from(bytes).toString('utf8').replaceAll('\n', '\r\n'))
  const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)
  const more = (bytes: Uint8Array) => concat(bytes, utf8('\n'))
  const mark = Uint8Array.of(0xef, 0xbb, 0xbf)
  return [
    refused('tlog-proof: half of it', 'a.tlog-proof', half(proof), 'tlog-proof', 'format'),
    refused(
      'tlog-proof: its first line',
      'a.tlog-proof',
      proof.subarray(0, 22),
      'tlog-proof',
      'format',
    ),
    refused(
      'tlog-proof: an empty line at its end',
      'a.tlog-proof',
      more(proof),
      'tlog-proof',
      'format',
    ),
    refused(
      'tlog-proof: carriage returns',
      'a.tlog-proof',
      carriage(proof),
      'tlog-proof',
      'format',
    ),
    refused('tlog-proof: twice', 'a.tlog-proof', concat(proof, proof), 'tlog-proof', 'format'),
    refused('json: half of it', 'a.json', half(json), 'json', 'format'),
    refused('json: twice', 'a.json', concat(json, json), 'json', 'format'),
    refused(
      'json: an array of one',
      'a.json',
      concat(utf8('{"a":['), json, utf8(']}')),
      'json',
      'format',
    ),
    refused(
      'json: nested a thousand times',
      'a.json',
      utf8('{"a":'.repeat(1000)),
      'json',
      'format',
    ),
    refused('cose: half of it', 'a.cose', half(cose), 'cose', 'format'),
    refused('cose: its first byte', 'a.cose', cose.subarray(0, 1), 'cose', 'format'),
    refused('cose: twice', 'a.cose', concat(cose, cose), 'cose', 'format'),
    refused(
      'cose: as text',
      'a.cose',
      utf8(Buffer.from(cose).toString('base64')),
      'unknown',
      'format',
    ),
    refused(
      'a mark of byte order before a tlog-proof',
      'a.tlog-proof',
      concat(mark, proof),
      'unknown',
      'format',
    ),
  ]
}

/** What people have at hand and take for a receipt. */
export function wrongKinds(): VerifierCase[] {
  const files: Readonly<Record<string, Uint8Array>> = {
    'an empty file': new Uint8Array(),
    'white space': utf8(' \n\t\n'),
    text: utf8('Please find the receipt attached.\n'),
    'a key': utf8(`${VKEYS[0]}\n`),
    'a policy': utf8(POLICY),
    'a picture': concat(fromHex('89504e470d0a1a0a'), new Uint8Array(64)),
    'a photograph': concat(fromHex('ffd8ffe0'), new Uint8Array(64)),
    'a document': utf8('%PDF-1.7\n%\u00e2\u00e3\n'),
    'a zip archive': concat(fromHex('504b0304'), new Uint8Array(64)),
    'a gzip file': concat(fromHex('1f8b0800'), new Uint8Array(64)),
    'a page of a server': utf8('<!doctype html><title>404</title><script>alert(1)</script>'),
    'a certificate': utf8('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'),
    zeros: new Uint8Array(2000),
    'all bytes': Uint8Array.from({ length: 256 }, (_, i) => i),
  }
  return Object.entries(files).map(([name, bytes]) => ({
    name: `wrong kind: ${name}`,
    file: 'file.bin',
    bytes,
    vkeys: VKEYS,
    kind: 'unknown',
    ok: false,
    failed: ['format'],
  }))
}
