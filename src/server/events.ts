/** What a running server has to say: a line for people on a terminal, a JSON object a line for everything else. */
import type { GossipEvent } from '../gossip/sink-loop.ts'
import type { ArchiveEvent } from '../log/archive-port.ts'
import type { SharedLogEvent } from '../log/shared-log.ts'
import type { AccessEvent } from './access.ts'
import { type EventStream, writeEvents } from './event-writer.ts'
import { describeRecords, type HostedRecordsEvent } from './record-events.ts'
import { describeTokens } from './token-file.ts'

export type ServerEvent =
  | {
      readonly event: 'listening'
      readonly url: string
      readonly origin: string
      readonly size: number
      readonly vkeyFile: string
      readonly tokenFile: string
      readonly open: boolean
      /** How many witnesses are asked, and whose cosignatures a published head needs. */
      readonly witnesses?: number
      readonly quorum?: string
    }
  | { readonly event: 'keys-created'; readonly log: string; readonly file: string }
  | { readonly event: 'keys-exposed'; readonly log: string; readonly file: string }
  | {
      readonly event: 'log-opened'
      readonly log: string
      readonly origin: string
      readonly size: number
    }
  | { readonly event: 'error'; readonly message: string }
  | { readonly event: 'closing' }
  | { readonly event: 'closed' }
  | { readonly event: 'evidence-kept'; readonly log: string; readonly file: string }
  | (Exclude<SharedLogEvent, { event: 'evidence' }> & { readonly log: string })
  | (ArchiveEvent & { readonly log: string })
  /** This machine's clock is so far ahead of the database's, whose time is used. */
  | { readonly event: 'clock-skew'; readonly log: string; readonly milliseconds: number }
  /** This server leads, but cannot open the records; it is tried again. */
  | { readonly event: 'records-failing'; readonly log: string; readonly reason: string }
  | (AccessEvent & { readonly log: string })
  | (GossipEvent & { readonly log: string })
  | (HostedRecordsEvent & { readonly log: string })

export type OnEvent = (event: ServerEvent) => void

/** Writes events to a stream. */
export function eventWriter(stream: EventStream, now?: () => Date): OnEvent {
  return writeEvents(stream, describe, now)
}

/** An event in words. */
export function describe(event: ServerEvent): string {
  switch (event.event) {
    case 'listening': {
      const access = event.open
        ? 'submissions: from anyone (open)'
        : `access token: ${event.tokenFile}`
      return [
        `${event.origin} is served at ${event.url} (${event.size} leaves)`,
        `  verifier keys: ${event.vkeyFile}`,
        `  ${access}`,
      ].join('\n')
    }
    case 'keys-created':
      return `${event.log}: new keys in ${event.file}; keep a copy of it in a safe place`
    case 'keys-exposed':
      return `${event.log}: other users can read ${event.file}; make it private with chmod 600`
    case 'log-opened':
      return `${event.log}: ${event.origin}, ${event.size} leaves`
    case 'error':
      return `error: ${event.message}`
    case 'closing':
      return 'finishing what was accepted'
    case 'closed':
      return 'stopped'
    case 'disk-low':
      return `${event.log}: ${event.free} bytes are free on the disk; submissions are refused`
    case 'disk-ok':
      return `${event.log}: there is space on the disk again; submissions are taken`
    case 'witness-failing':
      return `${event.log}: the witness ${event.witness} is left alone for a while: ${event.reason}`
    case 'evidence-kept':
      return `${event.log}: what contradicts this log is kept in ${event.file}`
    case 'token-keys-failing':
      return `${event.log}: the keys of the token issuer cannot be fetched from ${event.from}: ${event.reason}`
    case 'token-keys-ok':
      return `${event.log}: the keys of the token issuer are fetched from ${event.from} again`
    case 'tokens-elsewhere':
    case 'tokens-changed':
    case 'tokens-damaged':
      return `${event.log}: ${describeTokens(event)}`
    case 'witness-ok':
      return `${event.log}: the witness ${event.witness} cosigns again`
    case 'gossip-failed':
      return `${event.log}: the sink ${event.sink} failed: ${event.reason}`
    case 'gossip-sent-again':
      return `${event.log}: the sink ${event.sink} is back: ${event.reason}`
    case 'gossip-contradiction':
      return `${event.log}: the sink ${event.sink} has seen another log: ${event.reason}`
    case 'gossip-state-failed':
      return `${event.log}: the state of the sink ${event.sink} cannot be kept: ${event.reason}`
    case 'leading':
      return `${event.log}: this server leads from now on (term ${event.epoch})`
    case 'following':
      return `${event.log}: this server follows from now on (its term ${event.epoch} is over)`
    case 'database-failing':
      return `${event.log}: the database fails: ${event.reason}`
    case 'database-ok':
      return `${event.log}: the database works again`
    case 'clock-skew':
      return `${event.log}: the clock of this machine differs from the database's by ${event.milliseconds} ms; the database's is used`
    case 'records-failing':
      return `${event.log}: records cannot be opened yet: ${event.reason}`
    case 'archive-failing':
      return `${event.log}: the archive fails, and is tried again: ${event.reason}`
    case 'archive-ok':
      return `${event.log}: the archive works again, and has ${event.size} leaves`
    case 'archive-stopped':
      return `${event.log}: nothing is archived any more, until somebody has looked and this server was restarted: ${event.reason}`
    case 'archive-progress':
      return `${event.log}: ${event.size} of ${event.total} leaves are archived`
    case 'archive-restored':
      return `${event.log}: the archive showed ${event.found === undefined ? 'no checkpoint' : `a checkpoint of ${event.found} leaves`}; it shows the one of ${event.size} leaves again`
    case 'archive-keeps-partials':
      return `${event.log}: partial tiles are not removed from the archive: ${event.reason}`
    case 'archive-tier':
      return `${event.log}: bundles older than ${event.days} days go to the storage class ${event.storageClass} (the bucket's rule ${event.rule === 'set' ? 'was made' : 'is there'})`
    case 'archive-tier-failing':
      return `${event.log}: old bundles keep their storage class: ${event.reason}`
    case 'read-only':
    case 'stopped':
    case 'publication-failed':
      return `${event.log}: ${event.event}: ${event.reason}`
    default:
      return `${event.log}: ${describeRecords(event)}`
  }
}
