/**
 * From the bytes of a note to a checkpoint that a known log has signed. Lines by unknown keys are ignored, whatever
 * their order and number: logs add lines that mean nothing, to keep readers honest. A line by a known key that does not
 * verify refuses the whole note.
 */
import { equal } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { verifyNoteSignature } from './cosignature.ts'
import { parseNote, type SignedNote } from './note.ts'
import type { SignatureType, VerifierKey } from './vkey.ts'

/** A witness's verified signature. */
export interface VerifiedCosignature {
  readonly key: VerifierKey
  /** Seconds since 1970. */
  readonly timestamp: number
}

export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly note: SignedNote
  /** The log's keys that have signed, at least one, each once. */
  readonly logSignatures: readonly VerifierKey[]
  /** The cosignatures of the given witnesses, each witness key once. An ML-DSA-44 one at the time 0 is none. */
  readonly cosignatures: readonly VerifiedCosignature[]
}

/** The types of key that may sign for a log (tlog-checkpoint). */
export const LOG_KEY_TYPES: readonly SignatureType[] = ['ed25519', 'ml-dsa-44']
/** The types of key that may sign for a witness (tlog-cosignature). */
export const WITNESS_KEY_TYPES: readonly SignatureType[] = ['ed25519-cosignature', 'ml-dsa-44']

type KnownKey = { readonly key: VerifierKey; readonly role: 'log' | 'witness' }

/** Keys by what a signature line says of its key. Two different keys under one name and id cannot be told apart. */
function index(
  known: Map<string, KnownKey>,
  role: KnownKey['role'],
  keys: readonly VerifierKey[],
): void {
  const types = role === 'log' ? LOG_KEY_TYPES : WITNESS_KEY_TYPES
  for (const key of keys) {
    if (!types.includes(key.type)) {
      throw new CairnError('USAGE', `${key.name} is a key of type ${key.type}, not a ${role}'s key`)
    }
    const line = `${key.name}+${key.keyId}`
    const other = known.get(line)
    if (other !== undefined && !equal(other.key.publicKey, key.publicKey)) {
      throw new CairnError('USAGE', `two different keys are called ${line}; remove one of them`)
    }
    if (other === undefined) known.set(line, { key, role })
  }
}

/**
 * Whether a verified cosignature says what those of a witness say: that this was, at some time, the largest tree that
 * the witness knew. SPEC tlog-cosignature: an ML-DSA-44 signature at the time 0 makes no such statement; it is what
 * sign-subtree gives for any tree that the log once had.
 */
export function claimsNewest(key: VerifierKey, timestamp: number): boolean {
  return key.type !== 'ml-dsa-44' || timestamp !== 0
}

/**
 * Opens a signed checkpoint: parses it, demands a signature by a key of the log that its origin names, and gathers the
 * cosignatures of known witnesses.
 * @throws MALFORMED, TOO_LARGE when it is not a note with a checkpoint
 * @throws VERIFICATION_FAILED when no log key of that origin has signed, or a known key's signature does not verify
 * @throws USAGE when a given key is of a type that its role does not allow
 */
export function openCheckpoint(
  bytes: Uint8Array,
  logKeys: readonly VerifierKey[],
  witnessKeys: readonly VerifierKey[] = [],
): OpenedCheckpoint {
  const note = parseNote(bytes)
  const checkpoint = parseCheckpoint(note.text)
  const known = new Map<string, KnownKey>()
  // SPEC tlog-policy: a log's key is named by its origin; a key of another log proves nothing here.
  const ofOrigin = logKeys.filter((key) => key.name === checkpoint.origin)
  index(known, 'log', ofOrigin)
  index(known, 'witness', witnessKeys)

  const logSignatures = new Set<VerifierKey>()
  const cosignatures = new Map<VerifierKey, VerifiedCosignature>()
  for (const signature of note.signatures) {
    // SPEC signed-note: a name with another key id, or an id under another name, is an unknown key.
    const found = known.get(`${signature.name}+${signature.keyId}`)
    if (found === undefined) continue
    const { key, role } = found
    const { timestamp = 0 } = verifyNoteSignature(note, signature, key)
    if (role === 'log') logSignatures.add(key)
    else if (claimsNewest(key, timestamp) && !cosignatures.has(key))
      cosignatures.set(key, { key, timestamp })
  }
  if (logSignatures.size === 0) {
    const reason =
      ofOrigin.length === 0
        ? 'none of the given log keys has that name'
        : 'it has no signature by a given log key of that name'
    const message = `checkpoint of ${checkpoint.origin} is not trusted: ${reason}`
    throw new CairnError('VERIFICATION_FAILED', message)
  }
  return {
    checkpoint,
    note,
    logSignatures: [...logSignatures],
    cosignatures: [...cosignatures.values()],
  }
}
