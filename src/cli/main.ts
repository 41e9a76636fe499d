#!/usr/bin/env node
/** The `cairn` command; its commands are in program.ts. */
import { EXIT } from './exit.ts'
import { run } from './program.ts'

// A reader that has seen enough, as in `cairn verify … | head`, is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.good : EXIT.usage)
})

await run(process.argv.slice(2))
