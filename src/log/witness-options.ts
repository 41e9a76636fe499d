/** What a log is told about its witnesses when it opens, and what it makes of that. */
import { utf8 } from '../bytes.ts'
import { openCheckpoint } from '../formats/open-checkpoint.ts'
import { type Policy, quorumSatisfied } from '../formats/policy.ts'
import { EMPTY_ROOT } from '../merkle/hash.ts'
import { consistencyProof, rootFromTiles } from '../tiles/proofs.ts'
import type { TileSource } from '../tiles/source.ts'
import type { Head, Publication } from './service.ts'
import type { LogSigner } from './signer.ts'
import type { VerifyCosignature } from './witness-link.ts'
import type { WitnessPort } from './witness-port.ts'
import { Witnessing, type WitnessingOptions } from './witnessing.ts'

export interface WitnessOptions {
  readonly policy: Policy
  /** Those of the policy's witnesses that can be asked. */
  readonly ports: readonly WitnessPort[]
  /** Least time between two published heads while a submission waits for the quorum. */
  readonly hurriedIntervalMs?: number
  /** How long the log waits, when it opens, for what its witnesses know. */
  readonly consultMs?: number
  readonly verify?: VerifyCosignature
  readonly firstPauseMs?: number
  readonly longestPauseMs?: number
}

/** The log's own part of what its witnesses are asked with: its keys, and proofs from its tiles. */
export function startWitnessing(
  { policy, ports, ...rest }: WitnessOptions,
  signer: LogSigner,
  tiles: TileSource,
  newest: () => Head,
  handlers: Pick<WitnessingOptions, 'now' | 'onLate' | 'onDisagreement' | 'onState'>,
): Witnessing {
  return new Witnessing({
    ...rest,
    ...handlers,
    policy,
    witnesses: ports,
    origin: signer.origin,
    logKeys: [signer.ed25519, signer.mlDsa],
    newest,
    consistencyProof: (first, second) => consistencyProof(tiles, first, second),
    rootAt: async (size) => (size === 0 ? EMPTY_ROOT : rootFromTiles(tiles, size)),
  })
}

/** Whether a stored publication may be shown again: the policy may have come to demand more than it carries. */
export function mayBeShown(
  publication: Publication,
  signer: LogSigner,
  witnesses: WitnessOptions | undefined,
): boolean {
  if (witnesses?.policy.quorum === undefined) return true
  const { policy } = witnesses
  const { cosignatures } = openCheckpoint(
    utf8(publication.checkpoint),
    [signer.ed25519, signer.mlDsa],
    policy.witnesses.map(({ key }) => key),
  )
  return quorumSatisfied(
    policy,
    cosignatures.map(({ key }) => key),
  )
}
