/** What the witnesses of a log know of it, before a copy of it may go on: as a log that opens asks, without its keys. */
import { mlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { quorumSatisfied } from '../formats/policy.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import type { Head } from '../log/service.ts'
import { storedTiles } from '../log/stored-tiles.ts'
import { Witnessing } from '../log/witnessing.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import type { LogStore } from '../storage/port.ts'
import { consistencyProof, rootFromTiles } from '../tiles/proofs.ts'
import { type PolicyFile, witnessesOf } from './witnesses.ts'

/** How long all of them together have to answer. */
const PATIENCE_MS = 15_000

export interface WhatWitnessesSay {
  /** Why the copy must not go on: one of them knows a later head, or another tree. */
  readonly disagreement: string | undefined
  /** Whether so many have agreed that the rest cannot have cosigned a later published head among themselves. */
  readonly isEnough: boolean
  /** Those that agreed, and those that gave no answer, with the reason. */
  readonly agreed: readonly string[]
  readonly silent: readonly { readonly url: string; readonly reason: string }[]
}

/** Offers a head to all witnesses of a policy. @throws USAGE when the policy is another log's */
export async function askWitnesses(
  policy: PolicyFile,
  vkeys: readonly VerifierKey[],
  head: Head,
  store: LogStore,
): Promise<WhatWitnessesSay> {
  const mlDsa = mlDsaThread()
  const tiles = storedTiles(store)
  const options = witnessesOf(policy, {
    logKeys: vkeys,
    hurriedIntervalMs: 0,
    timeoutMs: PATIENCE_MS,
    mlDsa,
  })
  const witnessing = new Witnessing({
    policy: options.policy,
    witnesses: options.ports,
    ...(options.verify && { verify: options.verify }),
    origin: vkeys[0]!.name,
    logKeys: vkeys,
    now: Date.now,
    newest: () => head,
    consistencyProof: (first, second) => consistencyProof(tiles, first, second),
    rootAt: async (size) => (size === 0 ? EMPTY_ROOT : rootFromTiles(tiles, size)),
    onLate: () => undefined,
    onDisagreement: () => undefined,
  })
  try {
    const { disagreement } = await witnessing.consult(head, PATIENCE_MS)
    const { witnesses } = witnessing.report()
    const agreed = witnesses.filter(({ state }) => state === 'cosigning')
    const urls = new Set(agreed.map(({ url }) => url))
    const silent = witnesses.filter(({ url }) => !urls.has(url))
    const keysOfSilent = policy.policy.witnesses
      .filter(({ url }) => url === undefined || !urls.has(url.replace(/\/+$/, '')))
      .map(({ key }) => key)
    return {
      disagreement: disagreement?.reason,
      // Without a quorum a single one may have cosigned a later head.
      isEnough:
        agreed.length > 0 &&
        (policy.policy.quorum === undefined
          ? keysOfSilent.length === 0
          : !quorumSatisfied(policy.policy, keysOfSilent)),
      agreed: agreed.map(({ url }) => url),
      silent: silent.map(({ url, error }) => ({ url, reason: error ?? 'no answer yet' })),
    }
  } finally {
    await witnessing.close()
    await mlDsa.close()
  }
}
