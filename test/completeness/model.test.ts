/** Any sequence of submissions, map roots, restarts and losses, against a plain list of what was submitted. */
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { MapAudit } from '../../src/client/recompute-map.ts'
import type { CompletenessService } from '../../src/completeness/service.ts'
import { openCompleteness } from '../../src/completeness/upkeep.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import { verifyCompleteness } from '../../src/formats/completeness.ts'
import { listedRecord } from '../../src/formats/completeness-terms.ts'
import type { LogService } from '../../src/log/service.ts'
import type { IndexStore } from '../../src/storage/index-port.ts'
import { prepared } from '../support/records.ts'
import { discardStore, openIndexStore, openLogAt } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'

let made = 0

class Scene {
  readonly place: TestLogPlace
  log!: LogService
  store!: IndexStore
  map!: CompletenessService
  /** The request of each entry that is a record. */
  readonly requests: (string | undefined)[] = []

  constructor(place: TestLogPlace) {
    this.place = place
  }

  async open(): Promise<void> {
    this.log = await openLogAt(this.place)
    this.store = await openIndexStore(join(this.place.directory, 'map'))
    this.map = await openCompleteness({ log: this.log, store: this.store, everyMs: 0 })
  }

  async close(): Promise<void> {
    await this.map.close()
    await this.log.close()
    await this.store.close()
  }

  async submit(requests: readonly (string | undefined)[], isHeard: boolean): Promise<void> {
    const from = this.requests.length
    const leaves = requests.map((request) => {
      const id = `019a9bd4-5c00-7000-8000-${String(made++).padStart(12, '0')}`
      if (request === undefined) return utf8(id)
      return prepared({ type: 'llm_request', request_id: request }, { id }).leaf
    })
    await this.log.submit(leaves)
    this.requests.push(...requests)
    if (!isHeard) return
    const records = leaves.flatMap((leaf, i) => {
      const record = listedRecord(leaf)
      return record === undefined ? [] : [{ index: from + i, record }]
    })
    this.map.hear(from, from + leaves.length, records)
  }

  /** What is proven of a request is what was submitted of it. */
  async ask(request: string): Promise<void> {
    const { log, map } = this
    const committed = await map.committed()
    // The map root itself, where it is new.
    while (this.requests.length < log.head().size) this.requests.push(undefined)
    const { origin } = log
    const head = log.head()
    const term = { tenant: 'acme', field: 'request', value: request } as const
    const proof = await map.prove(term, committed, head.size)
    const { indices, size } = verifyCompleteness(proof, { ...head, origin })
    const expected = this.requests.flatMap((one, index) => (one === request ? [index] : []))
    expect(indices).toEqual(expected)
    expect(this.requests.slice(size).every((one) => one === undefined)).toBe(true)
  }

  async audit(): Promise<void> {
    const audit = new MapAudit({ origin: this.log.origin })
    const { size } = this.log.head()
    for (let first = 0; first < size; first += 256) {
      const width = Math.min(256, size - first)
      const leaves = decodeBundle((await this.log.bundle(first / 256, width))!, width)
      for (const leaf of leaves) expect(audit.next(leaf)).toBe(undefined)
    }
  }
}

const anyRequest = fc.integer({ min: 0, max: 6 }).map((n) => `req-${n}`)
const anyStep = fc.oneof(
  fc.record({
    kind: fc.constant('submit' as const),
    requests: fc.array(fc.option(anyRequest, { nil: undefined }), { minLength: 1, maxLength: 20 }),
    isHeard: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('others' as const), count: fc.constantFrom(255, 1_900, 4_096) }),
  fc.record({ kind: fc.constant('ask' as const), request: anyRequest }),
  fc.record({ kind: fc.constant('restart' as const), isLost: fc.boolean() }),
)

describe('the map of any log', () => {
  it('proves what was submitted, and is found right', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 4, maxLength: 14 }), async (steps) => {
        const scene = new Scene(await newPlace())
        await scene.open()
        try {
          await scene.submit(['req-0'], false)
          for (const step of steps) {
            if (step.kind === 'submit') await scene.submit(step.requests, step.isHeard)
            else if (step.kind === 'others') {
              await scene.submit(Array<undefined>(step.count).fill(undefined), false)
            } else if (step.kind === 'ask') await scene.ask(step.request)
            else {
              await scene.close()
              if (step.isLost) await discardStore(join(scene.place.directory, 'map'))
              await scene.open()
            }
          }
          await scene.ask('req-1')
          await scene.audit()
        } finally {
          await scene.close()
          await discard(scene.place)
        }
      }),
      { numRuns: 12 },
    )
  })
})
