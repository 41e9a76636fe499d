/** What the parts of the compliance work share: a log with its records, and what is known of grants and holds. */
import type { CompletenessService } from '../completeness/service.ts'
import type { JsonObject } from '../formats/json-strict.ts'
import type { RecordLeaf } from '../formats/record.ts'
import type { LogRecordType } from '../formats/record-members.ts'
import type { RetentionTable } from '../formats/retention.ts'
import type { LogService } from '../log/service.ts'
import type { AcceptedRecord, Caller, RecordsService } from '../records/service.ts'
import type { FoundRecord } from '../search/search-index.ts'
import type { Vault } from '../vault/vault.ts'
import type { Principal } from './principal.ts'
import type { Expiry, Grant, Hold, Scope } from './service.ts'

/** How long payloads are kept. */
export interface RetentionPolicy {
  readonly table: RetentionTable
  /** The jurisdiction of a tenant, one of the table's; without one, what names no class is kept. */
  jurisdictionOf(tenant: string): string | undefined
}

/** A head that the log has published. */
export interface KeptHead {
  /** When, in milliseconds since 1970. */
  readonly time: number
  /** The signed note, with the cosignatures that it had. */
  readonly checkpoint: string
}

/** The heads that the log has published, as far as they were kept: the newest of every day, in UTC. */
export interface HeadHistory {
  /** The heads from a time on and before another, the oldest first. @throws CORRUPT, IO */
  between(from: number, before: number): Promise<readonly KeptHead[]>
  /** The last head before a time. @throws CORRUPT, IO */
  lastBefore(time: number): Promise<KeptHead | undefined>
}

export type ComplianceEvent =
  /** Payloads whose time was over were destroyed; or all that is left is held. */
  | { readonly event: 'expired'; readonly expiry: Expiry }
  /** Payloads are kept for longer than they need be; it is tried again the next day. */
  | { readonly event: 'expiry-failed'; readonly reason: string }
  /** An attempt at what is another tenant's was refused, but could not be recorded. */
  | { readonly event: 'refusal-not-recorded'; readonly tenant: string; readonly reason: string }
  /** A record of a grant says nothing any more, since what it disclosed is damaged or gone: nobody can use the grant. */
  | { readonly event: 'grant-unreadable'; readonly id: string; readonly reason: string }

/** A record of the log's own, to be made. */
export interface OwnNote {
  readonly type: Exclude<LogRecordType, 'erasure'>
  readonly action: string
  /** Who did it; nobody when it is the log itself. */
  readonly by?: Pick<Caller, 'name'>
  /** The id of the record that led to it. */
  readonly parentId?: string
  /** The id of the record that it was done to. */
  readonly resource?: string
  /** All facts: committed to, and not in the clear. */
  readonly extra?: JsonObject
}

/** A record of the log's own, with its facts. */
export interface OwnRecord {
  readonly record: FoundRecord
  /** What it has in `extra`; undefined when that cannot be told any more. */
  readonly extra: JsonObject | undefined
  /** Why not, when it is not because it was erased. */
  readonly damage?: string
}

/** The holds of a tenant that are active. */
export interface ActiveHolds {
  readonly all: readonly Hold[]
  /**
   * Those that cover a record; none of it may be destroyed. The record that places an active hold is covered by it.
   * @throws CORRUPT, IO
   */
  covering(record: FoundRecord | RecordLeaf): Promise<readonly Hold[]>
}

export interface ComplianceContext {
  readonly log: LogService
  readonly records: RecordsService
  readonly vault: Vault
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onEvent: (event: ComplianceEvent) => void
  /** Undefined where payloads are kept for ever. */
  readonly retention: RetentionPolicy | undefined
  /** The bytes of the policy by which heads are trusted; without one, the log's own keys are. */
  readonly policy: Uint8Array | undefined
  readonly heads: HeadHistory | undefined
  /** What proves that records are all there are; without it evidence comes without that proof. */
  readonly completeness: Pick<CompletenessService, 'committed' | 'prove'> | undefined

  /** The tenants that have a record or had one, in the order of their names. @throws CORRUPT, IO */
  tenants(): Promise<readonly string[]>

  /**
   * One after the other within a tenant: what decides about grants, places and lifts holds, erases and expires. Not to be
   * called from within itself.
   */
  alone<T>(tenant: string, work: () => Promise<T>): Promise<T>

  /** Makes a record of the log's own. @throws as RecordsService.note() */
  note(note: OwnNote, tenant: string): Promise<AcceptedRecord>

  /**
   * The log's own records of a type, all that the log has when it is called, the newest first unless told otherwise.
   * @throws CORRUPT, IO, STOPPED; OVERLOADED when the index is begun anew meanwhile
   */
  ownRecords(
    query: {
      readonly type: LogRecordType
      readonly action?: string
      /** Milliseconds since 1970. */
      readonly from?: number
      readonly before?: number
      readonly order?: 'newest' | 'oldest'
    },
    tenant: string,
  ): AsyncIterable<OwnRecord>

  /**
   * The records that a scope covers, all that the log has when it is called, the oldest first unless told otherwise.
   * @throws CORRUPT, IO, STOPPED; OVERLOADED when the index is begun anew meanwhile
   */
  recordsIn(scope: Scope, tenant: string, order?: 'newest' | 'oldest'): AsyncIterable<FoundRecord>

  /** The holds of a tenant; to be asked for within alone(). @throws CORRUPT, IO, STOPPED */
  activeHolds(tenant: string): Promise<ActiveHolds>

  /**
   * A grant that somebody may use now.
   * @throws FORBIDDEN when it is not theirs, not approved, or over; NOT_FOUND; CORRUPT, IO
   */
  usableGrant(id: string, by: Principal): Promise<Grant>

  /** The name of a person, or the pseudonym itself when they were erased. @throws MALFORMED, CORRUPT, IO */
  personName(pseudonym: string, tenant: string): Promise<string>

  /**
   * A scope as it is stored: people as pseudonyms, times in UTC to the millisecond.
   * @throws MALFORMED with the JSON Pointer of the member, such as `/scope/from`, or below another `pointer`; NOT_FOUND for
   *   somebody who is not known
   */
  storedScope(scope: Scope, tenant: string, pointer?: string): Promise<Scope>
}
