/** What the commands have in common: how they are declared, where they print, and the flags that several take. */
import { type Command, Option } from 'commander'
import { fromDecimal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { columnsOf, type Style, styleFor } from './style.ts'

/** A file of this folder that holds one command. */
export interface CommandModule {
  /** Adds the command's arguments, flags, help and action. */
  configure(command: Command): void
}

/** Adds `--json` and an example to the help text. Every command calls it last. */
export function withCommonHelp(command: Command, examples: readonly string[]): void {
  command.option('--json', 'print one JSON document instead of text')
  const title = examples.length === 1 ? 'Example' : 'Examples'
  const lines = examples.map((example) => `  $ ${example}\n`).join('')
  command.addHelpText('after', `\n${title}:\n${lines}`)
}

export interface Connection {
  readonly url: string
  readonly token?: string
  readonly tokenFile?: string
}

/** Adds `--url`, `--token` and `--token-file`, with their environment variables. */
export function withConnection(command: Command): void {
  command
    .addOption(
      new Option('--url <url>', 'address of the log')
        .env('CAIRN_URL')
        .default('http://127.0.0.1:6962'),
    )
    .addOption(new Option('--token <token>', 'access token').env('CAIRN_TOKEN'))
    .addOption(
      new Option('--token-file <file>', 'file that holds the access token').conflicts('token'),
    )
}

/** Adds `--policy` and `--vkey`. */
export function withTrust(command: Command): void {
  command
    .option('--policy <file>', 'policy: the log and witness keys to trust, and the quorum')
    .option(
      '--vkey <key>',
      'key of the log: a vkey, or a file of vkeys such as log.vkey (repeatable)',
      (value: string, previous: readonly string[] = []) => [...previous, value],
    )
}

/** Reads a decimal flag. @throws USAGE */
export function decimalFlag(name: string, max: number): (text: string) => number {
  return (text) => {
    let value: number
    try {
      value = fromDecimal(text)
    } catch {
      value = Number.NaN
    }
    if (value <= max) return value
    throw new CairnError('USAGE', `${name} takes a number from 0 to ${max}, not '${text}'`)
  }
}

export interface Terminal {
  readonly style: Style
  readonly columns: number
  line(text?: string): void
  text(text: string): void
}

/** Standard output, with its colours and width. */
export function terminal(): Terminal {
  return {
    style: styleFor(process.stdout),
    columns: columnsOf(process.stdout),
    line: (text = '') => void process.stdout.write(`${text}\n`),
    text: (text) => void process.stdout.write(text),
  }
}

/** Prints the one document of `--json`. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** A note for people beside the result: on standard error, so that it is never taken for output. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/**
 * A signal that fires at the first Ctrl-C, so that a command can stop in good order; a second one ends the process.
 * Call the returned function when the command is done.
 */
export function interruptible(): { readonly signal: AbortSignal; done(): void } {
  const controller = new AbortController()
  const onSignal = () =>
    controller.abort(new CairnError('STOPPED', 'interrupted before it was done'))
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    done() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}

/** For what runs until it is told to stop: resolves at the first SIGINT or SIGTERM; the second ends the process at once. */
export function stopRequest(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      resolve()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}
