/** What the layers above see of the records of a log. `records.ts` implements it. */
import type { CairnErrorCode } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import type { RecordLeaf, RecordSource, SubmittedRecord } from '../formats/record.ts'
import type { Head, SubmitOptions } from '../log/service.ts'
import type { LeafHash } from '../merkle/hash.ts'
import type { LeafIndex } from '../merkle/position.ts'
import type { SearchQuery } from '../search/query.ts'
import type { Page } from '../search/search-index.ts'

/** Somebody for whom something is done. */
export interface Caller {
  /** A name that a person knows them by. */
  readonly name: string
  /** The tenant that they belong to. */
  readonly tenant: string
  /** 32 bytes that tell them from all others. */
  readonly identity: Uint8Array
}

/** A record that is durably in the log, its disclosures in the vault. */
export interface AcceptedRecord {
  readonly id: string
  readonly index: LeafIndex
  readonly leafHash: LeafHash
}

export interface AcceptedRecords {
  /** In the order of the submissions. */
  readonly records: readonly AcceptedRecord[]
  /** A committed head that contains all of them. */
  readonly head: Head
}

/** Of some submissions, those that became records and those that did not. */
export interface AcceptedSome {
  /** In the order of the submissions. */
  readonly accepted: readonly AcceptedRecord[]
  readonly rejected: readonly RejectedSubmission[]
}

export interface RejectedSubmission {
  /** Its place among the submissions, from 0. */
  readonly place: number
  readonly reason: string
}

export interface SubmitSomeOptions extends Pick<SubmitOptions, 'idempotencyKey'> {
  /** Characters of the submissions as JSON, about. */
  readonly size: number
}

/** What to look for; people by their names or pseudonyms, resources by their names, which only the vault can look up. */
export interface RecordQuery
  extends Omit<SearchQuery, 'tenant' | 'subject' | 'actor' | 'blind' | 'cursor'> {
  readonly subject?: string
  readonly actor?: string
  readonly resource?: string
  readonly cursor?: string
}

export interface ErasureRequest {
  readonly tenant: string
  /** Whose data to erase, by the name that records were submitted with, or by their pseudonym. */
  readonly subject: string
  /** The legal basis; it must not name anybody. */
  readonly basis: string
  readonly by: Caller
  /**
   * Called with their pseudonym before anything is done, when all records that name them are in the log, and no more
   * can come in; throws to keep them.
   */
  readonly unlessKept?: (pseudonym: string) => Promise<void>
}

export interface ErasureOutcome {
  /** What stands for the person in the log, and leads to nobody any more. */
  readonly pseudonym: string
  /** Records that lost disclosures by it. */
  readonly records: number
  /** The record of the erasure. */
  readonly erasure: AcceptedRecord
}

export type RecordsEvent =
  /** The index follows the log no more; searches answer from what it has. */
  | { readonly event: 'index-failed'; readonly reason: string; readonly code?: CairnErrorCode }
  /** The vault could not be written to: it takes nothing more, and the log no records, until the next start. */
  | { readonly event: 'vault-failed'; readonly reason: string }
  /** Disclosures of a record could not be read; it can be found, but not by its resource. */
  | { readonly event: 'vault-damaged'; readonly id: string; readonly reason: string }
  /** Disclosures whose records were never logged were taken away at the start. */
  | { readonly event: 'withdrawn'; readonly batches: number }
  /** The vault, put back from a backup, still had people whom the log says were erased. */
  | { readonly event: 'erased-again'; readonly people: number }
  /** The clock is behind the newest record; until it catches up, time stands still. */
  | { readonly event: 'clock-behind'; readonly milliseconds: number }
  /** A rule found what may be a secret, and lets it pass. */
  | { readonly event: 'secret-found'; readonly tenant: string; readonly rule: string }

export interface RecordsService {
  /**
   * Records what happened, all or none. Durable in vault and log when it resolves. A retry with the same idempotency key
   * and the same submissions gets the records of the first try.
   * @throws MALFORMED, TOO_LARGE, VERIFICATION_FAILED, FORBIDDEN, which name the record (its place in `submissions`, from 1) and the member
   * @throws CONFLICT when the idempotency key was used for something else; OVERLOADED, DISK_FULL, READ_ONLY, STOPPED, CORRUPT, IO
   */
  submit(
    submissions: readonly Uint8Array[],
    by: Pick<Caller, 'tenant'>,
    options?: Pick<SubmitOptions, 'idempotencyKey'>,
  ): Promise<AcceptedRecords>

  /**
   * Records what can be recorded, all of it or none, and tells what cannot. A retry with the same idempotency key gets
   * the records of the first try. The submissions are as parseSubmission() has read them.
   * @throws CONFLICT when the first try is under way; TOO_LARGE when all of them are; OVERLOADED, DISK_FULL, READ_ONLY,
   *   STOPPED, CORRUPT, IO
   */
  submitSome(
    submissions: readonly SubmittedRecord[],
    by: Pick<Caller, 'tenant'>,
    options: SubmitSomeOptions,
  ): Promise<AcceptedSome>

  /**
   * Makes a record of the log's own: of type access, hold, grant, retention, or an erasure that has no subject, since
   * those are what erase() makes. @throws as submit()
   */
  note(submission: RecordSource, tenant: string): Promise<AcceptedRecord>

  /** A record as it stands in the log. @throws NOT_FOUND for anything that is not a record of this tenant; MALFORMED, IO */
  read(
    index: LeafIndex,
    tenant: string,
  ): Promise<{ readonly record: RecordLeaf; readonly leaf: Uint8Array }>

  /**
   * What opens the commitments of a record: all that is left of it, 'erased' when none is, undefined when the tenant has
   * no such record. @throws MALFORMED, CORRUPT, IO
   */
  disclosures(
    recordId: string,
    tenant: string,
  ): Promise<readonly Disclosure[] | 'erased' | undefined>

  /**
   * A page of a tenant's records: of all that were accepted before, unless the index is more than a second behind, as it
   * is while it is built again; its `size` tells. @throws MALFORMED, CORRUPT, IO, STOPPED
   */
  search(query: RecordQuery, tenant: string): Promise<Page>

  /**
   * Erases a person: first the log says so, then their key and all that leads to them is destroyed, then the index
   * forgets what they were found by. Interrupted after the first step, the rest is done at the next start.
   * @throws NOT_FOUND when nobody is known by that name; what `unlessKept` throws; as submit(), and as Vault.eraseSubject()
   */
  erase(request: ErasureRequest): Promise<ErasureOutcome>

  /**
   * Drops the index and builds it again from the log and the vault; searches find what it has so far.
   * `progress` is told how many of the entries of the log were gone through.
   */
  reindex(progress?: (entries: number, total: number) => void): Promise<void>

  /** Resolves once everything accepted so far can be found. @throws what ended the index */
  settled(): Promise<void>

  /** Finishes what was accepted. The log, the vault and the index stay open. */
  close(): Promise<void>
}
