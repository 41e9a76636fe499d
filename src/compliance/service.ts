/** What the layers above see of the compliance work of a log: everything done with records once they are there. */
import type { Disclosure } from '../formats/disclosure.ts'
import type { EvidenceQuery } from '../formats/evidence-manifest.ts'
import type { RecordLeaf } from '../formats/record.ts'
import type { LeafIndex } from '../merkle/position.ts'
import type { AcceptedRecord, ErasureOutcome, RecordQuery } from '../records/service.ts'
import type { Report } from '../reports/report.ts'
import type { Page } from '../search/search-index.ts'
import type { PageOf, PageRequest } from './paging.ts'
import type { Principal } from './principal.ts'

/**
 * Which records, as a person asks: people by their names or their pseudonyms, times as RFC 3339. Stored, people stand
 * in it as pseudonyms. Empty: all of the tenant.
 */
export type Scope = EvidenceQuery

/** A record, and what may be shown of it to whoever asked. */
export interface ReadRecord {
  readonly index: LeafIndex
  readonly record: RecordLeaf
  /** The record as it stands in the log, byte for byte. */
  readonly leaf: Uint8Array
  /** Under a grant, and of the log's own records for who may audit: what is left of the payload, or that it was erased. */
  readonly disclosures?: readonly Disclosure[] | 'erased'
}

export interface GrantRequest {
  readonly purpose: string
  /** Where the request is discussed: a ticket, a case number. */
  readonly ticket: string
  /** The records whose payloads are to be read; at least one member. */
  readonly scope: Scope
  /** How long it is to last once it is approved, in minutes: 1 to 1,440, by default 60. */
  readonly minutes?: number
}

/** Time-bound access to payloads. All of it stands in records of type grant, which it is read from. */
export interface Grant {
  /** The id of the record that asked for it. */
  readonly id: string
  readonly state: 'requested' | 'approved' | 'refused' | 'revoked' | 'expired'
  readonly purpose: string
  readonly ticket: string
  readonly scope: Scope
  readonly minutes: number
  /** RFC 3339. */
  readonly requested: string
  /** Names; a pseudonym where the person was erased. */
  readonly requestedBy: string
  readonly decided?: string
  readonly decidedBy?: string
  /** When an approved grant ends. */
  readonly until?: string
}

export interface HoldRequest {
  /** Short, and unique among the tenant's active holds: `acme-v-smith`. */
  readonly name: string
  readonly reason: string
  readonly scope: Scope
}

/** A legal hold: what it covers is neither erased nor expires. All of it stands in records of type hold. */
export interface Hold {
  /** The id of the record that placed it. */
  readonly id: string
  readonly name: string
  readonly state: 'active' | 'lifted'
  readonly reason: string
  readonly scope: Scope
  readonly placed: string
  readonly placedBy: string
  readonly lifted?: string
  readonly liftedBy?: string
}

/** What was found to be due, and done, in one tenant. */
export interface Expiry {
  readonly tenant: string
  readonly class: string
  readonly type: string
  /** Records whose payload was destroyed. */
  readonly records: number
  /** Records that are due, were not looked at before, and are kept by a hold. */
  readonly held: number
  /** The record that says so; absent when nothing was destroyed. */
  readonly expiry?: AcceptedRecord
}

export interface EvidenceRequest {
  readonly scope: Scope
  readonly purpose?: string
  /** The id of a grant under which payloads are shown; without one none are. */
  readonly grant?: string
}

/** What the log lists records by: exactly one of these; people by their names or their pseudonyms. */
export interface ListedBy extends Pick<Scope, 'request_id' | 'session_id' | 'subject' | 'actor'> {
  /** Of a record: itself, and those that correct it. */
  readonly id?: string
}

export interface ComplianceService {
  /**
   * A page of the records of the caller's tenant.
   * @throws FORBIDDEN, MALFORMED, CORRUPT, IO, STOPPED
   */
  search(query: RecordQuery, by: Principal): Promise<Page>

  /**
   * A record of the caller's tenant. With a grant also its payload; that is recorded before it is given.
   * @throws NOT_FOUND for what is not a record of theirs (and records the attempt when it is somebody else's)
   * @throws FORBIDDEN when the grant is not theirs, not approved, over, or does not cover the record
   */
  read(index: LeafIndex, by: Principal, grant?: string): Promise<ReadRecord>

  /** Refuses, and records that somebody asked for another tenant. @throws FORBIDDEN always */
  refuseTenant(tenant: string, by: Principal, what: string): Promise<never>

  /** @throws FORBIDDEN, MALFORMED; as RecordsService.note() */
  requestGrant(request: GrantRequest, by: Principal): Promise<Grant>
  /** @throws FORBIDDEN also to whoever asked for it; NOT_FOUND; CONFLICT unless it is requested */
  decideGrant(id: string, decision: 'approve' | 'refuse', by: Principal): Promise<Grant>
  /** Whoever asked may also give it back. @throws FORBIDDEN, NOT_FOUND; CONFLICT when it is over already */
  revokeGrant(id: string, by: Principal): Promise<Grant>
  /** Those of the tenant, a page. @throws FORBIDDEN, MALFORMED */
  grants(by: Principal, page?: PageRequest): Promise<PageOf<Grant>>
  /** @throws FORBIDDEN, NOT_FOUND */
  grant(id: string, by: Principal): Promise<Grant>

  /** @throws FORBIDDEN, MALFORMED; CONFLICT when an active hold has the name */
  placeHold(request: HoldRequest, by: Principal): Promise<Hold>
  /** `hold` is an id, or the name of an active hold. @throws FORBIDDEN, NOT_FOUND; CONFLICT when it was lifted */
  liftHold(hold: string, reason: string, by: Principal): Promise<Hold>
  /** Those of the tenant, a page. @throws FORBIDDEN, MALFORMED */
  holds(by: Principal, page?: PageRequest): Promise<PageOf<Hold>>

  /** @throws FORBIDDEN, NOT_FOUND; HELD with the names of the holds; as RecordsService.erase() */
  erase(
    request: { readonly subject: string; readonly basis: string },
    by: Principal,
  ): Promise<ErasureOutcome>

  /**
   * Destroys the payload of every record that need not be kept any longer, of all tenants. Safe to be interrupted.
   * `progress` is told how many records were looked at.
   */
  expire(progress?: (records: number) => void): Promise<readonly Expiry[]>

  /**
   * An evidence file. Showing payloads is recorded before it is given.
   * @throws FORBIDDEN, NOT_FOUND when nothing matches; TOO_LARGE; OVERLOADED when no published head has the records yet
   */
  evidence(request: EvidenceRequest, by: Principal): Promise<Uint8Array>

  /**
   * What the log lists of a request, a session, a person or a record of the caller's tenant, or that it lists nothing:
   * proven, as a cairn-complete-list/v1.
   * @throws FORBIDDEN, MALFORMED unless one is asked for; NOT_FOUND for somebody who is not known, and without entries
   * @throws OVERLOADED while the log cannot commit to its map; as LogService.submit(); CORRUPT, IO, STOPPED
   */
  completeList(asked: ListedBy, by: Principal): Promise<Uint8Array>

  /** The report of the caller's tenant on a month: `2026-11`. @throws FORBIDDEN, MALFORMED */
  report(month: string, by: Principal): Promise<Report>

  /** Finishes what was begun. The records stay open. */
  close(): Promise<void>
}
