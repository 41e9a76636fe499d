/** The vectors of split views: evidence that is confirmed, and what must not be, for which reason. */
import { sha256 } from '#sha256'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote, type NoteSignature } from '../../src/formats/note.ts'
import { ed25519SigningKey, type SigningKey } from '../../src/formats/signing-key.ts'
import {
  formatSplitView,
  inSplitOrder,
  type SignedHead,
  SPLIT_VIEW_HEADER,
} from '../../src/formats/split-view.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { type NaiveTree, naiveTreeOf } from '../merkle/naive.ts'
import { LEAVES, LOG_KEY, ORIGIN } from './example-log.ts'
import { ML_DSA_KEY, POLICY, SIZE } from './vector-keys.ts'

/** The tree of the example log, and one in which entry 3 was rewritten. */
export const TREE: NaiveTree = naiveTreeOf(LEAVES)
export const FORKED_LEAF: Uint8Array = utf8('rewritten')
export const FORKED_TREE: NaiveTree = naiveTreeOf(LEAVES.map((l, i) => (i === 3 ? FORKED_LEAF : l)))

export interface SplitViewVector {
  readonly name: string
  /** The file, as text. */
  readonly split_view: string
  readonly vkeys: readonly string[]
  readonly policy?: string
  readonly valid: boolean
  readonly origin?: string
  readonly sizes?: readonly number[]
  /** The check that fails. */
  readonly failed_check?: string
}

type Lines = (text: string) => readonly NoteSignature[]

/** A head of the log with any root, and any signature lines. */
export function headWith(
  size: number,
  root: Uint8Array,
  lines: Lines = (text) => [LOG_KEY.sign(text)],
  origin: string = ORIGIN,
): SignedHead {
  const checkpoint = { origin, size: treeSize(size), root: rootHash(root), extensions: [] }
  const text = formatCheckpoint(checkpoint)
  return { note: formatNote({ text, signatures: lines(text) }), checkpoint }
}

const headOf = (tree: NaiveTree, size: number, lines?: Lines): SignedHead =>
  headWith(size, tree.root(0, size), lines)

/** Evidence of two heads, with the prefix that `tree` has where the sizes ask for one. */
function fileOf(one: SignedHead, other: SignedHead, tree: NaiveTree = TREE): string {
  const [first, second] = inSplitOrder(one, other)
  const [small, large] = [first.checkpoint.size, second.checkpoint.size]
  const prefix = small > 0 &&
    small < large && {
      root: rootHash(tree.root(0, small)),
      proof: tree.proof(small, large).map(nodeHash),
    }
  return formatSplitView({ first: first.note, second: second.note, ...(prefix && { prefix }) })
}

/** The file changed behind its digest, which is made again. */
function changed(file: string, change: (content: string) => string): string {
  const content = change(file.slice(file.indexOf('\n', SPLIT_VIEW_HEADER.length) + 1))
  return `${SPLIT_VIEW_HEADER}digest ${toBase64(sha256(utf8(content)))}\n${content}`
}

const spoiled = (line: NoteSignature): NoteSignature => ({
  ...line,
  signature: line.signature.with(40, line.signature[40]! ^ 1),
})

const VKEYS = [formatVkey(LOG_KEY.vkey)]

function confirmed(name: string, split_view: string, more: Partial<SplitViewVector> = {}) {
  const sizes = [...split_view.matchAll(/^\n?log\.example\/audit\n(\d+)$/gm)].map(([, n]) =>
    Number(n),
  )
  return { name, split_view, vkeys: VKEYS, valid: true, origin: ORIGIN, sizes, ...more }
}

function refused(
  failed_check: string,
  name: string,
  split_view: string,
  more: Partial<SplitViewVector> = {},
): SplitViewVector {
  return { name, split_view, vkeys: VKEYS, valid: false, failed_check, ...more }
}

export function splitViews(): object {
  const twins = fileOf(headOf(TREE, SIZE), headOf(FORKED_TREE, SIZE))
  const grown = fileOf(headOf(FORKED_TREE, 9), headOf(TREE, SIZE))
  const agreeing = fileOf(headOf(TREE, 9), headOf(TREE, SIZE))
  const [prefix = '', ...hashes] = grown.split('\n\n')[0]!.split('\n').slice(2)
  const [firstHash = '', secondHash = ''] = hashes
  const [text = '', signature = '', ...rest] = twins.slice(twins.indexOf('\n\n') + 2).split('\n\n')
  const mlDsa: Lines = (head) => [ML_DSA_KEY.sign(head)]
  const stranger: SigningKey = ed25519SigningKey('other.example/log', new Uint8Array(32).fill(0x55))
  const other = headWith(9, FORKED_TREE.root(0, 9), (t) => [stranger.sign(t)], 'other.example/log')
  const forger = ed25519SigningKey(ORIGIN, new Uint8Array(32).fill(0x55))
  const forged: Lines = (head) => {
    const { name, keyId } = LOG_KEY.vkey
    return [{ name, keyId, signature: forger.sign(head).signature }]
  }
  const lie = headWith(0, TREE.root(0, 1))
  return {
    about:
      'Split views as text, with the vkeys and policy to verify with, and the verdict. The log is that of tree.json; in ' +
      'its other tree entry 3 is the nine bytes of "rewritten". ML-DSA-44 signatures are of the deterministic variant.',
    split_views: [
      confirmed('two trees of one size', twins),
      confirmed('9 leaves that the tree of 13 does not begin with', grown),
      confirmed(
        'the same, of which the other tree is the larger',
        fileOf(headOf(TREE, 9), headOf(FORKED_TREE, SIZE), FORKED_TREE),
      ),
      confirmed(
        '8 leaves: the prefix is a complete subtree',
        fileOf(headOf(FORKED_TREE, 8), headOf(TREE, SIZE)),
      ),
      confirmed('12 leaves', fileOf(headOf(FORKED_TREE, 12), headOf(TREE, SIZE))),
      confirmed('one leaf', fileOf(headWith(1, FORKED_TREE.root(3, 4)), headOf(TREE, SIZE))),
      confirmed('no leaves, and not the root of the empty tree', fileOf(lie, headOf(TREE, SIZE))),
      confirmed('no leaves, twice', fileOf(lie, headOf(TREE, 0))),
      confirmed('by ML-DSA-44', fileOf(headOf(FORKED_TREE, 9, mlDsa), headOf(TREE, SIZE, mlDsa)), {
        vkeys: [formatVkey(ML_DSA_KEY.vkey)],
      }),
      confirmed(
        'each head by another key of the log',
        fileOf(headOf(FORKED_TREE, 9), headOf(TREE, SIZE, mlDsa)),
        {
          vkeys: [...VKEYS, formatVkey(ML_DSA_KEY.vkey)],
        },
      ),
      confirmed(
        'a further signature line of the log is spoiled',
        fileOf(
          headOf(FORKED_TREE, 9, (head) => [spoiled(ML_DSA_KEY.sign(head)), LOG_KEY.sign(head)]),
          headOf(TREE, SIZE),
        ),
        { vkeys: [...VKEYS, formatVkey(ML_DSA_KEY.vkey)] },
      ),
      confirmed('the log is one of a policy, whose quorum plays no part', grown, {
        vkeys: [],
        policy: POLICY,
      }),
      refused('format', 'another version', grown.replace('/v1', '/v2')),
      refused('format', 'another digest', grown.replace(/^digest ./m, 'digest A')),
      refused('format', 'no digest', grown.replace(/^digest .*\n/m, '')),
      refused('format', 'a byte changed', grown.replace('\n9\n', '\n8\n')),
      refused('format', 'a newline too many', `${grown}\n`),
      refused(
        'format',
        'no prefix',
        changed(grown, (all) => all.slice(all.indexOf('\n\n') + 1)),
      ),
      refused(
        'format',
        'a prefix without a proof',
        changed(grown, (all) => `${prefix}\n${all.slice(all.indexOf('\n\n') + 1)}`),
      ),
      refused(
        'format',
        'a prefix between equal sizes',
        changed(twins, (all) => `${prefix}\n${firstHash}\n${all}`),
      ),
      refused(
        'format',
        'a hash that is not canonical base64',
        changed(grown, (all) => all.replace(firstHash, firstHash.replace('=', ''))),
      ),
      refused(
        'format',
        '64 hashes',
        changed(grown, (all) => all.replace(firstHash, `${firstHash}\n`.repeat(64).trimEnd())),
      ),
      refused(
        'format',
        'the larger root first',
        changed(twins, () => `\n${rest[0]}\n\n${rest[1]}\n${text}\n\n${signature}\n`),
      ),
      refused(
        'format',
        'the same head twice',
        changed(twins, () => `\n${text}\n\n${signature}\n\n${text}\n\n${signature}\n`),
      ),
      refused(
        'format',
        'one head',
        changed(twins, () => `\n${text}\n\n${signature}\n`),
      ),
      refused(
        'format',
        'no blank line between the heads',
        changed(twins, () => `\n${text}\n\n${signature}\n${rest.join('\n\n')}`),
      ),
      refused(
        'format',
        'a leading zero in a size',
        changed(grown, (all) => all.replace('\n9\n', '\n09\n')),
      ),
      refused('one log', 'heads of two logs', fileOf(other, headOf(TREE, SIZE)), {
        vkeys: [...VKEYS, formatVkey(stranger.vkey)],
      }),
      refused('log signature', 'the log is not trusted', grown, {
        vkeys: [formatVkey(stranger.vkey)],
      }),
      refused(
        'log signature',
        'the first head is forged',
        fileOf(headOf(FORKED_TREE, 9, forged), headOf(TREE, SIZE)),
      ),
      refused(
        'log signature',
        'the second head is forged',
        fileOf(headOf(TREE, 9), headOf(FORKED_TREE, SIZE, forged), FORKED_TREE),
      ),
      refused('contradiction', 'the heads agree', agreeing),
      refused(
        'contradiction',
        'the heads agree, and the prefix is a false one',
        changed(agreeing, (all) =>
          all.replace(/^prefix .*/, `prefix ${toBase64(FORKED_TREE.root(0, 9))}`),
        ),
      ),
      refused(
        'contradiction',
        'a hash is missing',
        changed(grown, (all) => all.replace(`${firstHash}\n`, '')),
      ),
      refused(
        'contradiction',
        'hashes in another order',
        changed(grown, (all) =>
          all.replace(`${firstHash}\n${secondHash}\n`, `${secondHash}\n${firstHash}\n`),
        ),
      ),
      refused(
        'contradiction',
        'the empty tree, with which every tree begins',
        fileOf(headOf(TREE, 0), headOf(TREE, SIZE)),
      ),
    ],
  }
}
