/** A signer whose keys are in this process: Ed25519 on the calling thread, ML-DSA-44 beside it. */
import { ed25519PublicKey, ed25519Sign } from '#ed25519'
import { mlDsaPublicKey } from '#ml-dsa'
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError } from '../errors.ts'
import { formatCheckpoint } from '../formats/checkpoint.ts'
import {
  ed25519CosignedMessage,
  mlDsaCosignedMessage,
  mlDsaSubtreeMessage,
  timestampedSignature,
} from '../formats/cosignature.ts'
import type { NoteSignature } from '../formats/note.ts'
import { type VerifierKey, verifierKey } from '../formats/vkey.ts'
import type { WitnessSigner } from './signer.ts'

export interface WitnessKeys {
  /** The witness's name, which is the name of its Ed25519 key. */
  readonly name: string
  /** 32 bytes. */
  readonly ed25519Seed: Uint8Array
  /** 32 bytes; without them there are no ML-DSA-44 cosignatures. */
  readonly mlDsaSeed?: Uint8Array
}

/** What the name of the ML-DSA-44 key adds to the witness's: each name has one key. */
export const ML_DSA_NAME = '/ml-dsa-44'

/** @throws MALFORMED when the name cannot be a key's name, RangeError on a seed that is not 32 bytes long */
export function localWitnessSigner(keys: WitnessKeys, thread: MlDsaThread): WitnessSigner {
  const { name, mlDsaSeed } = keys
  const ed25519Seed = keys.ed25519Seed.slice()
  const ed25519 = verifierKey(name, 'ed25519-cosignature', ed25519PublicKey(ed25519Seed))
  const mlDsa =
    mlDsaSeed === undefined ? undefined : mlDsaCosigner(name + ML_DSA_NAME, mlDsaSeed, thread)
  return {
    ed25519,
    ...(mlDsa && { mlDsa: mlDsa.vkey }),
    async cosign(checkpoint, timestamp) {
      const message = ed25519CosignedMessage(formatCheckpoint(checkpoint), timestamp)
      const signature = signatureOf(ed25519, timestamp, ed25519Sign(message, ed25519Seed))
      if (mlDsa === undefined) return [signature]
      const cosigned = { cosigner: mlDsa.vkey.name, timestamp, checkpoint }
      return [signature, await mlDsa.sign(mlDsaCosignedMessage(cosigned), timestamp)]
    },
    async cosignSubtree(subtree) {
      if (mlDsa === undefined) {
        throw new CairnError(
          'USAGE',
          'subtrees are signed with an ML-DSA-44 key, and there is none',
        )
      }
      return mlDsa.sign(mlDsaSubtreeMessage(mlDsa.vkey.name, subtree), 0)
    },
    async close() {},
  }
}

function mlDsaCosigner(name: string, given: Uint8Array, thread: MlDsaThread) {
  const seed = given.slice()
  const vkey = verifierKey(name, 'ml-dsa-44', mlDsaPublicKey(seed))
  return {
    vkey,
    sign: async (message: Uint8Array, timestamp: number): Promise<NoteSignature> =>
      signatureOf(vkey, timestamp, await thread.sign(message, seed)),
  }
}

function signatureOf(vkey: VerifierKey, timestamp: number, signature: Uint8Array): NoteSignature {
  return {
    name: vkey.name,
    keyId: vkey.keyId,
    signature: timestampedSignature(timestamp, signature),
  }
}
