/**
 * Every setting of the server: its name, its type, its default and what it does. One name in three spellings: the flag
 * and the YAML key are kebab case (`--free-space-floor`), the variable is capitals (`CAIRN_FREE_SPACE_FLOOR`).
 */
import { type TObject, type TProperties, type TSchema, Type } from 'typebox'

const MAX_MILLISECONDS = 86_400_000
const MAX_COUNT = 2 ** 40

const file = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, kind: 'path', description }))
const toggle = (fallback: boolean, description: string) =>
  Type.Optional(Type.Boolean({ default: fallback, description }))
const milliseconds = (fallback: number, description: string) =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_MILLISECONDS, default: fallback, description }),
  )
const count = (fallback: number, description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_COUNT, default: fallback, description }))

/** What each log has of its own. */
const OF_A_LOG = {
  data: file('directory of the log; made at the first start'),
  origin: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'name of the log and of its keys, such as log.example.org/audit; fixed at the first start, when one is made up unless given',
    }),
  ),
  open: toggle(false, 'take submissions without a token'),
  'private-entries': toggle(
    false,
    'show entries only to those who have a token; hashes, proofs and checkpoints stay public',
  ),
  'signer-state': file(
    'file that remembers the last head signed; keep it away from the data and out of its backups (default: a file in <data>.signer, beside the data directory)',
  ),
  'adopt-head': toggle(
    false,
    'start although the signer state is missing, once, when this is known to be the newest copy of the data',
  ),
}

const OF_THE_SERVER = {
  ...OF_A_LOG,
  port: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 6962,
      description: 'TCP port to listen on; 0 takes any free one',
    }),
  ),
  host: Type.Optional(
    Type.String({ minLength: 1, default: '127.0.0.1', description: 'address to listen on' }),
  ),
  'passphrase-file': file(
    'file whose first line is the passphrase of the keys; CAIRN_PASSPHRASE may hold it instead',
  ),
  dedup: toggle(true, 'give the same leaf its first index again'),
  'queue-leaves': count(20_000, 'leaves that may wait for a commit before submissions are refused'),
  'queue-bytes': count(
    67_108_864,
    'bytes that may wait for a commit before submissions are refused',
  ),
  'publish-interval': milliseconds(250, 'least milliseconds between two published heads'),
  'renew-interval': milliseconds(600_000, 'milliseconds after which an idle log signs anew'),
  'free-space-floor': count(67_108_864, 'bytes of free disk below which submissions are refused'),
  'request-timeout': milliseconds(60_000, 'milliseconds in which a request has to arrive whole'),
}

/** Of a log other than the one at `/`. */
export const LogSettings: TObject = Type.Object(OF_A_LOG as TProperties, {
  additionalProperties: false,
})

/** Of one YAML file. */
export const ServerSettings: TObject = Type.Object(
  {
    ...(OF_THE_SERVER as TProperties),
    logs: Type.Optional(
      Type.Record(Type.String(), LogSettings, {
        description:
          'further logs by name, each with settings of its own; served below /logs/<name>',
      }),
    ),
  },
  { additionalProperties: false },
)

/** A setting that a flag and a variable can give. */
export interface Setting {
  /** `free-space-floor` */
  readonly name: string
  /** `CAIRN_FREE_SPACE_FLOOR` */
  readonly variable: string
  readonly type: 'text' | 'path' | 'integer' | 'switch'
  readonly default: string | number | boolean | undefined
  readonly description: string
}

export const SETTINGS: readonly Setting[] = Object.entries(OF_THE_SERVER).map(([name, schema]) => {
  const { type, kind, description = '', default: fallback } = schema as SettingSchema
  return {
    name,
    variable: `CAIRN_${name.toUpperCase().replaceAll('-', '_')}`,
    type: type === 'boolean' ? 'switch' : type === 'integer' ? 'integer' : (kind ?? 'text'),
    default: fallback,
    description,
  }
})

type SettingSchema = TSchema & {
  readonly type: 'string' | 'integer' | 'boolean'
  readonly kind?: 'path'
  readonly description?: string
  readonly default?: string | number | boolean
}
