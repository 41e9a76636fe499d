/** What a server of a shared log does while it leads: integrates, has its heads cosigned, and publishes them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, messageOf } from '../errors.ts'
import type { StoredPublication } from '../storage/port.ts'
import type { TileSource } from '../tiles/source.ts'
import type { LogEvent } from './log.ts'
import { Publisher } from './publisher.ts'
import type { Publication } from './service.ts'
import { Integrator, type IntegratorOptions } from './shared-integrator.ts'
import type { Term } from './shared-term.ts'
import type { Disagreement } from './witness-link.ts'
import { startWitnessing, type WitnessOptions } from './witness-options.ts'
import type { Witnessing } from './witnessing.ts'

export interface LeadingOptions extends IntegratorOptions {
  readonly tiles: TileSource
  readonly witnesses: WitnessOptions | undefined
  /** The newest publication that is shown, if there is one, and the time of the newest that was stored. */
  readonly publication: Publication | undefined
  readonly after: number
  /** How long witnesses are asked what they know, before anything is signed. */
  readonly consultMs: number
  readonly publishIntervalMs: number
  readonly renewMs: number
  readonly now: () => number
  readonly onPublished: (publication: Publication) => void
  readonly onDisagreement: (disagreement: Disagreement) => void
  readonly onEvent: (event: LogEvent) => void
  readonly onDatabase: (error: unknown) => void
}

export interface Leading {
  readonly term: Term
  readonly publisher: Publisher
  readonly witnessing: Witnessing | undefined
  /** As Integrator.integrate(), and after a failure from the newest stored head on. */
  integrate(): Promise<number>
  /** Publishes what is not published yet, and stops. The term must last. */
  close(): Promise<void>
  /** Stops at once. */
  abandon(): void
}

const HURRIED_INTERVAL_MS = 25
const PAUSE_MS = 100

/**
 * Begins to lead. Witnesses are asked before anything is signed: what they have seen may be newer than the database.
 * Answers undefined when one of them disagrees, which was told then.
 * @throws as Replica.follow()
 */
export async function beginLeading(options: LeadingOptions): Promise<Leading | undefined> {
  const { term, replica, signer, witnesses, onEvent } = options
  const witnessing =
    witnesses &&
    startWitnessing(witnesses, signer, options.tiles, () => replica.head, {
      now: options.now,
      onLate: (round) => publisher.amend(round),
      onDisagreement: options.onDisagreement,
      onState: (witness, reason) =>
        onEvent(
          reason === undefined
            ? { event: 'witness-ok', witness }
            : { event: 'witness-failing', witness, reason },
        ),
    })
  const publisher: Publisher = new Publisher(options.publication, {
    store: { publish: (publication) => publishDuring(options, publication) },
    signer,
    witnessing,
    now: options.now,
    after: options.after,
    head: () => replica.head,
    intervalMs: options.publishIntervalMs,
    hurriedIntervalMs: witnesses?.hurriedIntervalMs ?? HURRIED_INTERVAL_MS,
    renewMs: options.renewMs,
    onPublished: options.onPublished,
    onError: (error) => {
      const isOver = error instanceof CairnError && error.code === 'STOPPED'
      if (!isOver) onEvent({ event: 'publication-failed', reason: messageOf(error) })
    },
  })
  function abandon(): void {
    publisher.abandon()
    void witnessing?.close()
  }

  const consulted = await witnessing?.consult(replica.head, options.consultMs)
  if (consulted?.disagreement !== undefined) {
    abandon()
    options.onDisagreement(consulted.disagreement)
    return undefined
  }
  if (consulted !== undefined) publisher.adopt(consulted.round)
  let integrator = new Integrator(options)
  let failed = false

  return {
    term,
    publisher,
    witnessing,
    abandon,

    async integrate() {
      if (failed) {
        // What the last attempt has left, here and in the database, is found out and not guessed.
        if (await replica.follow()) publisher.notify()
        integrator = new Integrator(options)
        failed = false
      }
      failed = true
      const grown = await integrator.integrate()
      failed = false
      if (grown > 0) publisher.notify()
      return grown
    },

    async close() {
      await witnessing?.close()
      await publisher.close()
    },
  }
}

/**
 * Stores a publication, and waits for a database that is away as long as the term lasts.
 * @throws STOPPED when the term is over; IO
 */
async function publishDuring(
  { term, onDatabase }: LeadingOptions,
  publication: StoredPublication,
): Promise<void> {
  for (;;) {
    if (!term.lasts()) throw new CairnError('STOPPED', 'the term of this server is over')
    try {
      await term.leader.publish(publication)
      return
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      if (error.code === 'CONFLICT') {
        term.end()
        throw new CairnError('STOPPED', 'another server leads the log', { cause: error })
      }
      if (error.code !== 'UNAVAILABLE') throw error
      onDatabase(error)
      await sleep(PAUSE_MS)
    }
  }
}
