/** The version of this package, as package.json has it. */
import { createRequire } from 'node:module'

export const VERSION: string = (
  createRequire(import.meta.url)('../../package.json') as { version: string }
).version
