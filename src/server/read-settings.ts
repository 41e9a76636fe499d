/**
 * Reads the settings of a command: flags before CAIRN_* variables before one YAML file before the defaults. What is
 * unknown, of the wrong type or out of range is refused by name and place; nothing is ever ignored.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { TObject, TProperties, TSchema } from 'typebox'
import { fromUtf8 } from '../bytes.ts'
import { messageOf, usage } from '../errors.ts'
import { Compile } from '../typebox.ts'
import type { Setting, SettingsTable } from './setting.ts'
import { KNOWN_VARIABLES } from './variables.ts'
import { looksLikeVkey } from './vkey-file.ts'

export interface ConfigSources {
  /** By the name of the setting; flags not given are absent or undefined. `config` names the YAML file. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** What was given, by the name of the setting, with defaults for the rest. Paths are absolute. */
export type SettingValues = Readonly<Record<string, unknown>>

/**
 * Brings the sources together.
 * @throws USAGE on a setting that is unknown, of the wrong type or out of range; the message says where it stands
 */
export async function readSettings(
  table: SettingsTable,
  { flags, env }: ConfigSources,
): Promise<SettingValues> {
  const file = typeof flags.config === 'string' ? flags.config : env.CAIRN_CONFIG
  return {
    ...Object.fromEntries(table.settings.map((setting) => [setting.name, setting.default])),
    ...(file === undefined ? {} : await fromFile(table, file)),
    ...fromEnvironment(table, env),
    ...fromFlags(table, flags),
  }
}

function fromFlags(table: SettingsTable, flags: ConfigSources['flags']): SettingValues {
  const values: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(flags)) {
    if (name === 'config' || value === undefined) continue
    const setting = table.settings.find((one) => one.name === name)
    if (setting === undefined) throw usage(`--${name} is not a setting of this command`)
    values[name] = typeof value === 'string' ? readText(value, setting, `--${name}`) : value
  }
  return checked(table, values, (name) => `--${name}`, process.cwd())
}

function fromEnvironment(table: SettingsTable, env: ConfigSources['env']): SettingValues {
  const values: Record<string, unknown> = {}
  const variableOf = new Map<string, string>()
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('CAIRN_') || text === undefined) continue
    const setting = table.settings.find((one) => one.variable === variable)
    if (setting !== undefined) {
      variableOf.set(setting.name, variable)
      values[setting.name] = readText(text, setting, variable)
    } else if (!KNOWN_VARIABLES.has(variable)) {
      const known = [...table.settings.map((one) => one.variable), ...KNOWN_VARIABLES]
      throw usage(`the environment variable ${variable} is not a setting${hint(variable, known)}`)
    }
  }
  return checked(table, values, (name) => variableOf.get(name) ?? name, process.cwd())
}

/** The value of a text, as far as its type says; ranges are the schema's business. */
function readText(text: string, { type }: Setting, where: string): unknown {
  switch (type) {
    case 'switch':
      if (text === 'true' || text === '1') return true
      if (text === 'false' || text === '0') return false
      throw usage(`${where} is true or false, not "${text}"`)
    case 'integer':
      if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) throw usage(`${where} is a number, not "${text}"`)
      return Number(text)
    case 'list':
      return text.split(/\s+/).filter((part) => part !== '')
    default:
      return text
  }
}

async function fromFile(table: SettingsTable, file: string): Promise<SettingValues> {
  // Loaded where there is a file, as it takes a tenth of the start of a server.
  const { parse, YAMLError } = await import('yaml')
  let content: unknown
  try {
    content = parse(fromUtf8(await readFile(file), file), { strict: true, uniqueKeys: true })
  } catch (cause) {
    const what = cause instanceof YAMLError ? cause.message.split('\n')[0] : messageOf(cause)
    throw usage(`cannot use the configuration file ${file}: ${what}`, cause)
  }
  if (content === null || content === undefined) return {}
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw usage(`${file} does not hold settings, a line each: name: value`)
  }
  return checked(table, content, (name) => `"${name}" in ${file}`, dirname(resolve(file)))
}

/** Says where a setting was given; `name` is that of a part, such as `logs.payments.data`. */
type Place = (name: string) => string

/** Holds values against the schemas of a table, and makes the paths in them absolute. */
function checked(table: SettingsTable, values: object, place: Place, base: string): SettingValues {
  return checkMembers(table.schemas, [], values, { place, base, path: '' })
}

interface Where {
  readonly place: Place
  /** Where relative paths start. */
  readonly base: string
  /** The name of the part that is looked at; empty for the whole. */
  readonly path: string
}

/** Part by part, so that each message names the smallest part that is wrong, and a near miss gets a hint. */
function checkPart(schema: TSchema, value: unknown, where: Where): unknown {
  const result = checkParts(schema, value, where)
  const [error] = Compile(schema).Errors(value)
  if (error !== undefined) throw usage(`${where.place(where.path)} ${error.message}`)
  return isPath(schema, result) ? resolve(where.base, result) : result
}

function checkParts(schema: TSchema, value: unknown, where: Where): unknown {
  const { properties, patternProperties, items, required = [] } = schema as PartSchema
  if (properties !== undefined) {
    if (isMapping(value)) return checkMembers(properties, required, value, where)
    throw usage(`${where.place(where.path)} does not hold settings by name`)
  }
  const [ofEach] = Object.values(patternProperties ?? {})
  if (ofEach !== undefined) {
    if (isMapping(value)) {
      return mapValues(value, (own, name) => checkPart(ofEach, own, inside(where, name)))
    }
    throw usage(`${where.place(where.path)} does not hold ${lastName(where.path)} by name`)
  }
  if (items !== undefined && Array.isArray(value)) {
    return value.map((own, i) => checkPart(items, own, inside(where, String(i + 1))))
  }
  return value
}

function checkMembers(
  schemas: TProperties,
  required: readonly string[],
  values: object,
  where: Where,
): SettingValues {
  for (const name of required) {
    if (!Object.hasOwn(values, name)) {
      throw usage(`${where.place(inside(where, name).path)} is missing`)
    }
  }
  return mapValues(values, (own, name) => {
    const member = inside(where, name)
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined
    if (schema === undefined) {
      throw usage(`${where.place(member.path)} is not a setting${hint(name, Object.keys(schemas))}`)
    }
    return checkPart(schema, own, member)
  })
}

type PartSchema = TSchema & {
  readonly properties?: TObject['properties']
  readonly required?: readonly string[]
  readonly patternProperties?: Readonly<Record<string, TSchema>>
  readonly items?: TSchema
  readonly kind?: string
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isPath(schema: TSchema, value: unknown): value is string {
  const { kind } = schema as PartSchema
  if (typeof value !== 'string' || kind === undefined) return false
  switch (kind) {
    case 'path or vkey':
      return !looksLikeVkey(value)
    case 'path or url':
      return !/^https?:\/\//i.test(value)
    default:
      return kind === 'path'
  }
}

function mapValues(values: object, change: (value: unknown, name: string) => unknown) {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, change(value, name)]),
  )
}

function inside(where: Where, name: string): Where {
  return { ...where, path: where.path === '' ? name : `${where.path}.${name}` }
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1)
}

/** The known name that is nearest, when one is near. */
function hint(given: string, known: readonly string[]): string {
  const nearest = known
    .map((name) => ({ name, distance: distance(given, name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return nearest !== undefined && nearest.distance <= 3 ? `; did you mean ${nearest.name}?` : ''
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
