/**
 * Has heads cosigned by the witnesses of a policy. A round is about one head: it is offered to all witnesses at once
 * and stays until those that answered satisfy the quorum, so that signatures of different witnesses meet on one head.
 * Cosignatures that come later are passed on as well.
 */
import { CairnError } from '../errors.ts'
import type { NoteSignature } from '../formats/note.ts'
import { type Policy, quorumSatisfied } from '../formats/policy.ts'
import { formatVkey } from '../formats/vkey.ts'
import type { Head } from './service.ts'
import {
  type Cosignature,
  type Disagreement,
  type Offer,
  WitnessLink,
  type WitnessLinkOptions,
} from './witness-link.ts'
import type { WitnessPort, WitnessReport } from './witness-port.ts'

export interface WitnessingOptions
  extends Omit<
    WitnessLinkOptions,
    'witness' | 'onCosigned' | 'onSuperseded' | 'onDisagreement' | 'onState'
  > {
  readonly policy: Policy
  readonly witnesses: readonly WitnessPort[]
  /** A head whose quorum is met was cosigned by one more. */
  onLate(round: Round): void
  /** A witness knows what this log does not have. */
  onDisagreement(disagreement: Disagreement): void
  onState?(url: string, reason: string | undefined): void
}

/** One head on its way to the quorum. */
export interface Round extends Offer {
  /**
   * The cosignatures, once they satisfy the quorum; at once when the policy asks for none.
   * Rejects with STOPPED when the log closes, and with CONFLICT when a newer head has to be cosigned instead.
   */
  readonly quorum: Promise<readonly NoteSignature[]>
  /** The cosignatures so far, in the order of the policy. */
  signatures(): NoteSignature[]
}

interface OpenRound extends Round {
  readonly cosignatures: Map<string, Cosignature>
  satisfied: boolean
  resolve(signatures: readonly NoteSignature[]): void
  reject(error: CairnError): void
}

export class Witnessing {
  readonly #options: WitnessingOptions
  readonly #links: readonly WitnessLink[]
  #round: OpenRound | undefined
  #closed = false
  #firstDisagreement: ((found: Disagreement) => void) | undefined

  constructor(options: WitnessingOptions) {
    this.#options = options
    this.#links = options.witnesses.map(
      (witness) =>
        new WitnessLink({
          ...options,
          witness,
          onCosigned: (offer, cosignatures) => this.#gather(offer as OpenRound, cosignatures),
          onSuperseded: (offer) => this.#supersede(offer as OpenRound),
          onDisagreement: (found) => {
            if (this.#firstDisagreement !== undefined) this.#firstDisagreement(found)
            else options.onDisagreement(found)
          },
        }),
    )
  }

  /** Whether a published head needs cosignatures. */
  get required(): boolean {
    return this.#options.policy.quorum !== undefined
  }

  report(): WitnessReport {
    return {
      quorum: this.#options.policy.quorum,
      witnesses: this.#links.map((link) => link.status()),
    }
  }

  /** Offers a head to all witnesses. The round before it, if it is still open, ends with CONFLICT. */
  begin(head: Head): Round {
    this.#round?.reject(new CairnError('CONFLICT', 'a newer head is being cosigned'))
    const round = this.#newRound(head)
    this.#round = round
    if (this.#closed) round.reject(shuttingDown())
    if (!this.required) this.#settle(round)
    for (const link of this.#links) link.offer(round)
    return round
  }

  /**
   * Begins the first round, and waits until every witness has said what it knows, or for so long.
   * Answers why the log must not be written to, when one of them knows something that the log does not have.
   */
  async consult(
    head: Head,
    milliseconds: number,
  ): Promise<{ readonly round: Round; readonly disagreement: Disagreement | undefined }> {
    let disagreement: Disagreement | undefined
    this.#firstDisagreement = (found) => {
      disagreement ??= found
    }
    const answers = Promise.all(this.#links.map((link) => link.settled()))
    const round = this.begin(head)
    // Whoever takes the round on hears of its end; nobody may.
    round.quorum.catch(() => undefined)
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds)
    })
    await Promise.race([answers, deadline])
    clearTimeout(timer)
    this.#firstDisagreement = undefined
    return { round, disagreement }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#round?.reject(shuttingDown())
    await Promise.all(this.#links.map((link) => link.close()))
  }

  #newRound(head: Head): OpenRound {
    const cosignatures = new Map<string, Cosignature>()
    const { policy } = this.#options
    let resolve: OpenRound['resolve'] = () => {}
    let reject: OpenRound['reject'] = () => {}
    const quorum = new Promise<readonly NoteSignature[]>((yes, no) => {
      resolve = yes
      reject = no
    })
    const signatures = (): NoteSignature[] =>
      policy.witnesses.flatMap(({ key }) => cosignatures.get(formatVkey(key))?.line ?? [])
    return { head, quorum, signatures, cosignatures, satisfied: false, resolve, reject }
  }

  #gather(round: OpenRound, cosignatures: readonly Cosignature[]): void {
    for (const one of cosignatures) round.cosignatures.set(formatVkey(one.key), one)
    if (round.satisfied) {
      this.#options.onLate(round)
      return
    }
    const keys = [...round.cosignatures.values()].map(({ key }) => key)
    if (quorumSatisfied(this.#options.policy, keys)) this.#settle(round)
  }

  #settle(round: OpenRound): void {
    round.satisfied = true
    round.resolve(round.signatures())
  }

  #supersede(round: OpenRound): void {
    if (round === this.#round) {
      round.reject(new CairnError('CONFLICT', 'a witness knows a newer head of this log'))
    }
  }
}

function shuttingDown(): CairnError {
  return new CairnError('STOPPED', 'the log is shutting down')
}
