/** Builds the search index of a log anew, where nothing else is open. */
import { Follower, type FollowerOptions, type Progress } from './follower.ts'

/**
 * Drops the index and builds it again from the log and the vault. Interrupted, it leaves an index that is behind, and
 * catches up when the log is opened. Carries out the erasures that it meets, where that was not done.
 * @throws CORRUPT, DISK_FULL, IO
 */
export async function reindex(options: FollowerOptions, progress: Progress): Promise<void> {
  const follower = new Follower(options)
  try {
    await follower.rebuild(progress)
  } finally {
    await follower.close()
  }
}
