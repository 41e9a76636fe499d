/**
 * Checkpoints, C2SP tlog-checkpoint: the text of the note by which a log commits to a tree.
 *
 *     example.com/log
 *     15
 *     rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=
 *
 * Further lines are extensions. ML-DSA-44 cosignatures do not cover them and Cairn's own checkpoints have none.
 */
import { fromBase64, fromDecimal, toBase64, utf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { HASH_SIZE, type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { checkNoteText, MAX_NOTE_SIZE } from './note.ts'
import { hasForbiddenCharacter, MAX_NAME_SIZE } from './vkey.ts'

export interface Checkpoint {
  /** Which log this is: its key's name. */
  readonly origin: string
  readonly size: TreeSize
  readonly root: RootHash
  /** The lines after the root hash, without their newlines. */
  readonly extensions: readonly string[]
}

/** Checks an origin line: 1 to 255 bytes; unlike a key name it may have spaces and `+`. @throws MALFORMED */
export function checkOrigin(origin: string): void {
  if (origin === '') throw malformed('origin of checkpoint is empty')
  if (utf8(origin).length > MAX_NAME_SIZE) {
    throw malformed(`origin of checkpoint is longer than ${MAX_NAME_SIZE} bytes`)
  }
  if (hasForbiddenCharacter(origin)) {
    throw malformed('origin of checkpoint contains a control character')
  }
}

/**
 * Reads a checkpoint from the text of a note.
 * @throws TOO_LARGE above the size of a note
 * @throws MALFORMED on anything that formatCheckpoint would not write, and on sizes above 2^53-1
 */
export function parseCheckpoint(text: string): Checkpoint {
  if (text.length > MAX_NOTE_SIZE) {
    throw new CairnError('TOO_LARGE', `checkpoint is larger than ${MAX_NOTE_SIZE} bytes`)
  }
  checkNoteText(text)
  const lines = text.slice(0, -1).split('\n')
  // SPEC tlog-checkpoint: at least three non-empty lines, and extension lines are non-empty too.
  if (lines.includes('')) throw malformed('checkpoint has an empty line')
  const [origin, size, root, ...extensions] = lines
  if (origin === undefined || size === undefined || root === undefined) {
    throw malformed('checkpoint has fewer than three lines: origin, size and root hash')
  }
  checkOrigin(origin)
  const leaves = treeSize(fromDecimal(size, 'size of checkpoint'))
  const hash = fromBase64(root, 'root hash of checkpoint')
  if (hash.length !== HASH_SIZE) {
    throw malformed(`root hash of checkpoint has ${hash.length} bytes, not ${HASH_SIZE}`)
  }
  return { origin, size: leaves, root: rootHash(hash), extensions }
}

/** The checkpoint as the text of a note. @throws MALFORMED when a part cannot stand in a checkpoint */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  checkOrigin(checkpoint.origin)
  for (const extension of checkpoint.extensions) {
    if (extension === '' || hasForbiddenCharacter(extension)) {
      throw malformed('extension line of checkpoint is empty or contains a control character')
    }
  }
  const { origin, size, root, extensions } = checkpoint
  const lines = [origin, String(treeSize(size)), toBase64(rootHash(root)), ...extensions]
  return `${lines.join('\n')}\n`
}
