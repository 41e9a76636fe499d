/** In the place of ML-DSA-44 where a bundle is to be small and its verifier asks for no such signature. */
import { CairnError } from '../errors.ts'

function absent(): never {
  throw new CairnError('USAGE', 'this build of the verifier knows Ed25519 only, not ML-DSA-44')
}

export const mlDsaPublicKey: (seed: Uint8Array) => Uint8Array = absent
export const mlDsaSign: (message: Uint8Array, seed: Uint8Array) => Uint8Array = absent
export const mlDsaVerify: (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean = absent
