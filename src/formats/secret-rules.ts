/**
 * The rules by which secrets are found in text. Each has a prefix, a checksum or a structure of its own to go by; what
 * only looks odd is none of their business. All of them take time in proportion to the text.
 */
import {
  isBasicCredential,
  isPlaceholder,
  isSignedJwt,
  looksLikeToken,
  looksRandom,
  passesTokenChecksum,
} from './secret-checks.ts'
import { findCardNumbers, findIbans } from './secret-numbers.ts'
import { findPasswordPairs } from './secret-pairs.ts'

/** Takes where a secret begins, and how long it is. */
export type Report = (offset: number, length: number) => void

export interface TextRule {
  readonly name: string
  /** Completes "what looks like …". */
  readonly about: string
  /** `name` is that of the member which holds the text, where it is free to choose. */
  find(text: string, report: Report, name: string): void
}

function isWordAt(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a)
  )
}

/** Whether no letter or digit stands before; one that belongs to an escape of JSON within JSON, `\n`, does not count. */
function startsWord(text: string, at: number): boolean {
  if (at === 0 || !isWordAt(text, at - 1)) return true
  return text[at - 2] === '\\' && /[nrtbf]/.test(text[at - 1]!)
}

/** What begins a secret. */
interface Needle {
  readonly text: string
  /** Its rarest character, by which it is found: prose is full of the others. */
  readonly rare: string
  readonly rareAt: number
}

function needle(text: string): Needle {
  const rareAt = Math.max(0, text.search(/[^a-z ]/))
  return { text, rare: text.charAt(rareAt), rareAt }
}

/** Calls `visit` for each place of a needle where a word begins; it says where to go on. */
function forEachWord(
  text: string,
  { text: begin, rare, rareAt }: Needle,
  visit: (at: number) => number,
): void {
  for (let found = text.indexOf(rare, rareAt); found >= 0; ) {
    const at = found - rareAt
    const next = text.startsWith(begin, at) && startsWord(text, at) ? visit(at) + rareAt : found + 1
    found = text.indexOf(rare, next)
  }
}

/** Tokens that have a prefix. `rest` is sticky, and bounded. */
function prefixed(
  name: string,
  about: string,
  prefixes: readonly string[],
  rest: RegExp,
  check: (rest: string) => boolean = looksRandom,
): TextRule {
  const needles = prefixes.map(needle)
  return {
    name,
    about,
    find(text, report) {
      for (const prefix of needles) {
        forEachWord(text, prefix, (at) => {
          const start = at + prefix.text.length
          rest.lastIndex = start
          const found = rest.exec(text)?.[0]
          if (found === undefined || isWordAt(text, start + found.length) || !check(found)) {
            return start
          }
          report(at, prefix.text.length + found.length)
          return start + found.length
        })
      }
    },
  }
}

const SLACK = ['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxo-', 'xoxe-', 'xapp-']
const OPENAI_KEY = /[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}/y

const BASE64URL = new Uint8Array(128)
const PEM_TEXT = new Uint8Array(128)
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code)
  if (/[A-Za-z0-9_-]/.test(character)) BASE64URL[code] = 1
  // Keys have header lines (`Proc-Type: 4,ENCRYPTED`), and escaped line ends in JSON within JSON.
  if (/[A-Za-z0-9+/=\s\\:,._-]/.test(character)) PEM_TEXT[code] = 1
}

const JWT = needle('eyJ')

/** Where the run of base64url that begins here ends. */
function endOfBase64Url(text: string, at: number): number {
  let end = at
  while (BASE64URL[text.charCodeAt(end)] === 1) end++
  return end
}

const LONGEST_TOKEN = 65_536
/** {"alg":""} and 24 bytes, in base64url. */
const SHORTEST_HEADER = 14
const SHORTEST_SIGNATURE = 32

function findJwts(text: string, report: Report): void {
  forEachWord(text, JWT, (at) => {
    const header = endOfBase64Url(text, at)
    if (!text.startsWith('.eyJ', header)) return header
    const claims = endOfBase64Url(text, header + 1)
    if (text[claims] !== '.') return claims
    const end = endOfBase64Url(text, claims + 1)
    const part = (from: number, to: number) => text.slice(from, to)
    if (
      end - at > LONGEST_TOKEN ||
      header - at < SHORTEST_HEADER ||
      end - claims <= SHORTEST_SIGNATURE ||
      !isSignedJwt(part(at, header), part(header + 1, claims), part(claims + 1, end))
    ) {
      // The claims may be the header of a token that begins here.
      return header + 1
    }
    report(at, end - at)
    return end
  })
}

const PEM_BEGIN = /-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----/y
const PEM_END = /-----END [A-Z0-9 ]{0,80}-----/y
/** Fewer characters of base64 hold no private key. */
const LEAST_KEY = 40

/** Private keys in PEM, OpenSSH's and PGP's among them; one without its end is one too. */
function findPrivateKeys(text: string, report: Report): void {
  for (let at = text.indexOf('-----BEGIN '); at >= 0; ) {
    PEM_BEGIN.lastIndex = at
    const begin = PEM_BEGIN.exec(text)?.[0]
    const start = at + (begin?.length ?? 11)
    if (begin === undefined) {
      at = text.indexOf('-----BEGIN ', start)
      continue
    }
    let end = start
    let letters = 0
    for (; PEM_TEXT[text.charCodeAt(end)] === 1; end++) {
      if (text[end] === '-' && text.startsWith('-----', end)) break
      if (isWordAt(text, end)) letters++
    }
    PEM_END.lastIndex = end
    end += PEM_END.exec(text)?.[0].length ?? 0
    if (letters >= LEAST_KEY) report(at, end - at)
    at = text.indexOf('-----BEGIN ', end)
  }
}

const USER_INFO =
  /:\/\/(?<user>[^\s/?#@:"'<>\\]{0,128}:)(?<password>[^\s/?#@"'<>\\]{3,256})@[A-Za-z0-9[]/y

/** Passwords in URLs (RFC 3986 section 3.2.1). */
function findUrlPasswords(text: string, report: Report): void {
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', at + 3)) {
    if (!isWordAt(text, at - 1)) continue
    USER_INFO.lastIndex = at
    const { user = '', password = '' } = USER_INFO.exec(text)?.groups ?? {}
    if (password !== '' && !isPlaceholder(password)) report(at + 3 + user.length, password.length)
  }
}

const BEARER_SCHEMES = ['Bearer ', 'bearer '].map(needle)
const BASIC_SCHEMES = ['Basic ', 'basic '].map(needle)
const BEARER = /[A-Za-z0-9._~+/-]{20,2048}={0,2}/y
const BASIC = /[A-Za-z0-9+/]{8,1024}={0,2}/y

/** What follows Bearer and Basic (RFC 6750, RFC 7617). */
function findCredentials(text: string, report: Report): void {
  const credential = (scheme: Needle, rest: RegExp, check: (rest: string) => boolean) =>
    forEachWord(text, scheme, (at) => {
      const start = at + scheme.text.length
      rest.lastIndex = start
      const found = rest.exec(text)?.[0]
      if (found === undefined || !check(found)) return start
      report(start, found.length)
      return start + found.length
    })
  for (const scheme of BEARER_SCHEMES) credential(scheme, BEARER, looksLikeToken)
  for (const scheme of BASIC_SCHEMES) credential(scheme, BASIC, isBasicCredential)
}

// biome-ignore format: a table
export const BUILT_IN_RULES: readonly TextRule[] = [
  { name: 'private-key', about: 'a private key', find: findPrivateKeys },
  prefixed('age-key', 'an age private key', ['AGE-SECRET-KEY-1'], /[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/y),
  prefixed('aws-access-key', 'an AWS access key', ['AKIA', 'ASIA'], /[A-Z2-7]{16}/y),
  prefixed('azure-storage-key', 'an Azure storage key', ['AccountKey='], /[A-Za-z0-9+/]{86}==/y),
  prefixed('google-api-key', 'a Google API key', ['AIza'], /[A-Za-z0-9_-]{35}/y),
  prefixed('google-oauth', 'a Google OAuth secret', ['GOCSPX-', 'ya29.'], /[A-Za-z0-9_-]{28,2048}/y),
  prefixed('github-token', 'a GitHub token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], /[A-Za-z0-9]{36}/y, passesTokenChecksum),
  prefixed('github-fine-grained-token', 'a GitHub token', ['github_pat_'], /[A-Za-z0-9]{22}_[A-Za-z0-9]{59}/y),
  prefixed('gitlab-token', 'a GitLab token', ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-'], /[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?/y),
  prefixed('npm-token', 'an npm token', ['npm_'], /[A-Za-z0-9]{36}/y, passesTokenChecksum),
  prefixed('pypi-token', 'a PyPI token', ['pypi-AgEIcHlwaS5vcmc'], /[A-Za-z0-9_-]{50,1000}/y),
  prefixed('slack-token', 'a Slack token', SLACK, /[0-9A-Za-z]{1,20}-[0-9A-Za-z-]{20,250}/y),
  prefixed('slack-webhook', 'a Slack webhook', ['hooks.slack.com/services/'], /T[A-Z0-9]{8,12}\/B[A-Z0-9]{8,12}\/[A-Za-z0-9]{24}/y),
  prefixed('stripe-key', 'a Stripe key', ['sk_live_', 'rk_live_', 'sk_test_', 'rk_test_', 'whsec_'], /[A-Za-z0-9]{24,247}/y),
  prefixed('openai-key', 'an OpenAI key', ['sk-'], OPENAI_KEY),
  prefixed('anthropic-key', 'an Anthropic key', ['sk-ant-'], /[a-z]{3,10}[0-9]{2}-[A-Za-z0-9_-]{80,120}/y),
  prefixed('huggingface-token', 'a Hugging Face token', ['hf_'], /[A-Za-z]{34}/y),
  prefixed('sendgrid-key', 'a SendGrid key', ['SG.'], /[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}/y),
  prefixed('vault-token', 'a Vault token', ['hvs.', 'hvb.'], /[A-Za-z0-9_-]{24,300}/y),
  prefixed('digitalocean-token', 'a DigitalOcean token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], /[0-9a-f]{64}/y),
  prefixed('databricks-token', 'a Databricks token', ['dapi'], /[0-9a-f]{32}(?:-[0-9])?/y),
  { name: 'jwt', about: 'a signed JWT', find: findJwts },
  { name: 'authorization', about: 'the credentials of an HTTP request', find: findCredentials },
  { name: 'url-password', about: 'a password in a URL', find: findUrlPasswords },
  { name: 'password', about: 'a password or key', find: findPasswordPairs },
  { name: 'card-number', about: 'a card number', find: findCardNumbers },
  { name: 'iban', about: 'an IBAN', find: findIbans },
]
