/** The CAIRN_* variables of all commands, so that one command's are no error to another that shares the environment. */
import { SETTINGS } from './settings.ts'
import { WITNESS_SETTINGS } from './witness-settings.ts'

/** Those that are no settings: of the client commands, and the one secret that has no flag. */
const OTHERS = ['CAIRN_CONFIG', 'CAIRN_PASSPHRASE', 'CAIRN_URL', 'CAIRN_TOKEN', 'CAIRN_DEBUG']

/** A new table of settings is added here. */
export const KNOWN_VARIABLES: ReadonlySet<string> = new Set([
  ...OTHERS,
  ...[SETTINGS, WITNESS_SETTINGS.settings].flat().map(({ variable }) => variable),
])
