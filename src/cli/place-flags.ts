/** Flags that say where a log is that nobody runs: a data directory, perhaps with a database, or a configuration. */
import type { Command } from 'commander'
import { usage } from '../errors.ts'
import { type LogConfig, loadConfig } from '../server/config.ts'
import type { LogPlace } from '../server/log-storage.ts'
import { sharedStorageOf } from '../server/storage-settings.ts'

/** Before each flag, where a command has two places. */
export type Side = 'from' | 'to' | ''

/** The values of the flags of one side. */
export interface PlaceFlags {
  readonly data?: string | undefined
  readonly config?: string | undefined
  /** Of a configuration with several. */
  readonly log?: string | undefined
  readonly database?: string | undefined
  readonly schema?: string | undefined
  readonly passwordFile?: string | undefined
}

/** One that stands alone is called as the setting is. */
function named(side: Side, name: string): string {
  if (side !== '') return `--${side}-${name}`
  return /^(config|log|database)$/.test(name) ? `--${name}` : `--database-${name}`
}

/**
 * Adds `--from-config`, `--from-log`, `--from-database`, `--from-schema` and `--from-password-file`, or those of the other
 * side; without a side `--database-schema` and `--database-password-file`, as the settings are called.
 */
export function withPlace(command: Command, side: Side): void {
  command
    .option(`${named(side, 'config')} <file>`, 'configuration of cairn serve that says where it is')
    .option(
      `${named(side, 'log')} <name>`,
      'one of the logs below "logs" of that configuration (default: the one at /)',
    )
    .option(
      `${named(side, 'database')} <url>`,
      'PostgreSQL database that holds it; the data directory then holds its keys',
    )
    .option(`${named(side, 'schema')} <name>`, 'schema of that database (default: cairn)')
    .option(`${named(side, 'password-file')} <file>`, 'file with the password of that database')
}

/** The flags of one side, out of all of a command. */
export function placeFlags(
  flags: Readonly<Record<string, unknown>>,
  side: Side,
  data: string | undefined,
): PlaceFlags {
  const value = (name: string): string | undefined => {
    const attribute = named(side, name)
      .slice(2)
      .replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
    return flags[attribute] as string | undefined
  }
  return {
    data,
    config: value('config'),
    log: value('log'),
    database: value('database'),
    schema: value('schema'),
    passwordFile: value('password-file'),
  }
}

/** @throws USAGE when they do not fit together, or name no place */
export async function placeOf(flags: PlaceFlags, side: Side): Promise<LogPlace> {
  const { data, config, log, database, schema, passwordFile } = flags
  const dataFlag = side === '' ? '--data' : `--${side}`
  if (config !== undefined) {
    if ((data ?? database ?? schema ?? passwordFile) !== undefined) {
      throw usage(`${named(side, 'config')} says where the log is; leave the other flags out`)
    }
    const places = await placesIn(config)
    const place = places.get(log ?? '')
    if (place !== undefined) return place
    const names = [...places.keys()].filter((name) => name !== '')
    throw usage(
      `${config} has no log ${JSON.stringify(log)}; ${names.length === 0 ? 'it has only the one at /' : `besides the one at / it has ${names.join(', ')}`}`,
    )
  }
  if (log !== undefined) {
    throw usage(`${named(side, 'log')} is the name of a log in a ${named(side, 'config')} file`)
  }
  if (data === undefined) {
    const where = side === 'to' ? 'where the log is to be' : 'where the log is'
    throw usage(`say ${where}: ${dataFlag} DIR or ${named(side, 'config')} FILE`)
  }
  const settings = {
    ...(database !== undefined && { database }),
    ...(schema !== undefined && { 'database-schema': schema }),
    ...(passwordFile !== undefined && { 'database-password-file': passwordFile }),
  }
  return { data, shared: sharedStorageOf(settings, '') }
}

/** Where all the logs of a configuration are, by their names; that of the one at / is empty. @throws USAGE */
export async function placesIn(config: string): Promise<ReadonlyMap<string, LogPlace>> {
  const whole = await loadConfig({ flags: { config }, env: {} })
  const placeIn = ({ data, shared, signerState, vaultKey, policy }: LogConfig): LogPlace => ({
    data,
    shared,
    signerState,
    vaultKey,
    policy,
  })
  return new Map([
    ['', placeIn(whole)],
    ...[...whole.logs].map(([name, own]) => [name, placeIn(own)] as const),
  ])
}
