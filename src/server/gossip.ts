/** Opens the gossip of a log: reads what its sinks need from files, and loads only the kinds that are used. */
import { join } from 'node:path'
import { fromUtf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { type Gossip, startGossip } from '../gossip/runner.ts'
import type { HeadSink, PublishedHead } from '../gossip/sink.ts'
import type { GossipEvent } from '../gossip/sink-loop.ts'
import { fileStates } from '../gossip/state.ts'
import type { LogService } from '../log/service.ts'
import { readFileUpTo } from './bounded-file.ts'
import type { SinkConfig } from './gossip-settings.ts'
import { inFile, looksLikeVkey, readVkeyFile } from './vkey-file.ts'

export interface OpenGossipOptions {
  readonly sinks: readonly SinkConfig[]
  /** The log's data directory. */
  readonly directory: string
  readonly log: Pick<LogService, 'origin' | 'publication'>
  readonly onEvent: (event: GossipEvent) => void
}

const MAX_CERTIFICATES_SIZE = 1_000_000
const MAX_SECRET_SIZE = 16_384

/** @throws USAGE, TOO_LARGE when a file that a sink needs cannot be used */
export async function openGossip(options: OpenGossipOptions): Promise<Gossip> {
  const { log, directory, onEvent } = options
  const sinks = await Promise.all(
    options.sinks.map(async (config) => ({
      sink: await openSink(config),
      schedule: config.schedule,
    })),
  )
  return startGossip({
    sinks,
    head: () => publishedHead(log),
    states: fileStates(join(directory, 'gossip')),
    onEvent,
  })
}

function publishedHead(log: OpenGossipOptions['log']): PublishedHead | undefined {
  try {
    const { size, root, checkpoint } = log.publication()
    return { origin: log.origin, size, root, checkpoint }
  } catch {
    // A log that opened read-only may have none.
    return undefined
  }
}

type Of<Kind extends SinkConfig['kind']> = Extract<SinkConfig, { readonly kind: Kind }>

function openSink(config: SinkConfig): Promise<HeadSink> {
  switch (config.kind) {
    case 'time-stamp-authority':
      return openTimeStampAuthority(config)
    case 'syslog':
      return openSyslog(config)
    case 'webhook':
      return openWebhook(config)
    case 'file':
      return openFile(config)
    case 'cairn-log':
      return openCairnLog(config)
  }
}

async function openTimeStampAuthority(config: Of<'time-stamp-authority'>): Promise<HeadSink> {
  const { name, url, directory, trust, authorizationFile } = config
  const { timeStampAuthority } = await import('../gossip/time-stamp-authority.ts')
  const { parseCertificates } = await import('../formats/certificate.ts')
  const pem = await readSettingsFile(trust, MAX_CERTIFICATES_SIZE)
  const anchors = await Promise.resolve(pem).then(parseCertificates).catch(inFile(trust))
  const authorization = await secretIn(authorizationFile)
  return timeStampAuthority({
    name,
    url,
    directory,
    anchors,
    ...(authorization && { authorization }),
  })
}

async function openSyslog(config: Of<'syslog'>): Promise<HeadSink> {
  const { name, address, facility, enterpriseNumber, ca, client } = config
  const { syslog } = await import('../gossip/syslog.ts')
  const read = (file: string) => readSettingsFile(file, MAX_CERTIFICATES_SIZE)
  return syslog({
    name,
    address,
    facility,
    ...(enterpriseNumber === undefined ? {} : { enterpriseNumber }),
    ...(ca && { ca: await read(ca) }),
    ...(client && {
      client: { certificate: await read(client.certificate), key: await read(client.key) },
    }),
    now: Date.now,
  })
}

async function openWebhook(config: Of<'webhook'>): Promise<HeadSink> {
  const { name, url, secretFile, authorizationFile } = config
  const { webhook, parseWebhookSecret } = await import('../gossip/webhook.ts')
  const secret = await secretIn(secretFile, parseWebhookSecret)
  const authorization = await secretIn(authorizationFile)
  return webhook({
    name,
    url,
    ...(secret && { secret }),
    ...(authorization && { authorization }),
    now: Date.now,
  })
}

async function openFile({ name, path, format }: Of<'file'>): Promise<HeadSink> {
  const { headFiles, headLines } = await import('../gossip/file.ts')
  return (format === 'lines' ? headLines : headFiles)({ name, path, now: Date.now })
}

async function openCairnLog(config: Of<'cairn-log'>): Promise<HeadSink> {
  const { name, url, directory, vkey, tokenFile } = config
  const { cairnLog } = await import('../gossip/cairn-log.ts')
  const logKeys = vkey === undefined ? [] : await readKeys(vkey)
  const token = await secretIn(tokenFile)
  return cairnLog({ name, url, directory, logKeys, ...(token && { token }) })
}

async function readKeys(vkey: string): Promise<readonly VerifierKey[]> {
  if (!looksLikeVkey(vkey)) return readVkeyFile(vkey)
  try {
    return [parseVkey(vkey)]
  } catch (cause) {
    throw new CairnError('USAGE', `${vkey}: ${messageOf(cause)}`, { cause })
  }
}

/**
 * What reads the first line of a file, again for each use, so that it can be replaced while the log runs; undefined
 * without a file. Reads it once, so that a mistake shows at start.
 */
async function secretIn(
  file: string | undefined,
  check: (secret: string) => unknown = () => undefined,
): Promise<(() => Promise<string>) | undefined> {
  if (file === undefined) return undefined
  const read = async (): Promise<string> => {
    const bytes = await readSettingsFile(file, MAX_SECRET_SIZE)
    const [line = ''] = fromUtf8(bytes, file).split(/\r?\n/, 1)
    // What else would do for a header field would not be seen by whoever wrote it.
    if (!/^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(line)) {
      throw new CairnError('USAGE', `the first line of ${file} is not a line of visible ASCII`)
    }
    return line
  }
  await read().then(check).catch(inFile(file))
  return () =>
    read().catch((cause: unknown) => {
      // Anybody may see why a sink fails, but not where its secrets are.
      throw new CairnError('IO', 'what it is to be authorized with cannot be read', { cause })
    })
}

async function readSettingsFile(file: string, limit: number): Promise<Uint8Array> {
  try {
    return await readFileUpTo(file, limit)
  } catch (cause) {
    throw new CairnError('USAGE', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  }
}
