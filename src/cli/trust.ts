/** The keys that a person trusts, from `--policy` and `--vkey`. */
import { existsSync } from 'node:fs'
import type { Trust } from '../client/verdict.ts'
import { CairnError, messageOf } from '../errors.ts'
import { MAX_POLICY_SIZE, parsePolicy } from '../formats/policy.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { inFile, looksLikeVkey, readVkeyFile } from '../server/vkey-file.ts'

export interface TrustFlags {
  readonly policy?: string
  readonly vkey?: readonly string[]
}

/** @throws USAGE when no log key is named, or what is named is neither a key nor a file of keys */
export async function readTrust(flags: TrustFlags): Promise<Trust> {
  const named = (
    await Promise.all((flags.vkey ?? []).map((key) => readVkeys(key, '--vkey')))
  ).flat()
  if (flags.policy === undefined) {
    if (named.length > 0) return { logKeys: named }
    throw new CairnError(
      'USAGE',
      "whose log is it? name its key with --vkey (a vkey, or the log's log.vkey file) or --policy",
    )
  }
  const file = flags.policy
  const policy = await readFileUpTo(file, MAX_POLICY_SIZE).then(parsePolicy).catch(inFile(file))
  if (policy.logs.length > 0 && named.length > 0) {
    throw new CairnError('USAGE', `${file} names the log's keys already: leave out --vkey`)
  }
  const logKeys = policy.logs.length > 0 ? policy.logs.map((log) => log.key) : named
  if (logKeys.length > 0) return { logKeys, policy }
  throw new CairnError('USAGE', `${file} names no log: name its key with --vkey`)
}

/** A vkey, or the vkeys of a file: one a line, with comments and empty lines. @throws USAGE which names the flag */
export async function readVkeys(value: string, flag: string): Promise<readonly VerifierKey[]> {
  const marked = value.startsWith('@')
  const file = marked ? value.slice(1) : value
  if (!marked && !existsSync(file)) {
    try {
      return [parseVkey(value)]
    } catch (error) {
      const reason = looksLikeVkey(value) ? messageOf(error) : 'neither a vkey nor an existing file'
      throw new CairnError('USAGE', `${flag} ${value}: ${reason}`)
    }
  }
  return readVkeyFile(file)
}
