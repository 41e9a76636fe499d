/** One look at every place that shows heads of a log: its addresses, and its witnesses. */
import { fromUtf8 } from '../bytes.ts'
import type { Requester } from '../client/request.ts'
import type { WitnessClient } from '../client/witness-client.ts'
import { CairnError, messageOf } from '../errors.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import {
  type OpenedCheckpoint,
  openCheckpoint,
  type VerifiedCosignature,
} from '../formats/open-checkpoint.ts'
import type { SignedHead } from '../formats/split-view.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import type { AlertKind, Finding } from './alert.ts'
import type { LogTarget, WitnessTarget } from './target.ts'

/** An address of a log, and how to ask it. */
export interface LogPlace {
  readonly url: string
  readonly request: Requester
}

/** A witness, and how to ask it where it has an address. */
export interface WitnessPlace extends WitnessTarget {
  readonly client?: WitnessClient
}

/** What one place showed. */
export interface Look {
  readonly role: 'log' | 'witness'
  /** An address of the log, or the witness's name. */
  readonly source: string
  /** The head, when the log has signed it, whatever else is wrong with it. */
  readonly head?: SignedHead
  readonly cosignatures: readonly VerifiedCosignature[]
  /** What is wrong. */
  readonly findings: readonly Finding[]
  /** What was looked at and found right. */
  readonly fine: readonly AlertKind[]
}

export interface LookOptions {
  readonly log: LogTarget
  readonly places: readonly LogPlace[]
  readonly witnesses: readonly WitnessPlace[]
  readonly signal: AbortSignal
}

/** Asks all places at once. What goes wrong is in the looks. */
export async function lookAround(options: LookOptions): Promise<Look[]> {
  const { log, places, witnesses, signal } = options
  const keys = witnesses.flatMap((witness) => witness.keys)
  const atLogs = places.map((place) => lookAtLog(place, log, keys, signal))
  const atWitnesses = witnesses
    .filter((witness) => witness.client !== undefined)
    .map((witness) => lookAtWitness(witness, log, keys, signal))
  return Promise.all([...atLogs, ...atWitnesses])
}

async function lookAtLog(
  { url, request }: LogPlace,
  log: LogTarget,
  witnessKeys: readonly VerifierKey[],
  signal: AbortSignal,
): Promise<Look> {
  const look = { role: 'log', source: url, cosignatures: [], fine: [] } as const
  const failed = (kind: AlertKind, message: string, fine: readonly AlertKind[] = []): Look => ({
    ...look,
    findings: [{ kind, source: url, message }],
    fine,
  })
  let bytes: Uint8Array
  try {
    bytes = await request({ path: 'checkpoint', limit: MAX_NOTE_SIZE, signal })
  } catch (error) {
    const { code } = error as CairnError
    const message = `cannot get a checkpoint of ${log.origin}: ${messageOf(error)}`
    return code === 'NOT_FOUND' || code === 'TOO_LARGE'
      ? failed('bad-checkpoint', message, ['unreachable'])
      : failed('unreachable', message)
  }
  const opened = openShown(bytes, log.keys, witnessKeys)
  if (opened.head === undefined) {
    return opened.wellFormed
      ? failed('bad-signature', `${url} shows a head that cannot be trusted: ${opened.problem}`, [
          'unreachable',
          'bad-checkpoint',
        ])
      : failed('bad-checkpoint', `${url} shows no checkpoint: ${opened.problem}`, ['unreachable'])
  }
  const problem = opened.problem && `${url} shows a head with a bad signature: ${opened.problem}`
  return {
    ...look,
    head: opened.head,
    cosignatures: opened.cosignatures,
    findings: problem ? [{ kind: 'bad-signature', source: url, message: problem }] : [],
    fine: ['unreachable', 'bad-checkpoint', ...(problem ? [] : (['bad-signature'] as const))],
  }
}

async function lookAtWitness(
  { name, url, keys, client }: WitnessPlace,
  log: LogTarget,
  witnessKeys: readonly VerifierKey[],
  signal: AbortSignal,
): Promise<Look> {
  const look = { role: 'witness', source: name, cosignatures: [], fine: [], findings: [] } as const
  const failed = (kind: AlertKind, message: string): Look => ({
    ...look,
    findings: [{ kind, source: name, message }],
    fine: kind === 'bad-witness' ? ['witness-unreachable'] : [],
  })
  let bytes: Uint8Array | undefined
  try {
    bytes = await client?.latest(log.origin, signal)
  } catch (error) {
    const message = `cannot ask the witness ${name} about ${log.origin}: ${messageOf(error)}`
    const isAnswer = (error as CairnError).code === 'TOO_LARGE'
    return failed(isAnswer ? 'bad-witness' : 'witness-unreachable', message)
  }
  if (bytes === undefined) return { ...look, fine: ['witness-unreachable', 'bad-witness'] }
  const opened = openShown(bytes, log.keys, witnessKeys)
  const { head, cosignatures } = opened
  const isOwn = cosignatures.some((cosignature) => keys.includes(cosignature.key))
  const problem =
    opened.problem ?? (isOwn ? undefined : `it has no cosignature by a known key of ${name}`)
  const message = `the witness ${name} (${url}) shows a head that cannot be trusted: ${problem}`
  return {
    ...look,
    ...(head && { head }),
    cosignatures,
    findings: problem ? [{ kind: 'bad-witness', source: name, message }] : [],
    fine: problem ? ['witness-unreachable'] : ['witness-unreachable', 'bad-witness'],
  }
}

interface OpenedShown {
  /** There when the log has signed it. */
  readonly head?: SignedHead
  readonly cosignatures: readonly VerifiedCosignature[]
  readonly problem?: string
  /** Whether it is a note with a checkpoint at all. */
  readonly wellFormed: boolean
}

/** A head that the log has signed counts, whatever a witness's signature beside it is worth: the log stands by it. */
function openShown(
  bytes: Uint8Array,
  logKeys: readonly VerifierKey[],
  witnessKeys: readonly VerifierKey[],
): OpenedShown {
  const headOf = ({ checkpoint }: OpenedCheckpoint): SignedHead => ({
    note: fromUtf8(bytes),
    checkpoint,
  })
  let problem: string
  try {
    const opened = openCheckpoint(bytes, logKeys, witnessKeys)
    return { head: headOf(opened), cosignatures: opened.cosignatures, wellFormed: true }
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'USAGE') throw error
    problem = error.message
    if (error.code !== 'VERIFICATION_FAILED') {
      return { cosignatures: [], problem, wellFormed: false }
    }
  }
  try {
    const head = headOf(openCheckpoint(bytes, logKeys))
    return { head, cosignatures: [], problem, wellFormed: true }
  } catch {
    return { cosignatures: [], problem, wellFormed: true }
  }
}
