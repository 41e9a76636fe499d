/** What a running witness has to say: a line for people on a terminal, a JSON object a line for everything else. */
import type { WitnessEvent } from '../witness/witness.ts'
import { describeTokens, type TokenEvent } from './token-file.ts'

export type WitnessServerEvent =
  | {
      readonly event: 'listening'
      readonly url: string
      readonly name: string
      /** The verifier keys to give away, Ed25519 first. */
      readonly vkeys: readonly string[]
      /** What a log's operator takes over: a tlog-policy that requires this witness. */
      readonly policy: string
      /** The same with the Ed25519 key alone. */
      readonly shortPolicy: string
      /** Whether that names an address that only this machine has a use for. */
      readonly local: boolean
      readonly data: string
      readonly vkeyFile: string
      readonly policyFile: string
      readonly tokenFile: string
      readonly logs: number
      readonly signSubtree: boolean
    }
  | { readonly event: 'keys-created'; readonly file: string }
  | { readonly event: 'keys-exposed'; readonly file: string }
  | { readonly event: 'error'; readonly message: string }
  | { readonly event: 'closing' }
  | { readonly event: 'closed' }
  | TokenEvent
  | WitnessEvent

export type OnWitnessEvent = (event: WitnessServerEvent) => void

/** An event in words. */
export function describeWitness(event: WitnessServerEvent): string {
  switch (event.event) {
    case 'listening':
      return [
        `the witness ${event.name} listens at ${event.url} (${event.logs} logs)`,
        `  verifier keys: ${event.vkeyFile}`,
        `  policy: ${event.policyFile}`,
        `  access token: ${event.tokenFile}`,
      ].join('\n')
    case 'keys-created':
      return `new keys in ${event.file}; keep a copy of it in a safe place`
    case 'keys-exposed':
      return `other users can read ${event.file}; make it private with chmod 600`
    case 'error':
      return `error: ${event.message}`
    case 'closing':
      return 'finishing what was accepted'
    case 'closed':
      return 'stopped'
    case 'tokens-elsewhere':
    case 'tokens-changed':
    case 'tokens-damaged':
      return describeTokens(event)
    case 'conflict':
      return event.kind === 'split-view'
        ? `SPLIT VIEW: ${event.origin} has signed two heads that contradict each other; kept as conflict ${event.id}`
        : `${event.origin}: a head that was not proven to extend the last one is kept as conflict ${event.id}`
    case 'witness-stopped':
      return `nothing is cosigned any more: ${event.reason}`
  }
}
