import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/formats/json-strict.ts'
import { parseSubmission, type SubmittedRecord } from '../../src/formats/record.ts'
import { BUILT_IN_RULES } from '../../src/formats/secret-rules.ts'
import {
  DEFAULT_SECRET_RULES,
  findSecrets,
  maskSecrets,
  parseSecretRules,
  refusalOfSecrets,
} from '../../src/formats/secrets.ts'
import { anyText, LEAST, NONCE, refusalOf, SIGNATURE } from '../support/records.ts'
import { drawn, LOOK_ALIKES, SECRETS, SECRETS_IN_TEXT, withLuhn } from '../support/secrets.ts'
import { readText } from '../support/sources.ts'

const CARD = withLuhn('411111111111111')
const AWS = SECRETS['aws-access-key']![0]!

const recordOf = (more: JsonObject): SubmittedRecord =>
  parseSubmission({ type: 'llm_request', ...more })
const prompted = (prompt: string) => recordOf({ input: { prompt } })
/** The findings in a prompt: rule and text. */
const foundIn = (prompt: string, rules = DEFAULT_SECRET_RULES) =>
  findSecrets(prompted(prompt), rules).map(({ rule, offset, length }) => [
    rule,
    prompt.slice(offset, offset + length),
  ])
const maskedPrompt = (prompt: string) =>
  maskSecrets(prompted(prompt), findSecrets(prompted(prompt), DEFAULT_SECRET_RULES)).input?.prompt

const WHOLE = Object.entries(SECRETS).flatMap(([rule, texts]) =>
  texts.map((text) => [rule, text] as const),
)
const PARTS = Object.entries(SECRETS_IN_TEXT).flatMap(([rule, texts]) =>
  texts.map(([text, secret]) => [rule, text, secret] as const),
)

describe('the rules', () => {
  it('have an example each', () => {
    expect([...Object.keys(SECRETS), ...Object.keys(SECRETS_IN_TEXT)].sort()).toEqual(
      BUILT_IN_RULES.map(({ name }) => name).sort(),
    )
  })

  it.each(WHOLE)('find %s: %s', (rule, secret) => {
    for (const [before, after] of [
      ['', ''],
      ['it is ', ' as you see'],
      ['("', '")'],
      ['line\n', '\nline'],
      ['\\n', '\\n'],
      ['=', ', '],
    ] as const) {
      const text = `${before}${secret}${after}`
      const found = foundIn(text)
      expect(found.map(([name]) => name)).toEqual([rule])
      expect(found[0]![1]).toContain(secret.trim().slice(0, -1))
    }
  })

  it.each(PARTS)('find %s in %s', (rule, text, secret) => {
    expect(foundIn(text)).toEqual([[rule, secret]])
  })

  it.each(LOOK_ALIKES.map((text) => [text]))('do not find: %s', (text) => {
    expect(foundIn(text)).toEqual([])
    expect(foundIn(`see ${text} there`)).toEqual([])
  })

  it('find every secret of a text, in their order', () => {
    const [key] = SECRETS['private-key']!
    const text = `${CARD} ${AWS} ${CARD}\n${key}\n${key} ${AWS}`
    expect(foundIn(text)).toEqual([
      ['card-number', CARD],
      ['aws-access-key', AWS],
      ['card-number', CARD],
      ['private-key', key],
      ['private-key', key],
      ['aws-access-key', AWS],
    ])
  })

  it('find a card beside other groups of digits', () => {
    const groups = CARD.replace(/(.{4})(?=.)/g, '$1 ')
    expect(foundIn(`2029 ${groups} 123`)).toEqual([['card-number', groups]])
    expect(foundIn(`1,${CARD},2029`)).toEqual([['card-number', CARD]])
  })

  it('find a JWT whose header stands after another', () => {
    const [jwt] = SECRETS.jwt!
    expect(foundIn(`eyJhIjoxfQ.${jwt}`)).toEqual([['jwt', jwt]])
    expect(foundIn(`Authorization: Bearer ${jwt}`)).toHaveLength(1)
  })

  it.each([
    ['dots of JWTs', 'eyJ.'],
    ['one long JWT', 'eyJa'],
    ['keys that do not end', `-----BEGIN ${'PRIVATE'} KEY-----`],
    ['keys that do not end, of nothing', `-----BEGIN ${'PRIVATE'} KEY-----\n \n`],
    ['keys that begin', '-----BEGIN '],
    ['schemes', 'a://'],
    ['users of URLs', '://a:a'],
    ['separators', '='],
    ['names', 'password='],
    ['long names', 'passwordpassword'],
    ['spaces after names', 'token:   '],
    ['digits', '4'],
    ['groups of digits', '4111 '],
    ['countries', 'DE12 '],
    ['headers', 'Bearer '],
    ['credentials', 'Bearer aaaaaaaaaaaaaaaaaaaa'],
    ['prefixes', 'sk-'],
    ['tokens', 'glpat-aaaaaaaaaaaaaaaaaaaa '],
    ['backslashes', '\\n'],
    ['random letters', drawn(97)],
    ['two units', '😀'],
  ])('take time in proportion to the text: %s', (_, part) => {
    const submission = prompted(part.repeat(Math.ceil(1_000_000 / part.length)))
    const started = performance.now()
    findSecrets(submission, DEFAULT_SECRET_RULES)
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it('are fast on what records are made of', () => {
    const prompt = 'A question of some length, with numbers (12, 1500) and a name: Ann. '.repeat(8)
    const submission = recordOf({
      ...LEAST,
      input: { prompt },
      output: { text: prompt.slice(0, 400) },
    })
    const rate = () => {
      const started = performance.now()
      for (let i = 0; i < 2_000; i++) findSecrets(submission, DEFAULT_SECRET_RULES)
      return 2_000 / ((performance.now() - started) / 1_000)
    }
    // The aim is 20,000 on an idle machine.
    expect(Math.max(rate(), rate(), rate())).toBeGreaterThan(4_000)
  })
})

describe('spec/secrets.md', () => {
  const page = readText('spec/secrets.md')

  it.each(BUILT_IN_RULES.map(({ name }) => name))('tells the rule %s', (name) => {
    expect(page).toContain(`\`${name}\``)
  })

  it('has an example of a file that is read', () => {
    const example = page.slice(page.indexOf('    {'), page.indexOf('`actions` changes'))
    expect(parseSecretRules(example).rules).toHaveLength(BUILT_IN_RULES.length)
  })
})

describe('a submission', () => {
  it('is searched in all its values', () => {
    const secret = { is: AWS }
    const submission = recordOf({
      input: { prompt: AWS, messages: [{ content: [{ text: AWS }] }], documents: [secret] },
      output: { text: AWS },
      tool_calls: [{ name: 'x', arguments: { 'a/b~': AWS }, result: [AWS] }],
      effects: [AWS],
      resource: AWS,
      extra: { x: { y: AWS } },
      unknown: [[AWS]],
    })
    expect(
      findSecrets(submission, DEFAULT_SECRET_RULES)
        .map(({ pointer }) => pointer)
        .sort(),
    ).toEqual([
      '/effects/0',
      '/extra/x/y',
      '/input/documents/0/is',
      '/input/messages/0/content/0/text',
      '/input/prompt',
      '/output/text',
      '/resource',
      '/tool_calls/0/arguments/a~1b~0',
      '/tool_calls/0/result/0',
      '/unknown/0/0',
    ])
  })

  it('may have passwords as values of members that are called so', () => {
    const submission = recordOf({
      tool_calls: [{ name: 'login', arguments: { user: 'ann-2026-x', password: 'kW9#vQ2!xL' } }],
      extra: { headers: { 'X-Api-Key': drawn(32), password: 'see the manual, page 12' } },
    })
    expect(findSecrets(submission, DEFAULT_SECRET_RULES)).toEqual([
      expect.objectContaining({ pointer: '/extra/headers/X-Api-Key', rule: 'password' }),
      expect.objectContaining({ pointer: '/tool_calls/0/arguments/password', length: 10 }),
    ])
  })

  it('may have card numbers as numbers, where it may have anything', () => {
    const submission = recordOf({
      tool_calls: [{ arguments: { pan: Number(CARD) } }],
      metrics: { input_tokens: Number(CARD) },
      model: { parameters: { seed: Number(CARD) } },
    })
    const findings = findSecrets(submission, DEFAULT_SECRET_RULES)
    expect(findings.map(({ pointer }) => pointer)).toEqual(['/tool_calls/0/arguments/pan'])
    expect(maskSecrets(submission, findings).tool_calls?.[0]?.arguments).toEqual({
      pan: '[removed: card-number]',
    })
  })

  it('is masked where the secrets are, and nowhere else', () => {
    expect(maskedPrompt(`pay ${CARD} with ${AWS}!`)).toBe(
      'pay [removed: card-number] with [removed: aws-access-key]!',
    )
    expect(maskedPrompt('postgres://ann:Wn7kq@db')).toBe(
      'postgres://ann:[removed: url-password]@db',
    )
    const submission = recordOf({
      ...LEAST,
      input: { prompt: `a ${AWS}` },
      extra: { b: [1, null] },
    })
    expect(maskSecrets(submission, findSecrets(submission, DEFAULT_SECRET_RULES))).toEqual({
      ...submission,
      input: { prompt: 'a [removed: aws-access-key]' },
    })
    expect(submission.input?.prompt).toBe(`a ${AWS}`)
  })

  it('holds no secret when it was masked, and is a submission still', () => {
    const secrets = [...WHOLE.map(([, secret]) => secret), ...PARTS.map(([, text]) => text)]
    const text = fc.array(fc.oneof(anyText, fc.constantFrom(...secrets, ...LOOK_ALIKES)), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(text, fc.constantFrom(' ', '\n', ', '), (parts, gap) => {
        const all = parts.join(gap).replace(/\p{Surrogate}/gu, '')
        const submission = recordOf({ input: { prompt: all }, extra: { all }, resource: 'r' })
        const masked = maskSecrets(submission, findSecrets(submission, DEFAULT_SECRET_RULES))
        expect(findSecrets(parseSubmission(masked), DEFAULT_SECRET_RULES)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('fits its members when a mask is longer than the secret', () => {
    const resource = `${'r'.repeat(2_026)}://a:Wn7kq@b`
    const submission = recordOf({ resource: `${resource}${'c'.repeat(2_048 - resource.length)}` })
    const masked = maskSecrets(submission, findSecrets(submission, DEFAULT_SECRET_RULES))
    expect(masked.resource).toBe('[removed: url-password]')
  })

  it('keeps a member called __proto__', () => {
    const submission = parseSubmission(`{"type":"decision","extra":{"__proto__":"${AWS}"}}`)
    const masked = maskSecrets(submission, findSecrets(submission, DEFAULT_SECRET_RULES))
    expect(JSON.stringify(masked.extra)).toBe('{"__proto__":"[removed: aws-access-key]"}')
  })

  it.each<[string, JsonObject]>([
    ['/subject', { subject: CARD }],
    ['/actor', { actor: AWS }],
    ['/session_id', { session_id: SECRETS.jwt![0]! }],
    ['/model/name', { model: { name: AWS } }],
    ['/tool_calls/0/id', { tool_calls: [{ id: AWS }] }],
    ['/tenant', { tenant: AWS }],
  ])('is refused when a mask would make two things one: %s', (pointer, more) => {
    const submission = recordOf(more)
    const findings = findSecrets(submission, DEFAULT_SECRET_RULES)
    expect(findings).toEqual([expect.objectContaining({ pointer, action: 'refuse' })])
    const refusal = refusalOf(() => maskSecrets(submission, findings))
    expect(refusal).toMatch(new RegExp(`^MALFORMED ${pointer}: has what looks like `))
  })

  it('is refused without a word of the secret', () => {
    const submission = recordOf({ input: { prompt: `it is ${AWS}` } })
    const rules = parseSecretRules({
      version: 'cairn-secret-rules/v1',
      actions: { 'aws-access-key': 'refuse' },
    })
    const refusal = refusalOfSecrets(submission, findSecrets(submission, rules))
    expect(refusal?.message).toBe(
      '/input/prompt: has what looks like an AWS access key (aws-access-key) at character 7; leave it out',
    )
    expect(JSON.stringify(findSecrets(submission, rules))).not.toContain(AWS)
  })

  it('is refused, not masked, when it is signed; its nonce and signature are no secrets', () => {
    const signed = { nonce: NONCE, signature: SIGNATURE }
    const submission = recordOf({ ...signed, input: { prompt: AWS } })
    const findings = findSecrets(submission, DEFAULT_SECRET_RULES)
    expect(refusalOf(() => maskSecrets(submission, findings))).toMatch(
      /\/input\/prompt: .*A signed record cannot be masked; leave it out$/,
    )
    const clean = recordOf({ ...signed, input: { prompt: 'a' } })
    expect(maskSecrets(clean, findSecrets(clean, DEFAULT_SECRET_RULES))).toBe(clean)
  })
})

describe("an operator's rules", () => {
  const VERSION = 'cairn-secret-rules/v1'
  const file = (more: JsonObject) => parseSecretRules({ version: VERSION, ...more })
  const rule = (pattern: string, more: JsonObject = {}) =>
    file({ rules: [{ name: 'acme', pattern, action: 'mask', ...more }] })
  const refusalFor = (pattern: string) => refusalOf(() => rule(pattern))

  it('add to those of the program', () => {
    const rules = rule('acme_(live|test)_[A-Za-z0-9]{8,16}')
    expect(foundIn(`acme_live_abcd1234 acme_test_1 acme_live_abcdefgh ${AWS}`, rules)).toEqual([
      ['acme', 'acme_live_abcd1234'],
      ['acme', 'acme_live_abcdefgh'],
      ['aws-access-key', AWS],
    ])
  })

  it.each([
    ['acme-\\d{4}', 'acme-1234', ['xacme-1234', 'acme-12345', 'acme-12']],
    ['EMP(-)?[0-9]{5}', 'EMP-12345', ['EMP_12345']],
    ['EMP(-)?[0-9]{5}', 'EMP12345', ['EMPX12345']],
    ['a\\.b\\/c\\-d', 'a.b/c-d', ['aXb/c-d']],
    ['k[-_]?[a-f0-9]{8}', 'k_deadbeef', ['k-deadbeeg']],
    ['[A-Z]{2,3}-[0-9]{1,9}(-x)?', 'AB-1-x', ['A-1', 'ABCD-1']],
    ['#[a-z ]{4}!', '#ab c!', ['#abcd?']],
  ])('have patterns: %s', (pattern, match, others) => {
    expect(foundIn(`see ${match}.`, rule(pattern))).toEqual([['acme', match]])
    expect(foundIn(`\\n${match}\\n`, rule(pattern))).toEqual([['acme', match]])
    for (const other of others) expect(foundIn(`see ${other}.`, rule(pattern))).toEqual([])
  })

  it.each<[string, string, string, string]>([
    ['luhn', 'C[0-9]{8}', `C${withLuhn('1234567')}`, 'C12345678'],
    ['mod97', 'GX[0-9]{8}', 'GX82123456', 'GX82123457'],
    ['entropy', 'tok_[a-z0-9]{16}', 'tok_q8w2e5r7t1y9u3i6', 'tok_aaaaaaaabbbbbbbb'],
  ])('can check: %s', (check, pattern, _, wrong) => {
    expect(foundIn(wrong, rule(pattern, { check }))).toEqual([])
  })

  it('find what passes the check', () => {
    const luhn = `C${withLuhn('1234567')}`
    expect(foundIn(luhn, rule('C[0-9]{8}', { check: 'luhn' }))).toEqual([['acme', luhn]])
    const random = 'tok_q8w2e5r7t1y9u3i6'
    expect(foundIn(random, rule('tok_[a-z0-9]{16}', { check: 'entropy' }))).toHaveLength(1)
    const iban = SECRETS.iban![0]!
    const rules = file({
      actions: { iban: 'off' },
      rules: [{ name: 'acme', pattern: 'DE[0-9]{20}', check: 'mod97', action: 'warn' }],
    })
    expect(foundIn(iban, rules)).toEqual([['acme', iban]])
  })

  it('can say what becomes of what is found', () => {
    const rules = file({ actions: { 'card-number': 'warn', iban: 'off' } })
    const submission = prompted(`${CARD} ${SECRETS.iban![0]} ${AWS}`)
    const findings = findSecrets(submission, rules)
    expect(findings.map(({ action }) => action)).toEqual(['warn', 'mask'])
    expect(maskSecrets(submission, findings).input?.prompt).toBe(
      `${CARD} ${SECRETS.iban![0]} [removed: aws-access-key]`,
    )
  })

  it('are heeded where one finds a part of what another finds', () => {
    const [jwt] = SECRETS.jwt!
    const rules = file({ actions: { authorization: 'warn', jwt: 'refuse' } })
    const findings = findSecrets(prompted(`Bearer ${jwt}`), rules)
    expect(findings.some(({ action }) => action === 'refuse')).toBe(true)
  })

  it.each([
    ['', /expected a line of text/],
    ['a'.repeat(257), /expected a line of text/],
    ['schlüssel', /printable ASCII/],
    ['abc', /fewer than 4 characters/],
    ['[a-z]{0,9}', /fewer than 4/],
    ['acme.*', /"\." is not known in patterns here; write \\\./],
    ['acme[a-z]+', /"\+" has no bound: say how often at most/],
    ['acme[a-z]*', /"\*" has no bound/],
    ['acme[a-z]{4,}', /"\{" is not known/],
    ['acme[a-z]{9,4}', /repeats less than once/],
    ['acme[a-z]{0}', /repeats less than once/],
    ['[a-z]{2,500}-[a-z]{2,500}', /matches up to 1001 characters; 512 at most/],
    ['(ab|cd){2}cdef', /a group can be left out, not repeated/],
    ['acme(a+|b)', /a group has words/],
    ['acme(a|(b))', /a group has words/],
    ['acme(a|ab)', /another word begins with "a"/],
    ['acme(a|a)', /another word begins with "a"/],
    ['acme(?=x)', /a group has words/],
    ['acme()', /a group has words/],
    ['acme(a', /a group has words/],
    ['acme)', /"\)" is not known/],
    ['acme|other', /"\|" is not known/],
    ['^acme', /"\^" is not known/],
    ['acme$', /"\$" is not known/],
    ['acme\\w', /"\\w" is not known/],
    ['acme\\1', /"\\1" is not known/],
    ['acme\\', /"\\" is not known/],
    ['acme[^a]', /a class has characters and ranges/],
    ['acme[\\d]', /a class has characters and ranges/],
    ['acme[z-a]', /a range goes up/],
    ['acme[]', /a class begins with \[/],
    ['acme[a', /a class begins with \[/],
    ['[a-z]{1,20}[a-z]{1,20}xyz', /can both begin with "a"/],
    ['[a-z]{1,20}(-)?abc', /"\[a-z\]\{1,20\}" and "abc"|can both begin with "a"/],
    ['x?xabc', /"x\?" and "x" can both begin with "x": give the first a fixed length/],
    ['(ab)?(ac|de)xyz', /can both begin with "a"/],
  ])('have no pattern that is unclear or could take long: %s', (pattern, message) => {
    const refusal = refusalFor(pattern)
    expect(refusal).toMatch(/^MALFORMED \/rules\/0\/pattern: /)
    expect(refusal).toMatch(message)
  })

  it.each([
    ['[a-z]{3,500}!', 'a'],
    ['[a-z]{1,250}-[a-z]{1,250}!x', 'a-'],
    ['[a-z-]{3,500}!', 'a-'],
    ['[ab]{2,100}c?[d-z]{1,100}!', 'abcz '],
    ['(aaaa)?b?[c-z]{3,300}!', 'aaaaz '],
  ])('take time in proportion to the text: %s', (pattern, part) => {
    const rules = rule(pattern)
    const submission = prompted(part.repeat(500_000 / part.length))
    const started = performance.now()
    findSecrets(submission, rules)
    expect(performance.now() - started).toBeLessThan(3_000)
  })

  it('find with any pattern that is accepted what a plain regular expression finds', () => {
    const piece = fc.constantFrom(
      'ab',
      '[a-c]{2}',
      '[0-9]{1,3}',
      '(x|yz)',
      '(-)?',
      '_?',
      '\\d',
      'k{2}',
    )
    const text = fc.string({ unit: fc.constantFrom(...'abcxyz019-_k '), maxLength: 30 })
    fc.assert(
      fc.property(fc.array(piece, { minLength: 2, maxLength: 6 }), text, (pieces, words) => {
        const pattern = pieces.join('')
        if (refusalFor(pattern) !== 'accepted') return
        const plain = new RegExp(`(?<![A-Za-z0-9])${pattern}(?![A-Za-z0-9])`, 'g')
        const expected = [...words.matchAll(plain)].map(([match]) => ['acme', match])
        const own = foundIn(words, rule(pattern)).filter(([name]) => name === 'acme')
        expect(own).toEqual(expected)
      }),
    )
  })

  const ONE = { name: 'acme', pattern: 'acme-[0-9]{8}', action: 'mask' }
  it.each<[string, JsonValue, RegExp]>([
    ['no object', [], /the top level: expected an object/],
    ['no version', {}, /\/version: is missing/],
    ['another version', { version: 'v2' }, /\/version: expected one of/],
    ['an unknown member', { version: VERSION, rule: [] }, /\/rule: unknown/],
    [
      'an unknown rule',
      { version: VERSION, actions: { jwts: 'off' } },
      /\/actions\/jwts: there is no/,
    ],
    [
      'an unknown action',
      { version: VERSION, actions: { jwt: 'on' } },
      /\/actions\/jwt: expected one/,
    ],
    ['no list', { version: VERSION, rules: {} }, /\/rules: expected an array/],
    ['no name', { version: VERSION, rules: [{ ...ONE, name: '' }] }, /\/rules\/0\/name: expected/],
    [
      'a name twice',
      { version: VERSION, rules: [ONE, ONE] },
      /\/rules\/1\/name: there is a rule acme/,
    ],
    ['a name in use', { version: VERSION, rules: [{ ...ONE, name: 'jwt' }] }, /a rule jwt already/],
    [
      'off',
      { version: VERSION, rules: [{ ...ONE, action: 'off' }] },
      /\/rules\/0\/action: expected/,
    ],
    [
      'a check',
      { version: VERSION, rules: [{ ...ONE, check: 'x' }] },
      /\/rules\/0\/check: expected one/,
    ],
    ['a flag', { version: VERSION, rules: [{ ...ONE, flags: 'i' }] }, /\/rules\/0\/flags: unknown/],
    ['too many', { version: VERSION, rules: Array(101).fill(ONE) }, /has 101 items; 100 at most/],
  ])('are refused: %s', (_, document, message) => {
    const refusal = refusalOf(() => parseSecretRules(document))
    expect(refusal).toMatch(/^MALFORMED /)
    expect(refusal).toMatch(message)
  })

  it('are bounded', () => {
    expect(refusalOf(() => parseSecretRules(' '.repeat(65_537)))).toMatch(/^TOO_LARGE /)
  })
})
