import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import {
  type CompletenessProof,
  formatCompleteness,
  parseCompleteness,
  verifyCompleteness,
} from '../../src/formats/completeness.ts'
import { blockCount, blocksOf, mapRoot } from '../../src/formats/completeness-blocks.ts'
import { BlockBuilder } from '../../src/formats/completeness-builder.ts'
import {
  decodePage,
  encodePage,
  mergePages,
  nodeOfPages,
  PAGES,
  pageNode,
} from '../../src/formats/completeness-page.ts'
import { formatMapRoot, isMapRoot, parseMapRoot } from '../../src/formats/completeness-root.ts'
import {
  checkTerm,
  listedRecord,
  type MapTerm,
  mayBeRecord,
  termKey,
  termsOf,
} from '../../src/formats/completeness-terms.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import {
  COMPLETE_LOG,
  type CompletenessVector,
  completeLog,
  MAP_KEY,
  TERMS,
} from '../support/completeness-vectors.ts'
import { LOG_KEY, ORIGIN } from '../support/example-log.ts'
import { naiveKey, naiveMap } from '../support/naive-map.ts'
import { ACTOR, OTHER_ID, prepared, RECORD_ID, refusalOf, SUBJECT } from '../support/records.ts'

const { checkpoint: HEAD } = openCheckpoint(utf8(COMPLETE_LOG.note), [LOG_KEY.vkey])

function accepted(proof: string | Uint8Array): readonly number[] | undefined {
  try {
    const bytes = typeof proof === 'string' ? utf8(proof) : proof
    return verifyCompleteness(parseCompleteness(bytes), HEAD).indices
  } catch (error) {
    if (error instanceof CairnError) return undefined
    throw error
  }
}

describe('the terms of a record', () => {
  it('are its ids and pseudonyms, each once', () => {
    const { leaf } = prepared({
      type: 'correction',
      corrects: OTHER_ID,
      request_id: 'req 1',
      session_id: 's',
      actor: 'bot',
      subject: 'ann',
    })
    const tenant = 'acme'
    expect(termsOf(listedRecord(leaf)!)).toEqual([
      { tenant, field: 'record', value: RECORD_ID },
      { tenant, field: 'record', value: OTHER_ID },
      { tenant, field: 'request', value: 'req 1' },
      { tenant, field: 'session', value: 's' },
      { tenant, field: 'subject', value: SUBJECT },
      { tenant, field: 'actor', value: ACTOR },
    ])
    const itself = prepared({ type: 'correction', corrects: RECORD_ID })
    expect(termsOf(listedRecord(itself.leaf)!)).toHaveLength(1)
  })

  it('are none of what is no record', () => {
    const { leaf } = prepared({ type: 'llm_request' })
    expect(mayBeRecord(leaf)).toBe(true)
    for (const other of [
      utf8('genesis'),
      utf8('{"version":"cairn-record/v1"}'),
      utf8(`${Buffer.from(leaf).toString()} `),
      utf8(Buffer.from(leaf).toString().replace('{', '{ ')),
      leaf.subarray(1),
      new Uint8Array(),
    ]) {
      expect(listedRecord(other)).toBe(undefined)
    }
  })

  it('have the keys of the definition', () => {
    for (const { term } of TERMS) {
      expect(equal(termKey(MAP_KEY, term), naiveKey(MAP_KEY, term))).toBe(true)
    }
    expect(() => termKey(MAP_KEY.subarray(1), TERMS[0]!.term)).toThrow(RangeError)
  })

  it.each<[string, Partial<Record<keyof MapTerm, string>>]>([
    ['MALFORMED the tenant of a term is a name', { tenant: 'a b' }],
    ['MALFORMED no records are listed by model', { field: 'model' }],
    ['MALFORMED no records are listed by toString', { field: 'toString' }],
    ['MALFORMED the request of a term is a line', { value: 'a\nb' }],
    ['MALFORMED the request of a term is a line', { value: '' }],
    ['MALFORMED the subject of a term is a pseudonym', { field: 'subject', value: 'ann' }],
    ['MALFORMED the record of a term is the id', { field: 'record' }],
  ])('%s', (refusal, change) => {
    const term = { tenant: 'acme', field: 'request', value: 'req-1', ...change } as MapTerm
    expect(refusalOf(() => checkTerm(term))).toContain(refusal)
  })
})

describe('the blocks of a map', () => {
  it('cover all entries, large ones first', () => {
    const anySize = fc.integer({ min: 0, max: 3_000_000 })
    fc.assert(
      fc.property(anySize, (size) => {
        const blocks = blocksOf(treeSize(size))
        expect(blocks).toHaveLength(blockCount(treeSize(size)))
        let next = 0
        for (const { start, end } of blocks) {
          expect(start).toBe(next)
          const width = end - start
          if (width !== 262_144 && width !== 4_096) expect(end).toBe(size)
          expect(start % (width === 262_144 ? width : 4_096)).toBe(0)
          next = end
        }
        expect(next).toBe(size)
      }),
    )
    expect(blockCount(treeSize(Number.MAX_SAFE_INTEGER))).toBe(2 ** 35 + 63)
  })

  const anyTerms = fc.array(
    fc.array(
      fc.record<MapTerm>({
        tenant: fc.constantFrom('acme', 'other'),
        field: fc.constantFrom('request', 'session'),
        value: fc.integer({ min: 0, max: 40 }).map((n) => `value ${n}`),
      }),
      { maxLength: 3 },
    ),
    { maxLength: 60 },
  )
  const once = (terms: readonly MapTerm[]): MapTerm[] => [
    ...new Map(terms.map((term) => [JSON.stringify(term), term])).values(),
  ]

  it('have the roots of the definition, whenever they are looked at, and when blocks are put together', () => {
    fc.assert(
      fc.property(anyTerms, fc.nat(60), (all, cut) => {
        const terms = all.map(once)
        const whole = new BlockBuilder(MAP_KEY)
        const [first, second] = [new BlockBuilder(MAP_KEY), new BlockBuilder(MAP_KEY)]
        terms.forEach((some, index) => {
          whole.add(index, some)
          ;(index < cut ? first : second).add(index, some)
          if (index % 7 === 0) whole.node()
        })
        const { hash } = whole.node()
        const { root } = naiveMap(MAP_KEY, (index) => terms[index] ?? [], terms.length)
        expect(toHex(mapRoot(terms.length === 0 ? [] : [hash]))).toBe(toHex(root))
        const merged = Array.from({ length: PAGES }, (_, page) =>
          mergePages([first, second].map((one) => decodePage(encodePage(one.page(page))))),
        )
        expect(toHex(nodeOfPages(merged.map(pageNode)).hash)).toBe(toHex(hash))
        for (const [page, put] of merged.entries()) {
          expect(encodePage(put)).toEqual(encodePage(whole.page(page)))
        }
      }),
      { numRuns: 25 },
    )
  })

  it('are not read from what is damaged', () => {
    const builder = new BlockBuilder(MAP_KEY)
    builder.add(3, [TERMS[0]!.term])
    const page = encodePage(builder.page(termKey(MAP_KEY, TERMS[0]!.term)[0]!))
    expect(decodePage(page)).toHaveLength(1)
    expect(refusalOf(() => decodePage(page.subarray(0, -1)))).toContain('CORRUPT')
    expect(refusalOf(() => decodePage(page.subarray(0, 40)))).toContain('CORRUPT')
  })
})

describe('a map root', () => {
  it('is read as it was written', () => {
    const said = {
      origin: ORIGIN,
      size: treeSize(2 ** 53 - 1),
      root: rootHash(MAP_KEY),
      key: MAP_KEY,
    }
    const leaf = formatMapRoot(said)
    expect(isMapRoot(leaf)).toBe(true)
    expect(parseMapRoot(leaf)).toEqual(said)
    expect(() => formatMapRoot({ ...said, size: treeSize(0) })).toThrow(CairnError)
    expect(() => formatMapRoot({ ...said, key: MAP_KEY.subarray(1) })).toThrow(CairnError)
    expect(() => formatMapRoot({ ...said, origin: 'a\nb' })).toThrow(CairnError)
  })

  it('is told by how it begins', () => {
    expect(isMapRoot(utf8('cairn-map/v7'))).toBe(true)
    expect(isMapRoot(utf8('cairn-map'))).toBe(false)
    expect(isMapRoot(utf8('a cairn-map/'))).toBe(false)
    expect(isMapRoot(new Uint8Array())).toBe(false)
  })
})

describe('a proof of completeness', () => {
  it('is read as it was written, and shows its list', () => {
    for (const { term, indices } of TERMS) {
      const proof = COMPLETE_LOG.prove(term)
      const bytes = formatCompleteness(proof)
      expect(parseCompleteness(bytes)).toEqual(proof)
      const { size, entry } = proof
      expect(verifyCompleteness(proof, HEAD)).toEqual({ term, indices, size, entry })
    }
  })

  it('is spoiled by a change of any byte, or shows that something else is missing that is', () => {
    const proofs = TERMS.map(({ term }) => formatCompleteness(COMPLETE_LOG.prove(term)))
    const bytesChanged = fc.integer({ min: 1, max: 255 })
    fc.assert(
      fc.property(fc.nat(proofs.length - 1), fc.nat(), bytesChanged, (which, at, by) => {
        const bytes = proofs[which]!.slice()
        bytes[at % bytes.length]! ^= by
        if (accepted(bytes) === undefined) return
        // Another term whose key would end at the same place.
        const { term, blocks } = parseCompleteness(bytes)
        expect(term).not.toEqual(TERMS[which]!.term)
        expect(blocks[0]!.indices).toEqual([])
        const listed = COMPLETE_LOG.prove(term).blocks.flatMap(({ indices }) => indices)
        expect(listed).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('is of one log and one head', () => {
    const proof = COMPLETE_LOG.prove(TERMS[0]!.term)
    const refused = (head: object): string =>
      refusalOf(() => verifyCompleteness(proof, { ...HEAD, ...head }))
    expect(refused({ origin: 'other.example/log' })).toContain('VERIFICATION_FAILED')
    expect(refused({ size: treeSize(9) })).toContain('VERIFICATION_FAILED')
    expect(refused({ size: treeSize(8) })).toContain('VERIFICATION_FAILED')
    expect(refused({ root: rootHash(MAP_KEY) })).toContain('VERIFICATION_FAILED')
  })

  it('holds when the map root came some entries later, and not when it came far too late', () => {
    const lag = [utf8('between'), utf8('and another')]
    const log = completeLog(COMPLETE_LOG.leaves.slice(0, 8), lag)
    const { checkpoint } = openCheckpoint(utf8(log.note), [LOG_KEY.vkey])
    const { term, indices } = TERMS[0]!
    expect(verifyCompleteness(log.prove(term), checkpoint).indices).toEqual(indices)
    const late = { ...log.prove(term), entry: 8 + 65_536 } as CompletenessProof
    expect(refusalOf(() => verifyCompleteness(late, checkpoint))).toContain('too late')
  })

  it('is not read for ever', () => {
    const { term } = TERMS[0]!
    const proof = COMPLETE_LOG.prove(term)
    const huge = formatCompleteness({ ...proof, size: treeSize(Number.MAX_SAFE_INTEGER) })
    expect(refusalOf(() => parseCompleteness(huge))).toContain('TOO_LARGE')
    expect(refusalOf(() => parseCompleteness(new Uint8Array(33_554_433)))).toContain('TOO_LARGE')
    expect(refusalOf(() => verifyCompleteness({ ...proof, size: treeSize(0) }, HEAD))).toContain(
      'MALFORMED',
    )
  })
})

interface Vectors {
  readonly map_key: string
  readonly leaves: readonly string[]
  readonly checkpoint: string
  readonly map_root: { readonly entry: number; readonly size: number; readonly root: string }
  readonly terms: readonly (MapTerm & { readonly key: string })[]
  readonly proofs: readonly CompletenessVector[]
  readonly map_roots_invalid: readonly { readonly reason: string; readonly leaf: string }[]
}

describe('the vectors', () => {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(new URL(`../../spec/vectors/${name}`, import.meta.url), 'utf8'))
  const vectors = read('completeness.json') as Vectors
  const { keys } = read('keys.json') as { keys: { vkey: string }[] }
  const { checkpoint } = openCheckpoint(utf8(vectors.checkpoint), [parseVkey(keys[0]!.vkey)])

  it('have the keys of terms', () => {
    for (const { key, ...term } of vectors.terms) {
      const { tenant, field, value } = term
      const found = termKey(fromHex(vectors.map_key), { tenant, field, value })
      expect(toHex(found)).toBe(key)
    }
  })

  it('have a map root in the log', () => {
    const { entry, size, root } = vectors.map_root
    const said = parseMapRoot(fromHex(vectors.leaves[entry]!))
    expect(said.size).toBe(size)
    expect(toHex(said.root)).toBe(root)
    expect(toHex(said.key)).toBe(vectors.map_key)
  })

  it.each(vectors.proofs)('$name: $valid', ({ proof, valid, indices }) => {
    const shown = (): readonly number[] =>
      verifyCompleteness(parseCompleteness(utf8(proof)), checkpoint).indices
    if (valid) expect(shown()).toEqual(indices)
    else expect(refusalOf(shown)).toMatch(/^(MALFORMED|VERIFICATION_FAILED) /)
  })

  it.each(vectors.map_roots_invalid)('a map root with $reason is refused', ({ leaf }) => {
    expect(refusalOf(() => parseMapRoot(utf8(leaf)))).toContain('MALFORMED')
  })
})
