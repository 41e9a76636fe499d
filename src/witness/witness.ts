/** A witness: the logs that it watches, and its answers about them. */
import { sha256 } from '#sha256'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError } from '../errors.ts'
import { type Checkpoint, parseCheckpoint } from '../formats/checkpoint.ts'
import { parseNote } from '../formats/note.ts'
import { formatVkey } from '../formats/vkey.ts'
import type { StoredConflict, WitnessStore } from '../storage/witness-port.ts'
import { answerCounts } from './answer-counts.ts'
import { knownConflict } from './conflicts.ts'
import { type ConflictCounts, Cosigner } from './cosigner.ts'
import { GroupCommit } from './group-commit.ts'
import { originOf } from './log-keys.ts'
import { LogState } from './log-state.ts'
import { requestGate } from './request-gate.ts'
import type { Conflict, LogHead, WatchedLog, WitnessService } from './service.ts'
import type { WitnessSigner } from './signer.ts'
import { signSubtree } from './subtree-signer.ts'

export type WitnessEvent =
  /** Two heads of a log did not fit, and are kept. */
  | {
      readonly event: 'conflict'
      readonly origin: string
      readonly id: string
      readonly kind: 'split-view' | 'unproven'
    }
  /** Nothing is cosigned any more, because something could not be stored. */
  | { readonly event: 'witness-stopped'; readonly reason: string }

export interface WitnessOptions {
  /** Closed with the witness. */
  readonly store: WitnessStore
  /** Closed with the witness. */
  readonly signer: WitnessSigner
  /** Verifies ML-DSA-44 signatures of logs. Closed with the witness. */
  readonly mlDsa: MlDsaThread
  /** Whether subtrees are signed; needs an ML-DSA-44 key. */
  readonly signSubtrees: boolean
  /** Requests that may wait for their answer before more are refused with OVERLOADED. */
  readonly maxWaiting?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onEvent?: (event: WitnessEvent) => void
}

const REFUSALS = ['malformed', 'too-large', 'unknown-log', 'untrusted', 'inconsistent'] as const

/** About a second's work. */
const DEFAULT_WAITING = 4_096
/** ML-DSA-44 takes four milliseconds a request where Node cannot do it natively. */
const DEFAULT_WAITING_FOR_ML_DSA = 512

/** @throws USAGE when subtrees are to be signed without an ML-DSA-44 key; CORRUPT, NEWER_FORMAT, IO from the store */
export async function openWitness(options: WitnessOptions): Promise<WitnessService> {
  const { store, signer, mlDsa, signSubtrees, now = Date.now, onEvent = () => {} } = options
  if (signSubtrees && signer.mlDsa === undefined) {
    throw new CairnError('USAGE', 'subtrees are signed with an ML-DSA-44 key, and there is none')
  }
  const logs = new Map<string, LogState>()
  for await (const stored of store.logs()) logs.set(hashOf(stored.origin), new LogState(stored))
  const conflicts = await loadConflicts(store, logs)

  const commit = new GroupCommit(store, ({ message }) =>
    onEvent({ event: 'witness-stopped', reason: message }),
  )
  const find = (origin: string): LogState | undefined => logs.get(hashOf(origin))
  const cosigner = new Cosigner({ store, commit, signer, mlDsa, find, conflicts, now, onEvent })
  const requests = requestGate(
    options.maxWaiting ??
      (signer.mlDsa === undefined ? DEFAULT_WAITING : DEFAULT_WAITING_FOR_ML_DSA),
  )
  const answers = answerCounts(['cosigned', 'conflict', ...REFUSALS])
  const subtrees = answerCounts(['signed', ...REFUSALS])
  async function pass<T>(run: () => Promise<T>): Promise<T> {
    // After a failed write nothing is answered that could be taken for what the witness knows.
    if (commit.failure !== undefined) throw commit.failure
    return requests.pass(run)
  }
  let watched = 0
  for (const { isWatched } of logs.values()) if (isWatched) watched++

  /** Sets a log's keys durably; none: it is not watched any more. */
  async function setKeys(log: LogState, vkeys: readonly string[]): Promise<void> {
    await commit.write([{ kind: 'watch', origin: log.origin, vkeys }])
    watched += Number(vkeys.length > 0) - Number(log.isWatched)
    log.vkeys = vkeys
  }

  return {
    vkeys: [signer.ed25519, ...(signer.mlDsa === undefined ? [] : [signer.mlDsa])].map(formatVkey),
    signsSubtrees: signSubtrees,

    addCheckpoint: (body) => answers.count(pass(() => cosigner.addCheckpoint(body))),

    async signSubtree(body) {
      if (!signSubtrees) throw new CairnError('USAGE', 'this witness signs no subtrees')
      const isWatched = (origin: string): boolean => find(origin)?.isWatched ?? false
      return subtrees.count(pass(() => signSubtree(body, { signer, mlDsa, isWatched })))
    },

    async checkpoint(originHash) {
      const log = logs.get(originHash)
      return log?.head === undefined ? undefined : cosigner.checkpoint(log)
    },

    logs: () =>
      [...logs]
        .filter(([, { isWatched }]) => isWatched)
        .map(([originHash, log]) => watchedLog(originHash, log))
        .sort((a, b) => (a.origin < b.origin ? -1 : 1)),

    log(originHash) {
      const log = logs.get(originHash)
      return log?.isWatched ? watchedLog(originHash, log) : undefined
    },

    async watch(keys) {
      const origin = originOf(keys)
      const hash = hashOf(origin)
      const log = logs.get(hash) ?? new LogState({ origin, vkeys: [], head: undefined })
      logs.set(hash, log)
      const vkeys = keys.map(formatVkey)
      await log.inTurn(async () => {
        if (!sameTexts(vkeys, log.vkeys)) await setKeys(log, vkeys)
      })
    },

    async unwatch(origin) {
      const log = find(origin)
      if (log === undefined) return false
      return log.inTurn(async () => {
        if (!log.isWatched) return false
        await setKeys(log, [])
        return true
      })
    },

    async conflicts(origin) {
      const found: Conflict[] = []
      for await (const stored of store.conflicts(origin)) found.push(conflictFrom(stored))
      return found.sort((a, b) => a.seenAt - b.seenAt)
    },

    async conflict(id) {
      const log = ofConflict(logs, id)
      if (log === undefined) return undefined
      for await (const stored of store.conflicts(log.origin)) {
        if (toHex(stored.id) === id) return conflictFrom(stored)
      }
      return undefined
    },

    mode: () =>
      commit.failure === undefined
        ? { mode: 'ready' }
        : { mode: 'stopped', reason: commit.failure.message },

    statistics: () => ({
      logs: watched,
      answers: answers.counts,
      subtrees: subtrees.counts,
      ...commit.statistics,
      waiting: requests.waiting,
      conflicts: cosigner.conflicts,
    }),

    async close() {
      await requests.close()
      await commit.flush()
      await signer.close()
      await mlDsa.close()
      await store.close()
    },
  }
}

/** The name of a log in paths. */
function hashOf(origin: string): string {
  return toHex(sha256(utf8(origin)))
}

/** Tells each log of its conflicts, and how many there are of each kind. */
async function loadConflicts(
  store: WitnessStore,
  logs: ReadonlyMap<string, LogState>,
): Promise<ConflictCounts> {
  const counts = { 'split-view': 0, unproven: 0 }
  for await (const stored of store.conflicts()) {
    const log = logs.get(hashOf(stored.origin))
    if (log === undefined) continue
    const known = knownConflict(stored, checkpointIn(stored.refused))
    log.conflicts = [...log.conflicts, known].sort((a, b) => a.seenAt - b.seenAt)
    counts[stored.kind]++
  }
  return counts
}

function ofConflict(logs: ReadonlyMap<string, LogState>, id: string): LogState | undefined {
  for (const log of logs.values()) if (log.conflicts.some((known) => known.id === id)) return log
  return undefined
}

function checkpointIn(note: Uint8Array): Checkpoint {
  return parseCheckpoint(parseNote(note).text)
}

function headIn(note: Uint8Array): LogHead {
  const { size, root } = checkpointIn(note)
  return { size, root, checkpoint: fromUtf8(note) }
}

function conflictFrom({ id, origin, kind, cosigned, refused, seenAt }: StoredConflict): Conflict {
  return {
    id: toHex(id),
    origin,
    kind,
    cosigned: headIn(cosigned),
    refused: headIn(refused),
    seenAt,
  }
}

function watchedLog(originHash: string, { origin, vkeys, head }: LogState): WatchedLog {
  return { origin, originHash, vkeys, ...(head && { head }) }
}

function sameTexts(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, i) => text === other[i])
}
