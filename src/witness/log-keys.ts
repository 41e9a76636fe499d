/** The keys of a watched log, and what they have to say about a note. */
import { equal, utf8 } from '../bytes.ts'
import { ed25519VerifyOnce } from '../crypto/ed25519-node.ts'
import type { MlDsaThread } from '../crypto/ml-dsa-thread.ts'
import { CairnError } from '../errors.ts'
import { verifyNoteSignatureAside } from '../formats/cosignature.ts'
import type { NoteSignature, SignedNote } from '../formats/note.ts'
import { LOG_KEY_TYPES } from '../formats/open-checkpoint.ts'
import type { VerifierKey } from '../formats/vkey.ts'

/** Keys that one log may have at a time: enough to change them, and few enough to try. */
const MAX_LOG_KEYS = 16

/** The origin that keys are of. @throws USAGE unless they are keys of one log, each once */
export function originOf(keys: readonly VerifierKey[]): string {
  const usage = (message: string): CairnError => new CairnError('USAGE', message)
  const [first] = keys
  if (first === undefined) throw usage('a log is watched by its keys, and none is given')
  if (keys.length > MAX_LOG_KEYS) throw usage(`a log has ${MAX_LOG_KEYS} keys at most`)
  const known = new Map<string, VerifierKey>()
  for (const key of keys) {
    if (key.name !== first.name) {
      throw usage(`${first.name} and ${key.name} are the names of two logs; give each its own keys`)
    }
    if (!LOG_KEY_TYPES.includes(key.type)) {
      throw usage(`${key.name}+${key.keyId} is a key of type ${key.type}, not a log's key`)
    }
    if (known.has(key.keyId)) throw usage(`the key ${key.name}+${key.keyId} is given twice`)
    known.set(key.keyId, key)
  }
  return first.name
}

/**
 * The signature lines of a log's keys under a note, one a key, all of them verified.
 * @throws VERIFICATION_FAILED when there is none, or one of a known key does not verify; IO when ML-DSA-44 cannot be
 *   verified at all
 */
export async function verifiedLogSignatures(
  note: SignedNote,
  keys: readonly VerifierKey[],
  mlDsa: Pick<MlDsaThread, 'verify'>,
): Promise<NoteSignature[]> {
  const found = new Map<VerifierKey, NoteSignature>()
  const slow: { readonly signature: NoteSignature; readonly key: VerifierKey }[] = []
  const message = utf8(note.text)
  for (const signature of note.signatures) {
    // SPEC signed-note: a name with another key id, or an id under another name, is an unknown key.
    const key = keys.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId)
    if (key === undefined || repeats(found.get(key), signature)) continue
    if (key.type === 'ml-dsa-44') slow.push({ signature, key })
    else if (!ed25519VerifyOnce(signature.signature, message, key.publicKey)) throw failed(key)
    if (!found.has(key)) found.set(key, signature)
  }
  if (found.size === 0) {
    throw new CairnError(
      'VERIFICATION_FAILED',
      'the checkpoint has no signature by a key of this log that is known here',
    )
  }
  for (const { signature, key } of slow) {
    await verifyNoteSignatureAside(note, signature, key, mlDsa)
  }
  return [...found.values()]
}

/** Lines that say the same again are not verified again. */
function repeats(known: NoteSignature | undefined, signature: NoteSignature): boolean {
  return known !== undefined && equal(known.signature, signature.signature)
}

function failed(key: VerifierKey): CairnError {
  return new CairnError(
    'VERIFICATION_FAILED',
    `the signature of ${key.name} (key id ${key.keyId}) does not verify: the text or the signature was changed, or another key signed`,
  )
}
