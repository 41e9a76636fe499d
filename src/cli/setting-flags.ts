/** Settings as flags of a command. */
import { type Command, Option } from 'commander'
import type { ConfigSources } from '../server/read-settings.ts'
import type { Setting } from '../server/setting.ts'
import { note } from './command.ts'

/** Adds a flag for each setting, and `--config`. */
export function withSettings(command: Command, settings: readonly Setting[]): void {
  for (const setting of settings) command.addOption(optionFor(setting))
  command.option('--config <file>', 'YAML file of settings')
}

/** The flag of a setting. Its text is checked together with the other sources, so that all say the same. */
function optionFor({ name, type, default: fallback, description, placeholder }: Setting): Option {
  if (type === 'switch') {
    return fallback === true
      ? new Option(`--no-${name}`, `do not ${description}`)
      : new Option(`--${name}`, description)
  }
  const shown = fallback === undefined ? '' : ` (default: ${fallback})`
  const option = new Option(`--${name} <${placeholder}>`, description + shown)
  if (type !== 'list') return option
  return option.argParser((value: string, previous: readonly string[] = []) => [...previous, value])
}

/**
 * The configuration of a command that needs a data directory: from its flags, the environment and the file. Where
 * nobody says where the data goes, it goes to `data` below the working directory, and a note says so.
 * @throws USAGE as `load`
 */
export async function configFrom<C>(
  command: Command,
  settings: readonly Setting[],
  { data, load }: { readonly data: string; load(sources: ConfigSources): Promise<C> },
): Promise<C> {
  const flags = givenSettings(command, settings)
  const { CAIRN_DATA, CAIRN_CONFIG } = process.env
  const isPlaced = (flags.data ?? flags.config ?? CAIRN_DATA ?? CAIRN_CONFIG) !== undefined
  if (!isPlaced) flags.data = data
  const config = await load({ flags, env: process.env })
  if (!isPlaced) note(`no --data was given: using ./${data}`)
  return config
}

/** The flags that were really given, by the name of their setting. */
function givenSettings(command: Command, settings: readonly Setting[]): Record<string, unknown> {
  const given: Record<string, unknown> = {}
  for (const name of [...settings.map((setting) => setting.name), 'config']) {
    const attribute = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (command.getOptionValueSource(attribute) === 'cli') {
      given[name] = command.getOptionValue(attribute)
    }
  }
  return given
}
