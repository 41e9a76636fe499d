/** Records on their whole way, through a real vault, log and index. */
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ed25519PublicKey } from '../../src/crypto/ed25519-node.ts'
import { canonicalJson } from '../../src/formats/canonical-json.ts'
import type { Disclosure } from '../../src/formats/disclosure.ts'
import { parseRecord, parseSubmission } from '../../src/formats/record.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import { signSubmission } from '../../src/formats/record-signature.ts'
import { DEFAULT_RETENTION_TABLE } from '../../src/formats/retention-table.ts'
import { DEFAULT_SECRET_RULES } from '../../src/formats/secrets.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import type { AcceptedRecord } from '../../src/records/service.ts'
import { whereStored } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import {
  caller,
  json,
  type OpenedRecords,
  type Opening,
  openRecordsAt,
  request,
} from './records-place.ts'

let place: TestLogPlace
let opened: OpenedRecords | undefined
beforeEach(async () => {
  place = await newPlace()
})
afterEach(async () => {
  await opened?.close()
  opened = undefined
  await discard(place)
})

async function open(options: Opening = {}): Promise<OpenedRecords> {
  await opened?.close()
  opened = await openRecordsAt(place, options)
  return opened
}

const acme = caller('acme')
const globex = caller('globex')

function refusal(code: string, words: RegExp) {
  return { code, message: expect.stringMatching(words) }
}

async function submitOne(
  { records }: OpenedRecords,
  submission: Uint8Array,
  by = acme,
): Promise<AcceptedRecord> {
  return (await records.submit([submission], by)).records[0]!
}

/** What the vault has of a batch that was never answered. */
async function staged({ vault }: OpenedRecords): Promise<number> {
  return (await vault.staged()).length
}

describe('a record', () => {
  it('is in the log as canonical JSON, in the vault with all that is not clear, and can be found', async () => {
    const all = await open()
    const submission = {
      type: 'llm_request',
      request_id: 'req-1',
      subject: 'ann@example.com',
      actor: 'assistant-7',
      tenant: 'acme',
      resource: 'customers/ann',
      model: { name: 'm', weights: 'unknown member' },
      input: { prompt: 'what is my balance?' },
      output: { text: '12 EUR' },
      tool_calls: [{ id: 'call-1', name: 'balance', arguments: { of: 'ann' } }],
    }
    const before = Date.now()
    const accepted = await submitOne(all, json(submission))
    expect(accepted.index).toBe(0)
    const { record, leaf } = await all.records.read(accepted.index, 'acme')
    expect(parseRecord(leaf)).toEqual(record)
    expect(record.id).toBe(accepted.id)
    expect(hashLeaf(leaf)).toEqual(accepted.leafHash)
    expect(createHash('sha256').update('\0').update(leaf).digest()).toEqual(
      Buffer.from(accepted.leafHash),
    )
    expect(Date.parse(record.time)).toBeGreaterThanOrEqual(before)
    expect(Number.parseInt(record.id.slice(0, 13).replace('-', ''), 16)).toBe(
      Date.parse(record.time),
    )
    for (const secret of ['ann', 'assistant', 'balance?', '12 EUR', 'unknown', 'customers']) {
      expect(Buffer.from(leaf).toString(), secret).not.toContain(secret)
    }
    const disclosures = await all.records.disclosures(record.id, 'acme')
    if (!Array.isArray(disclosures)) throw new Error('expected disclosures')
    expect(canonicalJson(rebuildSubmission(record, disclosures) as never)).toBe(
      canonicalJson(submission as never),
    )
    expect(await all.vault.person('acme', record.subject!)).toBe('ann@example.com')
    await all.records.settled()
    for (const query of [
      { request: 'req-1' },
      { subject: 'ann@example.com' },
      { actor: 'assistant-7' },
      { resource: 'customers/ann' },
      { model: 'm', type: 'llm_request' },
    ]) {
      const page = await all.records.search(query, 'acme')
      expect(
        page.records.map(({ id }) => id),
        JSON.stringify(query),
      ).toEqual([record.id])
    }
    for (const query of [{ subject: 'ann' }, { resource: 'customers' }, { actor: 'bob' }]) {
      expect((await all.records.search(query, 'acme')).records).toEqual([])
    }
    expect(await all.log.indexOf(accepted.leafHash)).toBe(0)
    expect((await all.log.inclusion(accepted.index)).leafHash).toEqual(accepted.leafHash)
  })

  it('may be the least that is one, with nothing to disclose', async () => {
    const all = await open()
    const { id } = await submitOne(all, json({ type: 'deletion' }))
    expect(await all.records.disclosures(id, 'acme')).toEqual([])
    const none = '01990000-0000-7000-8000-000000000000'
    expect(await all.records.disclosures(none, 'acme')).toBeUndefined()
    await all.records.settled()
    expect((await all.records.search({ type: 'deletion' }, 'acme')).records).toHaveLength(1)
  })

  it('has the same pseudonym for the same person, another in another tenant', async () => {
    const all = await open()
    const { records: two } = await all.records.submit([request(1), request(8)], acme)
    const other = await submitOne(all, request(1), globex)
    const subjects = [
      ...(await Promise.all(two.map(({ index }) => all.records.read(index, 'acme')))),
      await all.records.read(other.index, 'globex'),
    ].map(({ record }) => record.subject)
    expect(subjects[0]).toBe(subjects[1])
    expect(subjects[2]).not.toBe(subjects[0])
  })

  it('can be signed by its submitter, and is refused when it is not their signature', async () => {
    const seed = new Uint8Array(randomBytes(32))
    const keys = new Map([['acme key-1', ed25519PublicKey(seed)]])
    const all = await open({
      submitterKey: async (tenant, keyId) => keys.get(`${tenant} ${keyId}`),
      secrets: DEFAULT_SECRET_RULES,
    })
    const nonce = randomBytes(16).toString('base64url')
    const signed = signSubmission(
      { ...parseSubmission(request(1)), nonce },
      { keyId: 'key-1', seed },
    )
    const text = (value: object): Uint8Array => json(value as never)
    const { index } = await submitOne(all, text(signed))
    expect((await all.records.read(index, 'acme')).record.signature).toEqual(signed.signature)
    await expect(submitOne(all, text({ ...signed, request_id: 'req-2' }))).rejects.toMatchObject(
      refusal('VERIFICATION_FAILED', /^record 1: \/signature: .*key-1/),
    )
    await expect(submitOne(all, text(signed), globex)).rejects.toMatchObject(
      refusal('VERIFICATION_FAILED', /^record 1: \/signature\/key_id: no key/),
    )
    expect(all.log.head().size).toBe(1)
  })

  it('is masked or refused where rules find secrets, and then nowhere in the files', async () => {
    const all = await open({ secrets: DEFAULT_SECRET_RULES })
    const card = '4111 1111 1111 1111'
    const { id } = await submitOne(all, request(1, { input: { prompt: `pay with ${card}` } }))
    const disclosures = await all.records.disclosures(id, 'acme')
    if (!Array.isArray(disclosures)) throw new Error('expected disclosures')
    const words = disclosures.map(({ json }: Disclosure) => Buffer.from(json).toString()).join()
    expect(words).not.toContain(card)
    expect(words).toContain('[removed: ')
    expect(await whereStored(place.directory, Buffer.from(card))).toEqual([])
    await expect(submitOne(all, request(1, { session_id: card }))).rejects.toMatchObject(
      refusal('MALFORMED', /^record 1: \/session_id: /),
    )
  })

  it('names a retention class of the table, or none', async () => {
    const all = await open({ retention: DEFAULT_RETENTION_TABLE })
    const { index } = await submitOne(all, request(1, { retention_class: 'health' }))
    const { record } = await all.records.read(index, 'acme')
    expect(record.retention_class).toBe('health')
    await submitOne(all, request(2))
    const unknown = request(3, { retention_class: 'healthy' })
    await expect(submitOne(all, unknown)).rejects.toMatchObject(
      refusal(
        'MALFORMED',
        /^record 1: \/retention_class: the retention table has no class healthy; it has /,
      ),
    )
    expect(all.log.head().size).toBe(2)
  })

  it('names people, and none by what stands for them in the log', async () => {
    const all = await open()
    const { index } = await submitOne(all, request(1))
    const { record } = await all.records.read(index, 'acme')
    for (const member of ['actor', 'subject']) {
      await expect(submitOne(all, request(2, { [member]: record.subject! }))).rejects.toMatchObject(
        refusal(
          'MALFORMED',
          new RegExp(`^record 1: /${member}: this is a pseudonym; submit the name`),
        ),
      )
    }
    await submitOne(all, request(2, { subject: `${record.subject} and more` }))
  })

  it('has a claimed time beside that of the log, but none that is to come', async () => {
    const all = await open({ now: () => Date.UTC(2026, 10, 21, 12) })
    const claimed = '2026-11-21T12:04:59Z'
    const { index } = await submitOne(all, request(1, { claimed_time: claimed }))
    const { record } = await all.records.read(index, 'acme')
    expect(record).toMatchObject({ claimed_time: claimed, time: '2026-11-21T12:00:00.000Z' })
    const soon = request(1, { claimed_time: '2026-11-21T13:05:01+01:00' })
    await expect(submitOne(all, soon)).rejects.toMatchObject(
      refusal('MALFORMED', /^record 1: \/claimed_time: /),
    )
  })
})

describe('a log of leaves alone', () => {
  it('is not gone through for records', async () => {
    let read = 0
    const wrapLog: Opening['wrapLog'] = (log) => ({
      ...log,
      bundle: (...asked) => {
        read++
        return log.bundle(...asked)
      },
    })
    const before = await open()
    await before.log.submit(Array.from({ length: 2_000 }, (_, i) => Buffer.from(`leaf ${i}`)))
    const all = await open({ wrapLog })
    expect([read, all.index.next]).toEqual([0, 2_000])
    const { index } = await submitOne(all, request(1))
    await all.records.settled()
    expect(index).toBe(2_000)
    expect((await all.records.search({}, 'acme')).records).toHaveLength(1)
    // What is found by following is what was found when it was remembered.
    await all.records.reindex()
    expect(read).toBeGreaterThan(0)
    expect((await all.records.search({}, 'acme')).records).toHaveLength(1)
  })
})

describe('a batch', () => {
  it('goes in whole, in its order', async () => {
    const all = await open()
    const { records, head } = await all.records.submit(
      Array.from({ length: 300 }, (_, i) => request(i)),
      acme,
    )
    expect(records.map(({ index }) => index)).toEqual(Array.from({ length: 300 }, (_, i) => i))
    expect(head.size).toBe(300)
    expect([...records].map(({ id }) => id).sort()).toEqual(records.map(({ id }) => id))
    await all.records.settled()
    const page = await all.records.search({ order: 'oldest', limit: 1000 }, 'acme')
    expect(page.records.map(({ id }) => id)).toEqual(records.map(({ id }) => id))
  })

  it.each([
    ['that is no JSON', new TextEncoder().encode('{"type":'), /^record 251: /],
    [
      'with a wrong member',
      request(1, { metrics: { cost: -1 } }),
      /^record 251: \/metrics\/cost: /,
    ],
    ['of another tenant', request(1, { tenant: 'globex' }), /^record 251: \/tenant: /],
    ['of the log itself', json({ type: 'erasure' }), /^record 251: \/type: only the log/],
    [
      'that is too large for a leaf',
      request(1, {
        tool_calls: Array.from({ length: 400 }, (_, i) => ({ name: `${i}`.repeat(80) })),
      }),
      /^record 251: .*65535 at most/,
    ],
  ])('with one record %s is refused, and leaves nothing', async (_, bad, words) => {
    const all = await open()
    const batch = Array.from({ length: 500 }, (_, i) => request(i))
    batch[250] = bad
    const stagings: string[][] = []
    const { stage } = all.vault
    all.vault.stage = (batches) => {
      stagings.push(batches.flatMap(({ entries }) => entries.map(({ recordId }) => recordId)))
      return stage.call(all.vault, batches)
    }
    await expect(all.records.submit(batch, acme)).rejects.toMatchObject({
      code: expect.stringMatching(/^(MALFORMED|FORBIDDEN|TOO_LARGE)$/),
      message: expect.stringMatching(words),
    })
    expect(stagings).toEqual([])
    expect(all.log.head().size).toBe(0)
    expect(await staged(all)).toBe(0)
    await all.records.settled()
    expect((await all.records.search({}, 'acme')).records).toEqual([])
  })

  it('with nothing in it, or of a tenant that is no name, is refused', async () => {
    const { records } = await open()
    await expect(records.submit([], acme)).rejects.toMatchObject(refusal('MALFORMED', /no record/))
    await expect(records.submit([request(1)], caller('a b'))).rejects.toMatchObject(
      refusal('MALFORMED', /tenant/),
    )
  })

  it('that the log refuses is taken out of the vault again', async () => {
    const ids: string[] = []
    const all = await open({
      wrapLog: (log) => ({
        ...log,
        submit: (leaves) => {
          for (const leaf of leaves) ids.push(parseRecord(leaf).id)
          return log.submit(leaves.map(() => new Uint8Array()))
        },
      }),
    })
    await expect(all.records.submit([request(1), request(2)], acme)).rejects.toMatchObject({
      code: 'MALFORMED',
    })
    expect(ids).toHaveLength(2)
    expect(await staged(all)).toBe(0)
    for (const id of ids) expect(await all.vault.get('acme', id)).toBeUndefined()
  })

  it('is refused by a log that takes nothing, before anything is stored', async () => {
    const all = await open({
      wrapLog: (log) => ({ ...log, mode: () => ({ mode: 'disk-full', reason: 'no room' }) }),
    })
    await expect(all.records.submit([request(1)], acme)).rejects.toMatchObject(
      refusal('DISK_FULL', /no room/),
    )
    expect(await all.vault.knownPseudonym('acme', 'person-1@example.com')).toBeUndefined()
  })

  it('of which many come at once is numbered without gaps, in the order of its times', async () => {
    const all = await open()
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        all.records.submit(
          Array.from({ length: 1 + (i % 5) }, (_, j) => request(10 * i + j)),
          i % 3 === 0 ? globex : acme,
        ),
      ),
    )
    const accepted = answers
      .flatMap(({ records }) => records)
      .sort((one, other) => one.index - other.index)
    expect(accepted.map(({ index }) => index)).toEqual(accepted.map((_, i) => i))
    const ids = accepted.map(({ id }) => id)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('a retry', () => {
  const key = new Uint8Array(16).fill(7)

  it('with the same key gets the same records, also after a restart', async () => {
    let all = await open()
    const batch = [request(1), request(2)]
    const first = await all.records.submit(batch, acme, { idempotencyKey: key })
    const again = await all.records.submit(batch, acme, { idempotencyKey: key })
    expect(again.records).toEqual(first.records)
    all = await open()
    const later = await all.records.submit(batch, acme, { idempotencyKey: key })
    expect(later.records).toEqual(first.records)
    expect(all.log.head().size).toBe(2)
    expect(await staged(all)).toBe(0)
    expect((await all.records.search({}, 'acme')).records).toHaveLength(2)
  })

  it('with the same key and something else is refused, and leaves nothing', async () => {
    const all = await open()
    await all.records.submit([request(1)], acme, { idempotencyKey: key })
    for (const [batch, by] of [
      [[request(2)], acme],
      [[request(1), request(1)], acme],
      [[request(1)], globex],
    ] as const) {
      await expect(all.records.submit(batch, by, { idempotencyKey: key })).rejects.toMatchObject(
        refusal('CONFLICT', /idempotency key/),
      )
    }
    await expect(
      all.log.submit([new Uint8Array([1])], { idempotencyKey: key }),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(all.log.head().size).toBe(1)
    expect(await staged(all)).toBe(0)
  })

  it('without a key is a record of its own', async () => {
    const all = await open()
    await submitOne(all, request(1))
    await submitOne(all, request(1))
    expect(all.log.head().size).toBe(2)
  })
})

describe('tenants', () => {
  it('never see each other', async () => {
    const all = await open()
    const same = request(1, { request_id: 'shared' })
    const mine = await submitOne(all, same, acme)
    const theirs = await submitOne(all, same, globex)
    await all.records.settled()
    for (const query of [
      {},
      { request: 'shared' },
      { subject: 'person-1@example.com' },
      { resource: 'file-1' },
    ]) {
      const page = await all.records.search(query, 'acme')
      expect(page.records.map(({ id }) => id)).toEqual([mine.id])
    }
    const { cursor } = await all.records.search({ limit: 1 }, 'acme')
    expect(cursor).toBeUndefined()
    const notFound = { code: 'NOT_FOUND' }
    await expect(all.records.read(theirs.index, 'acme')).rejects.toMatchObject(notFound)
    await expect(all.records.read(mine.index, 'nobody')).rejects.toMatchObject(notFound)
    await expect(all.records.read(leafIndex(99), 'acme')).rejects.toMatchObject(notFound)
    expect(await all.records.disclosures(theirs.id, 'acme')).toBeUndefined()
    expect(await all.records.disclosures(mine.id, 'acme')).toBeInstanceOf(Array)
    expect((await all.records.search({}, 'nobody')).records).toEqual([])
    const erase = { tenant: 'nobody', subject: 'person-1@example.com', basis: 'b', by: acme }
    await expect(all.records.erase(erase)).rejects.toMatchObject(notFound)
  })
})

describe('time', () => {
  it('never goes back, whatever the clock does, and not after a restart either', async () => {
    const start = Date.UTC(2026, 10, 21, 12)
    let now = start
    let all = await open({ now: () => now })
    const accepted: AcceptedRecord[] = []
    for (const jump of [0, 0, 5, -3_600_000, 1, -10, 3_600_010]) {
      now += jump
      accepted.push(await submitOne(all, request(accepted.length)))
    }
    now = start - 86_400_000
    all = await open({ now: () => now })
    expect(all.events).toEqual([{ event: 'clock-behind', milliseconds: 86_400_006 }])
    accepted.push(await submitOne(all, request(accepted.length)))
    const records = await Promise.all(
      accepted.map(async ({ index }) => (await all.records.read(index, 'acme')).record),
    )
    const times = records.map(({ time }) => Date.parse(time) - start)
    expect(times).toEqual([0, 0, 5, 5, 5, 5, 6, 7])
    const ids = records.map(({ id }) => id)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('goes on by itself when a millisecond is full', async () => {
    const start = Date.UTC(2026, 10, 21, 12)
    const all = await open({ now: () => start })
    const { records } = await all.records.submit(
      Array.from({ length: 5_000 }, () => json({ type: 'deletion' })),
      acme,
    )
    const timeAt = async (i: number): Promise<number> =>
      Date.parse((await all.records.read(records[i]!.index, 'acme')).record.time) - start
    expect(await timeAt(4_095)).toBe(0)
    expect(await timeAt(4_096)).toBe(1)
    expect(await timeAt(4_999)).toBe(1)
    const ids = records.map(({ id }) => id)
    expect([...ids].sort()).toEqual(ids)
  })
})

describe('a leaf that imitates a record', () => {
  it('is none: not to read, not to find, and no order to erase', async () => {
    let all = await open({ logOptions: { dedup: false } })
    const accepted = await submitOne(all, request(1))
    const { leaf, record } = await all.records.read(accepted.index, 'acme')
    const text = Buffer.from(leaf).toString()
    const bytes = (changed: string): Uint8Array => new TextEncoder().encode(changed)
    const erasure = {
      ...record,
      type: 'erasure',
      action: 'erase',
      commitments: { '/subject': Object.values(record.commitments)[0]! },
      id: record.id.replace(/^........./, 'ffffffff-'),
    }
    for (const part of ['input', 'output', 'model', 'metrics', 'request_id']) {
      delete (erasure as Record<string, unknown>)[part]
    }
    const imitations = [
      // The same record again, where a log takes leaves twice.
      leaf,
      // What only its id would give away.
      bytes(text.replace('"req-1"', '"req-2"')),
      bytes(text.replace('llm_request', 'tool_call')),
      bytes(text.replace('"acme"', '"globex"')),
      bytes(text.replace('"acme"', '"nobody"')),
      // As if made later.
      bytes(text.replace(record.id, `ffffffff${record.id.slice(8)}`)),
      bytes(canonicalJson(erasure as never)),
      // Not even like one.
      bytes('{"version":"cairn-record/v1"}'),
      bytes('{"id":7,"tenant":"acme","version":"cairn-record/v1"}'),
      bytes(
        `{"id":"${record.id}","id":"${record.id}","tenant":"acme","version":"cairn-record/v1"}`,
      ),
      bytes('["version":"cairn-record/v1"}'),
    ]
    parseRecord(imitations[6]!)
    const { leaves } = await all.log.submit(imitations)
    expect(leaves).toHaveLength(imitations.length)
    const later = await submitOne(all, request(2))

    const expectUntouched = async (): Promise<void> => {
      await all.records.settled()
      expect(all.index.next).toBe(all.log.head().size)
      for (const tenant of ['acme', 'globex', 'nobody']) {
        const { records } = await all.records.search({}, tenant)
        const expected = tenant === 'acme' ? [later.id, accepted.id] : []
        expect(records.map(({ id }) => id)).toEqual(expected)
        for (const { index } of leaves) {
          await expect(all.records.read(index, tenant)).rejects.toMatchObject({ code: 'NOT_FOUND' })
        }
      }
      expect(await all.vault.knownPseudonym('nobody', 'x')).toBeUndefined()
      expect(await all.records.disclosures(accepted.id, 'acme')).toBeInstanceOf(Array)
      expect(await all.vault.person('acme', record.subject!)).toBe('person-1@example.com')
    }
    await expectUntouched()
    await all.records.reindex()
    await expectUntouched()
    all = await open({ logOptions: { dedup: false } })
    // One more of a record that the index had before it was opened.
    await all.log.submit([leaf])
    await submitOne(all, request(3), globex)
    await all.records.settled()
    expect((await all.records.search({}, 'acme')).records).toHaveLength(2)
  })
})

describe('a record of the log’s own', () => {
  it('is noted like any other, and is refused what only an erasure may say', async () => {
    const all = await open()
    const access = await all.records.note(
      { type: 'access', actor: 'auditor', action: 'read', extra: { purpose: 'audit' } },
      'acme',
    )
    const { record } = await all.records.read(access.index, 'acme')
    expect(record).toMatchObject({ type: 'access', action: 'read' })
    await all.records.settled()
    expect((await all.records.search({ actor: 'auditor' }, 'acme')).records).toHaveLength(1)
    await expect(
      all.records.note({ type: 'erasure', subject: 'ann@example.com' }, 'acme'),
    ).rejects.toMatchObject(refusal('MALFORMED', /^\/subject: /))
    await expect(all.records.note({ type: 'llm_request' }, 'acme')).rejects.toMatchObject({
      code: 'MALFORMED',
    })
    expect(all.log.head().size).toBe(1)
  })
})

describe('the index', () => {
  it('built again gives the same answers', async () => {
    const all = await open()
    for (let i = 0; i < 12; i++) {
      await all.log.submit([new TextEncoder().encode(`raw leaf ${i}`)])
      const batch = Array.from({ length: 40 }, (_, j) => request(40 * i + j))
      await all.records.submit(batch, i % 4 === 3 ? globex : acme)
    }
    const subject = 'person-3@example.com'
    await all.records.erase({ tenant: 'acme', subject, basis: 'Art. 17', by: acme })
    const queries = [
      { limit: 1000 },
      { subject: 'person-2@example.com', limit: 1000 },
      { subject },
      { resource: 'file-2', model: 'model-1', limit: 1000 },
      { minimumCost: 2, order: 'costliest', limit: 1000 },
      { type: 'erasure' },
      { request: 'req-17' },
    ] as const
    const answers = async () => {
      await all.records.settled()
      return Promise.all(
        ['acme', 'globex'].flatMap((tenant) =>
          queries.map((query) => all.records.search(query, tenant)),
        ),
      )
    }
    const before = await answers()
    const counts = before.map(({ records }) => records.length)
    expect(counts[0]).toBeGreaterThan(300)
    expect(counts[1]).toBeGreaterThan(30)
    expect(counts.slice(2, 6)).toEqual([0, expect.any(Number), expect.any(Number), 1])
    const progress: [number, number][] = []
    await all.records.reindex((entries, total) => progress.push([entries, total]))
    expect(progress.at(-1)).toEqual([all.log.head().size, all.log.head().size])
    expect(await answers()).toEqual(before)
  })

  it('is built again at the start when it is gone, or belongs to a longer log', async () => {
    let all = await open()
    await all.records.submit([request(1), request(2)], acme)
    await all.records.settled()
    await all.index.clear()
    all = await open()
    expect((await all.records.search({}, 'acme')).records).toHaveLength(2)
    await all.index.apply({ records: [], next: leafIndex(1_000) })
    all = await open()
    expect(all.index.next).toBe(2)
    expect((await all.records.search({ resource: 'file-1' }, 'acme')).records).toHaveLength(1)
  })

  it('can fail without anything being lost', async () => {
    let failing = false
    let all = await open({
      wrapIndex: (store) => ({
        get: (keys) => store.get(keys),
        scan: (range, scan) => store.scan(range, scan),
        write: (write) => (failing ? Promise.reject(new Error('broken')) : store.write(write)),
        clear: () => store.clear(),
        purge: (ranges) => store.purge(ranges),
        usage: () => store.usage(),
        close: () => store.close(),
      }),
    })
    failing = true
    await submitOne(all, request(1))
    await expect(all.records.settled()).rejects.toThrow('broken')
    await submitOne(all, request(2))
    expect(all.events).toEqual([{ event: 'index-failed', reason: 'broken' }])
    expect((await all.records.search({}, 'acme')).records).toEqual([])
    all = await open()
    expect((await all.records.search({}, 'acme')).records).toHaveLength(2)
  })

  it('asks for pages, and refuses what makes no sense', async () => {
    const all = await open()
    const { records } = await all.records.submit([request(1), request(2), request(3)], acme)
    await all.records.settled()
    const first = await all.records.search({ limit: 2, order: 'oldest' }, 'acme')
    await submitOne(all, request(4))
    await all.records.settled()
    const cursor = first.cursor!
    const second = await all.records.search({ limit: 2, order: 'oldest', cursor }, 'acme')
    expect([...first.records, ...second.records].map(({ id }) => id)).toEqual(
      records.map(({ id }) => id),
    )
    await expect(
      all.records.search({ limit: 2, order: 'oldest', cursor }, 'globex'),
    ).rejects.toMatchObject({ code: 'MALFORMED' })
    await expect(all.records.search({ limit: 0 }, 'acme')).rejects.toMatchObject({
      code: 'MALFORMED',
    })
  })
})

describe('closing', () => {
  it('finishes what was accepted, and takes no more', async () => {
    const all = await open()
    const submitted = all.records.submit([request(1)], acme)
    await all.records.close()
    expect((await submitted).records).toHaveLength(1)
    await expect(all.records.submit([request(2)], acme)).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(all.records.note({ type: 'access' }, 'acme')).rejects.toMatchObject({
      code: 'STOPPED',
    })
  })
})
