/** What the verifier page makes of the files and the texts that it is given. */
import { describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import {
  type GivenFile,
  lonelyOf,
  type Role,
  rolesOf,
  tasksOf,
} from '../../src/web/verifier/given-files.ts'
import { judge } from '../../src/web/verifier/judge.ts'
import { looksLikeTrust, readTrustText, trustWords } from '../../src/web/verifier/trust-text.ts'
import {
  checkpointAt,
  coseReceiptAt,
  jsonReceiptAt,
  LEAVES,
  LOG_KEY,
  tlogProofAt,
} from '../support/example-log.ts'
import { ML_DSA_KEY, POLICY } from '../support/vector-keys.ts'

const VKEY = formatVkey(LOG_KEY.vkey)
const WITHOUT_LOG = POLICY.replace(/^log .*\n/gm, '')

describe('whom the reader trusts', () => {
  it.each([
    ['a key', VKEY, '1 key of log.example/audit; no witness is demanded'],
    [
      'keys with comments, and spaces around them',
      `# keys\n\n  ${VKEY}\r\n${formatVkey(ML_DSA_KEY.vkey)}  \n`,
      '2 keys of log.example/audit; no witness is demanded',
    ],
    ['a policy', POLICY, '1 key of log.example/audit; 2 of 2 of the group both must have cosigned'],
    [
      'a policy that names no log, and a key between its lines',
      WITHOUT_LOG.replace('\n', `\n${VKEY}\n`),
      '1 key of log.example/audit; 2 of 2 of the group both must have cosigned',
    ],
    [
      'a policy of no witness',
      `log ${VKEY}\nquorum none`,
      '1 key of log.example/audit; no witness is demanded',
    ],
  ])('is read from %s', (_, text, words) => {
    expect(looksLikeTrust(text)).toBe(true)
    expect(trustWords(readTrustText(text))).toBe(words)
  })

  it.each([
    ['nothing', ' \n', 'no key is named here'],
    ['comments only', '# log.vkey\n', 'no key is named here'],
    ['something else', `${VKEY}\nhello\n`, 'line 2: neither a key nor a line of a policy'],
    ['a key with a wrong hash', VKEY.replace('c0fdbb3f', 'c0fdbb3e'), /^line 1: /],
    ['logs named twice', `${POLICY}${VKEY}\n`, /^the policy names the keys of its logs already/],
    ['no log', WITHOUT_LOG, /^the policy names no log/],
    ['a policy with a word that is none', `${POLICY}quorums all\n`, /^policy line \d+: /],
    ['a policy without a quorum', `log ${VKEY}\n`, /^policy has no quorum line/],
    ['more than a policy can have', `#${'x'.repeat(1_000_001)}`, /^this is longer than/],
  ])('is not read from %s', (_, text, message) => {
    expect(() => readTrustText(text)).toThrow(message)
  })

  it('names the line of the policy that is wrong, wherever keys stand', () => {
    const text = `${VKEY}\n\n${WITHOUT_LOG}witness broken\n`
    const line = text.split('\n').indexOf('witness broken') + 1
    expect(() => readTrustText(text)).toThrow(`policy line ${line}: `)
  })

  it.each(['', 'Dear sir,\n', '{"version":1}', 'c2sp.org/tlog-proof@v1\n', checkpointAt(7)])(
    'is not looked for in %j',
    (text) => {
      expect(looksLikeTrust(text)).toBe(false)
    },
  )
})

function given(
  ...files: readonly (readonly [name: string, content: Uint8Array | string, chosen?: Role])[]
): GivenFile[] {
  return files.map(([name, content, chosen], id) => {
    const start = typeof content === 'string' ? utf8(content) : content
    const blob = new Blob([start as Uint8Array<ArrayBuffer>])
    return { id, name, content: blob, start, ...(chosen && { chosen }) }
  })
}

const RECORD = '{"version":"cairn-record/v1","id":"…"}'
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const STAMP = Uint8Array.of(0x30, 0x06, 0x30, 0x03, 0x02, 0x01, 0x00)

describe('what a file is there for', () => {
  it.each([
    ['a.tlog-proof', tlogProofAt(4, 13), 'subject'],
    ['a.json', jsonReceiptAt(4, 13), 'subject'],
    ['a', coseReceiptAt(4, 13), 'subject'],
    ['a.cose', Uint8Array.of(0x84), 'subject'],
    ['head', checkpointAt(7), 'subject'],
    ['a.tsr', STAMP, 'subject'],
    ['record.json', RECORD, 'leaf'],
    ['7.leaf', tlogProofAt(4, 13), 'leaf'],
    ['map.bin', Uint8Array.of(0xa1, 1, 2), 'leaf'],
    ['a.data', checkpointAt(7), 'data'],
    ['ca.crt', PEM, 'authorities'],
    ['letter.txt', 'Dear sir,', 'subject'],
    ['nothing', '', 'subject'],
  ] as const)('%s is guessed', (name, content, role) => {
    expect(rolesOf(given([name, content])).get(0)).toBe(role)
  })

  it('is the leaf of a receipt beside it, whatever it is, unless it was chosen', () => {
    const receipt = ['a.tlog-proof', tlogProofAt(4, 13)] as const
    expect(rolesOf(given(['letter.txt', 'Dear sir,'], receipt)).get(0)).toBe('leaf')
    expect(rolesOf(given(['letter.txt', 'Dear sir,', 'subject'], receipt)).get(0)).toBe('subject')
    expect(rolesOf(given(['letter.txt', 'x'], ['note.txt', 'y'], receipt)).get(1)).toBe('subject')
  })
})

describe('which files belong together', () => {
  const together = (files: GivenFile[]) =>
    tasksOf(files).map(({ subject, leaf, data, authorities }) =>
      [subject, leaf, data, authorities].map((file) => file?.name ?? '-').join(' '),
    )

  it('are receipts and leaves of one name, or the only leaf', () => {
    const receipts = [
      ['4.tlog-proof', tlogProofAt(4, 13)],
      ['5.json', jsonReceiptAt(5, 13)],
    ] as const
    expect(together(given(...receipts, ['5.leaf', 'x'], ['4.leaf', 'y']))).toEqual([
      '4.tlog-proof 4.leaf - -',
      '5.json 5.leaf - -',
    ])
    const files = given(receipts[0], ['record.json', RECORD])
    expect(together(files)).toEqual(['4.tlog-proof record.json - -'])
    expect(lonelyOf(files, tasksOf(files))).toEqual([])
    const two = given(receipts[0], ['a.leaf', 'x'], ['b.leaf', 'y'])
    expect(together(two)).toEqual(['4.tlog-proof - - -'])
    expect(lonelyOf(two, tasksOf(two)).map(({ name }) => name)).toEqual(['a.leaf', 'b.leaf'])
  })

  it('are a time-stamp, its checkpoint and the certificates', () => {
    const files = given(['7.tsr', STAMP], ['7.checkpoint', checkpointAt(7)], ['ca.pem', PEM])
    expect(together(files)).toEqual(['7.tsr - 7.checkpoint ca.pem', '7.checkpoint - - -'])
    const named = given(['7.tsr', STAMP], ['8.checkpoint', checkpointAt(8)], ['7.data', 'x'])
    expect(together(named)).toEqual(['7.tsr - 7.data -', '8.checkpoint - - -'])
  })
})

describe('a question', () => {
  const blob = (content: Uint8Array | string) => new Blob([content as Uint8Array<ArrayBuffer>])

  it('gets the verdict', async () => {
    const question = { subject: blob(tlogProofAt(4, 13)), trust: VKEY }
    expect(await judge({ ...question, leaf: blob(LEAVES[4]!) })).toMatchObject({ ok: true })
    expect(await judge(question)).toMatchObject({ ok: false })
  })

  it('about a time-stamp takes Web Crypto, which a page from an open network has not', async () => {
    vi.stubGlobal('crypto', {})
    const question = { subject: blob(STAMP), trust: VKEY }
    await expect(judge(question)).rejects.toThrow(/^a browser checks time-stamps only on a page/)
    vi.unstubAllGlobals()
    expect(await judge(question)).toMatchObject({ ok: false, kind: 'time-stamp' })
  })

  it('is refused when it cannot be asked', async () => {
    const subject = blob(tlogProofAt(4, 13))
    await expect(judge({ subject, trust: '' })).rejects.toThrow('no key is named here')
    const large = blob(new Uint8Array(4 * 1024 * 1024 + 1))
    await expect(judge({ subject: large, trust: VKEY })).rejects.toThrow(
      /^the file has 4194305 bytes/,
    )
    await expect(judge({ subject, leaf: large, trust: VKEY })).rejects.toThrow(
      /^the leaf has 4194305 bytes/,
    )
    const gone = {
      size: 1,
      slice: () => gone,
      arrayBuffer: () => Promise.reject(new Error('gone')),
    }
    await expect(judge({ subject: gone as unknown as Blob, trust: VKEY })).rejects.toThrow(
      'the file cannot be read: gone',
    )
  })
})
