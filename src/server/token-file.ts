/**
 * The tokens of a log or a witness. The data directory keeps the first one in clear for its operator (`admin.token`),
 * and of all of them there are lines in its file `tokens`, or in a database that several servers share. These are read
 * again when they change: what is added or revoked counts without a restart.
 */
import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { ROLES } from '../compliance/principal.ts'
import { CairnError, messageOf } from '../errors.ts'
import { readPrivateText, writePrivateText } from '../storage/private-text.ts'
import type { TokenStore } from '../storage/token-port.ts'
import { tokensInFile } from '../storage/tokens-file.ts'
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

const DEFAULT_INTERVAL_MS = 500

export interface TokenFiles {
  readonly adminTokenFile: string
  readonly tokensFile: string
}

/** The tokens have changed while they were in use. `file` is where they are, if it is a file or not. */
export type TokenEvent =
  /** They were made by another server: the first of them is there, in clear. */
  | { readonly event: 'tokens-elsewhere'; readonly file: string; readonly madeAt: string }
  | { readonly event: 'tokens-changed'; readonly file: string; readonly tokens: number }
  /** What was known before still counts. */
  | { readonly event: 'tokens-damaged'; readonly file: string; readonly reason: string }

/** An event in words. */
export function describeTokens(event: TokenEvent): string {
  switch (event.event) {
    case 'tokens-elsewhere':
      return `the tokens are those of ${event.file}; the first one was made at ${event.madeAt}`
    case 'tokens-changed':
      return `${event.tokens} ${event.tokens === 1 ? 'token is' : 'tokens are'} known now (${event.file})`
    case 'tokens-damaged':
      return `the tokens stay as they were: ${event.reason}`
  }
}

export interface FollowOptions extends RecogniseOptions {
  readonly onEvent?: (event: TokenEvent) => void
  /** Milliseconds between two looks at the tokens. */
  readonly intervalMs?: number
  /** Where they are kept; in the file of tokens unless given. */
  readonly store?: TokenStore
}

/** The tokens of a data directory while a server runs. */
export interface Tokens {
  readonly authenticate: RecogniseToken
  /** Looks at them now. Never fails: what cannot be read is an event, and the tokens stay as they were. */
  look(): Promise<void>
  /** Looks no more. */
  close(): Promise<void>
}

/**
 * Opens tokens and follows them. At the first start one is made, called `admin`.
 * @throws CORRUPT when a file is damaged; LOCKED, UNAVAILABLE, IO
 */
export async function openTokens(files: TokenFiles, options: FollowOptions = {}): Promise<Tokens> {
  const { onEvent = () => {}, intervalMs = DEFAULT_INTERVAL_MS } = options
  const store = options.store ?? tokensInFile(files.tokensFile)
  const file = store.place
  await readTokens(files, store)
  // Seen before they are read for good: a change in between is found at the next look.
  let seen = await store.stamp()
  const stored = await store.read()
  let recognise = authenticateBy(parseTokens(stored?.text ?? '', file), options)
  const { madeAt } = stored ?? {}
  // Those that were moved here came with the token in clear.
  if (madeAt !== undefined && madeAt !== '' && madeAt !== nameOfPlace(files)) {
    onEvent({ event: 'tokens-elsewhere', file, madeAt })
  }
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    const stamp = await store.stamp()
    if (stamp === seen) return
    const before = seen
    seen = stamp
    try {
      const changed = await store.read()
      if (changed === undefined) throw new CairnError('CORRUPT', `${file} has no tokens any more`)
      const tokens = parseTokens(changed.text, file)
      recognise = authenticateBy(tokens, options)
      onEvent({ event: 'tokens-changed', file, tokens: tokens.length })
    } catch (error) {
      if (error instanceof CairnError && error.code === 'UNAVAILABLE') {
        // A database that is away says nothing about tokens; that it is away, the log tells.
        seen = before
        return
      }
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
 * The tokens of a log or a witness. At the first start one is made, called `admin`, and written to its file in clear.
 * Where several servers share tokens, one of them makes it.
 * @throws CORRUPT when a file is damaged; LOCKED, UNAVAILABLE, IO
 */
export async function readTokens(
  files: TokenFiles,
  store: TokenStore = tokensInFile(files.tokensFile),
): Promise<readonly KnownToken[]> {
  const stored = await store.read()
  if (stored !== undefined) return parseTokens(stored.text, store.place)
  const { adminTokenFile } = files
  // In this order, so that a start cut short in between finds the token again and completes the rest.
  const { token, isNew } = await findOrMakeToken(adminTokenFile)
  const own = formatTokens([{ name: 'admin', hash: hashToken(token), roles: ROLES }])
  let text = own
  await store.update((theirs) => {
    text = theirs ?? own
    return text
  }, nameOfPlace(files))
  // Another server was quicker, so that this token is good for nothing.
  if (text !== own && isNew) await rm(adminTokenFile, { force: true })
  return parseTokens(text, store.place)
}

/** Where the first token is, for people who look for it. */
function nameOfPlace({ adminTokenFile }: TokenFiles): string {
  return `${adminTokenFile} on ${hostname()}`
}

async function findOrMakeToken(file: string): Promise<{ token: string; isNew: boolean }> {
  const stored = (await readPrivateText(file))?.replace(/\n$/, '')
  if (stored === undefined) {
    const token = newToken()
    await writePrivateText(file, `${token}\n`)
    return { token, isNew: true }
  }
  if (isToken(stored)) return { token: stored, isNew: false }
  throw new CairnError('CORRUPT', `${file} does not hold a token; remove it and a new one is made`)
}
