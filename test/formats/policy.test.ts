import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toHex, utf8 } from '../../src/bytes.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import {
  formatPolicy,
  MAX_POLICY_SIZE,
  type Policy,
  parsePolicy,
  quorumSatisfied,
} from '../../src/formats/policy.ts'
import { vkeyOf } from '../../src/formats/signing-key.ts'
import {
  formatVkey,
  parseVkey,
  type SignatureType,
  type VerifierKey,
} from '../../src/formats/vkey.ts'

const shared = new URL('../../../shared/vectors/', import.meta.url)

function key(name: string, type: SignatureType, number: number): VerifierKey {
  const seed = new Uint8Array(32)
  seed[0] = number % 256
  seed[1] = Math.floor(number / 256)
  return vkeyOf({ name, type, seed })
}

const logKey = key('example.com/log', 'ed25519', 1)
const LOG = formatVkey(logKey)
const witnessKeys = [1, 2, 3, 4, 5, 6].map((n) => key(`Wit${n}`, 'ed25519-cosignature', n + 10))
const [W1 = '', W2 = '', W3 = '', W4 = '', W5 = '', W6 = ''] = witnessKeys.map(formatVkey)
const ml = key('ml.example', 'ml-dsa-44', 50)

const parse = (text: string) => parsePolicy(utf8(text))

function refused(text: string | Uint8Array, reason: RegExp, code = 'MALFORMED'): void {
  expect(() => parsePolicy(typeof text === 'string' ? utf8(text) : text)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(reason) }),
  )
}

describe('parsePolicy', () => {
  it('reads logs, witnesses, groups of groups and the quorum', () => {
    const policy = parse(`log ${LOG}

witness X1 ${W1}
witness X2 ${W2}
witness X3 ${W3}
group X-witnesses 2 X1 X2 X3

witness Y1 ${W4}
witness Y2 ${W5}
witness Y3 ${W6}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`)
    expect(policy.logs).toEqual([{ key: logKey }])
    expect(policy.witnesses.map(({ name }) => name)).toEqual(['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'])
    expect(policy.witnesses.map((witness) => witness.key)).toEqual(witnessKeys)
    expect(policy.groups).toEqual([
      { name: 'X-witnesses', threshold: 2, members: ['X1', 'X2', 'X3'] },
      { name: 'Y-witnesses', threshold: 1, members: ['Y1', 'Y2', 'Y3'] },
      { name: 'X-and-Y', threshold: 2, members: ['X-witnesses', 'Y-witnesses'] },
    ])
    expect(policy.quorum).toBe('X-and-Y')
  })

  it('reads the smallest policy', () => {
    expect(parse('quorum none\n')).toEqual({
      logs: [],
      witnesses: [],
      groups: [],
      quorum: undefined,
    })
  })

  it('takes spaces, tabs, empty lines, comments and a last line without newline', () => {
    const text = `\n# comment\n\t # caf\u00e9\n\twitness \t w1  ${W1}   https://w1.example/  \n\n  quorum\tw1`
    expect(parse(text)).toMatchObject({
      witnesses: [{ name: 'w1', url: 'https://w1.example/' }],
      quorum: 'w1',
    })
  })

  it('takes the URL of a log and leaves it out when there is none', () => {
    const policy = parse(`log ${LOG} https://log.example/\nwitness w ${W1}\nquorum w\n`)
    expect(policy.logs).toEqual([{ key: logKey, url: 'https://log.example/' }])
    expect(policy.witnesses[0]).not.toHaveProperty('url')
  })

  it('takes keywords as names, except none', () => {
    const text = `witness all ${W1}\nwitness any ${W2}\ngroup group 2 all any\nquorum group\n`
    expect(parse(text).groups).toEqual([{ name: 'group', threshold: 2, members: ['all', 'any'] }])
  })

  it('takes ML-DSA-44 keys for logs and for witnesses', () => {
    const policy = parse(
      `log ${formatVkey(ml)}\nwitness w ${formatVkey(key('w', 'ml-dsa-44', 51))}\nquorum w\n`,
    )
    expect(policy.logs[0]!.key.type).toBe('ml-dsa-44')
    expect(policy.witnesses[0]!.key.type).toBe('ml-dsa-44')
  })

  it('compares names octet by octet: no Unicode folding, no repair of what is not UTF-8', () => {
    const policy = parse(`witness K ${W1}\nwitness \u212a ${W2}\nquorum \u212a\n`)
    expect(policy.quorum).toBe('\u212a')
    const octets = (name: number[], vkey: string) =>
      concat(utf8('witness '), Uint8Array.from(name), utf8(` ${vkey}\n`))
    const three = concat(
      octets([0x77, 0x80], W1),
      octets([0x77, 0x81], W2),
      octets([0x77, 0xc2, 0x80], W3),
      utf8('quorum '),
      Uint8Array.of(0x77, 0x81, 0x0a),
    )
    const opaque = parsePolicy(three)
    expect(new Set(opaque.witnesses.map(({ name }) => name)).size).toBe(3)
    expect(quorumSatisfied(opaque, [witnessKeys[1]!])).toBe(true)
    expect(quorumSatisfied(opaque, [witnessKeys[0]!, witnessKeys[2]!])).toBe(false)
    refused(concat(octets([0x80], W1), octets([0x80], W2), utf8('quorum none\n')), /twice/)
  })

  it('holds at least 32 logs, witnesses and groups', () => {
    const lines: string[] = []
    for (let i = 0; i < 40; i++) {
      lines.push(`log ${formatVkey(key(`log${i}`, 'ed25519', 100 + i))}`)
      lines.push(`witness w${i} ${formatVkey(key(`w${i}`, 'ed25519-cosignature', 200 + i))}`)
      lines.push(`group g${i} all w${i}${i > 0 ? ` g${i - 1}` : ''}`)
    }
    const policy = parse(`${lines.join('\n')}\nquorum g39\n`)
    const keys = policy.witnesses.map((witness) => witness.key)
    expect(quorumSatisfied(policy, keys)).toBe(true)
    expect(quorumSatisfied(policy, keys.slice(1))).toBe(false)
  })

  it('says on which line the trouble is', () => {
    refused(`# one\n\nwitness w1 ${W1}\nquibble w1\n`, /policy line 4: /)
  })

  it.each([
    ['a control octet', 'quorum none\n\u0001', /octet 0x01/],
    ['a carriage return', 'quorum none\r\n', /octet 0x0d.*\\n/],
    ['a carriage return in a comment', '# one\r\nquorum none\n', /octet 0x0d/],
    ['a delete', '# \u007f\nquorum none\n', /octet 0x7f/],
    ['a byte-order mark', '\ufeffquorum none\n', /begins with/],
    ['an unknown keyword', 'quibble w1\nquorum none\n', /begins with/],
    ['a keyword in capitals', 'QUORUM none\n', /begins with/],
    ['a keyword that every object has', 'constructor a\nquorum none\n', /begins with/],
    ['a comment after an item', `witness w1 ${W1} https://w/ # c\nquorum w1\n`, /expected witness/],
    ['a log without a key', 'log\nquorum none\n', /expected log/],
    ['a log with too many items', `log ${LOG} a b\nquorum none\n`, /expected log/],
    ['a log with a bad key', 'log garbage\nquorum none\n', /vkey/],
    ['a log with a cosigning key', `log ${W1}\nquorum none\n`, /a log needs/],
    ['a log twice', `log ${LOG}\nlog ${LOG} https://l/\nquorum none\n`, /log.*listed twice/],
    ['a witness without a key', 'witness w1\nquorum none\n', /expected witness/],
    ['a witness with a plain Ed25519 key', `witness w1 ${LOG}\nquorum w1\n`, /a witness needs/],
    ['a witness named none', `witness none ${W1}\nquorum none\n`, /reserved/],
    ['two witnesses of one name', `witness w1 ${W1}\nwitness w1 ${W2}\nquorum w1\n`, /twice/],
    ['a group named as a witness', `witness w1 ${W1}\ngroup w1 any w1\nquorum w1\n`, /twice/],
    ['a group without members', `witness w1 ${W1}\ngroup g 1\nquorum w1\n`, /expected group/],
    ['a group named none', `witness w1 ${W1}\ngroup none any w1\nquorum none\n`, /reserved/],
    ['a group of itself', `witness w1 ${W1}\ngroup g any g w1\nquorum g\n`, /g is not defined/],
    ['a threshold of 0', `witness w1 ${W1}\ngroup g 0 w1\nquorum g\n`, /from 1 to 1/],
    ['a negative threshold', `witness w1 ${W1}\ngroup g -1 w1\nquorum g\n`, /not a decimal/],
    ['a threshold with a zero in front', `witness w1 ${W1}\ngroup g 01 w1\nquorum g\n`, /decimal/],
    ['a threshold above the members', `witness w1 ${W1}\ngroup g 2 w1\nquorum g\n`, /from 1 to 1/],
    ['an unknown member', `witness w1 ${W1}\ngroup g any w2\nquorum g\n`, /w2 is not defined/],
    ['a forward reference', `group g any w1\nwitness w1 ${W1}\nquorum g\n`, /earlier line/],
    ['none as a member', `witness w1 ${W1}\ngroup g any none w1\nquorum g\n`, /none is not def/],
    ['a member twice', `witness w1 ${W1}\ngroup g all w1 w1\nquorum g\n`, /more than once/],
    [
      'a member of two groups',
      `witness w1 ${W1}\nwitness w2 ${W2}\ngroup g any w1 w2\ngroup h any w1\nquorum g\n`,
      /more than once/,
    ],
    ['no quorum', `witness w1 ${W1}\n`, /no quorum line/],
    ['nothing at all', '', /no quorum line/],
    ['two quorums', `witness w1 ${W1}\nquorum w1\nquorum w1\n`, /more than one quorum/],
    ['two quorums of none', 'quorum none\nquorum none\n', /more than one quorum/],
    ['an unknown quorum', 'quorum unknown\n', /unknown is not defined/],
    ['a quorum before its witness', `quorum w1\nwitness w1 ${W1}\n`, /earlier line/],
    ['a quorum without a name', 'quorum\n', /expected quorum/],
    ['a quorum of two', `witness w1 ${W1}\nwitness w2 ${W2}\nquorum w1 w2\n`, /expected quorum/],
  ])('refuses %s', (_, text, reason) => {
    refused(text, reason)
  })

  it('refuses one public key for two witnesses, even under another name', () => {
    const impostor = formatVkey(key('impostor.example', 'ed25519-cosignature', 11))
    refused(`witness w1 ${W1}\nwitness w2 ${impostor}\nquorum w1\n`, /witness.*listed twice/)
    const sameLog = formatVkey(key('example.com/other', 'ed25519', 1))
    refused(`log ${LOG}\nlog ${sameLog}\nquorum none\n`, /log.*listed twice/)
  })

  it('lets a log and a witness share a key', () => {
    const text = `log ${LOG}\nwitness w ${formatVkey(key('w', 'ed25519-cosignature', 1))}\nquorum w\n`
    expect(parse(text).witnesses.length).toBe(1)
  })

  it('refuses more than a megabyte', () => {
    const comment = `#${'x'.repeat(MAX_POLICY_SIZE - 13)}\n`
    expect(parse(`${comment}quorum none`).quorum).toBe(undefined)
    refused(`${comment}quorum none\n`, /larger/, 'TOO_LARGE')
  })

  it('throws nothing but its own errors on arbitrary lines', () => {
    const word = fc.constantFrom('log', 'witness', 'group', 'quorum', 'w', 'x', '1', 'all', W1, LOG)
    const line = fc.array(word, { maxLength: 5 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const text = `${lines.join('\n')}\n`
        try {
          expect(parse(formatPolicy(parse(text)))).toEqual(parse(text))
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED' })
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('quorumSatisfied', () => {
  const policy = parse(`witness w1 ${W1}
witness w2 ${W2}
witness w3 ${W3}
witness w4 ${W4}
group inner any w2 w3
group outer all w1 inner
quorum outer
`)
  const [k1, k2, k3, k4] = witnessKeys as [VerifierKey, VerifierKey, VerifierKey, VerifierKey]

  it.each([
    ['everyone', [k1, k2, k3, k4], true],
    ['the fewest', [k1, k3], true],
    ['the outer member without the inner group', [k1], false],
    ['the inner group without the outer member', [k2, k3], false],
    ['one witness many times', [k2, k2, k2], false],
    ['a witness that no group counts', [k1, k4], false],
    ['nobody', [], false],
    ['strangers', [logKey, ml], false],
  ])('decides for %s', (_, keys, satisfied) => {
    expect(quorumSatisfied(policy, keys)).toBe(satisfied)
  })

  it('takes a single witness as quorum', () => {
    const single = parse(`witness w1 ${W1}\nquorum w1\n`)
    expect(quorumSatisfied(single, [k1])).toBe(true)
    expect(quorumSatisfied(single, [k2])).toBe(false)
  })

  it('asks nobody for quorum none', () => {
    expect(quorumSatisfied(parse(`witness w1 ${W1}\nquorum none\n`), [])).toBe(true)
  })

  it('does not count the same public key under a type that is no cosignature', () => {
    const plain = key('Wit1', 'ed25519', 11)
    expect(toHex(plain.publicKey)).toBe(toHex(k1.publicKey))
    expect(quorumSatisfied(parse(`witness w1 ${W1}\nquorum w1\n`), [plain])).toBe(false)
  })
})

describe('formatPolicy', () => {
  it('writes what it read, without comments, and thresholds as numbers', () => {
    const text = `# c\nlog ${LOG} https://l/\nwitness w1 ${W1} https://w1/\nwitness w2 ${W2}\ngroup g any w1 w2\nquorum g\n`
    const formatted = formatPolicy(parse(text))
    expect(formatted).toBe(text.replace('# c\n', '').replace('any', '1'))
    expect(parse(formatted)).toEqual(parse(text))
    expect(formatPolicy(parse(formatted))).toBe(formatted)
  })

  it('refuses what parsePolicy would not read back', () => {
    const malformed = expect.objectContaining({ code: 'MALFORMED' })
    const good: Policy = {
      logs: [],
      witnesses: [{ name: 'w', key: witnessKeys[0]! }],
      groups: [{ name: 'g', threshold: 1, members: ['w'] }],
      quorum: 'g',
    }
    expect(formatPolicy(good)).toContain('group g 1 w')
    for (const bad of [
      { ...good, quorum: 'none' },
      { ...good, quorum: 'x' },
      { ...good, groups: [{ name: 'g', threshold: 0, members: ['w'] }] },
      { ...good, groups: [{ name: 'g', threshold: 1, members: ['w', 'w'] }] },
      { ...good, groups: [{ name: 'g h', threshold: 1, members: ['w'] }] },
      { ...good, groups: [{ name: '', threshold: 1, members: ['w'] }] },
      { ...good, groups: [{ name: 'g\udc80', threshold: 1, members: ['w'] }], quorum: 'g\udc80' },
      { ...good, witnesses: [{ name: 'w', key: witnessKeys[0]!, url: 'https://a b' }] },
    ]) {
      expect(() => formatPolicy(bad)).toThrow(malformed)
    }
  })
})

describe.skipIf(!existsSync(shared))('published policies (need ../shared/vectors)', () => {
  const read = (path: string) => readFileSync(new URL(path, shared))
  const cosigners = (policy: Policy) => {
    const opened = openCheckpoint(
      read('generated/checkpoint-15.cosigned'),
      policy.logs.map((log) => log.key),
      policy.witnesses.map((witness) => witness.key),
    )
    return opened.cosignatures.map((cosignature) => cosignature.key)
  }

  it('2 of 3: any two witnesses satisfy it, one does not', () => {
    const policy = parsePolicy(read('generated/policy-2of3.txt'))
    const keys = cosigners(policy)
    expect(keys.length).toBe(3)
    expect(policy.logs[0]!.url).toBe('https://log.example.com/')
    for (const absent of keys) {
      expect(
        quorumSatisfied(
          policy,
          keys.filter((present) => present !== absent),
        ),
      ).toBe(true)
      expect(quorumSatisfied(policy, [absent])).toBe(false)
    }
  })

  it('nested, with tabs and stray white space: one of two, and the third', () => {
    const policy = parsePolicy(read('generated/policy-nested.txt'))
    const [w1, w2, m1] = cosigners(policy) as [VerifierKey, VerifierKey, VerifierKey]
    expect(quorumSatisfied(policy, [w1, m1])).toBe(true)
    expect(quorumSatisfied(policy, [w2, m1])).toBe(true)
    expect(quorumSatisfied(policy, [w1, w2])).toBe(false)
    expect(quorumSatisfied(policy, [m1])).toBe(false)
    expect(parse(formatPolicy(policy))).toEqual(policy)
  })

  it('none: the log alone is enough', () => {
    const policy = parsePolicy(read('generated/policy-none.txt'))
    expect(cosigners(policy)).toEqual([])
    expect(quorumSatisfied(policy, [])).toBe(true)
  })

  it("of Sigsum, whose keys are hexadecimal, are refused at the first key's line", () => {
    const folder = new URL('sigsum-go/', shared)
    const files = readdirSync(folder)
    expect(files.length).toBe(4)
    for (const file of files) refused(readFileSync(new URL(file, folder)), /line \d+: vkey/)
  })

  it('keep the keys they were given', () => {
    const { vkeys } = JSON.parse(read('generated/keys.json').toString()) as {
      vkeys: Record<string, string>
    }
    const policy = parsePolicy(read('generated/policy-2of3.txt'))
    expect(policy.witnesses.map(({ key: k }) => k)).toEqual(
      [vkeys.w1!, vkeys.w2!, vkeys.m1!].map(parseVkey),
    )
  })
})
