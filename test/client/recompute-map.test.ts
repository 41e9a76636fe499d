import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { MapAudit, type MapFault, type MapPlace } from '../../src/client/recompute-map.ts'
import { formatMapRoot, MAX_MAP_LAG } from '../../src/formats/completeness-root.ts'
import { type MapTerm, termsOf } from '../../src/formats/completeness-terms.ts'
import type { RecordLeaf } from '../../src/formats/record.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { COMPLETE_LOG, MAP_KEY } from '../support/completeness-vectors.ts'
import { ORIGIN } from '../support/example-log.ts'
import { naiveMap } from '../support/naive-map.ts'

const OTHER = utf8('another leaf')

/** A log under audit: what was appended, and what the auditor said of it. */
function underAudit(options: { readonly key?: Uint8Array } = {}) {
  let audit = new MapAudit({ origin: ORIGIN, ...options })
  const listed = new Map<number, readonly MapTerm[]>()
  const faults: MapFault[] = []
  const leaves: [Uint8Array, RecordLeaf | undefined][] = []
  let size = 0
  const take = (leaf: Uint8Array, record?: RecordLeaf): void => {
    const fault = audit.next(leaf, record)
    if (fault !== undefined) faults.push(fault)
    leaves.push([leaf, record])
    size++
  }
  return {
    get audit() {
      return audit
    },
    /** Begins again at a place, as an audit does that was stopped. */
    goOnFrom: (from: MapPlace) => {
      audit = new MapAudit({ origin: ORIGIN, key: MAP_KEY, from })
      const behind = leaves.slice(from.size)
      for (const [leaf, record] of behind) {
        const fault = audit.next(leaf, record)
        if (fault !== undefined) faults.push(fault)
      }
    },
    faults,
    size: () => size,
    take,
    others: (count: number) => {
      for (let i = 0; i < count; i++) take(OTHER)
    },
    record: (request: number, session: number) => {
      const record = {
        id: `019a9bd4-5c00-7000-8000-${String(size).padStart(12, '0')}`,
        tenant: 'acme',
        request_id: `req-${request}`,
        session_id: `session-${session}`,
      } as RecordLeaf
      listed.set(size, termsOf(record))
      take(OTHER, record)
    },
    root: (of: number, change: object = {}) => {
      const { root } = naiveMap(MAP_KEY, (index) => listed.get(index) ?? [], of)
      const said = { origin: ORIGIN, size: treeSize(of), root: rootHash(root), key: MAP_KEY }
      take(formatMapRoot({ ...said, ...change }))
    },
  }
}

describe('the audit of a map', () => {
  it('finds the map roots of an honest log right, whatever else it holds', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('record' as const), a: fc.nat(5), b: fc.nat(2) }),
      fc.record({
        kind: fc.constant('others' as const),
        a: fc.constantFrom(1, 7, 2_000, 4_095),
        b: fc.nat(2),
      }),
      fc.record({ kind: fc.constant('root' as const), a: fc.nat(3), b: fc.nat(2) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isKnown) => {
        const log = underAudit(isKnown ? { key: MAP_KEY } : {})
        let [last, roots] = [0, 0]
        for (const { kind, a, b } of steps) {
          if (kind === 'record') log.record(a, b)
          else if (kind === 'others') log.others(a)
          else if (log.size() - a > last) {
            // Some entries came in while the root was on its way.
            last = log.size() - a
            log.root(last)
            roots++
          }
        }
        expect(log.faults).toEqual([])
        expect(log.audit.statistics()).toEqual({ roots, size: last, voids: 0 })
      }),
      { numRuns: 25 },
    )
  })

  it('goes on over large blocks', () => {
    const log = underAudit()
    for (const gap of [4_000, 95, 200_000, 58_000, 46, 0, 1, 3_000, 6_000]) {
      log.record(1, gap % 3)
      log.others(gap)
      log.record(gap % 2, 1)
    }
    expect(log.size()).toBeGreaterThan(262_144 + 4_096)
    log.root(262_144)
    expect(log.audit.statistics().roots).toBe(1)
    log.root(262_145)
    log.root(log.size())
    expect(log.faults).toEqual([])
    expect(log.audit.statistics().roots).toBe(3)
  })

  it('goes on from the end of a large block', () => {
    const log = underAudit({ key: MAP_KEY })
    const grow = (to: number): void => {
      while (log.size() < to) {
        log.record(log.size() % 5, log.size() % 3)
        log.others(Math.min(9_999, to - log.size()))
      }
    }
    grow(262_144)
    log.root(262_000)
    const early = log.audit.placeAt(262_144)
    grow(262_144 + MAX_MAP_LAG - 2)
    log.root(262_143)
    expect([early, log.audit.placeAt(262_144), log.audit.placeAt(4_096)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    grow(262_144 + MAX_MAP_LAG)
    log.root(262_145)
    const place = log.audit.placeAt(262_144)!
    expect(place).toMatchObject({ size: 262_144, checked: log.size(), statistics: { roots: 3 } })
    expect(place.large).toHaveLength(1)

    log.goOnFrom(place)
    expect(log.audit.statistics()).toEqual({ roots: 3, size: 262_145, voids: 0 })
    log.root(262_144 + MAX_MAP_LAG)
    log.root(log.size(), { root: rootHash(new Uint8Array(32)) })
    expect(log.faults.map(({ index }) => index)).toEqual([log.size() - 1])
    expect(log.audit.statistics().roots).toBe(4)
  })

  it('reads records by itself', () => {
    const audit = new MapAudit({ origin: ORIGIN })
    for (const leaf of COMPLETE_LOG.leaves) expect(audit.next(leaf)).toBe(undefined)
    expect(audit.statistics()).toEqual({ roots: 1, size: 8, voids: 0 })
  })

  it('finds a map that leaves out a record', () => {
    const audit = new MapAudit({ origin: ORIGIN })
    const leaves = COMPLETE_LOG.leaves.map((leaf, i) => (i === 2 ? COMPLETE_LOG.leaves[3]! : leaf))
    const faults = leaves.map((leaf) => audit.next(leaf)).filter((fault) => fault !== undefined)
    expect(faults).toEqual([
      { index: 8, reason: 'the map of the first 8 entries has another root hash' },
    ])
  })

  it.each<[string, object, string]>([
    ['another log', { origin: 'other.example/log' }, 'it is about the map of other.example/log'],
    ['entries to come', { size: treeSize(5) }, 'it is about 5 entries, and only 4 were there'],
    ['as many entries as the one before', { size: treeSize(2) }, 'and one of 2 came before'],
    ['another key', { key: new Uint8Array(32) }, 'it has another key than the map roots before it'],
    ['another root', { root: rootHash(new Uint8Array(32)) }, 'has another root hash'],
  ])('finds a map root of %s', (_, change, reason) => {
    const log = underAudit()
    log.record(1, 1)
    log.record(2, 1)
    log.root(2)
    log.record(3, 1)
    log.root(4, change)
    expect(log.faults).toHaveLength(1)
    expect(log.faults[0]!.index).toBe(4)
    expect(log.faults[0]!.reason).toContain(reason)
    log.root(5)
    expect(log.faults).toHaveLength(1)
  })

  it('finds what only looks like a map root', () => {
    const log = underAudit()
    log.take(utf8('cairn-map/v2\n'))
    expect(log.faults[0]!.reason).toContain('it is not written as map roots are')
  })

  it('lets one that came too late count for nothing', () => {
    const log = underAudit()
    log.record(1, 1)
    log.others(MAX_MAP_LAG)
    log.root(1, { root: rootHash(new Uint8Array(32)) })
    log.root(2 + 1)
    expect(log.faults).toEqual([])
    expect(log.audit.statistics()).toEqual({ roots: 1, size: 3, voids: 1 })
  })
})
