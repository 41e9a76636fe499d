/** Signs the heads of the tree as checkpoints, with the Ed25519 key. */
import { utf8 } from '../bytes.ts'
import { formatCheckpoint } from '../formats/checkpoint.ts'
import { formatNote } from '../formats/note.ts'
import { EMPTY_ROOT, type RootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import type { CommittedHead } from './committer.ts'
import type { LogSigner } from './signer.ts'

/** The signed checkpoint of a tree: the text of a note (C2SP tlog-checkpoint). */
export async function signHead(signer: LogSigner, size: TreeSize, root: RootHash): Promise<string> {
  const text = formatCheckpoint({ origin: signer.origin, size, root, extensions: [] })
  const { name, keyId } = signer.ed25519
  return formatNote({
    text,
    signatures: [{ name, keyId, signature: await signer.sign(utf8(text)) }],
  })
}

/** The head of a log that has no leaf yet, so that readers find a checkpoint from the first moment. */
export async function firstHead(signer: LogSigner): Promise<CommittedHead> {
  const size = treeSize(0)
  return { size, root: EMPTY_ROOT, checkpoint: await signHead(signer, size, EMPTY_ROOT), edge: [] }
}
