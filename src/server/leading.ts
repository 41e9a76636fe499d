/** What a server of a shared log runs for as long as it leads: records with all that is done with them, gossip, the archive. */
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, messageOf } from '../errors.ts'
import type { Gossip } from '../gossip/runner.ts'
import type { Archiver } from '../log/archive-port.ts'
import type { OpenedRecords } from './records.ts'

export interface TermWork {
  /** `onFailed` is to be told when they do not go on by themselves: they are closed then, and opened anew. */
  openRecords(onFailed: (reason: string) => void): Promise<OpenedRecords>
  /** Undefined when nobody is to be told of heads. */
  openGossip(): Promise<Gossip | undefined>
  /** Begins to archive; undefined without an archive. */
  startArchiver(): Archiver | undefined
  /** Something could not be opened; it is tried again. */
  readonly onFailure: (reason: string) => void
}

/** The work of one term. */
export interface Tenure {
  readonly records: OpenedRecords | undefined
  /** Why there are none, when something is wrong. */
  readonly fault: string | undefined
  readonly gossip: Gossip | undefined
  readonly archiver: Archiver | undefined
  /** The log has published a head. */
  notify(): void
  /** The term is over, or the server is shutting down. Never rejects: what cannot be finished is the next leader's. */
  close(): Promise<void>
}

const RETRY_MS = 1_000
/** How long an archiver may take to finish what it has on its way. */
const PARTING_MS = 3_000

/** Opens everything, in the background. */
export function beginTenure(work: TermWork): Tenure {
  const { openRecords, openGossip, onFailure } = work
  const archiver = work.startArchiver()
  let records: OpenedRecords | undefined
  let fault: string | undefined
  let gossip: Gossip | undefined
  const closing = new AbortController()

  const pause = (): Promise<void> =>
    sleep(RETRY_MS, undefined, { signal: closing.signal }).catch(() => undefined)

  async function open(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        gossip ??= await openGossip()
        records = await openWorking()
        fault = undefined
        return
      } catch (error) {
        // What a term was too short for is no news.
        if (closing.signal.aborted) return
        fault = messageOf(error)
        onFailure(fault)
        await pause()
      }
    }
  }
  let opening = open()

  /** Records that have not failed by the time they are open. */
  async function openWorking(): Promise<OpenedRecords> {
    let opened: OpenedRecords | undefined
    let failure: string | undefined
    opened = await openRecords((reason) => {
      failure ??= reason
      const isInUse = opened !== undefined && records === opened
      if (isInUse && !closing.signal.aborted) replace(opened!, reason)
    })
    if (failure === undefined) return opened
    await opened.close().catch(() => undefined)
    throw new CairnError('UNAVAILABLE', failure)
  }

  /** What a failure has left behind is found out as after a restart. */
  function replace(failed: OpenedRecords, reason: string): void {
    records = undefined
    fault = reason
    const again = async (): Promise<void> => {
      await failed.close().catch(() => undefined)
      await pause()
      await open()
    }
    opening = again()
  }

  return {
    archiver,
    get records() {
      return closing.signal.aborted ? undefined : records
    },
    get fault() {
      return fault
    },
    get gossip() {
      return gossip
    },
    notify() {
      gossip?.notify()
      records?.notify()
    },
    async close() {
      closing.abort()
      await opening
      const archived = archiver?.close().catch(() => undefined)
      // One whose object store does not answer would keep a server that is stopped from handing on its lease.
      await Promise.race([archived, sleep(PARTING_MS, undefined, { ref: false })])
      await gossip?.close().catch(() => undefined)
      await records?.close().catch(() => undefined)
    },
  }
}
