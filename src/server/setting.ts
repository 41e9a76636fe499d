/**
 * What a setting is, and tables of them. One name in three spellings: the flag and the YAML key are kebab case
 * (`--free-space-floor`), the variable is capitals (`CAIRN_FREE_SPACE_FLOOR`).
 */
import type { TProperties, TSchema } from 'typebox'
import { Type } from '../typebox.ts'

/** How the text of a flag or variable is read. A `list` may be given several times, or in a variable between spaces. */
export type SettingType = 'text' | 'path' | 'integer' | 'switch' | 'list'

/** A setting that a flag and a variable can give. */
export interface Setting {
  /** `free-space-floor` */
  readonly name: string
  /** `CAIRN_FREE_SPACE_FLOOR` */
  readonly variable: string
  readonly type: SettingType
  readonly default: string | number | boolean | undefined
  readonly description: string
  /** What a value is called in help: `number`. */
  readonly placeholder: string
}

/** All settings of one command. */
export interface SettingsTable {
  /** By flag, by variable and in a file. */
  readonly settings: readonly Setting[]
  /** Everything that a file may hold: the settings, and what only a file can say because it has parts. */
  readonly schemas: TProperties
}

/** A table of settings made by the functions below, and of other schemas for what only a file can hold. */
export function settingsTable(settings: TProperties, onlyInFiles: TProperties = {}): SettingsTable {
  return {
    settings: Object.entries(settings).map(([name, schema]) => settingOf(name, schema)),
    schemas: { ...settings, ...onlyInFiles },
  }
}

function settingOf(name: string, schema: TSchema): Setting {
  const { type, kind, description = '', default: fallback, placeholder } = schema as SettingSchema
  const settingType = kind ?? TYPES[type]
  return {
    name,
    variable: `CAIRN_${name.toUpperCase().replaceAll('-', '_')}`,
    type: settingType,
    default: fallback,
    description,
    placeholder: placeholder ?? PLACEHOLDERS[settingType],
  }
}

type SettingSchema = TSchema & {
  readonly type: keyof typeof TYPES
  readonly kind?: 'path'
  readonly placeholder?: string
  readonly description?: string
  readonly default?: string | number | boolean
}

const TYPES = { string: 'text', integer: 'integer', boolean: 'switch', array: 'list' } as const
const PLACEHOLDERS: Readonly<Record<SettingType, string>> = {
  text: 'name',
  path: 'path',
  integer: 'number',
  switch: '',
  list: 'value',
}

const MAX_MILLISECONDS = 86_400_000
const MAX_COUNT = 2 ** 40

/** The path of a file or directory; relative ones start where they are written: the file's or the working directory. */
export function pathSetting(description: string): TSchema {
  return Type.Optional(Type.String({ minLength: 1, kind: 'path', description }))
}

export function textSetting(
  description: string,
  options: { readonly default?: string; readonly placeholder?: string } = {},
): TSchema {
  return Type.Optional(Type.String({ minLength: 1, description, ...options }))
}

/** On or off; one that is on by default is turned off with `--no-…`. */
export function switchSetting(fallback: boolean, description: string): TSchema {
  return Type.Optional(Type.Boolean({ default: fallback, description }))
}

/** A whole number from 1. */
export function countSetting(fallback: number, description: string): TSchema {
  return Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_COUNT, default: fallback, description }),
  )
}

/** Milliseconds, from 1 to a day. */
export function millisecondsSetting(fallback: number, description: string): TSchema {
  return Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_MILLISECONDS, default: fallback, description }),
  )
}

export function portSetting(fallback: number): TSchema {
  return Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: fallback,
      description: 'TCP port to listen on; 0 takes any free one',
    }),
  )
}

/** Texts, none by default. Of the kind `path or vkey`, those that do not look like a vkey are paths. */
export function listSetting(
  description: string,
  options: { readonly kind?: 'path or vkey'; readonly placeholder?: string } = {},
): TSchema {
  const { kind, placeholder } = options
  return Type.Optional(
    Type.Array(Type.String({ minLength: 1, ...(kind && { kind }) }), {
      description,
      ...(placeholder && { placeholder }),
    }),
  )
}
