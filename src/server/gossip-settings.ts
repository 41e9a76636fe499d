/**
 * The settings of gossip: to whom published heads are sent, a sink a name. Each kind of sink has settings of its own;
 * the schema knows all of them, and `sinksOf` which go with which.
 */
import type { TSchema } from 'typebox'
import { messageOf, usage } from '../errors.ts'
import type { SinkSchedule } from '../gossip/schedule.ts'
import type { SinkKind } from '../gossip/sink.ts'
import { parseSyslogAddress, type SyslogAddress } from '../gossip/syslog-address.ts'
import { Type } from '../typebox.ts'
import type { SettingValues } from './read-settings.ts'

export interface SinkBasics {
  readonly name: string
  readonly schedule: SinkSchedule
}

/** Paths are absolute; what is in files is read when the sink is opened. */
export type SinkConfig = SinkBasics &
  (
    | {
        readonly kind: 'time-stamp-authority'
        readonly url: string
        readonly directory: string
        readonly trust: string
        readonly authorizationFile?: string
      }
    | {
        readonly kind: 'syslog'
        readonly address: SyslogAddress
        readonly facility: number
        readonly enterpriseNumber?: number
        readonly ca?: string
        readonly client?: { readonly certificate: string; readonly key: string }
      }
    | {
        readonly kind: 'webhook'
        readonly url: string
        readonly secretFile?: string
        readonly authorizationFile?: string
      }
    | { readonly kind: 'file'; readonly path: string; readonly format: 'lines' | 'checkpoints' }
    | {
        readonly kind: 'cairn-log'
        readonly url: string
        readonly directory: string
        readonly vkey?: string
        readonly tokenFile?: string
      }
  )

const MINUTE_MS = 60_000
const DEFAULT_MINUTES = 10
const DEFAULT_TIMEOUT_SECONDS = 30
/** That of audits. */
const DEFAULT_FACILITY = 13
const DOCUMENTATION_ENTERPRISE_NUMBER = 32_473

const text = (description: string): TSchema =>
  Type.Optional(Type.String({ minLength: 1, description }))
const path = (description: string): TSchema =>
  Type.Optional(Type.String({ minLength: 1, kind: 'path', description }))
const whole = (minimum: number, maximum: number, description: string): TSchema =>
  Type.Optional(Type.Integer({ minimum, maximum, description }))

const MEMBERS = {
  'every-entries': whole(1, 2 ** 40, 'entries after which the next head is sent'),
  'every-minutes': whole(1, 525_600, 'minutes after which a newer head is sent'),
  renew: Type.Optional(Type.Boolean({ description: 'send the head of an idle log again' })),
  'timeout-seconds': whole(1, 600, 'seconds that one attempt may take'),
  url: text('http or https address'),
  address: text('udp://host:port, tcp://host:port or tls://host:port'),
  path: path('file or directory'),
  format: text('lines or checkpoints'),
  directory: path('where answers are kept'),
  trust: path('PEM certificates of those trusted with the time'),
  vkey: Type.Optional(
    Type.String({ minLength: 1, kind: 'path or vkey', description: 'vkey, or file of vkeys' }),
  ),
  'token-file': path('file whose first line is the access token'),
  'secret-file': path('file whose first line is the secret'),
  'authorization-file': path('file whose first line is the value of the Authorization header'),
  facility: whole(0, 23, 'syslog facility'),
  'enterprise-number': whole(1, 2 ** 32 - 1, 'private enterprise number of the operator'),
  ca: path('PEM certificates by which the receiver is known'),
  certificate: path('PEM certificate that the receiver knows the log by'),
  key: path('PEM key of that certificate'),
} as const

type Member = keyof typeof MEMBERS

export const GossipSettings: TSchema = Type.Optional(
  Type.Record(
    Type.String(),
    Type.Object({ kind: Type.String({ description: 'kind of sink' }), ...MEMBERS }),
    { description: 'where published heads are sent, by names of their own' },
  ),
)

const COMMON: readonly Member[] = ['every-entries', 'every-minutes', 'renew', 'timeout-seconds']

interface KindOfSink {
  readonly required: readonly Member[]
  readonly optional: readonly Member[]
}

const KINDS: Readonly<Record<SinkKind, KindOfSink>> = {
  'time-stamp-authority': {
    required: ['url', 'directory', 'trust'],
    optional: ['authorization-file'],
  },
  syslog: {
    required: ['address'],
    optional: ['facility', 'enterprise-number', 'ca', 'certificate', 'key'],
  },
  webhook: { required: ['url'], optional: ['secret-file', 'authorization-file'] },
  file: { required: ['path'], optional: ['format'] },
  'cairn-log': { required: ['url', 'directory'], optional: ['vkey', 'token-file'] },
}

const SINK_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

/**
 * The sinks of a log; `place` is the name of the whole setting, for messages.
 * @throws USAGE when a setting is missing, does not go with the kind of its sink, or has an unusable value
 */
export function sinksOf(gossip: unknown, place: string): readonly SinkConfig[] {
  const sinks = Object.entries((gossip ?? {}) as Record<string, SettingValues>)
  return sinks.map(([name, values]) => {
    if (!SINK_NAME.test(name)) {
      throw usage(
        `"${place}" has an unusable name: expected up to 63 lowercase letters, digits and hyphens, got ${JSON.stringify(name)}`,
      )
    }
    return sinkOf(name, values, `${place}.${name}`)
  })
}

function sinkOf(name: string, values: SettingValues, place: string): SinkConfig {
  const kind = values.kind as SinkKind
  const settings = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined
  if (settings === undefined) {
    throw usage(`"${place}.kind" is one of ${Object.keys(KINDS).join(', ')}, not "${kind}"`)
  }
  const { required, optional } = settings
  for (const member of required) {
    if (values[member] === undefined) throw usage(`"${place}.${member}" is missing`)
  }
  const allowed = ['kind', ...required, ...optional, ...COMMON]
  const other = Object.keys(values).find((member) => !allowed.includes(member))
  if (other !== undefined) {
    throw usage(
      `"${place}.${other}" does not go with the kind ${kind}, which has ${[...required, ...optional].join(', ')}, ${COMMON.join(', ')}`,
    )
  }
  return { name, schedule: scheduleOf(values), ...partsOf(kind, values, place) } as SinkConfig
}

function scheduleOf(values: SettingValues): SinkSchedule {
  const seconds = (values['timeout-seconds'] as number | undefined) ?? DEFAULT_TIMEOUT_SECONDS
  return {
    everyEntries: (values['every-entries'] as number | undefined) ?? Number.POSITIVE_INFINITY,
    everyMs: ((values['every-minutes'] as number | undefined) ?? DEFAULT_MINUTES) * MINUTE_MS,
    renew: values.renew === true,
    timeoutMs: seconds * 1000,
  }
}

function partsOf(kind: SinkKind, values: SettingValues, place: string): object {
  const own = (setting: Member, member: string) =>
    values[setting] === undefined ? {} : { [member]: values[setting] }
  switch (kind) {
    case 'time-stamp-authority':
      return {
        kind,
        url: httpAddress(values.url as string, `${place}.url`),
        ...own('directory', 'directory'),
        ...own('trust', 'trust'),
        ...own('authorization-file', 'authorizationFile'),
      }
    case 'syslog':
      return { kind, ...syslogParts(values, place) }
    case 'webhook':
      return {
        kind,
        url: httpAddress(values.url as string, `${place}.url`),
        ...own('secret-file', 'secretFile'),
        ...own('authorization-file', 'authorizationFile'),
      }
    case 'file': {
      const { format = 'lines' } = values
      if (format !== 'lines' && format !== 'checkpoints') {
        throw usage(`"${place}.format" is lines or checkpoints, not "${format}"`)
      }
      return { kind, ...own('path', 'path'), format }
    }
    case 'cairn-log':
      return {
        kind,
        url: httpAddress(values.url as string, `${place}.url`),
        ...own('directory', 'directory'),
        ...own('vkey', 'vkey'),
        ...own('token-file', 'tokenFile'),
      }
  }
}

function syslogParts(values: SettingValues, place: string): object {
  const { certificate, key, ca, facility = DEFAULT_FACILITY } = values
  const address = syslogAddress(values.address as string, `${place}.address`)
  if (address.transport !== 'tls' && (ca ?? certificate ?? key) !== undefined) {
    throw usage(`"${place}" has ca, certificate or key, which go with tls:// only`)
  }
  if ((certificate === undefined) !== (key === undefined)) {
    throw usage(`"${place}" has one of certificate and key; they go together`)
  }
  const enterpriseNumber = values['enterprise-number']
  if (enterpriseNumber === DOCUMENTATION_ENTERPRISE_NUMBER) {
    throw usage(
      `"${place}.enterprise-number" is ${enterpriseNumber}, which is for documentation (RFC 5612); give your organisation's own, or leave it out`,
    )
  }
  return {
    address,
    facility,
    ...(enterpriseNumber === undefined ? {} : { enterpriseNumber }),
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { client: { certificate, key } }),
  }
}

function syslogAddress(value: string, place: string): SyslogAddress {
  try {
    return parseSyslogAddress(value)
  } catch (cause) {
    throw usage(`"${place}": ${messageOf(cause)}`, cause)
  }
}

function httpAddress(value: string, place: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw usage(`"${place}" begins with http:// or https://, not "${value}"`)
  }
  // Requests would be refused with it, and it would stand in this file.
  if (url.username !== '' || url.password !== '') {
    throw usage(`"${place}" has a user or a password in it, which it must not`)
  }
  return value
}
