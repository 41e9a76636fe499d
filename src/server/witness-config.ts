/** The configuration of a witness, of the settings in `witness-settings.ts`. */

import { baseUrl } from '../client/request.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import { LOG_KEY_TYPES } from '../formats/open-checkpoint.ts'
import { formatVkey, parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { passphraseFrom } from './passphrase.ts'
import { type ConfigSources, readSettings } from './read-settings.ts'
import { looksLikeVkey, readVkeyFile } from './vkey-file.ts'
import { WITNESS_SETTINGS } from './witness-settings.ts'

/** All that `serveWitness` needs to know. */
export interface WitnessConfig {
  /** Absolute path of the data directory. */
  readonly data: string
  readonly name?: string
  /** The keys of the logs to watch from the start, by origin. Further logs are added while the witness runs. */
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>
  readonly host: string
  readonly port: number
  /** Where logs reach the witness; without it, where it listens. */
  readonly publicUrl?: string
  readonly mlDsa: boolean
  readonly signSubtree: boolean
  readonly passphrase?: string
  readonly requestTimeoutMs: number
}

/**
 * Brings the sources together.
 * @throws USAGE on a setting that is unknown, of the wrong type or missing; the message says where it stands
 */
export async function loadWitnessConfig(sources: ConfigSources): Promise<WitnessConfig> {
  const values = await readSettings(WITNESS_SETTINGS, sources)
  const passphrase = await passphraseFrom(
    sources.env,
    values['passphrase-file'] as string | undefined,
  )
  const { data, name, log, 'public-url': publicUrl } = values
  if (data === undefined) throw usage('data is missing; give the data directory with --data DIR')
  const mlDsa = values['ml-dsa'] as boolean
  const signSubtree = values['sign-subtree'] as boolean
  if (signSubtree && !mlDsa) {
    throw usage('subtrees are signed with ML-DSA-44: use either sign-subtree or no ml-dsa')
  }
  return {
    data: data as string,
    ...(name === undefined ? {} : { name: name as string }),
    logs: await readLogKeys((log ?? []) as readonly string[], 'log'),
    host: values.host as string,
    port: values.port as number,
    ...(publicUrl === undefined ? {} : { publicUrl: checkedUrl(publicUrl as string) }),
    mlDsa,
    signSubtree,
    ...(passphrase === undefined ? {} : { passphrase }),
    requestTimeoutMs: values['request-timeout'] as number,
  }
}

/**
 * The keys of logs by origin, from vkeys and files of vkeys. All keys of one name belong to one log.
 * @throws USAGE when one is neither a vkey nor a file of vkeys, or not the key of a log; `where` is for messages
 */
export async function readLogKeys(
  values: readonly string[],
  where: string,
): Promise<Map<string, VerifierKey[]>> {
  const logs = new Map<string, VerifierKey[]>()
  const seen = new Set<string>()
  for (const value of values) {
    for (const key of await readKeys(value, where)) {
      const vkey = formatVkey(key)
      if (seen.has(vkey)) continue
      seen.add(vkey)
      if (!LOG_KEY_TYPES.includes(key.type)) {
        throw usage(
          `${where} ${vkey} is a key of type ${key.type}; a log has ${LOG_KEY_TYPES.join(' or ')}`,
        )
      }
      logs.set(key.name, [...(logs.get(key.name) ?? []), key])
    }
  }
  return logs
}

async function readKeys(value: string, where: string): Promise<readonly VerifierKey[]> {
  try {
    return looksLikeVkey(value) ? [parseVkey(value)] : await readVkeyFile(value)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const what =
      code === 'ENOENT'
        ? `${value} is neither a vkey nor an existing file`
        : cause instanceof CairnError && !looksLikeVkey(value)
          ? messageOf(cause)
          : `${value}: ${messageOf(cause)}`
    throw usage(`${where} ${what}`, cause)
  }
}

function checkedUrl(text: string): string {
  try {
    return baseUrl(text, 'the witness').replace(/\/$/, '')
  } catch (cause) {
    throw usage(`public-url cannot be used: ${messageOf(cause)}`, cause)
  }
}
