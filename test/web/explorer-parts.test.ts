/** What the pages of the explorer are made of: proofs as steps, lines over time, and words. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, toHex } from '../../src/bytes.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { verifyDisclosures } from '../../src/formats/record-rebuild.ts'
import { hashChildren, hashLeaf, type NodeHash, rootHash } from '../../src/merkle/hash.ts'
import { leafIndex, splitPoint, treeSize } from '../../src/merkle/position.ts'
import { entryPage } from '../../src/web/explorer/entry-page.tsx'
import { overviewPage, type WitnessRow } from '../../src/web/explorer/overview-page.tsx'
import { type Frame, PAGE_POLICY } from '../../src/web/explorer/page.tsx'
import { pathOf } from '../../src/web/explorer/path-steps.ts'
import { searchPage } from '../../src/web/explorer/search-page.tsx'
import { ageText, latencyText, rangeText, visibleLines } from '../../src/web/explorer/words.ts'
import { anySubmission, prepared } from '../support/records.ts'

const leaves = Array.from({ length: 200 }, (_, i) => hashLeaf(Buffer.from(`leaf ${i}`)))

/** RFC 6962 section 2.1, literally. */
function rootOf(from: number, to: number): NodeHash {
  if (to - from === 1) return leaves[from]!
  const middle = from + splitPoint(to - from)
  return hashChildren(rootOf(from, middle), rootOf(middle, to))
}

function proofOf(index: number, from: number, to: number): NodeHash[] {
  if (to - from === 1) return []
  const middle = from + splitPoint(to - from)
  return index < middle
    ? [...proofOf(index, from, middle), rootOf(middle, to)]
    : [...proofOf(index, middle, to), rootOf(from, middle)]
}

function provenAt(index: number, size: number) {
  return {
    index: leafIndex(index),
    size: treeSize(size),
    leafHash: leaves[index]!,
    proof: proofOf(index, 0, size),
    root: rootHash(rootOf(0, size)),
  }
}

const anyPlace = fc
  .integer({ min: 1, max: leaves.length })
  .chain((size) => fc.tuple(fc.integer({ min: 0, max: size - 1 }), fc.constant(size)))

describe('a proof as steps', () => {
  it('names each hash by the entries that it stands for', () => {
    fc.assert(
      fc.property(anyPlace, ([index, size]) => {
        const { leaf, steps, holds } = pathOf(provenAt(index, size))
        expect(holds).toBe(true)
        let node = leaf
        for (const step of steps) {
          expect(step.node).toEqual(node)
          const { sibling, side, parent } = step
          for (const one of [sibling, parent]) {
            expect(toHex(one.hash)).toBe(toHex(rootOf(one.from, one.to)))
          }
          expect(side === 'left' ? sibling.to : node.to).toBe(
            side === 'left' ? node.from : sibling.from,
          )
          node = parent
        }
        expect([node.from, node.to]).toEqual([0, size])
      }),
      { numRuns: 60 },
    )
  })

  it.each([
    ['another hash', (proof: NodeHash[]) => [leaves[9]!, ...proof.slice(1)]],
    ['a hash too few', (proof: NodeHash[]) => proof.slice(1)],
    ['a hash too many', (proof: NodeHash[]) => [...proof, leaves[0]!]],
  ])('does not hold with %s', (_, change) => {
    const proven = provenAt(5, 11)
    expect(pathOf({ ...proven, proof: change(proven.proof) }).holds).toBe(false)
    const content = { kind: 'bytes', leaf: Buffer.from('leaf 5') } as const
    const view = { published: true, content, committed: 11 }
    const good = entryPage(FRAME, { ...view, proven })
    const bad = entryPage(FRAME, { ...view, proven: { ...proven, proof: change(proven.proof) } })
    expect(good.includes('✓ This is the root hash'), '✓ This is the root hash').toBe(true)
    expect(bad.includes('✗ This is not the root hash'), '✗ This is not the root hash').toBe(true)
    expect(bad.includes('✓'), '✓').toBe(false)
  })
})

const NOW = Date.UTC(2026, 10, 21, 12)
const FRAME: Frame = { origin: 'test.example/log', prefix: '', now: NOW, keepsRecords: true }
const HOSTILE = '</style><script>alert(1)</script><img src=x onerror="alert(1)">\u202e'

function witness(more: Partial<WitnessRow>): WitnessRow {
  return {
    names: ['w'],
    url: 'https://w.example',
    state: 'cosigning',
    size: 90,
    lag: 0,
    cosignedAt: NOW - 3_000,
    latencyMs: 12.34,
    error: undefined,
    ...more,
  }
}

describe('the overview', () => {
  const overview = {
    head: {
      size: 90,
      root: leaves[0]!,
      timestamp: NOW - 120_000,
      signatures: ['test.example/log', 'w'],
    },
    committed: 100,
    mode: { mode: 'writable' },
    witnesses: { quorum: 'any two', rows: [witness({})] },
    vkeys: ['test.example/log+00000000+AAAA'],
    history: undefined,
    entries: [],
  } as const

  it('tells how fresh head and witnesses are', () => {
    const rows = [
      witness({}),
      witness({ names: ['slow'], state: 'retrying', lag: 40, size: 50, error: 'timed out' }),
      witness({ names: ['gone'], state: 'suspended', cosignedAt: NOW - 7_200_000 }),
      witness({ names: ['new'], state: 'new', size: undefined, cosignedAt: undefined }),
    ]
    const page = overviewPage(FRAME, { ...overview, witnesses: { quorum: 'any two', rows } })
    const words = page
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .replace(' (− 40 )', ' (−40)')
    for (const part of [
      'witnesses cosigning 1 of 4',
      'newest signed head 2 min ago',
      '10 entries not under it yet',
      'w https://w.example cosigning 90 3 s ago 12 ms',
      'slow https://w.example timed out failing 50 (−40)',
      'left alone 90 2 h ago',
      'not asked yet – never',
      toBase64(leaves[0]!),
    ]) {
      expect(words.includes(part), part).toBe(true)
    }
    // Ten entries wait for two minutes: that is late.
    expect(page.includes('<dd class="bad">10 entries'), '<dd class="bad">10 entries').toBe(true)
  })

  it('says what is missing', () => {
    const bare = { ...overview, head: undefined, witnesses: undefined }
    const page = overviewPage(FRAME, { ...bare, mode: { mode: 'disk-full', reason: 'no space' } })
    expect(page.includes('No head is published yet.'), 'No head is published yet.').toBe(true)
    expect(page.includes('This log has no witnesses'), 'This log has no witnesses').toBe(true)
    expect(page.includes('Nothing was measured yet.'), 'Nothing was measured yet.').toBe(true)
    expect(
      page.includes('takes no submissions</strong> (disk-full): no space'),
      'takes no submissions</strong> (disk-full): no space',
    ).toBe(true)
  })

  it('draws what was measured, with gaps where nothing was', () => {
    const samples = [10, 20, undefined, 40, 5].map((p99, i) => ({
      time: NOW - (5 - i) * 10_000,
      size: 100 + i * i,
      answered: p99 === undefined ? 0 : 7,
      p50: p99 && p99 / 2,
      p99,
    }))
    const history = { range: 'hour', interval: 10_000, samples } as const
    const page = overviewPage(FRAME, { ...overview, history })
    expect(
      page.includes('From 100 to 116 entries in 40 s.'),
      'From 100 to 116 entries in 40 s.',
    ).toBe(true)
    expect(
      page.includes('28 submissions were answered in 40 s; 99 of 100 within 40 ms'),
      '28 submissions were answered in 40 s; 99 of 100 within 40 ms',
    ).toBe(true)
    // Two lines in two pieces each, and the growth in one.
    expect(page.match(/<path class="stroke( second)?"/g)).toHaveLength(5)
    expect(/NaN|Infinity/.test(page)).toBe(false)
    expect(page.match(/<td class="n">–<\/td>/g)?.length).toBe(2)
  })

  it('draws a log that does not change, and one sample', () => {
    const sample = { time: NOW, size: 0, answered: 0, p50: undefined, p99: undefined }
    for (const samples of [[sample], [{ ...sample, time: NOW - 10_000 }, sample]]) {
      const history = { range: 'day', interval: 10_000, samples } as const
      expect(/NaN|Infinity/.test(overviewPage(FRAME, { ...overview, history }))).toBe(false)
    }
  })
})

describe('text from elsewhere', () => {
  it('stays text on every page', () => {
    const frame = { ...FRAME, origin: HOSTILE, person: HOSTILE }
    const pages = [
      overviewPage(frame, {
        head: { size: 1, root: leaves[0]!, timestamp: NOW, signatures: [HOSTILE] },
        committed: 1,
        mode: { mode: 'read-only', reason: HOSTILE },
        witnesses: {
          quorum: HOSTILE,
          rows: [witness({ names: [HOSTILE], url: HOSTILE, error: HOSTILE })],
        },
        vkeys: [HOSTILE, HOSTILE.repeat(20)],
        history: undefined,
        entries: [
          {
            index: 0,
            kind: 'record',
            record: {
              time: '2026-11-21T12:00:00.000Z',
              type: HOSTILE as 'decision',
              action: HOSTILE,
              request_id: HOSTILE,
              model: { name: HOSTILE, version: HOSTILE },
              guardrails: [{ name: HOSTILE, verdict: HOSTILE }],
              metrics: { cost: 1, currency: HOSTILE },
            },
          },
        ],
      }),
      entryPage(frame, {
        proven: provenAt(0, 1),
        published: false,
        content: { kind: 'bytes', leaf: Buffer.from(HOSTILE) },
        committed: 1,
        refusedGrant: HOSTILE,
      }),
      searchPage(frame, {
        values: { action: HOSTILE, type: HOSTILE },
        faults: { action: HOSTILE },
        types: ['decision'],
        found: { records: [], size: 1, cursor: 'c' },
      }),
    ]
    for (const page of pages) {
      expect(page.includes('<img'), '<img').toBe(false)
      expect(page.includes('alert(1)</script>'), 'alert(1)</script>').toBe(false)
      expect(page.match(/<\/style>/g)).toHaveLength(1)
      // What somebody typed is theirs.
      expect(page.replace(/ value="[^"]*"/g, '').includes('\u202e')).toBe(false)
    }
  })

  it('stays text in any record, shown or sealed', () => {
    const known =
      /<(?!\/?(a|b|body|br|button|code|dd|details|div|dl|dt|footer|form|g|h[123]|head|header|html|input|label|li|link|main|meta|nav|ol|p|path|pre|rect|section|span|style|summary|svg|text|time|title|ul)[\s/>]|!doctype html>)/
    fc.assert(
      fc.property(anySubmission, fc.boolean(), (submission, shown) => {
        const { leaf, disclosures } = prepared(submission)
        const record = parseRecord(leaf)
        const { held } = verifyDisclosures(record, disclosures)
        const payload = shown ? ({ state: 'shown', disclosures: held } as const) : undefined
        const page = entryPage(FRAME, {
          proven: provenAt(0, 1),
          published: true,
          content: { kind: 'record', record, leaf, mayAsk: true, ...(payload && { payload }) },
          committed: 1,
        })
        expect(known.exec(page)).toBeNull()
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(/[\u0000-\u0009\u000b-\u001f\u202a-\u202e]/.exec(page)).toBeNull()
      }),
      { numRuns: 60 },
    )
  })

  it('is text to read, or hexadecimal', () => {
    const shown = (leaf: Uint8Array) =>
      /<pre>([^<]*)<\/pre>/.exec(
        entryPage(FRAME, {
          proven: provenAt(0, 1),
          published: true,
          content: { kind: 'bytes', leaf },
          committed: 1,
        }),
      )?.[1]
    expect(shown(Buffer.from('a\r\nb\u0000'))).toBe('a\nb\\u{0}')
    expect(shown(Buffer.from([0xff, 0xfe]))).toBe('fffe')
    // A character that is cut in the middle is no reason to show bytes.
    expect(shown(Buffer.from(`${'x'.repeat(4095)}é${'x'.repeat(2000)}`))).toMatch(
      /^x{4095}\n… 2\.0 KiB more$/,
    )
  })
})

describe('the words', () => {
  it.each([
    [ageText(-5), 'now'],
    [ageText(999), 'now'],
    [ageText(119_000), '119 s ago'],
    [ageText(3 * 86_400_000), '3 days ago'],
    [latencyText(0.44), '0.4 ms'],
    [latencyText(12.6), '13 ms'],
    [latencyText(1_540), '1.5 s'],
    [rangeText(4, 5), 'entry 4'],
    [rangeText(4_000, 5_000), 'entries 4,000–4,999'],
    [visibleLines('a\tb\n\u0007'), 'a  b\n\\u{7}'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected)
  })
})

describe('the policy of the pages', () => {
  it('lets no script, style or connection in but their own', () => {
    expect(PAGE_POLICY).toContain("default-src 'none'")
    expect(PAGE_POLICY).not.toMatch(/unsafe|\*|https?:/)
  })
})
