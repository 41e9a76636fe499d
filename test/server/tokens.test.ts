import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ROLES, type Role } from '../../src/compliance/principal.ts'
import {
  authenticateBy,
  formatTokens,
  hashToken,
  type KnownToken,
  newToken,
  parseTokens,
} from '../../src/server/tokens.ts'

const HASH = 'a'.repeat(64)

describe('the lines of tokens', () => {
  const token: fc.Arbitrary<KnownToken> = fc.record(
    {
      name: fc.stringMatching(/^[a-z0-9][a-z0-9._@+-]{0,20}$/),
      hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      roles: fc.subarray([...ROLES], { minLength: 1 }),
      tenant: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/),
      expires: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
    },
    { requiredKeys: ['name', 'hash', 'roles'] },
  )

  it('are read as they are written', () => {
    const tokens = fc.uniqueArray(token, { selector: ({ hash }) => hash.join() })
    fc.assert(
      fc.property(tokens, (given) => {
        expect(parseTokens(formatTokens(given), 'tokens')).toEqual(given)
      }),
      { numRuns: 50 },
    )
    expect(parseTokens('', 'tokens')).toEqual([])
  })

  it('that end after the name give all roles in the tenant of the log', () => {
    const text = `${HASH} admin\n`
    const tokens = parseTokens(text, 'tokens')
    expect(tokens).toEqual([{ name: 'admin', hash: new Uint8Array(32).fill(0xaa), roles: ROLES }])
    expect(formatTokens(tokens)).toBe(text)
  })

  it('say the tenant, the roles and the expiry', () => {
    const text =
      `${HASH} ann@example.com acme auditor,reader 2026-12-01T00:00:00Z\n` +
      `${'b'.repeat(64)} app - submitter\n`
    expect(parseTokens(text, 'tokens')).toMatchObject([
      { tenant: 'acme', roles: ['reader', 'auditor'], expires: Date.UTC(2026, 11) },
      { name: 'app', roles: ['submitter'] },
    ])
  })

  it.each([
    ['x', 'its end is missing', 1],
    [`${HASH} admin`, 'its end is missing', 1],
    [`${'a'.repeat(63)} admin\n`, '64 hexadecimal digits', 1],
    [`${'A'.repeat(64)} admin\n`, '64 hexadecimal digits', 1],
    [`${HASH}\n`, 'a name has', 1],
    [`${HASH}  admin\n`, 'a name has', 1],
    [`${HASH} Admin\n`, 'a name has', 1],
    [`${HASH} admin\r\n`, 'a name has', 1],
    [`${HASH} admin\n\n`, '64 hexadecimal digits', 2],
    [`${HASH} admin\n${HASH} other\n`, 'the token of line 1', 2],
    [`${HASH} admin acme\n`, 'a tenant, roles and perhaps an expiry', 1],
    [`${HASH} admin acme reader 2026-12-01T00:00:00Z x\n`, 'perhaps an expiry', 1],
    [`${HASH} admin ../x reader\n`, 'a tenant is a name', 1],
    [`${HASH} admin acme king\n`, 'there is no role "king"', 1],
    [`${HASH} admin acme reader,\n`, 'there is no role ""', 1],
    [`${HASH} admin acme reader tomorrow\n`, 'the expiry is a time', 1],
    [`${HASH} admin acme reader 2026-02-30T00:00:00Z\n`, 'the expiry is a time', 1],
  ])('refuses %j', (text, reason, line) => {
    expect(() => parseTokens(text, 'DIR/tokens')).toThrow(
      expect.objectContaining({
        code: 'CORRUPT',
        message: expect.stringMatching(new RegExp(`^line ${line} of DIR/tokens .*${reason}`)),
      }),
    )
  })
})

describe('a request', () => {
  const tokens = [newToken(), newToken()]
  const authenticate = authenticateBy(
    tokens.map((token, i) => ({ name: `t${i}`, hash: hashToken(token), roles: ROLES })),
  )

  it('is known by any of the tokens, each somebody else', () => {
    const found = tokens.map((token) => authenticate(`Bearer ${token}`))
    expect(found[0]?.identity).toEqual(hashToken(tokens[0]!))
    expect(found[1]?.identity).toEqual(hashToken(tokens[1]!))
    expect(authenticate(`bearer ${tokens[0]}`)).toBe(found[0])
  })

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    `Basic ${tokens[0]}`,
    tokens[0],
    `Bearer  ${tokens[0]}`,
    `Bearer ${tokens[0]} `,
    `Bearer ${tokens[0]},${tokens[1]}`,
    `Bearer ${tokens[0]!.slice(0, -1)}`,
  ])('is not known by %s', (authorization) => {
    expect(authenticate(authorization)).toBeUndefined()
  })

  it('is known by nothing when there are no tokens', () => {
    expect(authenticateBy([])(`Bearer ${tokens[0]}`)).toBeUndefined()
  })

  it('comes from a tenant, the log’s own unless the token says another', () => {
    const roles: Role[] = ['auditor']
    const recognise = authenticateBy(
      [
        { name: 'a', hash: hashToken(tokens[0]!), roles },
        { name: 'b', hash: hashToken(tokens[1]!), roles, tenant: 'globex' },
      ],
      { tenant: 'acme' },
    )
    const own = { name: 'a', tenant: 'acme', roles: new Set(roles) }
    expect(recognise(`Bearer ${tokens[0]}`)).toMatchObject(own)
    expect(recognise(`Bearer ${tokens[1]}`)).toMatchObject({ name: 'b', tenant: 'globex' })
  })

  it('is refused once the token has expired, and told so', () => {
    let time = 999_999
    const known = { name: 'a', hash: hashToken(tokens[0]!), roles: ROLES, expires: 1_000_000 }
    const recognise = authenticateBy([known], { now: () => time })
    expect(recognise(`Bearer ${tokens[0]}`)).toBeDefined()
    time++
    expect(() => recognise(`Bearer ${tokens[0]}`)).toThrow(
      expect.objectContaining({
        code: 'UNAUTHORIZED',
        message: 'the token has expired at 1970-01-01T00:16:40Z',
      }),
    )
  })
})
