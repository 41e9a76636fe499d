/** All commands of `cairn`. Only the file of the one that is asked for gets loaded. */
import { Command, CommanderError } from 'commander'
import type { CommandModule } from './command.ts'
import { EXIT, errorLine, exitForError } from './exit.ts'
import { printable, styleFor } from './style.ts'
import { VERSION } from './version.ts'

const COMMANDS: Readonly<
  Record<string, { readonly summary: string; load(): Promise<CommandModule> }>
> = {
  serve: { summary: 'run a log', load: () => import('./serve.ts') },
  append: {
    summary: 'add leaves to a log and keep their receipts',
    load: () => import('./append.ts'),
  },
  search: { summary: 'find audit records, and read one', load: () => import('./search.ts') },
  grant: {
    summary: 'ask for access to payloads, and approve it',
    load: () => import('./grant.ts'),
  },
  hold: { summary: 'keep records from erasure and expiry', load: () => import('./hold.ts') },
  erase: { summary: 'erase a person, and no proof', load: () => import('./erase.ts') },
  evidence: {
    summary: 'get records and their proof as one file',
    load: () => import('./evidence.ts'),
  },
  report: { summary: 'report on a month, for auditors', load: () => import('./report.ts') },
  receipt: { summary: 'fetch the receipt of a leaf', load: () => import('./receipt.ts') },
  verify: {
    summary: 'check receipts, checkpoints and evidence, offline',
    load: () => import('./verify.ts'),
  },
  audit: { summary: 'recompute a whole log and check its head', load: () => import('./audit.ts') },
  monitor: {
    summary: 'follow logs and witnesses, and prove forks',
    load: () => import('./monitor.ts'),
  },
  witness: { summary: 'cosign the heads of logs', load: () => import('./witness.ts') },
  key: { summary: 'show, make and encrypt signing keys', load: () => import('./key.ts') },
  token: { summary: 'say who may use a log, and what for', load: () => import('./token.ts') },
  fsck: { summary: 'check the data of a log, value by value', load: () => import('./fsck.ts') },
  schema: {
    summary: 'make the tables of a log in a database',
    load: () => import('./schema.ts'),
  },
  backup: {
    summary: 'save a log to one file, while it is served',
    load: () => import('./backup.ts'),
  },
  restore: { summary: 'make a log again from a backup', load: () => import('./restore.ts') },
  migrate: { summary: 'move a log to another storage', load: () => import('./migrate.ts') },
  demo: { summary: 'see all of it work, in a minute', load: () => import('./demo.ts') },
}

const EXAMPLES = `
Examples:
  $ cairn demo
  $ cairn serve --data ./cairn-data
  $ cairn append records.ndjson --lines --receipts ./receipts
  $ cairn verify ./receipts --vkey ./cairn-data/log.vkey

Exit codes: 0 good, 1 verification failed, 2 usage or input/output error.
`

/** Settings that every (sub)command shares; commander's own errors become one line and exit code 2. */
function prepare(command: Command): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpCommand(false)
    .configureOutput({ outputError: () => {} })
}

async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = prepare(new Command('cairn'))
    // Flags after the name of a command, or of a command's command, are its own.
    .enablePositionalOptions()
    .description('A transparency log for audit records: audit trail in, verifiable evidence out.')
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpText('after', EXAMPLES)
  const asked = args.find((arg) => !arg.startsWith('-'))
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = prepare(program.command(name).description(capitalised(summary)))
    command.summary(summary)
    if (name !== asked) continue
    ;(await load()).configure(command)
    for (const subcommand of command.commands) prepare(subcommand)
  }
  return program
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function report(error: unknown): void {
  if (error instanceof CommanderError) {
    // Help and version have been printed by now; `cairn` alone shows the help, but has not done anything.
    if (error.exitCode === 0 || error.code === 'commander.help') {
      process.exitCode = error.exitCode === 0 ? EXIT.good : EXIT.usage
      return
    }
    const text = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
    process.stderr.write(`cairn: ${text}\n`)
    process.exitCode = EXIT.usage
    return
  }
  const style = styleFor(process.stderr)
  process.stderr.write(`${style.red('cairn:')} ${printable(errorLine(error))}\n`)
  if (process.env.CAIRN_DEBUG === '1' && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`)
    if (error.cause !== undefined) process.stderr.write(`${String(error.cause)}\n`)
  }
  process.exitCode = exitForError(error)
}

/**
 * Runs one command line to its end, with the streams, the environment and the exit code of this process. Throws nothing:
 * what goes wrong is one line on standard error.
 */
export async function run(args: readonly string[]): Promise<void> {
  try {
    const program = await buildProgram(args)
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    report(error)
  }
}
