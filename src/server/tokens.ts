/**
 * Who may submit: bearer tokens. The data directory keeps the first one in clear for its operator (`admin.token`),
 * and of every token no more than its SHA-256 and a name (`tokens`, a line each: 64 hexadecimal digits, a space, the name).
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sha256 } from '#sha256'
import { fromHex, fromUtf8, toHex, utf8 } from '../bytes.ts'
import { DEFAULT_TENANT, type Principal, ROLES } from '../compliance/principal.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile } from '../storage/durable-file.ts'

const PRIVATE_FILE = 0o600
const TOKEN_BYTES = 32
const TOKEN = /^cairn_[A-Za-z0-9_-]{43}$/
const LINE = /^([0-9a-f]{64}) ([a-z0-9][a-z0-9._-]{0,62})$/
const BEARER = 'bearer '

/** A token as the log knows it. */
export interface KnownToken {
  readonly name: string
  /** SHA-256 of the token: 32 bytes. */
  readonly hash: Uint8Array
}

export interface TokenFiles {
  readonly adminTokenFile: string
  readonly tokensFile: string
}

/** A new token: 256 random bits. */
export function newToken(): string {
  return `cairn_${randomBytes(TOKEN_BYTES).toString('base64url')}`
}

export function hashToken(token: string): Uint8Array {
  return sha256(utf8(token))
}

/**
 * The tokens of a data directory. At the first start one is made, called `admin`.
 * @throws CORRUPT when a file is damaged, IO
 */
export async function openTokens(files: TokenFiles): Promise<KnownToken[]> {
  const stored = await read(files.tokensFile)
  if (stored !== undefined) return parseTokens(stored, files.tokensFile)
  // In this order, so that a start cut short in between finds the token again and completes the files.
  let token = (await read(files.adminTokenFile))?.replace(/\n$/, '')
  if (token === undefined) {
    token = newToken()
    await write(files.adminTokenFile, `${token}\n`)
  } else if (!TOKEN.test(token)) {
    throw new CairnError(
      'CORRUPT',
      `${files.adminTokenFile} does not hold a token; remove it and a new one is made`,
    )
  }
  const tokens = [{ name: 'admin', hash: hashToken(token) }]
  await write(files.tokensFile, formatTokens(tokens))
  return tokens
}

export function formatTokens(tokens: readonly KnownToken[]): string {
  return tokens.map(({ name, hash }) => `${toHex(hash)} ${name}\n`).join('')
}

/** Reads the token file's text; `file` is for messages. @throws CORRUPT */
export function parseTokens(text: string, file: string): KnownToken[] {
  if (text === '') return []
  if (!text.endsWith('\n')) throw damaged(file, text.split('\n').length)
  return text
    .slice(0, -1)
    .split('\n')
    .map((line, i) => {
      const match = LINE.exec(line)
      if (match === null) throw damaged(file, i + 1)
      return { name: match[2]!, hash: fromHex(match[1]!) }
    })
}

function damaged(file: string, line: number): CairnError {
  return new CairnError(
    'CORRUPT',
    `line ${line} of ${file} is not "<64 hexadecimal digits> <name>"; mend or remove it`,
  )
}

/** Recognises bearer tokens. Every known hash is compared in constant time, so an answer's delay tells nothing. */
export function authenticateBy(
  tokens: readonly KnownToken[],
): (authorization: string | undefined) => Principal | undefined {
  const known = tokens.map(
    ({ name, hash }): Principal => ({
      name,
      tenant: DEFAULT_TENANT,
      roles: new Set(ROLES),
      identity: hash,
    }),
  )
  return (authorization) =>
    authorization === undefined ? undefined : recognise(authorization, known)
}

function recognise(authorization: string, known: readonly Principal[]): Principal | undefined {
  if (authorization.slice(0, BEARER.length).toLowerCase() !== BEARER) return undefined
  const hash = hashToken(authorization.slice(BEARER.length))
  let found: Principal | undefined
  for (const submitter of known) {
    if (timingSafeEqual(hash, submitter.identity)) found = submitter
  }
  return found
}

async function read(file: string): Promise<string | undefined> {
  try {
    return fromUtf8(await readFile(file), file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CairnError('IO', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await durableWriteFile(file, utf8(text), PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write ${file}: ${messageOf(cause)}`, { cause })
  }
}
