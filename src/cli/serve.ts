/** `cairn serve`: runs a log until it is told to stop. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { loadConfig } from '../server/config.ts'
import { eventWriter, type OnEvent, type ServerEvent } from '../server/events.ts'
import { serve } from '../server/serve.ts'
import { SETTINGS } from '../server/settings.ts'
import { printJson, stopRequest, terminal, withCommonHelp } from './command.ts'
import { configFrom, withSettings } from './setting-flags.ts'
import { plural, printable } from './style.ts'

/** Where the data goes when nobody says where. */
const DEFAULT_DATA = 'cairn-data'

export function configure(command: Command): void {
  command.description(
    'Run a log. The first start makes its keys and an access token. Every setting can also be given ' +
      'in the environment (--port as CAIRN_PORT) or in a YAML file (port: 6962); flags win.',
  )
  withSettings(command, SETTINGS)
  command.action(async () => run(command))
  withCommonHelp(command, [
    'cairn serve --data ./cairn-data',
    'cairn serve --data /var/lib/cairn --origin log.example.com/audit --host 0.0.0.0',
    'cairn serve --data ./cairn-data --policy policy.txt',
    'CAIRN_DATA=/var/lib/cairn cairn serve --config /etc/cairn.yaml',
  ])
}

async function run(command: Command): Promise<void> {
  const config = await configFrom(command, SETTINGS, { data: DEFAULT_DATA, load: loadConfig })
  const asJson = command.opts<{ json?: boolean }>().json === true
  const stop = stopRequest()
  const server = await serve(config, { onEvent: announcer(asJson) })
  await stop
  await server.close()
}

/** Says on standard output where everything is; what happens later goes to standard error. */
function announcer(asJson: boolean): OnEvent {
  const later = eventWriter(process.stderr)
  return (event) => {
    if (event.event === 'log-opened') return
    if (event.event !== 'listening') return later(event)
    if (asJson) printJson(jsonOf(event))
    else announce(event)
  }
}

type Listening = Extract<ServerEvent, { event: 'listening' }>

function jsonOf(event: Listening): unknown {
  const { url, origin, size, vkeyFile, tokenFile, open, witnesses, quorum } = event
  const asked = witnesses === undefined ? {} : { witnesses, quorum: quorum ?? null }
  return { url, origin, size, vkey_file: vkeyFile, token_file: tokenFile, open, ...asked }
}

function announce(event: Listening): void {
  const { url, origin, size, vkeyFile, tokenFile, open } = event
  const { style, text } = terminal()
  // In one write: whoever waits for the address finds the rest as well.
  text(
    [
      `${style.bold(printable(origin))} (${plural(size, 'leaf', 'leaves')})`,
      `  address         ${style.cyan(url)}`,
      `  verifier keys   ${vkeyFile}`,
      `  access token    ${open ? 'not needed: anyone may submit (--open)' : tokenPlace(tokenFile)}`,
      ...witnessLines(event),
      `${style.dim('stop it with Ctrl-C')}\n`,
    ].join('\n'),
  )
}

/** Servers that share their tokens make the first one once. */
function tokenPlace(file: string): string {
  return existsSync(file) ? file : 'with the server of this log that was started first'
}

function witnessLines({ witnesses, quorum }: Listening): string[] {
  if (witnesses === undefined) return []
  const shown =
    quorum === undefined
      ? 'heads are shown at once'
      : `a head is shown once ${printable(quorum)} has cosigned it`
  return [`  witnesses       ${witnesses} asked; ${shown}`]
}
