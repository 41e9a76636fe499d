/** `cairn witness`: runs a witness until it is told to stop; its subcommands talk to the one that runs. */
import type { Command } from 'commander'
import { usage } from '../errors.ts'
import { writeEvents } from '../server/event-writer.ts'
import {
  describeWitness,
  type OnWitnessEvent,
  type WitnessServerEvent,
} from '../server/witness-events.ts'
import { WITNESS_SETTINGS } from '../server/witness-settings.ts'
import { printJson, stopRequest, terminal, withCommonHelp } from './command.ts'
import { configFrom, withSettings } from './setting-flags.ts'
import { count, plural, printable } from './style.ts'
import { withConflictCommand } from './witness-conflicts.ts'
import { withLogCommands } from './witness-logs.ts'
import { DEFAULT_WITNESS_DATA } from './witness-place.ts'

const { settings } = WITNESS_SETTINGS
/** Before what belongs to the line above. */
const INDENT = ' '.repeat(18)

export function configure(command: Command): void {
  command.description(
    'Run a witness: it cosigns the heads of the logs that it watches, each only when it extends the last. The first ' +
      'start makes its keys and an access token. Every setting can also be given in the environment (--port as ' +
      'CAIRN_PORT) or in a YAML file (port: 7962); flags win.',
  )
  // Flags after a subcommand are its own, also when they are spelt alike.
  command.enablePositionalOptions().hook('preSubcommand', refuseFlagsBefore)
  withSettings(command, settings)
  command.action(async () => run(command))
  withCommonHelp(command, [
    'cairn witness --data ./cairn-witness --log ./cairn-data/log.vkey',
    'cairn witness --data /var/lib/witness --name witness.example.org --public-url https://witness.example.org',
    'cairn witness add ./log.vkey --data ./cairn-witness',
    'cairn witness list --data ./cairn-witness',
  ])
  withLogCommands(command)
  withConflictCommand(command)
  // So that an unknown subcommand is called one. Not before them, or they would inherit it.
  command.allowExcessArguments()
}

/** A flag before a subcommand would be one of the witness to be run, and do nothing. */
function refuseFlagsBefore(command: Command, subcommand: Command): void {
  const given = command.options.find(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli',
  )
  if (given === undefined) return
  throw usage(`put ${given.long} behind ${subcommand.name()}: cairn witness ${subcommand.name()} …`)
}

async function run(command: Command): Promise<void> {
  const [word] = command.args
  if (word !== undefined) {
    const known = command.commands.map((one) => one.name()).join(', ')
    throw usage(`cairn witness has no command '${word}'; it has ${known}`)
  }
  // Loaded where it is needed: the subcommands do without, and are sooner.
  const [{ loadWitnessConfig }, { serveWitness }] = await Promise.all([
    import('../server/witness-config.ts'),
    import('../server/witness.ts'),
  ])
  const asJson = command.opts<{ json?: boolean }>().json === true
  const config = await configFrom(command, settings, {
    data: DEFAULT_WITNESS_DATA,
    load: loadWitnessConfig,
  })
  const stop = stopRequest()
  const witness = await serveWitness(config, { onEvent: announcer(asJson) })
  await stop
  await witness.close()
}

/** Says on standard output where everything is; what happens later goes to standard error. */
function announcer(asJson: boolean): OnWitnessEvent {
  // Names of logs come from strangers, by lists.
  const later = writeEvents(process.stderr, (event: WitnessServerEvent) =>
    printable(describeWitness(event)),
  )
  return (event) => {
    if (event.event !== 'listening') return later(event)
    if (asJson) printJson(jsonOf(event))
    else announce(event)
  }
}

type Listening = Extract<WitnessServerEvent, { event: 'listening' }>

function jsonOf(event: Listening): unknown {
  const { url, name, vkeys, policy, data, logs, signSubtree } = event
  return {
    url,
    name,
    vkeys,
    policy,
    logs,
    data,
    vkey_file: event.vkeyFile,
    policy_file: event.policyFile,
    token_file: event.tokenFile,
    sign_subtree: signSubtree,
  }
}

function announce(event: Listening): void {
  const { style, columns, text } = terminal()
  const { url, name, vkeys, logs } = event
  const watching = logs === 0 ? 'no logs yet' : plural(logs, 'log')
  // An ML-DSA-44 key fills a screen. A file or a pipe gets all of it; a person is told where it is.
  const shorten = process.stdout.isTTY === true
  const lines = [
    `${style.bold(printable(name))} (witness of ${watching})`,
    `  address         ${style.cyan(url)}`,
    `  data            ${event.data}`,
    `  access token    ${event.tokenFile}`,
    `  verifier keys   ${event.vkeyFile}`,
    ...vkeys.map((vkey) => INDENT + (shorten ? shortVkey(vkey, columns) : vkey)),
    `  policy          ${event.policyFile}`,
    '',
    ...policyLines(event, shorten),
    '',
    ...(logs === 0 ? ['No log is watched yet: cairn witness add LOG.vkey', ''] : []),
    style.dim('stop it with Ctrl-C'),
  ]
  // In one write: whoever waits for the address finds the rest as well.
  text(`${lines.join('\n')}\n`)
}

/** Longer than any vkey of Ed25519 under a name that people would choose. */
const LONG_VKEY = 400

function shortVkey(vkey: string, columns: number): string {
  if (vkey.length < LONG_VKEY) return vkey
  const rest = `… (${count(vkey.length)} characters)`
  return vkey.slice(0, Math.max(columns - INDENT.length - rest.length, 20)) + rest
}

/** What the operator of a log takes over, as it is: comments are allowed in a policy. */
function policyLines({ policy, local, shortPolicy }: Listening, shorten: boolean): string[] {
  const isShort = shorten && shortPolicy !== policy
  return [
    '# For the policy of a log: the policy file as it is, or these lines of it.',
    ...(isShort ? ['# Here without the post-quantum key, which is long; the file has both.'] : []),
    ...(local ? ['# Logs on other machines need another address: --public-url.'] : []),
    (isShort ? shortPolicy : policy).trimEnd(),
  ]
}
