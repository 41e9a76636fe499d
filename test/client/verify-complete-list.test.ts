import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { MapAudit } from '../../src/client/recompute-map.ts'
import { verdictJson } from '../../src/client/verdict-json.ts'
import { verifyCompleteList } from '../../src/client/verify-complete-list.ts'
import { verifyFile } from '../../src/client/verify-file.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import {
  formatCompleteList,
  isCompleteList,
  parseCompleteList,
} from '../../src/formats/complete-list.ts'
import { type CompletenessProof, formatCompleteness } from '../../src/formats/completeness.ts'
import type { MapTerm } from '../../src/formats/completeness-terms.ts'
import { formatNote } from '../../src/formats/note.ts'
import { ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { nodeHash, rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { naiveTreeOf } from '../merkle/naive.ts'
import {
  COMPLETE_LOG,
  type CompleteListVector,
  completeListOf,
  completenessOf,
  mapRootOf,
  TERMS,
} from '../support/completeness-vectors.ts'
import { LOG_KEY, ORIGIN } from '../support/example-log.ts'
import { refusalOf } from '../support/records.ts'

const TRUST = { logKeys: [LOG_KEY.vkey] }
const NONE: MapTerm = { tenant: 'acme', field: 'request', value: 'req-4' }
const SOME: MapTerm = { ...NONE, value: 'req-1' }
const { files } = JSON.parse(
  readFileSync(new URL('../../spec/vectors/completeness.json', import.meta.url), 'utf8'),
) as { files: CompleteListVector[] }

function noteOf(leaves: readonly Uint8Array[], origin = ORIGIN): string {
  const tree = naiveTreeOf(leaves)
  const root = rootHash(tree.root(0, leaves.length))
  const text = formatCheckpoint({ origin, size: treeSize(leaves.length), root, extensions: [] })
  const key = origin === ORIGIN ? LOG_KEY : ed25519SigningKey(origin, new Uint8Array(32).fill(7))
  return formatNote({ text, signatures: [key.sign(text)] })
}

describe('the proof of a complete list', () => {
  it.each(files.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const verdict = verifyCompleteList(utf8(one.file), TRUST)
    const failed = verdict.checks.filter(({ status }) => status === 'failed')
    expect(failed.map(({ name }) => name)).toEqual(one.failed_check ? [one.failed_check] : [])
    expect(verdict.ok).toBe(one.valid)
    expect(verdict.list?.indices).toEqual(one.indices)
  })

  it.each(TERMS)(
    'says what is listed, and what is not: $term.field $term.value',
    ({ term, indices }) => {
      const verdict = verifyCompleteList(utf8(completeListOf(term)), TRUST)
      expect(verdict.list).toEqual({ term, indices, size: 8, entry: 8 })
      const { tenant, field, value } = term
      const named = /^[\w-]+$/.test(value) ? value : JSON.stringify(value)
      const words = `${field} ${named} of the tenant ${tenant}`
      const said = 'the log has said so to everybody, in its entry 8'
      expect(verdict.finding).toBe(
        indices.length === 0
          ? `up to tree size 8, ${ORIGIN} has no entry of ${words}; ${said}`
          : `these are all entries of ${words} in ${ORIGIN} up to tree size 8: ${indices.join(', ')}; ${said}`,
      )
      const uncovered = verdict.checks.at(-1)!
      expect(uncovered).toMatchObject({ name: 'not covered', status: 'skipped' })
      expect(uncovered.detail).toContain(
        `entry 8 and later ones; another spelling of the ${field};`,
      )
    },
  )

  it('quotes a value that reads like the verdict on another', () => {
    const value = 'req-1 of the tenant acme; the log has said so. This is not "it"'
    const { ok, finding } = verifyCompleteList(utf8(completeListOf({ ...NONE, value })), TRUST)
    expect(ok).toBe(true)
    expect(finding).toContain(
      `has no entry of request ${JSON.stringify(value)} of the tenant acme;`,
    )
  })

  it('is told from the file, with the facts as JSON', async () => {
    const verdict = await verifyFile({ bytes: utf8(completeListOf(SOME)), trust: TRUST })
    const list = { ...SOME, indices: [1, 2, 7], size: 8, entry: 8 }
    expect(verdictJson(verdict)).toMatchObject({ kind: 'complete-list', ok: true, size: 10, list })
    const bad = await verifyFile({ bytes: utf8(completeListOf(SOME)), trust: { logKeys: [] } })
    expect(verdictJson(bad)).not.toHaveProperty('list')
  })

  it('is read from any log, whatever it is called', () => {
    const origin = 'cairn-completeness/v1'
    const checkpoint = noteOf(COMPLETE_LOG.leaves, origin)
    const file = { checkpoint, proof: COMPLETE_LOG.prove(NONE) }
    expect(parseCompleteList(formatCompleteList(file))).toEqual(file)
  })

  it('is written as it is read, and no other way', () => {
    const good = formatCompleteList({
      checkpoint: COMPLETE_LOG.note,
      proof: COMPLETE_LOG.prove(SOME),
    })
    expect(isCompleteList(good)).toBe(true)
    expect(isCompleteList(formatCompleteness(COMPLETE_LOG.prove(SOME)))).toBe(false)
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = good.with(at, good[at]! ^ flip)
        const verdict = verifyCompleteList(bytes, TRUST)
        expect(verdict.ok).toBe(false)
        if (refusalOf(() => parseCompleteList(bytes)) === undefined) {
          expect(formatCompleteList(parseCompleteList(bytes))).toEqual(bytes)
        }
      }),
    )
    expect(refusalOf(() => parseCompleteList(new Uint8Array(40_000_000)))).toContain('TOO_LARGE')
    const broken = { checkpoint: 'no note', proof: COMPLETE_LOG.prove(SOME) }
    expect(refusalOf(() => formatCompleteList(broken))).toContain('MALFORMED')
  })
})

describe('a log that hides a record', () => {
  const fileOf = (proof: CompletenessProof, checkpoint = COMPLETE_LOG.note): Uint8Array =>
    formatCompleteList({ checkpoint, proof })

  it('cannot prove that there is none, by the map that it has committed to', () => {
    const good = COMPLETE_LOG.prove(SOME)
    const [block] = good.blocks
    const { path } = block!.proof
    // Every ending, at every depth, with what is really there and what is not.
    const nodes = [...path, undefined, nodeHash(new Uint8Array(32).fill(9))]
    const others = TERMS.filter(({ indices }) => indices.length === 0).map(({ term }) => {
      return COMPLETE_LOG.prove(term).blocks[0]!.proof
    })
    const found = [{ kind: 'nothing' } as const, ...others.map((proof) => proof.found)]
    const paths = [
      ...nodes.map((_, i) => path.slice(i)),
      ...nodes.map((node) => [node, ...path]),
      ...others.map((proof) => proof.path),
    ]
    for (const one of found) {
      for (const way of paths) {
        const blocks = [{ indices: [], proof: { found: one, path: way } }]
        expect(verifyCompleteList(fileOf({ ...good, blocks }), TRUST).ok).toBe(false)
      }
    }
    const foreign = { ...COMPLETE_LOG.prove(NONE), term: SOME }
    expect(verifyCompleteList(fileOf(foreign), TRUST).ok).toBe(false)
  })

  it('is convicted by its own entry, when it commits to a map without it', () => {
    const first = COMPLETE_LOG.leaves.slice(0, 8)
    const without = first.map((leaf, i) => (i === 3 ? utf8('nothing') : leaf))
    const leaves = [...first, mapRootOf(without), utf8('more')]
    const tree = naiveTreeOf(leaves)
    const hidden: MapTerm = { ...NONE, value: 'req-2' }
    const proof = completenessOf({ leaves: without, tree }, hidden, { size: 8, entry: 8, of: 10 })
    const verdict = verifyCompleteList(fileOf(proof, noteOf(leaves)), TRUST)
    expect(verdict.list?.indices).toEqual([])
    expect(verdict.checks.find(({ name }) => name === 'completeness')!.detail).toContain(
      'by the map to which it has committed in entry 8; an audit tells whether that map is right',
    )
    const audit = new MapAudit({ origin: ORIGIN })
    const problems = leaves.map((leaf) => audit.next(leaf)).filter((one) => one !== undefined)
    expect(problems).toHaveLength(1)
    expect(JSON.stringify(problems)).toContain('8')
  })
})
