/** `cairn monitor`: follows logs and their witnesses, and says when what they show does not fit together. */
import { type Command, Option } from 'commander'
import type { Trust } from '../client/verdict.ts'
import { CairnError } from '../errors.ts'
import { SEVERITIES } from '../monitor/alert.ts'
import type { MonitorEvent } from '../monitor/report.ts'
import { type Targets, targetsOf } from '../monitor/target.ts'
import { type RunningMonitor, startMonitor } from '../server/monitor.ts'
import { decimalFlag, interruptible, note, withTrust } from './command.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { humanOutput, jsonOutput, type MonitorOutput } from './monitor-output.ts'
import { readTrust, type TrustFlags } from './trust.ts'

/** Where the state goes when nobody says where. */
const DEFAULT_STATE = 'cairn-monitor'
/** SPEC tlog-witness: what a witness shows SHOULD NOT lag behind by more than an hour. */
const DEFAULT_MAX_AGE = 3_600
const MAX_SECONDS = 31_536_000

interface MonitorFlags extends TrustFlags {
  readonly state?: string
  readonly interval: number
  readonly once?: boolean
  readonly webhook?: string
  readonly metrics?: number
  readonly maxLag?: number
  readonly maxAge?: number
  readonly evidence?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  const seconds = (name: string) => decimalFlag(name, MAX_SECONDS)
  command
    .description(
      'Follow logs and their witnesses: every entry is hashed to its place, every head that anybody shows is compared ' +
        'with every other, and what contradicts is written down as evidence that anybody can check. Takes the logs and ' +
        'witnesses of a policy, or the address of one log and its key.',
    )
    .argument('[url]', 'address of a log (default: those that the policy names)')
    .option('--state <dir>', 'directory that remembers what was seen; made at the first start')
    .addOption(
      new Option('--interval <seconds>', 'from one round to the next')
        .argParser(seconds('--interval'))
        .default(60),
    )
    .option('--once', 'look once, and end with 0 (well), 1 (misbehaviour) or 2 (trouble)')
    .addOption(
      new Option(
        '--max-age <seconds>',
        `age of a head or its cosignatures that alerts (default: ${DEFAULT_MAX_AGE}, and any age for heads that no cosignature dates)`,
      ).argParser(seconds('--max-age')),
    )
    .addOption(
      new Option(
        '--max-lag <entries>',
        'entries behind the newest head that alert (default: any number)',
      ).argParser(decimalFlag('--max-lag', Number.MAX_SAFE_INTEGER)),
    )
    .option('--webhook <url>', 'address that gets each alert, and its end, as a POST of JSON')
    .addOption(
      new Option(
        '--metrics <port>',
        'port of this machine that shows Prometheus metrics',
      ).argParser(decimalFlag('--metrics', 65_535)),
    )
    .option('--evidence <dir>', 'directory for evidence (default: evidence in the state directory)')
    .action((url: string | undefined, flags: MonitorFlags) => monitor(url, flags))
  withTrust(command)
  command.option('--json', 'print events as JSON, one a line, instead of text')
  command.addHelpText(
    'after',
    [
      '',
      'Examples:',
      '  $ cairn monitor --policy policy.txt --state ./monitor',
      '  $ cairn monitor https://log.example.org --vkey log.vkey --state ./monitor --once',
      '  $ cairn monitor --policy policy.txt --state ./monitor --webhook https://alerts.example.org/cairn --metrics 9464',
      '',
    ].join('\n'),
  )
}

async function monitor(url: string | undefined, flags: MonitorFlags): Promise<void> {
  if (flags.interval < 1) throw new CairnError('USAGE', '--interval takes 1 second or more')
  const targets = await targetsFrom(url, flags)
  if (flags.state === undefined) note(`no --state was given: using ./${DEFAULT_STATE}`)
  const once = flags.once === true
  const output = flags.json === true ? jsonOutput() : humanOutput({ once })
  let misbehaved = false
  const running = await startMonitor(
    {
      targets,
      state: flags.state ?? DEFAULT_STATE,
      ...(flags.evidence !== undefined && { evidence: flags.evidence }),
      limits: limitsOf(flags),
      ...(flags.webhook !== undefined && { webhook: flags.webhook }),
      ...(flags.metrics !== undefined && { metricsPort: flags.metrics }),
    },
    {
      onEvent(event) {
        misbehaved ||= isMisbehaviour(event)
        output.event(event)
      },
      onProgress: output.progress,
      onTrouble: note,
    },
  )
  const intervalMs = once ? undefined : flags.interval * 1000
  output.open({ monitor: running, ...shownTargets(targets), intervalMs })
  try {
    if (once) process.exitCode = await lookOnce(running, output)
    else process.exitCode = await goOn(running, output, flags.interval * 1000, () => misbehaved)
  } finally {
    await running.close()
  }
}

function limitsOf({ maxAge, maxLag }: MonitorFlags) {
  return {
    maxAgeMs: (maxAge ?? DEFAULT_MAX_AGE) * 1000,
    // Without cosignatures an idle log looks like one that hides its newest head: only the operator can tell.
    ...(maxAge !== undefined && { maxIdleMs: maxAge * 1000 }),
    ...(maxLag !== undefined && { maxLag }),
  }
}

async function lookOnce(running: RunningMonitor, output: MonitorOutput): Promise<ExitCode> {
  const interrupt = interruptible()
  await running.round({ signal: interrupt.signal })
  interrupt.signal.throwIfAborted()
  interrupt.done()
  const alerts = running.alerts()
  output.close(alerts)
  if (alerts.some(({ kind }) => SEVERITIES[kind] === 'misbehaviour')) return EXIT.failed
  return alerts.length > 0 ? EXIT.usage : EXIT.good
}

async function goOn(
  running: RunningMonitor,
  output: MonitorOutput,
  intervalMs: number,
  misbehaved: () => boolean,
): Promise<ExitCode> {
  const before = running.alerts().some(({ kind }) => SEVERITIES[kind] === 'misbehaviour')
  const interrupt = interruptible()
  await running.run({ intervalMs, signal: interrupt.signal })
  interrupt.done()
  output.close(running.alerts())
  return before || misbehaved() ? EXIT.failed : EXIT.good
}

function isMisbehaviour(event: MonitorEvent): boolean {
  return event.event === 'alert' && SEVERITIES[event.alert.kind] === 'misbehaviour'
}

/** @throws USAGE when no log is named, or no place of it */
async function targetsFrom(url: string | undefined, flags: MonitorFlags): Promise<Targets> {
  if (url === undefined && flags.policy === undefined) {
    throw new CairnError('USAGE', 'which log? name its address and --vkey, or give a --policy')
  }
  const trust = await readTrust(flags)
  const targets = targetsOf(url === undefined ? namedByPolicy(trust) : at(url, trust), trust.policy)
  return targets
}

function namedByPolicy({ policy, logKeys }: Trust) {
  if (policy !== undefined && policy.logs.length > 0) return policy.logs
  throw new CairnError(
    'USAGE',
    `where is the log ${logKeys[0]?.name}? give its address, or name it in the policy`,
  )
}

/** The log of the given keys at one address, beside what a policy says of it. */
function at(url: string, { policy, logKeys }: Trust) {
  const origins = new Set(logKeys.map(({ name }) => name))
  if (origins.size > 1) {
    const names = [...origins].join(', ')
    throw new CairnError('USAGE', `which of these logs is at ${url}? ${names}: give one of them`)
  }
  return [...logKeys.map((key) => ({ key, url })), ...(policy?.logs ?? [])]
}

function shownTargets({ logs, witnesses }: Targets) {
  return {
    logs: logs.map(({ origin, urls }) => ({ origin, urls })),
    witnesses: witnesses.map(({ name, url }) => ({ name, ...(url !== undefined && { url }) })),
  }
}
