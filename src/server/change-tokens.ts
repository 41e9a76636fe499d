/** Adding and revoking the tokens of a data directory, also while a server uses them. */
import { open, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '../bytes.ts'
import type { Role } from '../compliance/principal.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { readTokenFile, writeTokenFile } from './token-file.ts'
import { hashToken, type KnownToken, newToken } from './tokens.ts'

/** Two commands at once take turns; one that was killed leaves its lock behind. */
const LOCK_PATIENCE_MS = 3_000
const LOCK_RETRY_MS = 20
const STALE_LOCK_MS = 30_000
const ID_LENGTH = 12

export interface NewToken {
  readonly name: string
  readonly tenant?: string
  readonly roles: readonly Role[]
  /** Milliseconds since 1970. */
  readonly expires?: number
  /** Whether somebody may have more than one. */
  readonly another?: boolean
}

/** By what a token is told from others: the beginning of its hash, which is no secret. */
export function tokenId({ hash }: KnownToken): string {
  return toHex(hash).slice(0, ID_LENGTH)
}

/**
 * Makes a token and adds its hash to the file.
 * @throws CONFLICT when somebody of that name and tenant has one, and it is not to be another
 * @throws NOT_FOUND when there is no file yet; CORRUPT, LOCKED, IO
 */
export async function addToken(
  file: string,
  { another = false, ...given }: NewToken,
): Promise<{ readonly token: string; readonly known: KnownToken }> {
  const token = newToken()
  const known: KnownToken = { ...given, hash: hashToken(token) }
  await changeTokens(file, (tokens) => {
    const same = tokens.find(({ name, tenant }) => name === known.name && tenant === known.tenant)
    if (same === undefined || another) return [...tokens, known]
    throw new CairnError(
      'CONFLICT',
      `${known.name} has the token ${tokenId(same)} already; revoke it first, or say --another`,
    )
  })
  return { token, known }
}

/**
 * Removes the token of an id, or of a name that has one only.
 * @throws NOT_FOUND when there is none; USAGE when it could be several
 * @throws CORRUPT, LOCKED, IO
 */
export async function revokeToken(file: string, which: string): Promise<KnownToken> {
  let revoked: KnownToken | undefined
  await changeTokens(file, (tokens) => {
    const found = tokens.filter((token) => token.name === which || tokenId(token) === which)
    if (found.length > 1) {
      const ids = found.map((token) => `${tokenId(token)} (tenant ${token.tenant ?? '-'})`)
      throw usage(`"${which}" could be ${ids.join(' or ')}; give the id of the one that is meant`)
    }
    revoked = found[0]
    if (revoked === undefined) {
      throw new CairnError('NOT_FOUND', `no token has the name or id "${which}"`)
    }
    return tokens.filter((token) => token !== revoked)
  })
  return revoked!
}

/** The tokens of a file. @throws NOT_FOUND when there is none; CORRUPT, IO */
export async function listTokens(file: string): Promise<readonly KnownToken[]> {
  const tokens = await readTokenFile(file)
  if (tokens !== undefined) return tokens
  throw new CairnError('NOT_FOUND', `${file} is missing; the first start of the server makes it`)
}

async function changeTokens(
  file: string,
  change: (tokens: readonly KnownToken[]) => readonly KnownToken[],
): Promise<void> {
  const lock = `${file}.lock`
  await takeLock(lock)
  try {
    await writeTokenFile(file, change(await listTokens(file)))
  } finally {
    await rm(lock, { force: true })
  }
}

async function takeLock(lock: string): Promise<void> {
  const deadline = Date.now() + LOCK_PATIENCE_MS
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close()
      return
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new CairnError('IO', `cannot write ${lock}: ${messageOf(cause)}`, { cause })
      }
    }
    const taken = await stat(lock).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    )
    if (taken !== undefined && Date.now() - taken > STALE_LOCK_MS) {
      await rm(lock, { force: true })
    } else if (Date.now() > deadline) {
      throw new CairnError(
        'LOCKED',
        `another command is changing the tokens; if none is, remove ${lock}`,
      )
    } else {
      await sleep(LOCK_RETRY_MS)
    }
  }
}
