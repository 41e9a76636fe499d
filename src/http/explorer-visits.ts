/** Who looks at a page of the explorer, and what they may see: no more than they could ask the API for. */
import { isAllowed, type Principal } from '../compliance/principal.ts'
import type { ReadRecord } from '../compliance/service.ts'
import { CairnError } from '../errors.ts'
import { verifyDisclosures } from '../formats/record-rebuild.ts'
import { UUID_V7 } from '../formats/record-values.ts'
import type { LogService } from '../log/service.ts'
import { leafIndex } from '../merkle/position.ts'
import type { ShownPayload } from '../reports/record-stages.ts'
import type { EntryContent } from '../web/explorer/entry-page.tsx'
import type { Frame } from '../web/explorer/page.tsx'
import type { HeaderFields } from './admission.ts'
import type { Authenticate, EntryAccess } from './authenticate.ts'
import type { ExplorerSessions } from './explorer-sessions.ts'
import { recordIn } from './explorer-view.ts'
import type { LogHistory } from './log-history.ts'
import type { HostedRecords } from './record-submission.ts'

const MAX_TOKEN_SIZE = 8_192

export interface ExplorerOptions {
  readonly log: LogService
  readonly authenticate: Authenticate
  /** Who may read entries. */
  readonly access: EntryAccess
  readonly records: HostedRecords | undefined
  /** What the log did lately, where somebody keeps it. */
  readonly history: LogHistory | undefined
  readonly prefix: string
  /** Where the page is that verifies what the log gave out. */
  readonly verifier?: string
}

export type FrameOptions = Pick<ExplorerOptions, 'log' | 'records' | 'prefix' | 'verifier'>

/** Somebody who looks at a page. */
export interface Visit {
  readonly by: Principal | undefined
  readonly mayReadEntries: boolean
  readonly frame: Frame
}

export interface Visits {
  of(headers: HeaderFields): Promise<Visit>
  frame(by: Principal | undefined): Frame
  /** Why a token is none; undefined when it is somebody's. */
  faultOf(token: string): Promise<string | undefined>
  /** What somebody may see of an entry that the log has. @throws CORRUPT, IO */
  content(
    visit: Visit,
    index: number,
    grant: string | undefined,
  ): Promise<{ readonly content: EntryContent; readonly refusedGrant?: string }>
}

/** What the pages of a log say to somebody, or to anybody. */
export function frameOf(
  { log, records, prefix, verifier }: FrameOptions,
  by?: Principal | undefined,
): Frame {
  return {
    origin: log.origin,
    prefix,
    now: Date.now(),
    keepsRecords: records !== undefined,
    ...(verifier !== undefined && { verifier }),
    ...(by !== undefined && { person: by.name }),
  }
}

/** The visits to the pages of a log. */
export function visitsTo(options: ExplorerOptions, sessions: ExplorerSessions): Visits {
  const { log, authenticate, access, records } = options
  const frame = (by: Principal | undefined): Frame => frameOf(options, by)
  return {
    frame,
    async of(headers) {
      const authorization = sessions.authorization(headers)
      // A token that was revoked or has expired since ends the session.
      const by = authorization && (await recognised(authenticate, authorization))
      return {
        by: by || undefined,
        mayReadEntries: await mayRead(access, by ? authorization : undefined),
        frame: frame(by || undefined),
      }
    },
    async faultOf(token) {
      if (token.length > MAX_TOKEN_SIZE || !/^[\x21-\x7e]+$/.test(token)) {
        return 'That is no token: it has other characters than a token has, or none.'
      }
      try {
        return (await authenticate(`Bearer ${token}`)) === undefined
          ? 'The token is not one that is known here.'
          : undefined
      } catch (error) {
        if (error instanceof CairnError && error.code === 'UNAUTHORIZED') return error.message
        throw error
      }
    },
    async content({ by, mayReadEntries }, index, grant) {
      const leaf = await log.entry(leafIndex(index))
      if (leaf === undefined) throw new CairnError('IO', `the log does not have entry ${index}`)
      const record = recordIn(leaf)
      const isOwn =
        records !== undefined &&
        record !== undefined &&
        by?.tenant === record.tenant &&
        isAllowed(by, 'read')
      if (isOwn) {
        const { read, refusedGrant } = await readOwn(records, index, by, grant)
        return {
          content: {
            kind: 'record',
            record,
            leaf,
            mayAsk: isAllowed(by, 'read-payloads'),
            ...payloadOf(read),
          },
          ...(refusedGrant !== undefined && { refusedGrant }),
        }
      }
      if (!mayReadEntries) return { content: closedTo(by) }
      const content: EntryContent =
        record === undefined
          ? { kind: 'bytes', leaf }
          : { kind: 'record', record, leaf, mayAsk: false }
      return { content }
    },
  }
}

/** As `authenticate`, where the reason why somebody is not known is of no use. */
async function recognised(
  authenticate: Authenticate,
  authorization: string,
): Promise<Principal | undefined> {
  try {
    return await authenticate(authorization)
  } catch (error) {
    if (error instanceof CairnError && error.code === 'UNAUTHORIZED') return undefined
    throw error
  }
}

async function mayRead(access: EntryAccess, authorization: string | undefined): Promise<boolean> {
  try {
    return (await access.refusal(authorization)) === undefined
  } catch (error) {
    if (error instanceof CairnError && error.code === 'FORBIDDEN') return false
    throw error
  }
}

function closedTo(by: Principal | undefined): EntryContent {
  return by === undefined
    ? {
        kind: 'closed',
        why: 'The entries of this log are not for everyone. Their hashes and receipts are.',
        signIn: true,
      }
    : {
        kind: 'closed',
        why: `This entry is not for ${by.name}. Its hash and receipt are.`,
        signIn: false,
      }
}

/** A record of somebody's own tenant, under a grant if that serves. */
async function readOwn(
  { compliance }: HostedRecords,
  index: number,
  by: Principal,
  grant: string | undefined,
): Promise<{ readonly read: ReadRecord; readonly refusedGrant?: string }> {
  const at = leafIndex(index)
  if (grant === undefined) return { read: await compliance.read(at, by) }
  const refused = async (refusedGrant: string) => ({
    read: await compliance.read(at, by),
    refusedGrant,
  })
  const asked = grant.trim()
  if (!UUID_V7.holds(asked)) return refused('that is not the id of a grant')
  try {
    return { read: await compliance.read(at, by, asked) }
  } catch (error) {
    const isRefusal = error instanceof CairnError && ['FORBIDDEN', 'NOT_FOUND'].includes(error.code)
    if (!isRefusal) throw error
    return refused(error.message)
  }
}

/** @throws CORRUPT when what the vault has is not what the record commits to */
function payloadOf({ record, disclosures }: ReadRecord): { payload?: ShownPayload } {
  if (disclosures === undefined) return {}
  if (disclosures === 'erased') return { payload: { state: 'erased' } }
  const { held, foreign } = verifyDisclosures(record, disclosures)
  if (foreign.length > 0) {
    const message = `what the vault has of record ${record.id} is not what the record commits to`
    throw new CairnError('CORRUPT', message)
  }
  return { payload: { state: 'shown', disclosures: held } }
}
