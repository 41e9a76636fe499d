/** The configuration of a witness, of the settings in `witness-settings.ts`. */
import { baseUrl } from '../client/request.ts'
import { messageOf, usage } from '../errors.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { readLogKeys } from './log-keys.ts'
import { passphraseFrom } from './passphrase.ts'
import { type ConfigSources, readSettings } from './read-settings.ts'
import { type DatabaseConfig, databaseOf } from './storage-settings.ts'
import { DEFAULT_WITNESS_SCHEMA, WITNESS_SETTINGS } from './witness-settings.ts'

/** All that `serveWitness` needs to know. */
export interface WitnessConfig {
  /** Absolute path of the data directory. */
  readonly data: string
  /** Holds what was cosigned; without it, the data directory does. */
  readonly database?: DatabaseConfig
  readonly name?: string
  /** The keys of the logs to watch from the start, by origin. Further logs are added while the witness runs. */
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>
  readonly host: string
  readonly port: number
  /** Where logs reach the witness; without it, where it listens. */
  readonly publicUrl?: string
  readonly mlDsa: boolean
  readonly signSubtree: boolean
  /** Path of the file that notices an old copy of the data; without it, one beside the data directory. */
  readonly rollbackGuard?: string
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
  const { data, name, log, 'public-url': publicUrl, 'rollback-guard': guard } = values
  if (data === undefined) throw usage('data is missing; give the data directory with --data DIR')
  const database = databaseOf(values, '', DEFAULT_WITNESS_SCHEMA)
  const mlDsa = values['ml-dsa'] as boolean
  const signSubtree = values['sign-subtree'] as boolean
  if (signSubtree && !mlDsa) {
    throw usage('subtrees are signed with ML-DSA-44: use either sign-subtree or no ml-dsa')
  }
  return {
    data: data as string,
    ...(database && { database }),
    ...(name === undefined ? {} : { name: name as string }),
    logs: await logKeys((log ?? []) as readonly string[]),
    host: values.host as string,
    port: values.port as number,
    ...(publicUrl === undefined ? {} : { publicUrl: checkedUrl(publicUrl as string) }),
    mlDsa,
    signSubtree,
    ...(guard === undefined ? {} : { rollbackGuard: guard as string }),
    ...(passphrase === undefined ? {} : { passphrase }),
    requestTimeoutMs: values['request-timeout'] as number,
  }
}

/** What is configured is watched, or the witness does not start. */
async function logKeys(
  values: readonly string[],
): Promise<ReadonlyMap<string, readonly VerifierKey[]>> {
  const { logs, unusable } = await readLogKeys(values, 'log')
  const [first] = unusable
  if (first !== undefined) throw usage(`log ${first.origin} cannot be watched: ${first.reason}`)
  return logs
}

function checkedUrl(text: string): string {
  try {
    return baseUrl(text, 'the witness').replace(/\/$/, '')
  } catch (cause) {
    throw usage(`public-url cannot be used: ${messageOf(cause)}`, cause)
  }
}
