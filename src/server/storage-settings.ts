/** Where a log that several servers share keeps its data: a database, and perhaps object storage. */
import { fileURLToPath } from 'node:url'
import type { TProperties } from 'typebox'
import { usage } from '../errors.ts'
import type { SettingValues } from './read-settings.ts'
import { countSetting, pathSetting, switchSetting, textSetting } from './setting.ts'

const DEFAULT_SCHEMA = 'cairn'
const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const PREFIX = /^[A-Za-z0-9!_.*'()-]+(\/[A-Za-z0-9!_.*'()-]+)*$/
/** Seven years, with their leap days. */
const LOCK_DAYS = 2_557
const TIER_DAYS = 90
const DEFAULT_REGION = 'us-east-1'

/** The settings of a database, also for other servers than logs. */
export function databaseSettings(schema: string): TProperties {
  return {
    database: textSetting(
      'PostgreSQL database that holds the data instead of this machine, such as postgres://cairn@db.example.org/cairn',
      { placeholder: 'url' },
    ),
    'database-schema': textSetting(`schema of the database, one for each (default: ${schema})`),
    'database-password-file': pathSetting(
      'file that holds the password of the database; read again at each new connection',
    ),
  }
}

export const STORAGE_SETTINGS: TProperties = {
  ...databaseSettings(DEFAULT_SCHEMA),
  bucket: textSetting(
    'object storage that the log is archived to: s3://BUCKET/PREFIX, or file:///DIRECTORY',
    { placeholder: 'url' },
  ),
  's3-endpoint': textSetting('URL of the object storage, unless it is that of AWS', {
    placeholder: 'url',
  }),
  's3-region': textSetting('region of the bucket', { default: DEFAULT_REGION }),
  's3-credentials': pathSetting(
    'file of credentials in the format of AWS, read again when it changes (default: the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN)',
  ),
  's3-ca-file': pathSetting(
    'file of the authorities, in PEM, one of which must have certified the object storage (default: those that Node knows)',
  ),
  'object-lock': textSetting(
    'how archived objects are locked, where the bucket can do that: none, governance or compliance',
    { default: 'none', placeholder: 'mode' },
  ),
  'object-lock-days': countSetting(LOCK_DAYS, 'days that archived objects are locked for'),
  'object-legal-hold': switchSetting(
    false,
    'put a legal hold on archived objects, which lasts until it is taken off',
  ),
  'storage-class': textSetting('storage class that old entry bundles are moved to'),
  'storage-class-days': countSetting(TIER_DAYS, 'days after which entry bundles are moved to it'),
  advertise: textSetting(
    'URL at which the other servers of this log reach this one (default: where it listens)',
    { placeholder: 'url' },
  ),
}

export interface DatabaseConfig {
  /** `postgres://user@host:port/name` */
  readonly url: string
  readonly schema: string
  readonly passwordFile?: string
}

export type ArchivePlace =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3'
      readonly bucket: string
      /** Without slashes at its ends; empty for the whole bucket. */
      readonly prefix: string
      readonly endpoint?: string
      readonly region: string
      readonly credentialsFile?: string
      readonly caFile?: string
    }

export interface ArchiveConfig {
  readonly place: ArchivePlace
  readonly lock?: {
    readonly mode: 'governance' | 'compliance'
    readonly days: number
    readonly legalHold: boolean
  }
  readonly tier?: { readonly storageClass: string; readonly days: number }
}

/** A log whose storage several servers share. */
export interface SharedStorageConfig {
  readonly database: DatabaseConfig
  readonly archive?: ArchiveConfig
  /** URL of this server, without a slash at its end. */
  readonly advertise?: string
}

/** What somebody who asks for it would believe to be done. @throws USAGE where there is no bucket for it */
function mustBeOfBucket(values: SettingValues, prefix: string): void {
  const asked = {
    'object-lock': values['object-lock'] !== undefined && values['object-lock'] !== 'none',
    'object-legal-hold': values['object-legal-hold'] === true,
    'storage-class': values['storage-class'] !== undefined,
    's3-endpoint': values['s3-endpoint'] !== undefined,
    's3-credentials': values['s3-credentials'] !== undefined,
    's3-ca-file': values['s3-ca-file'] !== undefined,
  }
  for (const [name, isAsked] of Object.entries(asked)) {
    if (isAsked)
      throw usage(`${prefix}${name} needs ${prefix}bucket: without it nothing is archived`)
  }
}

/** `prefix` is where the settings stand in a file. @throws USAGE */
export function sharedStorageOf(
  values: SettingValues,
  prefix: string,
): SharedStorageConfig | undefined {
  const database = databaseOf(values, prefix, DEFAULT_SCHEMA)
  if (values.bucket === undefined) mustBeOfBucket(values, prefix)
  if (database === undefined) {
    for (const name of ['bucket', 'advertise']) {
      if (values[name] !== undefined) {
        throw usage(
          `${prefix}${name} needs ${prefix}database: without it the log stays on this machine`,
        )
      }
    }
    return undefined
  }
  const archive = archiveOf(values, prefix)
  const advertise = values.advertise as string | undefined
  if (advertise !== undefined) {
    mustBeHttp(advertise, `${prefix}advertise`)
    mustBePlain(advertise, `${prefix}advertise`)
  }
  return {
    database,
    ...(archive && { archive }),
    ...(advertise !== undefined && { advertise: advertise.replace(/\/+$/, '') }),
  }
}

/** @throws USAGE */
export function databaseOf(
  values: SettingValues,
  prefix: string,
  defaultSchema: string,
): DatabaseConfig | undefined {
  const url = values.database as string | undefined
  if (url === undefined) {
    for (const name of ['database-schema', 'database-password-file']) {
      if (values[name] !== undefined) throw usage(`${prefix}${name} needs ${prefix}database`)
    }
    return undefined
  }
  mustBeDatabase(url, `${prefix}database`)
  const schema = (values['database-schema'] as string | undefined) ?? defaultSchema
  if (!SCHEMA.test(schema)) {
    throw usage(
      `${prefix}database-schema has lowercase letters, digits and underscores, up to 63, unlike ${JSON.stringify(schema)}`,
    )
  }
  const passwordFile = values['database-password-file'] as string | undefined
  return { url, schema, ...(passwordFile !== undefined && { passwordFile }) }
}

function mustBeDatabase(url: string, name: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && ['postgres:', 'postgresql:'].includes(parsed.protocol)) return
  // The text may hold a password, so it is not repeated.
  throw usage(`${name} must be a URL such as postgres://cairn@db.example.org/cairn`)
}

function mustBeHttp(url: string, name: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && ['http:', 'https:'].includes(parsed.protocol)) return
  throw usage(`${name} must be a URL such as http://10.0.0.7:6962, not ${JSON.stringify(url)}`)
}

/** All servers read it in the database, so it is no place for a password; paths are added to its end. */
function mustBePlain(url: string, name: string): void {
  const { username, password, search, hash } = new URL(url)
  if (username + password + search + hash === '') return
  throw usage(`${name} must have no user, password, query or fragment`)
}

function archiveOf(values: SettingValues, prefix: string): ArchiveConfig | undefined {
  const bucket = values.bucket as string | undefined
  if (bucket === undefined) {
    if (values['storage-class'] !== undefined) {
      throw usage(`${prefix}storage-class needs ${prefix}bucket`)
    }
    return undefined
  }
  const mode = values['object-lock'] ?? 'none'
  if (mode !== 'none' && mode !== 'governance' && mode !== 'compliance') {
    throw usage(
      `${prefix}object-lock must be none, governance or compliance, not ${JSON.stringify(mode)}`,
    )
  }
  const legalHold = values['object-legal-hold'] === true
  if (mode === 'none' && legalHold) {
    throw usage(`${prefix}object-legal-hold needs ${prefix}object-lock: governance or compliance`)
  }
  const storageClass = values['storage-class'] as string | undefined
  return {
    place: placeOf(bucket, values, prefix),
    ...(mode !== 'none' && {
      lock: { mode, days: numberOf(values['object-lock-days'], LOCK_DAYS), legalHold },
    }),
    ...(storageClass !== undefined && {
      tier: { storageClass, days: numberOf(values['storage-class-days'], TIER_DAYS) },
    }),
  }
}

function placeOf(bucket: string, values: SettingValues, prefix: string): ArchivePlace {
  const wrong = (): Error =>
    usage(
      `${prefix}bucket must be s3://BUCKET/PREFIX or file:///DIRECTORY, not ${JSON.stringify(bucket)}`,
    )
  if (bucket.startsWith('file:///')) {
    try {
      return { kind: 'directory', path: fileURLToPath(bucket) }
    } catch {
      throw wrong()
    }
  }
  const [, name = '', path = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/.exec(bucket) ?? []
  const below = path.replace(/\/$/, '')
  if (!BUCKET.test(name) || (below !== '' && !PREFIX.test(below))) throw wrong()
  const endpoint = values['s3-endpoint'] as string | undefined
  if (endpoint !== undefined) mustBeHttp(endpoint, `${prefix}s3-endpoint`)
  const credentialsFile = values['s3-credentials'] as string | undefined
  const caFile = values['s3-ca-file'] as string | undefined
  return {
    kind: 's3',
    bucket: name,
    prefix: below,
    region: (values['s3-region'] as string | undefined) ?? DEFAULT_REGION,
    ...(endpoint !== undefined && { endpoint: endpoint.replace(/\/+$/, '') }),
    ...(credentialsFile !== undefined && { credentialsFile }),
    ...(caFile !== undefined && { caFile }),
  }
}

/** A log below `logs` in a file has no defaults. */
function numberOf(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback
}
