/**
 * The tokens of a data directory. It keeps the first one in clear for its operator (`admin.token`), and of all of them
 * the lines of `tokens`, which are read again when the file changes: what is added or revoked counts without a restart.
 */
import { stat } from 'node:fs/promises'
import { fromUtf8, utf8 } from '../bytes.ts'
import { ROLES } from '../compliance/principal.ts'
import { CairnError, messageOf } from '../errors.ts'
import { durableWriteFile } from '../storage/durable-file.ts'
import { readIfThere } from './read-if-there.ts'
import {
  authenticateBy,
  formatTokens,
  hashToken,
  isToken,
  type KnownToken,
  newToken,
  parseTokens,
  type RecogniseOptions,
  type RecogniseToken,
} from './tokens.ts'

const PRIVATE_FILE = 0o600
const DEFAULT_INTERVAL_MS = 500

export interface TokenFiles {
  readonly adminTokenFile: string
  readonly tokensFile: string
}

/** The file of tokens has changed while it was in use. */
export type TokenEvent =
  | { readonly event: 'tokens-changed'; readonly file: string; readonly tokens: number }
  /** What was known before still counts. */
  | { readonly event: 'tokens-damaged'; readonly file: string; readonly reason: string }

/** An event in words. */
export function describeTokens(event: TokenEvent): string {
  return event.event === 'tokens-changed'
    ? `${event.tokens} ${event.tokens === 1 ? 'token is' : 'tokens are'} known now (${event.file})`
    : `the tokens stay as they were: ${event.reason}`
}

export interface FollowOptions extends RecogniseOptions {
  readonly onEvent?: (event: TokenEvent) => void
  /** Milliseconds between two looks at the file. */
  readonly intervalMs?: number
}

/** The tokens of a data directory while a server runs. */
export interface Tokens {
  readonly authenticate: RecogniseToken
  /** Looks at the file now. Never fails: what cannot be read is an event, and the tokens stay as they were. */
  look(): Promise<void>
  /** Looks no more. */
  close(): Promise<void>
}

/**
 * Opens the tokens of a data directory and follows their file. At the first start one is made, called `admin`.
 * @throws CORRUPT when a file is damaged, IO
 */
export async function openTokens(files: TokenFiles, options: FollowOptions = {}): Promise<Tokens> {
  const { onEvent = () => {}, intervalMs = DEFAULT_INTERVAL_MS } = options
  const file = files.tokensFile
  await readTokens(files)
  // Seen before it is read for good: a change in between is found at the next look.
  let seen = await stampOf(file)
  let recognise = authenticateBy(await readTokens(files), options)
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    const stamp = await stampOf(file)
    if (stamp === seen) return
    seen = stamp
    try {
      const tokens = await readTokenFile(file)
      if (tokens === undefined) throw new CairnError('CORRUPT', `${file} is missing`)
      recognise = authenticateBy(tokens, options)
      onEvent({ event: 'tokens-changed', file, tokens: tokens.length })
    } catch (error) {
      onEvent({ event: 'tokens-damaged', file, reason: messageOf(error) })
    }
  }

  const tokens: Tokens = {
    authenticate: (authorization) => recognise(authorization),
    look() {
      looking ??= look().finally(() => {
        looking = undefined
      })
      return looking
    },
    close: async () => clearInterval(timer),
  }
  const timer = setInterval(() => void tokens.look(), intervalMs)
  timer.unref()
  return tokens
}

/**
 * The tokens of a data directory. At the first start one is made, called `admin`.
 * @throws CORRUPT when a file is damaged, IO
 */
export async function readTokens(files: TokenFiles): Promise<readonly KnownToken[]> {
  const stored = await readTokenFile(files.tokensFile)
  if (stored !== undefined) return stored
  // In this order, so that a start cut short in between finds the token again and completes the files.
  let token = (await read(files.adminTokenFile))?.replace(/\n$/, '')
  if (token === undefined) {
    token = newToken()
    await write(files.adminTokenFile, `${token}\n`)
  } else if (!isToken(token)) {
    throw new CairnError(
      'CORRUPT',
      `${files.adminTokenFile} does not hold a token; remove it and a new one is made`,
    )
  }
  const tokens = [{ name: 'admin', hash: hashToken(token), roles: ROLES }]
  await writeTokenFile(files.tokensFile, tokens)
  return tokens
}

/** The lines of a file of tokens, or undefined when there is none. @throws CORRUPT, IO */
export async function readTokenFile(file: string): Promise<KnownToken[] | undefined> {
  const text = await read(file)
  return text === undefined ? undefined : parseTokens(text, file)
}

/** Replaces a file of tokens in one step. @throws IO */
export async function writeTokenFile(file: string, tokens: readonly KnownToken[]): Promise<void> {
  await write(file, formatTokens(tokens))
}

/** What changes whenever a file does; undefined when it cannot be looked at. */
async function stampOf(file: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return undefined
  }
}

async function read(file: string): Promise<string | undefined> {
  const bytes = await readIfThere(file)
  if (bytes === undefined) return undefined
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new CairnError('CORRUPT', `${file} is no text; mend or remove it`, { cause })
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await durableWriteFile(file, utf8(text), PRIVATE_FILE)
  } catch (cause) {
    throw new CairnError('IO', `cannot write ${file}: ${messageOf(cause)}`, { cause })
  }
}
