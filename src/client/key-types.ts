/** The names of signature types as people know them. */
import type { SignatureType, VerifierKey } from '../formats/vkey.ts'

const NAMES: Readonly<Record<SignatureType, string>> = {
  ed25519: 'Ed25519',
  'ed25519-cosignature': 'Ed25519',
  'ml-dsa-44': 'ML-DSA-44',
}

/** `Ed25519 and ML-DSA-44` for the keys that made two signatures. */
export function formatTypes(keys: readonly VerifierKey[]): string {
  return [...new Set(keys.map((key) => NAMES[key.type]))].join(' and ')
}
