/** What the vectors share beyond the example log: its ML-DSA-44 key, signing deterministically, and a policy. */
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'
import { parseCheckpoint } from '../../src/formats/checkpoint.ts'
import { mlDsaCosignedMessage, timestampedSignature } from '../../src/formats/cosignature.ts'
import { mlDsaSigningKey, type SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { LEAVES, LOG_KEY, LOG_ML_DSA_SEED, ORIGIN, WITNESS_1, WITNESS_2 } from './example-log.ts'

export const SIZE = LEAVES.length

/** The log's ML-DSA-44 key, signing in the deterministic variant of FIPS 204 whatever the platform does. */
export const ML_DSA_KEY: SigningKey = {
  vkey: mlDsaSigningKey(ORIGIN, LOG_ML_DSA_SEED).vkey,
  sign(text) {
    const message = mlDsaCosignedMessage({
      cosigner: ORIGIN,
      timestamp: 0,
      checkpoint: parseCheckpoint(text),
    })
    const { secretKey } = ml_dsa44.keygen(LOG_ML_DSA_SEED)
    const signature = timestampedSignature(
      0,
      ml_dsa44.sign(message, secretKey, { extraEntropy: false }),
    )
    return { name: ORIGIN, keyId: this.vkey.keyId, signature }
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
