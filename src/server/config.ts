/** The configuration: flags before CAIRN_* variables before one YAML file before the defaults of `settings.ts`. */
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import type { TObject } from 'typebox'
import { Compile } from 'typebox/compile'
import { parse, YAMLError } from 'yaml'
import { fromUtf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { prefixOf } from '../http/app.ts'
import { LogSettings, SETTINGS, ServerSettings, type Setting } from './settings.ts'

/** What each log has of its own. */
export interface LogConfig {
  /** Absolute path of the data directory. */
  readonly data: string
  readonly origin?: string
  readonly open: boolean
  /** Whether reading entries needs a token. */
  readonly privateEntries: boolean
  /** Path of the signer's state; without it, one in the data directory. */
  readonly signerState?: string
  readonly adoptHead: boolean
}

/** All that `serve` needs to know. */
export interface Config extends LogConfig {
  readonly host: string
  readonly port: number
  readonly passphrase?: string
  readonly dedup: boolean
  readonly queueLeaves: number
  readonly queueBytes: number
  readonly publishIntervalMs: number
  readonly renewIntervalMs: number
  readonly freeSpaceFloor: number
  readonly requestTimeoutMs: number
  /** Logs below `/logs/<name>`. */
  readonly logs: ReadonlyMap<string, LogConfig>
}

export interface ConfigSources {
  /** By the name of the setting; flags not given are absent or undefined. `config` names the YAML file. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
}

type Value = string | number | boolean
type Values = Readonly<Record<string, Value | undefined>>

/** Variables of other commands, and the one secret that has no flag. */
const OTHER_VARIABLES = new Set([
  'CAIRN_CONFIG',
  'CAIRN_PASSPHRASE',
  'CAIRN_URL',
  'CAIRN_TOKEN',
  'CAIRN_DEBUG',
])

/**
 * Brings the sources together.
 * @throws USAGE on a setting that is unknown, of the wrong type or missing; the message says where it stands
 */
export async function loadConfig({ flags, env }: ConfigSources): Promise<Config> {
  const configFile = textOf(flags.config) ?? env.CAIRN_CONFIG
  const fromFile = configFile === undefined ? NO_FILE : await readConfigFile(configFile)
  const values: Values = {
    ...defaults(),
    ...fromFile.values,
    ...fromEnvironment(env),
    ...fromFlags(flags),
  }
  const passphrase = await passphraseFrom(env, values['passphrase-file'] as string | undefined)
  return {
    ...logConfig(values, 'data is missing; give the data directory with --data DIR'),
    host: values.host as string,
    port: values.port as number,
    ...(passphrase === undefined ? {} : { passphrase }),
    dedup: values.dedup as boolean,
    queueLeaves: values['queue-leaves'] as number,
    queueBytes: values['queue-bytes'] as number,
    publishIntervalMs: values['publish-interval'] as number,
    renewIntervalMs: values['renew-interval'] as number,
    freeSpaceFloor: values['free-space-floor'] as number,
    requestTimeoutMs: values['request-timeout'] as number,
    logs: new Map(
      Object.entries(fromFile.logs).map(([name, own]) => {
        const missing = `data of the log "${name}" is missing in ${configFile}`
        return [name, logConfig({ ...switchesOff(), ...own }, missing)]
      }),
    ),
  }
}

function logConfig(values: Values, missing: string): LogConfig {
  const { data, origin, open, 'signer-state': signerState, 'adopt-head': adoptHead } = values
  if (data === undefined) throw usage(missing)
  return {
    data: resolve(data as string),
    ...(origin === undefined ? {} : { origin: origin as string }),
    open: open as boolean,
    privateEntries: values['private-entries'] as boolean,
    ...(signerState === undefined ? {} : { signerState: resolve(signerState as string) }),
    adoptHead: adoptHead as boolean,
  }
}

function switchesOff(): Values {
  return { open: false, 'private-entries': false, 'adopt-head': false }
}

function defaults(): Values {
  return Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting.default]))
}

function fromFlags(flags: Readonly<Record<string, unknown>>): Values {
  const given = Object.entries(flags).filter(([, value]) => value !== undefined)
  const values: Record<string, unknown> = {}
  for (const [name, value] of given) {
    if (name === 'config') continue
    const setting = settingCalled(name)
    if (setting === undefined) throw usage(`--${name} is not a setting of the server`)
    values[name] = typeof value === 'string' ? readText(value, setting, `--${name}`) : value
  }
  return checked(ServerSettings, values, (name) => `--${name}`) as Values
}

function fromEnvironment(env: ConfigSources['env']): Values {
  const values: Record<string, unknown> = {}
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('CAIRN_') || text === undefined || OTHER_VARIABLES.has(variable)) {
      continue
    }
    const setting = SETTINGS.find((one) => one.variable === variable)
    if (setting === undefined) {
      throw usage(
        `the environment variable ${variable} is not a setting${hint(variable, 'variable')}`,
      )
    }
    values[setting.name] = readText(text, setting, variable)
  }
  return checked(ServerSettings, values, (name) => settingCalled(name)?.variable ?? name) as Values
}

/** The value of a text, as far as its type says; ranges are the schema's business. */
function readText(text: string, { type }: Setting, where: string): Value {
  if (type === 'switch') {
    if (text === 'true' || text === '1') return true
    if (text === 'false' || text === '0') return false
    throw usage(`${where} is true or false, not "${text}"`)
  }
  if (type === 'integer') {
    if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) throw usage(`${where} is a number, not "${text}"`)
    return Number(text)
  }
  return text
}

interface FileSettings {
  readonly values: Values
  readonly logs: Readonly<Record<string, Values>>
}

const NO_FILE: FileSettings = { values: {}, logs: {} }

async function readConfigFile(file: string): Promise<FileSettings> {
  let content: unknown
  try {
    content = parse(fromUtf8(await readFile(file), file), { strict: true, uniqueKeys: true })
  } catch (cause) {
    const what = cause instanceof YAMLError ? cause.message.split('\n')[0] : messageOf(cause)
    throw new CairnError('USAGE', `cannot use the configuration file ${file}: ${what}`, { cause })
  }
  if (content === null || content === undefined) return NO_FILE
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw usage(`${file} does not hold settings, a line each: name: value`)
  }
  const { logs = {}, ...rest } = content as Record<string, unknown>
  const place = (name: string): string => `"${name}" in ${file}`
  const values = checked(ServerSettings, rest, place) as Values
  if (typeof logs !== 'object' || logs === null || Array.isArray(logs)) {
    throw usage(`"logs" in ${file} does not hold logs by name`)
  }
  return {
    values: relativeTo(file, values),
    logs: Object.fromEntries(
      Object.entries(logs).map(([name, own]) => {
        checkLogName(name, file)
        const inLog = (setting: string): string => `"logs.${name}.${setting}" in ${file}`
        return [name, relativeTo(file, checked(LogSettings, own, inLog) as Values)]
      }),
    ),
  }
}

function checkLogName(name: string, file: string): void {
  try {
    if (name !== '') prefixOf(name)
    else throw new RangeError('it is empty')
  } catch (cause) {
    throw new CairnError('USAGE', `"logs" in ${file} has an unusable name: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** Paths in a file are meant from where the file is. */
function relativeTo(file: string, values: Values): Values {
  const base = dirname(resolve(file))
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const isPath = settingCalled(name)?.type === 'path'
      return [name, isPath && !isAbsolute(value as string) ? resolve(base, value as string) : value]
    }),
  )
}

/** Holds values against a schema; `place` says where a setting was given. */
function checked(schema: TObject, values: unknown, place: (name: string) => string): object {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw usage(`${place('')} does not hold settings by name`)
  }
  for (const [name, value] of Object.entries(values)) {
    const member = schema.properties[name]
    if (member === undefined) {
      throw usage(`${place(name)} is not a setting${hint(name, 'name')}`)
    }
    const [error] = Compile(member).Errors(value)
    if (error !== undefined) throw usage(`${place(name)} ${error.message}`)
  }
  return values
}

function settingCalled(name: string): Setting | undefined {
  return SETTINGS.find((setting) => setting.name === name)
}

/** The known name that is nearest, when one is near. */
function hint(given: string, spelling: 'name' | 'variable'): string {
  const nearest = SETTINGS.map((setting) => setting[spelling])
    .map((known) => ({ known, distance: distance(given, known) }))
    .sort((a, b) => a.distance - b.distance)[0]!
  return nearest.distance <= 3 ? `; did you mean ${nearest.known}?` : ''
}

/** Edits that turn one word into another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

/** Never a flag: other users can see the flags of a process. */
async function passphraseFrom(
  env: ConfigSources['env'],
  file: string | undefined,
): Promise<string | undefined> {
  const given = env.CAIRN_PASSPHRASE
  if (given !== undefined && file !== undefined) {
    throw usage('give either CAIRN_PASSPHRASE or a passphrase file, not both')
  }
  if (given === '') throw usage('CAIRN_PASSPHRASE is empty; unset it, or give a passphrase')
  if (file === undefined) return given
  let text: string
  try {
    text = fromUtf8(await readFile(file), file)
  } catch (cause) {
    throw new CairnError('USAGE', `cannot read the passphrase file ${file}: ${messageOf(cause)}`, {
      cause,
    })
  }
  const line = text.split(/\r?\n/, 1)[0]!
  if (line === '') throw usage(`the first line of ${file} is empty; it is the passphrase`)
  return line
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function usage(message: string): CairnError {
  return new CairnError('USAGE', message)
}
