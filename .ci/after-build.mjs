// The command must be executable straight from a checkout: tsc writes plain files.
import { chmodSync, existsSync } from 'node:fs'

const command = new URL('../dist/cli/main.js', import.meta.url)
if (existsSync(command)) chmodSync(command, 0o755)
