/** What a log has published since it was saved, as a mirror or its bucket shows it: entries and a head, and no payloads. */
import { createLogClient } from '../client/log-client.ts'
import { CairnError } from '../errors.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { copyTree, treeOf } from '../log/copy-tree.ts'
import type { TreeSize } from '../merkle/position.ts'
import type { LogStore, StoredHead } from '../storage/port.ts'
import type { TileSource } from '../tiles/source.ts'

export interface CatchUpFrom {
  /** Of any tlog-tiles log. */
  readonly url: string
  readonly token?: string | undefined
  readonly onRetry?: (reason: string) => void
}

/** A head that is signed by the log, and what it is the head of. */
export interface LaterLog {
  readonly url: string
  readonly head: StoredHead
  readonly source: TileSource
}

/**
 * The log at an address, when it shows more leaves than `size`.
 * @throws VERIFICATION_FAILED when its head is not signed by these keys; NOT_FOUND, UNAVAILABLE, IO; the signal's reason
 */
export async function laterLog(
  { url, token, onRetry }: CatchUpFrom,
  vkeys: readonly VerifierKey[],
  size: TreeSize,
  signal?: AbortSignal,
): Promise<LaterLog | undefined> {
  const client = createLogClient({ url, ...(token && { token }), ...(onRetry && { onRetry }) })
  const call = signal ? { signal } : {}
  const bytes = await client.checkpoint(call)
  const { checkpoint } = openCheckpoint(bytes, vkeys)
  if (checkpoint.size <= size) return undefined
  const head = { size: checkpoint.size, root: checkpoint.root, checkpoint: bytes }
  return { url, head, source: client.tileSource(call) }
}

/**
 * Goes on in a store that has an earlier head of the log. @throws CORRUPT when that is of another history; as copyTree
 */
export async function catchUp(
  store: LogStore,
  { url, head, source }: LaterLog,
  progress: (leaves: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await copyTree({
      from: treeOf(source, head.size),
      head,
      to: store,
      progress,
      ...(signal && { signal }),
    })
  } catch (cause) {
    if (!(cause instanceof CairnError) || cause.code !== 'CONFLICT') throw cause
    throw new CairnError(
      'CORRUPT',
      `${url} shows another history of this log than the backup has: both are signed by its keys, so one of them is a fork`,
      { cause },
    )
  }
}
