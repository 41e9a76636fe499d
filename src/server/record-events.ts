/** What happens to the records of a log, in words. */
import type { CompletenessEvent } from '../completeness/service.ts'
import type { ComplianceEvent } from '../compliance/context.ts'
import type { Expiry } from '../compliance/service.ts'
import type { RecordsEvent } from '../records/service.ts'

export type HostedRecordsEvent =
  | RecordsEvent
  | ComplianceEvent
  | CompletenessEvent
  | { readonly event: 'vault-key-created' | 'vault-key-exposed'; readonly file: string }
  /** It could not be used, and is built again. */
  | { readonly event: 'index-discarded'; readonly reason: string }
  /** Reports on this day will find no head of it. */
  | { readonly event: 'head-not-kept'; readonly reason: string }

/** An event in words. */
export function describeRecords(event: HostedRecordsEvent): string {
  switch (event.event) {
    case 'vault-key-created':
      return `new master key of the vault in ${event.file}; keep a copy of it in a safe place, away from the data`
    case 'vault-key-exposed':
      return `other users can read ${event.file}; make it private with chmod 600`
    case 'withdrawn':
      return `disclosures of ${event.batches} submissions that never came to be were removed`
    case 'erased-again':
      return `${event.people} people whom the vault still had were erased again, as the log says; it is older than the log, so what was recorded since its backup has no payload`
    case 'clock-behind':
      return `the clock is ${event.milliseconds} ms behind the newest record; records get its time until then`
    case 'secret-found':
      return `what may be a secret (rule ${event.rule}) was let pass in a record of ${event.tenant}`
    case 'vault-failed':
      return `no record is taken any more, since the vault cannot be written to; mend that and restart: ${event.reason}`
    case 'vault-damaged':
      return `the payload of the record ${event.id} is damaged: ${event.reason}`
    case 'index-failed':
      return `the search index follows the log no more; restart, or run cairn fsck --reindex: ${event.reason}`
    case 'index-discarded':
      return `the search index is built again: ${event.reason}`
    case 'map-failed':
      return `the map of records follows the log no more, so that evidence comes without proof that it is complete; restart to mend it: ${event.reason}`
    case 'map-discarded':
      return `the map of records is made again: ${event.reason}`
    case 'map-root-failed':
      return `the log could not commit to its map of records; it is tried again: ${event.reason}`
    case 'head-not-kept':
      return `the head of the day could not be kept: ${event.reason}`
    case 'expired':
      return describeExpiry(event.expiry)
    case 'expiry-failed':
      return `payloads that are due were not destroyed; it is tried again in a day: ${event.reason}`
    case 'refusal-not-recorded':
      return `an attempt of ${event.tenant} at another tenant was refused, but not recorded: ${event.reason}`
    case 'grant-unreadable':
      return `nobody can use the grant ${event.id}: ${event.reason}`
  }
}

function describeExpiry({ tenant, class: name, type, records, held }: Expiry): string {
  const kept = held === 0 ? '' : `; ${held} are kept by a hold`
  return `the payloads of ${records} records of ${tenant} expired (${type}, class ${name})${kept}`
}
