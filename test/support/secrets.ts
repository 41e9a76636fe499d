/** Secrets for tests, none of them real: drawn from a counter, with the check digits that the real ones have. */
import { createHash } from 'node:crypto'
import { toBase64Url, utf8 } from '../../src/bytes.ts'
import { passesLuhn, passesMod97, tokenChecksum } from '../../src/formats/secret-checks.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** So many characters, the same in each run. */
export function drawn(length: number, alphabet: string = LETTERS, seed = 'secret'): string {
  let text = ''
  for (let i = 0; text.length < length; i++) {
    const bytes = createHash('sha256').update(`${seed} ${i}`).digest()
    for (const byte of bytes) text += alphabet[byte % alphabet.length]
  }
  return text.slice(0, length)
}

/** Digits with a last one that makes them pass. */
export function withLuhn(digits: string): string {
  return [...'0123456789'].map((last) => digits + last).find(passesLuhn)!
}

/** An IBAN of a country, with its check digits. */
export function ibanOf(country: string, account: string): string {
  for (let check = 2; ; check++) {
    const iban = `${country}${String(check).padStart(2, '0')}${account}`
    if (passesMod97(iban)) return iban
  }
}

export function jwtOf(header: unknown, claims: unknown, signature = drawn(43)): string {
  const part = (value: unknown) => toBase64Url(utf8(JSON.stringify(value)))
  return `${part(header)}.${part(claims)}.${signature.slice(0, 42)}A`
}

/** A private key's frame around so many letters, in lines; the words apart, so that no scanner takes this file for one. */
export function pemOf(kind: string, letters: number, lineEnd = '\n'): string {
  const label = [kind, 'PRIVATE', 'KEY'].filter((word) => word !== '').join(' ')
  const lines = drawn(letters, `${LETTERS}+/`).replace(/.{64}/g, (text) => `${text}${lineEnd}`)
  return [`-----BEGIN ${label}-----`, lines, `-----END ${label}-----`].join(lineEnd)
}

const HEX = '0123456789abcdef'
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const BECH32 = 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'
const random = drawn(30)

/** By rule: texts of which the whole is a secret. */
export const SECRETS: Readonly<Record<string, readonly string[]>> = {
  'private-key': [
    pemOf('', 128),
    pemOf('RSA', 1600),
    pemOf('OPENSSH', 300),
    pemOf('ENCRYPTED', 300, '\\n'),
    pemOf('EC', 160, '\r\n'),
    pemOf('', 64).split('-----END')[0]!,
    `-----BEGIN PGP PRIVATE KEY ${'BLOCK'}-----\n\nVersion: 1\n${drawn(200)}\n-----END PGP PRIVATE KEY BLOCK-----`,
  ],
  'age-key': [`AGE-SECRET-KEY-1${drawn(58, BECH32)}`],
  'aws-access-key': [`AKIA${drawn(16, BASE32)}`, `ASIA${drawn(16, BASE32)}`],
  'google-api-key': [`AIza${drawn(35)}`],
  'google-oauth': [`GOCSPX-${drawn(28)}`, `ya29.${drawn(120)}`],
  'github-token': ['ghp_', 'gho_', 'ghs_', 'ghu_', 'ghr_'].map(
    (prefix) => `${prefix}${random}${tokenChecksum(random)}`,
  ),
  'github-fine-grained-token': [`github_pat_${drawn(22)}_${drawn(59)}`],
  'gitlab-token': [`glpat-${drawn(20)}`, `glrt-${drawn(27)}.01.${drawn(9, HEX)}`],
  'npm-token': [`npm_${random}${tokenChecksum(random)}`],
  'pypi-token': [`pypi-AgEIcHlwaS5vcmc${drawn(80)}`],
  'slack-token': [`xoxb-${drawn(12, '123456789')}-${drawn(24)}`, `xapp-1-${drawn(30)}`],
  'slack-webhook': [
    `hooks.slack.com/services/T${drawn(9, BASE32)}/B${drawn(9, BASE32)}/${drawn(24)}`,
  ],
  'stripe-key': ['sk_live_', 'rk_test_', 'whsec_'].map((prefix) => `${prefix}${drawn(32)}`),
  'openai-key': [`sk-proj-${drawn(60)}T3BlbkFJ${drawn(60)}`, `sk-${drawn(20)}T3BlbkFJ${drawn(20)}`],
  'anthropic-key': [`sk-ant-api03-${drawn(93)}AA`],
  'huggingface-token': [`hf_${drawn(34, LETTERS.slice(0, 52))}`],
  'sendgrid-key': [`SG.${drawn(22)}.${drawn(43)}`],
  'vault-token': [`hvs.${drawn(90)}`],
  'digitalocean-token': [`dop_v1_${drawn(64, HEX)}`],
  'databricks-token': [`dapi${drawn(32, HEX)}`],
  jwt: [
    jwtOf({ alg: 'HS256', typ: 'JWT' }, { sub: '1', iat: 1_700_000_000 }),
    jwtOf({ alg: 'RS256', kid: 'k' }, { sub: 'ann' }, drawn(342)),
  ],
  'card-number': [
    withLuhn('411111111111111'),
    withLuhn('4000 0012 3456 789'.replaceAll(' ', '')),
    withLuhn('555555555555444'),
    withLuhn('222300004841001'),
    withLuhn('37828224631000'),
    withLuhn('601111111111111'),
    withLuhn('353011133330000'),
    withLuhn('3056930902590'),
    withLuhn('62000000000000500'),
    withLuhn('411111111111111').replace(/(.{4})(?=.)/g, '$1 '),
    withLuhn('555555555555444').replace(/(.{4})(?=.)/g, '$1-'),
    withLuhn('37828224631000').replace(/^(.{4})(.{6})/, '$1 $2 '),
  ],
  iban: [
    ibanOf('DE', '370400440532013000'),
    ibanOf('GB', 'WEST12345698765432'),
    ibanOf('NO', '86011117947'),
    ibanOf('MT', 'MALT011000012345MTLCAST001S'),
    ibanOf('DE', '370400440532013000').replace(/(.{4})(?=.)/g, '$1 '),
    ibanOf('FR', '20041010050500013M02606').replace(/(.{4})(?=.)/g, '$1 '),
  ],
}

/** By rule: a text, with the part that is secret. */
export const SECRETS_IN_TEXT: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'azure-storage-key': [
    [`AccountName=x;AccountKey=${drawn(86)}==;Suffix=y`, `AccountKey=${drawn(86)}==`],
  ],
  authorization: [
    [`curl -H 'Authorization: Bearer ${drawn(40)}' https://a.example`, drawn(40)],
    [`authorization: basic ${btoa('ann:Wn7-kq')}`, btoa('ann:Wn7-kq')],
  ],
  'url-password': [
    ['postgres://ann:Wn7kq@db.internal:5432/x', 'Wn7kq'],
    ['redis://:longish-word@10.0.0.1', 'longish-word'],
    ['see https://ann:p%40ss-w0rd@[::1]/', 'p%40ss-w0rd'],
  ],
  password: [
    ['password=Tr0ub4dor&3', 'Tr0ub4dor'],
    ['DB_PASSWORD="kW9#vQ2!xL"', 'kW9#vQ2!xL'],
    ['{"user":"ann","password":"kW9#vQ2!xL"}', 'kW9#vQ2!xL'],
    ['{\\"password\\": \\"kW9#vQ2!xL\\"}', 'kW9#vQ2!xL'],
    ['my pwd : kW9#vQ2!xL, thanks', 'kW9#vQ2!xL'],
    [`api_key: '${drawn(32)}'`, drawn(32)],
    [`aws_secret_access_key = ${drawn(40, `${LETTERS}+`)}`, drawn(40, `${LETTERS}+`)],
    [`clientSecret => "${drawn(24)}"`, drawn(24)],
    [`access_token=${drawn(40)}&state=1`, drawn(40)],
  ],
}

/** What looks like a secret and is none. */
export const LOOK_ALIKES: readonly string[] = [
  // Words and prose.
  'The password must have 8 characters, one of them a digit.',
  'password: please reset it tomorrow',
  'Password: must-contain-a-digit',
  'token: the smallest unit of text',
  'secret = config.get("secret")',
  'password = getPassword2()',
  `password: $${''}{DB_PASSWORD_2}`,
  'password: <your-password-1>',
  'password=********',
  'password=xxxxxxxxxx',
  'api_key = os.environ["API_KEY_2"]',
  'api_key: YOUR_API_KEY_1234567890',
  'secret: /var/run/secrets/db-1',
  'max_tokens: 4096, stop_token: <|endoftext|>',
  'next_page_token=Cj0IARAAGgwI1234567890abcdef',
  'password: 2026-11-21',
  'passwords: 12345678',
  'tokens: 1234567890123456',
  'key: value, monkey: Banana-2026x',
  'Bearer of bad news',
  'Bearer token-goes-here-please-now',
  'Basic understanding of things',
  `Basic ${btoa('no colon in here')}`,
  // Prefixes without the rest, or with a wrong checksum.
  'AKIA',
  `AKIA${drawn(15, BASE32)}`,
  `xAKIA${drawn(16, BASE32)}`,
  `AKIA${'A'.repeat(16)}`,
  `AKIA${drawn(9, BASE32)}EXAMPLE`,
  `AKIA${drawn(17, BASE32)}`,
  `ghp_${random}${tokenChecksum(`${random}x`)}`,
  `ghp_${drawn(36)}`,
  `npm_${drawn(36)}`,
  `sk-${drawn(48)}`,
  'sk-learn is a library',
  'ghp_ is the prefix',
  'glpat-xxxxxxxxxxxxxxxxxxxx',
  `sk_live_${'x'.repeat(24)}`,
  'hf_transformers',
  'xoxb-your-token',
  `hf_${drawn(20)}`,
  `SG.${drawn(21)}.${drawn(43)}`,
  'AIza',
  'dapi_service',
  'ya29.',
  'pypi-package',
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----',
  '-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----',
  'A file that begins with -----BEGIN RSA PRIVATE KEY----- is a private key.',
  `-----BEGIN CERTIFICATE-----\n${drawn(200)}\n-----END CERTIFICATE-----`,
  // JWTs that are none.
  'eyJhbGciOiJIUzI1NiJ9',
  'eyJ.eyJ.x',
  `${jwtOf({ typ: 'x' }, {})}`,
  `${jwtOf({ alg: 'x' }, [])}`,
  jwtOf({ alg: 'none' }, {}, '').slice(0, -1),
  // URLs.
  'https://example.com:8080/@ann',
  'https://ann@example.com/',
  'http://a.example/x:y@z',
  'postgres://user:password@localhost/db',
  `postgres://ann:$${''}{PASS}@db`,
  'see a://b and c: d@e',
  'git@github.com:cairn/log.git',
  'https://medium.example/@ann:1',
  // Numbers.
  '4111111111111112',
  '1234567890123456',
  '4111 1111 1111 1112',
  '4111-1111 1111-1111',
  '1763726400000',
  '1763726400000000000',
  '0.4111111111111111',
  '4111111111111111.5',
  `x${withLuhn('411111111111111')}`,
  `${withLuhn('411111111111111')}0`,
  '9111111111111111',
  withLuhn('911111111111111'),
  withLuhn('41111111111111'),
  '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
  `550e8400-e29b-41d4-a716-${withLuhn('44665544000')}`,
  `id_${withLuhn('411111111111111')}`,
  'DE89370400440532013001',
  'DE893704004405320130',
  'XX89370400440532013000',
  'DE89 3704 0044 0532 0130',
  'ISO27001 and ISO42001',
  'SE12 IS THE SIZE',
  'GB82',
  // What records are full of.
  '550e8400-e29b-41d4-a716-446655440000',
  '019a9bd4-5c00-7abc-8def-0123456789ab',
  '4bf92f3577b34da6a3ce929d0e0e4736',
  `sha256:${drawn(64, HEX)}`,
  drawn(43),
  `data:image/png;base64,${drawn(400)}`,
  'p_AAAAAAAAAAAAAAAAAAAAAA',
  'gpt-4o-2024-08-06',
  'ann@example.com',
  '+49 170 1234567',
  '2026-11-21T12:00:00.000Z',
]
