/** What the vectors share beyond the example log: its ML-DSA-44 key, signing deterministically, and a policy. */
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import {
  mlDsaCosignedMessage,
  mlDsaSubtreeMessage,
  timestampedSignature,
} from '../../src/formats/cosignature.ts'
import {
  type CosigningKey,
  mlDsaSigningKey,
  type SigningKey,
  vkeyOf,
} from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { LEAVES, LOG_KEY, LOG_ML_DSA_SEED, ORIGIN, WITNESS_1, WITNESS_2 } from './example-log.ts'

export const SIZE = LEAVES.length

/** A signature in the deterministic variant of FIPS 204, which any other implementation can make again. */
function signMlDsa(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return ml_dsa44.sign(message, ml_dsa44.keygen(seed).secretKey, { extraEntropy: false })
}

/** The log's ML-DSA-44 key, signing in the deterministic variant of FIPS 204 whatever the platform does. */
export const ML_DSA_KEY: SigningKey = {
  vkey: mlDsaSigningKey(ORIGIN, LOG_ML_DSA_SEED).vkey,
  sign(text) {
    const message = mlDsaCosignedMessage({
      cosigner: ORIGIN,
      timestamp: 0,
      checkpoint: parseCheckpoint(text),
    })
    const signature = timestampedSignature(0, signMlDsa(message, LOG_ML_DSA_SEED))
    return { name: ORIGIN, keyId: this.vkey.keyId, signature }
  },
}

export const WITNESS_ML_DSA_SEED: Uint8Array = new Uint8Array(32).fill(0x77)
/** The ML-DSA-44 key of the first witness, signing deterministically. */
export const WITNESS_ML_DSA: CosigningKey = {
  vkey: vkeyOf({
    name: `${WITNESS_1.vkey.name}/ml-dsa-44`,
    type: 'ml-dsa-44',
    seed: WITNESS_ML_DSA_SEED,
  }),
  cosign(text, timestamp) {
    const { name, keyId } = this.vkey
    const cosigned = { cosigner: name, timestamp, checkpoint: parseCheckpoint(text) }
    const signature = signMlDsa(mlDsaCosignedMessage(cosigned), WITNESS_ML_DSA_SEED)
    return { name, keyId, signature: timestampedSignature(timestamp, signature) }
  },
  cosignSubtree(cosigned) {
    const { name, keyId } = this.vkey
    const signature = signMlDsa(mlDsaSubtreeMessage(name, cosigned), WITNESS_ML_DSA_SEED)
    return { name, keyId, signature: timestampedSignature(0, signature) }
  },
}

/** The two keys with which a log signs what it publishes. */
export const BOTH = { keys: [LOG_KEY, ML_DSA_KEY] }
export const WITNESSED = { ...BOTH, witnesses: [WITNESS_1, WITNESS_2] }

export const POLICY = [
  `log ${formatVkey(LOG_KEY.vkey)}`,
  `witness one ${formatVkey(WITNESS_1.vkey)}`,
  `witness two ${formatVkey(WITNESS_2.vkey)}`,
  'group both all one two',
  'quorum both',
  '',
].join('\n')
