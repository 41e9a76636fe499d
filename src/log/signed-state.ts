/**
 * The signer's own memory of the last head that left it: size and root, in a small file of its own. It is kept away
 * from the data, so that data restored from an old copy is noticed before a second head of some size is signed.
 *
 * Two slots of fixed length are written in turn, each write synced by the way the file is opened (O_DSYNC: one trip to
 * the disk on the way of every submission instead of two), so a torn write leaves the other slot intact:
 * `cairn-signed-head/v1 <sequence> <key> <size> <root> <checksum>`, padded with spaces, one line each.
 */
import { constants, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sha256 } from '#sha256'
import { equal, fromBase64, fromDecimal, toBase64, toHex, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import { type RootHash, rootHash } from '../merkle/hash.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { makeDirectory } from '../storage/make-directory.ts'

const SLOT_SIZE = 512
const MAGIC = 'cairn-signed-head/v1'

export interface SignedHead {
  readonly size: TreeSize
  readonly root: RootHash
}

export interface SignedState {
  /** The last head recorded, or undefined when there was none yet. */
  readonly last: SignedHead | undefined
  /** Whether the file was there when it was opened. */
  readonly existed: boolean
  /**
   * Demands, before a head is signed, that it does not contradict the last one recorded, and that nobody else has
   * recorded one meanwhile. That the larger tree contains the smaller is for the caller to know.
   * @throws CORRUPT otherwise
   */
  mustFollow(next: SignedHead): void
  /** Records a head durably; it may be shown to others once this resolves. @throws IO */
  record(head: SignedHead): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the file, making it (and its directory) when missing. `vkey` is the log's Ed25519 verifier key.
 * @throws CORRUPT when neither slot can be read or the file belongs to another log; IO
 */
export async function openSignedState(path: string, vkey: string): Promise<SignedState> {
  const owner = toHex(sha256(utf8(vkey))).slice(0, 32)
  const { file, existed } = await openOrCreate(path)
  let sequence: number
  let head: SignedHead | undefined
  let known: Uint8Array
  try {
    known = readAll(file)
    ;({ sequence, head } = parseSlots(known, path, owner))
  } catch (error) {
    await file.close()
    throw error
  }

  let written = sequence
  return {
    existed,
    get last() {
      return head
    },
    mustFollow(next) {
      const fail = (what: string): never => {
        throw new CairnError('CORRUPT', `${what} (${path}): this log must not sign`)
      }
      const found = readAll(file)
      if (!equal(found, known)) {
        // A record of our own may be in the file and not known yet; anything else is somebody else's.
        const newest = parseSlots(found, path, owner).sequence
        if (newest !== sequence && newest !== written) {
          fail("another process has used this log's key and signer state")
        }
      }
      if (head === undefined) return
      if (head.size > next.size) fail(`a head of ${head.size} leaves was signed before`)
      if (head.size === next.size && !equal(head.root, next.root)) {
        fail(`another head of ${head.size} leaves was signed before`)
      }
    },
    async record(next) {
      sequence++
      const body = `${MAGIC} ${sequence} ${owner} ${next.size} ${toBase64(next.root)}`
      const slot = utf8(`${`${body} ${checksum(body)}`.padEnd(SLOT_SIZE - 1)}\n`)
      const at = (sequence % 2) * SLOT_SIZE
      const { bytesWritten } = await file.write(slot, 0, SLOT_SIZE, at)
      if (bytesWritten !== SLOT_SIZE) throw new CairnError('IO', `cannot write all of ${path}`)
      written = sequence
      head = next
      const content = new Uint8Array(Math.max(known.length, at + SLOT_SIZE))
      content.set(known)
      content.set(slot, at)
      known = content
    },
    close: () => file.close(),
  }
}

async function openOrCreate(path: string): Promise<{ file: FileHandle; existed: boolean }> {
  try {
    return { file: await open(path, constants.O_RDWR | constants.O_DSYNC), existed: true }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw cannotUse(path, error)
  }
  try {
    await makeDirectory(dirname(path))
    const flags = constants.O_RDWR | constants.O_DSYNC | constants.O_CREAT | constants.O_EXCL
    const file = await open(path, flags, 0o600)
    await file.sync()
    const directory = await open(dirname(path), 'r')
    await directory.sync().finally(() => directory.close())
    return { file, existed: false }
  } catch (error) {
    throw cannotUse(path, error)
  }
}

function cannotUse(path: string, cause: unknown): CairnError {
  const message = `cannot use the signer's state file ${path}: ${messageOf(cause)}; choose a writable place for it`
  return new CairnError('IO', message, { cause })
}

interface Slots {
  readonly sequence: number
  readonly head: SignedHead | undefined
}

/** Reads at once: a kilobyte that is in memory, before each signature. */
function readAll(file: FileHandle): Uint8Array {
  const buffer = new Uint8Array(2 * SLOT_SIZE + 1)
  return buffer.subarray(0, readSync(file.fd, buffer, 0, buffer.length, 0))
}

function parseSlots(bytes: Uint8Array, path: string, owner: string): Slots {
  if (bytes.length === 0) return { sequence: 0, head: undefined }
  const text = new TextDecoder('latin1').decode(bytes)
  const slots = [text.slice(0, SLOT_SIZE), text.slice(SLOT_SIZE)].map((slot) => readSlot(slot))
  const newest = slots.reduce((a, b) => ((a?.sequence ?? -1) > (b?.sequence ?? -1) ? a : b))
  if (newest === undefined) {
    throw new CairnError(
      'CORRUPT',
      `the signer's state file ${path} is damaged: neither of its records can be read`,
    )
  }
  if (newest.owner !== owner) {
    throw new CairnError(
      'CORRUPT',
      `the signer's state file ${path} belongs to another log; give this log one of its own`,
    )
  }
  return newest
}

function readSlot(slot: string): (Slots & { readonly owner: string }) | undefined {
  const [magic, sequence, owner, size, root, sum, ...rest] = slot.trimEnd().split(' ')
  if (magic !== MAGIC || sum === undefined || rest.length > 0) return undefined
  if (sum !== checksum(`${magic} ${sequence} ${owner} ${size} ${root}`)) return undefined
  return {
    sequence: fromDecimal(sequence!),
    owner: owner!,
    head: { size: treeSize(fromDecimal(size!)), root: rootHash(fromBase64(root!)) },
  }
}

function checksum(body: string): string {
  return toHex(sha256(utf8(body))).slice(0, 16)
}
