/**
 * A client of the records of a Cairn log, for Node and browsers: submit what an AI system did, find it again, read it
 * under a grant, and do what the law asks for. Which of this a token allows is the log's to say (docs/access.md).
 */
import { equal, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf, verificationFailed } from '../errors.ts'
import { MAX_COMPLETE_LIST_SIZE, parseCompleteList } from '../formats/complete-list.ts'
import type { MapTerm } from '../formats/completeness-terms.ts'
import { MAX_EVIDENCE_SIZE } from '../formats/evidence.ts'
import type { EvidenceQuery } from '../formats/evidence-manifest.ts'
import { PSEUDONYM } from '../formats/record-values.ts'
import { hashLeaf, type LeafHash } from '../merkle/hash.ts'
import { leafIndex } from '../merkle/position.ts'
import type { CallOptions } from './log-client.ts'
import type { Members } from './read-answer.ts'
import {
  answerOf,
  type Erasure,
  type ErasurePage,
  erasureOf,
  erasurePage,
  type FoundRecord,
  type Grant,
  type GrantPage,
  grantOf,
  grantPage,
  type Hold,
  type HoldPage,
  holdOf,
  holdPage,
  type RecordPage,
  type RecordReading,
  recordPage,
  recordReading,
} from './record-answers.ts'
import { createRequester, type HttpRequest, type RequesterOptions } from './request.ts'
import { type RecordSubmitter, recordSubmitter } from './submit-records.ts'

/** What to look for: records that have all of this. People by their names or their pseudonyms, times as RFC 3339. */
export interface RecordSearch extends Omit<EvidenceQuery, 'trace_id'> {
  /** By default 'newest'. */
  readonly order?: 'newest' | 'oldest' | 'costliest' | 'cheapest'
  /** Records on a page, 1 to 1,000; 50 when left out. */
  readonly limit?: number
  /** Goes on where the page ended that this came with. */
  readonly cursor?: string
}

export interface ReadOptions extends CallOptions {
  /** The id of a grant under which the payload is shown. */
  readonly grant?: string
}

export interface PageOptions extends CallOptions {
  /** How many on a page, 1 to 1,000; 50 when left out. */
  readonly limit?: number
  /** Goes on where the page ended that this came with. */
  readonly cursor?: string
}

export interface GrantToRequest {
  readonly purpose: string
  /** Where the request is discussed: a ticket, a case number. */
  readonly ticket: string
  /** The records whose payloads are to be read; at least one member. */
  readonly scope: EvidenceQuery
  /** How long it is to last once it is approved: 1 to 1,440; 60 when left out. */
  readonly minutes?: number
}

export interface HoldToPlace {
  /** Short, and unique among the active holds: `acme-v-smith`. */
  readonly name: string
  readonly reason: string
  readonly scope: EvidenceQuery
}

export interface EvidenceToMake {
  readonly scope: EvidenceQuery
  readonly purpose?: string
  /** The id of a grant under which payloads are shown; without one none are. */
  readonly grant?: string
}

/** What the log lists records by: exactly one of these; people by their names or their pseudonyms. */
export interface ListedBy
  extends Pick<EvidenceQuery, 'request_id' | 'session_id' | 'subject' | 'actor'> {
  /** Of a record: itself, and those that correct it. */
  readonly id?: string
}

export interface EvidenceOptions extends CallOptions {
  /** Told how many bytes of the file have come. */
  readonly onBytes?: (bytes: number) => void
}

export interface RecordsClient extends RecordSubmitter {
  /** A page of records. @throws UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  search(query?: RecordSearch, options?: CallOptions): Promise<RecordPage>

  /** All records that match, page after page; `limit` is of a page. @throws as search */
  searchAll(query?: RecordSearch, options?: CallOptions): AsyncGenerator<FoundRecord>

  /**
   * A record, and under a grant its payload: reading that is itself recorded. That the record has its leaf hash, and
   * commits to what is shown, is checked here.
   * @throws NOT_FOUND, UNAUTHORIZED, FORBIDDEN, IO; VERIFICATION_FAILED
   */
  read(index: number, options?: ReadOptions): Promise<RecordReading>

  /** The bytes of a record in the log, whose leaf hash is `leafHash`. @throws as read */
  leaf(index: number, leafHash: LeafHash, options?: CallOptions): Promise<Uint8Array>

  /**
   * Destroys all that is kept of a person, by name or pseudonym. No proof and no receipt is touched by it.
   * @throws NOT_FOUND when nobody is known by that name; HELD with the names of the holds; UNAUTHORIZED, FORBIDDEN, IO
   */
  erase(
    request: { readonly subject: string; readonly basis: string },
    options?: CallOptions,
  ): Promise<Erasure>
  /** The erasures that the log has recorded, a page. @throws UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  erasures(options?: PageOptions): Promise<ErasurePage>

  /** @throws CONFLICT when an active hold has the name; UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  placeHold(request: HoldToPlace, options?: CallOptions): Promise<Hold>
  /** `hold` is an id, or the name of an active hold. @throws NOT_FOUND; CONFLICT when it was lifted; as placeHold */
  liftHold(hold: string, reason: string, options?: CallOptions): Promise<Hold>
  /** All that were placed, a page. @throws UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  holds(options?: PageOptions): Promise<HoldPage>

  /** Asks for a grant, which somebody else has to approve. @throws UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  requestGrant(request: GrantToRequest, options?: CallOptions): Promise<Grant>
  /** @throws FORBIDDEN also to whoever asked for it; NOT_FOUND; CONFLICT unless it is requested; UNAUTHORIZED, IO */
  decideGrant(id: string, decision: 'approve' | 'refuse', options?: CallOptions): Promise<Grant>
  /** Ends a grant. @throws NOT_FOUND; CONFLICT when it is over; UNAUTHORIZED, FORBIDDEN, IO */
  revokeGrant(id: string, options?: CallOptions): Promise<Grant>
  /** All that were asked for, a page. @throws UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  grants(options?: PageOptions): Promise<GrantPage>
  /** @throws NOT_FOUND, UNAUTHORIZED, FORBIDDEN, IO */
  grant(id: string, options?: CallOptions): Promise<Grant>

  /**
   * An evidence file: every record that matches with its proof, and the payloads that a grant allows. Not verified here.
   * @throws NOT_FOUND when nothing matches; UNAUTHORIZED, FORBIDDEN, MALFORMED, TOO_LARGE, OVERLOADED, IO
   */
  evidence(request: EvidenceToMake, options?: EvidenceOptions): Promise<Uint8Array>

  /**
   * The proof of all entries that the log lists of a request, a session, a person or a record, or that it lists none: a
   * file for `verifyCompleteList`. Not verified here, but that it is about what was asked for; whether a pseudonym is that of
   * a name, only the log can tell.
   * @throws VERIFICATION_FAILED when it is about something else; MALFORMED unless one is asked for; NOT_FOUND for somebody who is not known; UNAUTHORIZED, FORBIDDEN,
   *   OVERLOADED, READ_ONLY, IO
   */
  completeList(asked: ListedBy, options?: CallOptions): Promise<Uint8Array>

  /** The report on a month, `2026-11`, as JSON or as a page. @throws UNAUTHORIZED, FORBIDDEN, MALFORMED, IO */
  report(month: string, format: 'json' | 'html', options?: CallOptions): Promise<Uint8Array>
}

const MAX_ANSWER_SIZE = 64 * 1024
/** A record, and a payload of 8 MiB once as JSON and once as disclosures. */
const MAX_READING_SIZE = 32 * 1024 * 1024
const MAX_LIST_SIZE = 64 * 1024 * 1024
const MAX_LEAF_SIZE = 65_535
const MAX_REPORT_SIZE = 64 * 1024 * 1024

const JSON_TYPE = 'application/json'

/** A client of the records of the log at `options.url`. @throws USAGE when that is not an http or https address */
export function createRecordsClient(options: RequesterOptions): RecordsClient {
  const request = createRequester(options)

  const get = async <T>(
    path: string,
    read: (value: Members) => T,
    { signal }: CallOptions,
    limit = MAX_LIST_SIZE,
  ): Promise<T> => answerOf(await request({ path, limit, signal }), read)

  /** What changes something, and is not safe to repeat. */
  const post = async <T>(
    path: string,
    body: unknown,
    read: (value: Members) => T,
    { signal }: CallOptions,
  ): Promise<T> => {
    const sent = body === undefined ? {} : jsonBody(body)
    const answer = await request({
      method: 'POST',
      path,
      ...sent,
      limit: MAX_ANSWER_SIZE,
      once: true,
      signal,
    })
    return answerOf(answer, read)
  }

  const search: RecordsClient['search'] = (query = {}, options = {}) =>
    get(`v1/records${queryOf(query)}`, recordPage, options)

  return {
    ...recordSubmitter(request),

    search,

    async *searchAll(query = {}, options = {}) {
      let cursor = query.cursor
      do {
        const page = await search({ ...query, ...(cursor !== undefined && { cursor }) }, options)
        yield* page.records
        cursor = page.cursor
      } while (cursor !== undefined)
    },

    async read(index, { grant, signal } = {}) {
      const path = `v1/records/${leafIndex(index)}${queryOf({ grant })}`
      const reading = await get(
        path,
        recordReading,
        { ...(signal && { signal }) },
        MAX_READING_SIZE,
      )
      if (reading.index === index) return reading
      throw verificationFailed(`the log answered with entry ${reading.index}, not ${index}`)
    },

    async leaf(index, leafHash, { signal } = {}) {
      const path = `v1/records/${leafIndex(index)}/leaf`
      const leaf = await request({ path, limit: MAX_LEAF_SIZE, signal })
      if (equal(hashLeaf(leaf), leafHash)) return leaf
      throw verificationFailed(
        `entry ${index} of the log does not have the leaf hash ${toHex(leafHash)}`,
      )
    },

    erase: ({ subject, basis }, options = {}) =>
      post('v1/erasures', { subject, basis }, erasureOf, options),

    erasures: ({ limit, cursor, ...options } = {}) =>
      get(`v1/erasures${queryOf({ limit, cursor })}`, erasurePage, options),

    placeHold: ({ name, reason, scope }, options = {}) =>
      post('v1/holds', { name, reason, scope }, holdOf, options),

    liftHold: async (hold, reason, options = {}) =>
      post(`v1/holds/${segment(hold)}/lift`, { reason }, holdOf, options),

    holds: ({ limit, cursor, ...options } = {}) =>
      get(`v1/holds${queryOf({ limit, cursor })}`, holdPage, options),

    requestGrant: ({ purpose, ticket, scope, minutes }, options = {}) =>
      post('v1/grants', { purpose, ticket, scope, minutes }, grantOf, options),

    decideGrant: async (id, decision, options = {}) =>
      post(`v1/grants/${segment(id)}/${decision}`, undefined, grantOf, options),

    revokeGrant: async (id, options = {}) =>
      post(`v1/grants/${segment(id)}/revoke`, undefined, grantOf, options),

    grants: ({ limit, cursor, ...options } = {}) =>
      get(`v1/grants${queryOf({ limit, cursor })}`, grantPage, options),

    grant: async (id, options = {}) => get(`v1/grants/${segment(id)}`, grantOf, options),

    evidence: ({ scope, purpose, grant }, { signal, onBytes } = {}) =>
      request({
        method: 'POST',
        path: 'v1/evidence',
        ...jsonBody({ scope, purpose, grant }),
        limit: MAX_EVIDENCE_SIZE,
        onBytes,
        signal,
      }),

    async completeList({ request_id, session_id, subject, actor, id }, { signal } = {}) {
      const asked = { request_id, session_id, subject, actor, id }
      const path = `v1/completeness${queryOf(asked)}`
      const file = await request({ path, limit: MAX_COMPLETE_LIST_SIZE, signal })
      mustBeAbout(file, asked)
      return file
    },

    async report(month, format, { signal } = {}) {
      const accept = format === 'html' ? 'text/html' : JSON_TYPE
      const path = `v1/reports/${segment(month)}`
      return request({ path, headers: { accept }, limit: MAX_REPORT_SIZE, signal })
    },
  }
}

function jsonBody(value: unknown): Pick<HttpRequest, 'headers' | 'body'> {
  return { headers: { 'content-type': JSON_TYPE }, body: utf8(JSON.stringify(value)) }
}

/** @throws VERIFICATION_FAILED when the list is of something else; IO when it is none */
function mustBeAbout(
  file: Uint8Array,
  asked: { readonly [Name in keyof ListedBy]-?: string | undefined },
): void {
  let term: MapTerm
  try {
    term = parseCompleteList(file).proof.term
  } catch (cause) {
    throw new CairnError('IO', `what the log sent is no complete list: ${messageOf(cause)}`, {
      cause,
    })
  }
  const { request_id, session_id, subject, actor, id } = asked
  const values = { request: request_id, session: session_id, subject, actor, record: id }
  const wanted = values[term.field]
  const isPerson = term.field === 'subject' || term.field === 'actor'
  const isByName = isPerson && wanted !== undefined && !PSEUDONYM.holds(wanted)
  if (wanted === term.value || isByName) return
  throw verificationFailed(
    `the log answered with the list of ${term.field} ${term.value}, which was not asked for`,
  )
}

/** A part of a path. @throws MALFORMED for what would be another path */
function segment(text: string): string {
  if (!/^\.{0,2}$/.test(text)) return encodeURIComponent(text)
  throw malformed(`'${text}' is neither an id nor a name`)
}

/** The query of an address; empty when nothing is asked for. */
function queryOf(members: object): string {
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  const query = given.map(([name, value]) => `${name}=${encodeURIComponent(decimal(value))}`)
  return query.length === 0 ? '' : `?${query.join('&')}`
}

/** As text; a small number has no exponent. */
function decimal(value: unknown): string {
  const text = String(value)
  return typeof value === 'number' && text.includes('e-') ? value.toFixed(15) : text
}
