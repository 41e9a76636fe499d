/**
 * Keys that sign notes, and their text form. `PRIVATE+KEY+<name>+<key id>+<base64(type ‖ seed)>` is what Go's note
 * package writes for Ed25519; the other types follow the same pattern. The text is a secret.
 */
import { ed25519PublicKey, ed25519Sign } from '#ed25519'
import { mlDsaPublicKey, mlDsaSign } from '#ml-dsa'
import { concat, fromBase64, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { parseCheckpoint } from './checkpoint.ts'
import {
  ed25519CosignedMessage,
  type LogSubtree,
  mlDsaCosignedMessage,
  mlDsaSubtreeMessage,
  timestampedSignature,
} from './cosignature.ts'
import { checkNoteText, type NoteSignature } from './note.ts'
import {
  checkKeyName,
  SIGNATURE_TYPES,
  type SignatureType,
  signatureType,
  type VerifierKey,
  verifierKey,
} from './vkey.ts'

/** A key that signs the text of notes: how a log signs its checkpoints. */
export interface SigningKey {
  readonly vkey: VerifierKey
  /** Signs a note's text. @throws MALFORMED when the text is not one that this key signs */
  sign(text: string): NoteSignature
}

/** A key that signs checkpoints of others at a time: how a witness signs. */
export interface CosigningKey {
  readonly vkey: VerifierKey
  /** Signs a checkpoint's text as seen at a time in seconds since 1970. @throws MALFORMED unless it is a checkpoint */
  cosign(text: string, timestampSeconds: number): NoteSignature
  /** Signs a subtree of a log, at no time. @throws USAGE unless the key is of type 06; RangeError if it is no subtree */
  cosignSubtree(cosigned: LogSubtree): NoteSignature
}

/** What a private key's text says. */
export interface SecretKey {
  readonly name: string
  readonly type: SignatureType
  /** 32 bytes; everything else follows from them. */
  readonly seed: Uint8Array
}

const SEED_SIZE = 32

function seedCopy(seed: Uint8Array): Uint8Array {
  if (seed.length !== SEED_SIZE) {
    throw new RangeError(`expected a seed of ${SEED_SIZE} bytes, got ${seed.length}`)
  }
  return seed.slice()
}

/** The verifier key of a secret key. @throws MALFORMED when the name cannot be a key's name */
export function vkeyOf({ name, type, seed }: SecretKey): VerifierKey {
  checkKeyName(name)
  const publicKey = type === 'ml-dsa-44' ? mlDsaPublicKey(seed) : ed25519PublicKey(seed)
  return verifierKey(name, type, publicKey)
}

function signatureOf(vkey: VerifierKey, signature: Uint8Array): NoteSignature {
  return { name: vkey.name, keyId: vkey.keyId, signature }
}

/** A key of type 01, which signs the text of any note. @throws MALFORMED when the name cannot be a key's name */
export function ed25519SigningKey(name: string, seed: Uint8Array): SigningKey {
  const secret = seedCopy(seed)
  const vkey = vkeyOf({ name, type: 'ed25519', seed: secret })
  return {
    vkey,
    sign(text) {
      checkNoteText(text)
      return signatureOf(vkey, ed25519Sign(utf8(text), secret))
    },
  }
}

/**
 * A key of type 06 by which a log signs its own checkpoints: cosigner and origin are the same, and the timestamp is 0,
 * since a log makes no claim about time here.
 * @throws MALFORMED when the name cannot be a key's name
 */
export function mlDsaSigningKey(name: string, seed: Uint8Array): SigningKey {
  const { vkey, cosign } = cosigningKey(name, seed, 'ml-dsa-44')
  return {
    vkey,
    sign(text) {
      const { origin } = parseCheckpoint(text)
      if (origin !== name) {
        throw malformed(
          `the log key ${name} signs its own checkpoints only, this one is ${origin}'s`,
        )
      }
      return cosign(text, 0)
    },
  }
}

/** A key of type 04 or 06 that cosigns checkpoints. @throws MALFORMED when the name cannot be a key's name */
export function cosigningKey(
  name: string,
  seed: Uint8Array,
  type: 'ed25519-cosignature' | 'ml-dsa-44',
): CosigningKey {
  const secret = seedCopy(seed)
  const vkey = vkeyOf({ name, type, seed: secret })
  return {
    vkey,
    cosign(text, timestamp) {
      const checkpoint = parseCheckpoint(text)
      const signature =
        type === 'ml-dsa-44'
          ? mlDsaSign(mlDsaCosignedMessage({ cosigner: name, timestamp, checkpoint }), secret)
          : ed25519Sign(ed25519CosignedMessage(text, timestamp), secret)
      return signatureOf(vkey, timestampedSignature(timestamp, signature))
    },
    cosignSubtree(cosigned) {
      if (type !== 'ml-dsa-44') {
        throw new CairnError('USAGE', `${name} is an Ed25519 key, which cannot sign subtrees`)
      }
      const signature = mlDsaSign(mlDsaSubtreeMessage(name, cosigned), secret)
      return signatureOf(vkey, timestampedSignature(0, signature))
    },
  }
}

const PREFIX = 'PRIVATE+KEY+'

/** The text of a secret key. @throws MALFORMED when the name cannot be a key's name */
export function formatSkey(key: SecretKey): string {
  const seed = seedCopy(key.seed)
  const typed = concat(Uint8Array.of(SIGNATURE_TYPES[key.type].byte), seed)
  return `${PREFIX}${key.name}+${vkeyOf(key).keyId}+${toBase64(typed)}`
}

/**
 * Reads a secret key. Messages of errors never quote the text.
 * @throws MALFORMED on anything but the exact text that formatSkey gives
 */
export function parseSkey(text: string): SecretKey {
  const match = /^PRIVATE\+KEY\+([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(text)
  if (match === null) {
    throw malformed('private key is not of the form PRIVATE+KEY+<name>+<key id>+<base64 key>')
  }
  const [, name = '', keyId, encoded = ''] = match
  const bytes = fromBase64(encoded, 'private key')
  if (bytes.length !== 1 + SEED_SIZE) {
    throw malformed(`private key has ${bytes.length} bytes, not ${1 + SEED_SIZE}`)
  }
  const key = { name, type: signatureType(bytes[0]), seed: bytes.slice(1) }
  if (vkeyOf(key).keyId !== keyId) throw malformed('key id of private key is not its own')
  return key
}
