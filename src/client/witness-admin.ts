/** Speaks to a witness for its operator: which logs it watches, and what it keeps of logs that contradict themselves. */
import { utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import {
  arrayOf,
  listOf,
  type Members,
  meaningOf,
  membersOf,
  sizeOf,
  textOf,
  timeOf,
} from './read-answer.ts'
import { createRequester, type RequesterOptions } from './request.ts'
import { originHash } from './witness-client.ts'

/** A log that the witness watches. */
export interface WatchedLog {
  readonly origin: string
  /** SHA-256 of the origin in lowercase hexadecimal: the log's name in paths. */
  readonly originHash: string
  readonly vkeys: readonly string[]
  /** The last head that was cosigned, if any; the root hash is in base64. */
  readonly head?: { readonly size: number; readonly root: string; readonly cosignedAt: Date }
}

export interface WitnessConflict {
  readonly id: string
  readonly origin: string
  /** `split-view`: the two are evidence by themselves; `unproven`: only the log's tiles can tell. */
  readonly kind: 'split-view' | 'unproven'
  readonly cosigned: ConflictingHead
  readonly refused: ConflictingHead
  readonly seenAt: Date
}

export interface ConflictingHead {
  readonly size: number
  /** In base64. */
  readonly root: string
}

/** The two signed notes of a conflict. */
export interface ConflictNotes {
  readonly cosigned: string
  readonly refused: string
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface WitnessAdmin {
  /** All watched logs, sorted by origin. @throws UNAUTHORIZED, IO */
  logs(options?: CallOptions): Promise<readonly WatchedLog[]>
  /** Watches a log by the vkeys that it signs with, or replaces those it has. @throws UNAUTHORIZED, MALFORMED, IO */
  watch(vkeys: readonly string[], options?: CallOptions): Promise<WatchedLog>
  /** Stops watching a log. Resolves to whether it was watched. @throws UNAUTHORIZED, IO */
  unwatch(origin: string, options?: CallOptions): Promise<boolean>
  /** Heads that logs have signed and that did not fit, oldest first. Needs no token. @throws IO */
  conflicts(options?: CallOptions): Promise<readonly WitnessConflict[]>
  /** The heads of one of them. @throws NOT_FOUND, IO */
  notes(id: string, options?: CallOptions): Promise<ConflictNotes>
  /** The evidence file of one that is a split view. @throws NOT_FOUND, IO */
  evidence(id: string, options?: CallOptions): Promise<Uint8Array>
}

/** Room for ten thousand logs with both keys. */
const MAX_LIST_SIZE = 64 * 2 ** 20
const MAX_CONFLICT_SIZE = 1_000_000

/** @throws USAGE when the address is not an http or https one */
export function createWitnessAdmin(options: RequesterOptions): WitnessAdmin {
  const request = createRequester(options, 'a witness')
  const get = async <T>(
    path: string,
    read: (value: Members) => T,
    { signal }: CallOptions,
    limit = MAX_LIST_SIZE,
  ): Promise<T> => meaningOf(await request({ path, limit, signal }), 'a witness', read)

  return {
    logs: (given = {}) => get('v1/logs', ({ logs }) => listOf(logs, watchedLog), given),

    async watch(vkeys, { signal } = {}) {
      const answer = await request({
        method: 'POST',
        path: 'v1/logs',
        headers: { 'content-type': 'application/json' },
        body: utf8(JSON.stringify({ vkeys })),
        limit: MAX_CONFLICT_SIZE,
        signal,
      })
      return meaningOf(answer, 'a witness', watchedLog)
    },

    async unwatch(origin, { signal } = {}) {
      const path = `v1/logs/${originHash(origin)}`
      try {
        await request({ method: 'DELETE', path, limit: MAX_CONFLICT_SIZE, signal })
        return true
      } catch (error) {
        if (error instanceof CairnError && error.code === 'NOT_FOUND') return false
        throw error
      }
    },

    conflicts: (given = {}) =>
      get('v1/conflicts', ({ conflicts }) => listOf(conflicts, conflict), given),

    notes: (id, given = {}) =>
      get(
        `v1/conflicts/${id}`,
        ({ cosigned, refused }) => ({
          cosigned: textOf(membersOf(cosigned).checkpoint),
          refused: textOf(membersOf(refused).checkpoint),
        }),
        given,
        MAX_CONFLICT_SIZE,
      ),

    evidence: (id, { signal } = {}) =>
      request({ path: `v1/conflicts/${id}/split-view`, limit: MAX_CONFLICT_SIZE, signal }),
  }
}

function watchedLog(value: Members): WatchedLog {
  const { origin, origin_hash: hash, vkeys, tree_size: size, root_hash: root, cosigned_at } = value
  return {
    origin: textOf(origin),
    originHash: textOf(hash),
    vkeys: arrayOf(vkeys).map(textOf),
    ...(size !== undefined && {
      head: { size: sizeOf(size), root: textOf(root), cosignedAt: timeOf(cosigned_at) },
    }),
  }
}

function conflict({ id, origin, kind, cosigned, refused, seen_at }: Members): WitnessConflict {
  if (kind !== 'split-view' && kind !== 'unproven') throw malformed('a conflict of no known kind')
  const head = ({ tree_size: size, root_hash: root }: Members): ConflictingHead => ({
    size: sizeOf(size),
    root: textOf(root),
  })
  const named = textOf(id)
  if (!/^[0-9a-f]{32}$/.test(named)) throw malformed('a conflict without an id')
  return {
    id: named,
    origin: textOf(origin),
    kind,
    cosigned: head(membersOf(cosigned)),
    refused: head(membersOf(refused)),
    seenAt: timeOf(seen_at),
  }
}
