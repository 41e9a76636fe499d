/** The words in which the verdict on a receipt is given, fit to be read by people who do not know the formats. */
import type { VerifiedCosignature } from '../formats/open-checkpoint.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { formatTypes } from './key-types.ts'

/** Who has signed a tree, and with which keys. */
export function signatureSentence(
  size: number,
  origin: string,
  keys: readonly VerifierKey[],
): string {
  return `${origin} has signed its tree of ${size} ${size === 1 ? 'entry' : 'entries'} with the ${keyWords(keys)}`
}

/** `Ed25519 key c0fdbb3f and the ML-DSA-44 key 33a10b2c`: an article or pronoun goes before it. */
export function keyWords(keys: readonly VerifierKey[]): string {
  return keys.map((key) => `${formatTypes([key])} key ${key.keyId}`).join(' and the ')
}

/** Where the leaf is. */
export function inclusionSentence(index: number, size: number, origin: string): string {
  return `the leaf is entry ${index} of the ${size} in ${origin}'s tree (the first is entry 0)`
}

/** What it means that an inclusion proof does not hold. */
export function notIncluded(index: number, size: number, origin: string): string {
  return `the leaf is not shown to be entry ${index} of the ${size} in ${origin}'s tree`
}

/** Which witness has cosigned, and when. */
export function cosignatureWords({ key, timestamp }: VerifiedCosignature): string {
  // Beyond the year 275760 there is no Date.
  if (timestamp === 0 || timestamp > 8.64e12) return key.name
  return `${key.name} at ${new Date(timestamp * 1000).toISOString().replace('.000', '')}`
}

/** Details quote what strangers wrote: no characters that steer a terminal or reorder text, and no novels. */
export function printable(detail: string): string {
  const plain = detail.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\uFFFD')
  return plain.length <= 2000 ? plain : `${plain.slice(0, 2000)}\u2026`
}
