import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import { formatNote } from '../../src/formats/note.ts'
import {
  formatSignSubtree,
  MAX_SIGN_SUBTREE_SIZE,
  parseSignSubtree,
} from '../../src/formats/sign-subtree.ts'
import { nodeHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'

const HASH = toBase64(new Uint8Array(32).fill(1))
const NOTE = formatNote({
  text: `example.com/log\n14\n${HASH}\n`,
  signatures: [{ name: 'witness.example/w', keyId: '01020304', signature: new Uint8Array(64) }],
})

describe('a request to sign a subtree', () => {
  it('comes back as it went in', () => {
    const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeHash)
    const ranges = fc.constantFrom([0, 1], [0, 14], [8, 13], [8, 14], [13, 14], [4, 8])
    fc.assert(
      fc.property(
        ranges,
        hashes,
        fc.array(hashes, { maxLength: 63 }),
        ([from, to], hash, proof) => {
          const subtree = { start: treeSize(from!), end: treeSize(to!) }
          const request = { subtree, hash, proof, checkpoint: NOTE }
          const { note, head, ...parsed } = parseSignSubtree(utf8(formatSignSubtree(request)))
          expect(parsed).toEqual(request)
          expect(head.size).toBe(14)
          expect(note.signatures).toHaveLength(1)
        },
      ),
      { numRuns: 50 },
    )
  })

  it.each([
    ['nothing', ''],
    ['a checkpoint alone', NOTE],
    ['no subtree line', `${HASH}\n\n${NOTE}`],
    ['no hash', `subtree 8 13\n\n${NOTE}`],
    ['another word', `tree 8 13\n${HASH}\n\n${NOTE}`],
    ['no end', `subtree 8\n${HASH}\n\n${NOTE}`],
    ['three bounds', `subtree 8 13 14\n${HASH}\n\n${NOTE}`],
    ['two spaces', `subtree  8 13\n${HASH}\n\n${NOTE}`],
    ['a trailing space', `subtree 8 13 \n${HASH}\n\n${NOTE}`],
    ['a leading zero', `subtree 08 13\n${HASH}\n\n${NOTE}`],
    ['a sign', `subtree +8 13\n${HASH}\n\n${NOTE}`],
    ['a bound above 2^53-1', `subtree 0 9007199254740992\n${HASH}\n\n${NOTE}`],
    ['an empty subtree', `subtree 8 8\n${HASH}\n\n${NOTE}`],
    ['bounds the wrong way round', `subtree 8 4\n${HASH}\n\n${NOTE}`],
    ['a range that is no subtree', `subtree 4 13\n${HASH}\n\n${NOTE}`],
    ['a subtree that ends beyond the tree', `subtree 8 15\n${HASH}\n\n${NOTE}`],
    ['carriage returns', `subtree 8 13\r\n${HASH}\r\n\r\n${NOTE}`],
    ['no blank line', `subtree 8 13\n${HASH}\n${NOTE}`],
    ['two blank lines', `subtree 8 13\n${HASH}\n\n\n${NOTE}`],
    ['a hash of 31 bytes', `subtree 8 13\n${toBase64(new Uint8Array(31))}\n\n${NOTE}`],
    ['a hash that is not canonical', `subtree 8 13\n${HASH}\n${HASH.slice(0, -2)}F=\n\n${NOTE}`],
    ['64 proof hashes', `subtree 8 13\n${HASH}\n${`${HASH}\n`.repeat(64)}\n${NOTE}`],
    ['no checkpoint', `subtree 8 13\n${HASH}\n\n`],
    ['an unsigned checkpoint', `subtree 8 13\n${HASH}\n\n${NOTE.slice(0, NOTE.indexOf('—'))}`],
    ['a note that is no checkpoint', `subtree 8 13\n${HASH}\n\n${NOTE.replace('\n14\n', '\n')}`],
    ['bytes that follow', `subtree 8 13\n${HASH}\n\n${NOTE}x`],
  ])('is refused with %s', (_, text) => {
    expect(() => parseSignSubtree(utf8(text))).toThrow(CairnError)
    expect(() => parseSignSubtree(utf8(text))).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
  })

  it('is refused above its largest size', () => {
    const bytes = new Uint8Array(MAX_SIGN_SUBTREE_SIZE + 1)
    expect(() => parseSignSubtree(bytes)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
  })
})
