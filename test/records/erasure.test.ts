/** Erasing a person from the records of a real log. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { verifyReceipt } from '../../src/client/verify-receipt.ts'
import { CairnError } from '../../src/errors.ts'
import { parseRecord } from '../../src/formats/record.ts'
import { rebuildSubmission } from '../../src/formats/record-rebuild.ts'
import { formatTlogProof } from '../../src/formats/tlog-proof.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { AcceptedRecord, ErasureOutcome } from '../../src/records/service.ts'
import { whereStored } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { caller, json, type OpenedRecords, openRecordsAt, request } from './records-place.ts'

let place: TestLogPlace
let all: OpenedRecords
beforeEach(async () => {
  place = await newPlace()
  all = await openRecordsAt(place)
})
afterEach(async () => {
  await all.close()
  await discard(place)
})

const acme = caller('acme', 'privacy-officer')

function erase(subject: string, more: object = {}): Promise<ErasureOutcome> {
  const basis = 'GDPR Art. 17(1)(b)'
  return all.records.erase({ tenant: 'acme', subject, basis, by: acme, ...more })
}

/** Bytes that nothing else has, in letters. */
const canary = (): string => randomBytes(48).toString('hex')

describe('an erasure', () => {
  it('leaves leaf, proof and receipt as they were, and of the person and the payload not a byte', async () => {
    const person = `ann-${canary()}@example.com`
    const [prompt, resource, other] = [canary(), canary(), canary()]
    const mine = json({
      type: 'llm_request',
      subject: person,
      actor: 'assistant',
      resource,
      input: { prompt },
      unknown: { of: person },
    })
    const batch = [request(1), mine, request(2, { input: { prompt: other } })]
    const { records, head } = await all.records.submit(batch, acme)
    const accepted = records[1]!
    const before = await all.records.read(accepted.index, 'acme')
    const inclusion = await all.log.inclusionUnder(accepted.index, accepted.leafHash, head)
    const { proof } = inclusion
    const { index } = accepted
    const receipt = utf8(formatTlogProof({ index, proof, checkpoint: head.checkpoint }))
    const trust = { logKeys: all.log.vkeys.map(parseVkey) }
    const verdict = () => verifyReceipt({ leaf: before.leaf, receipt, trust })
    expect(verdict()).toMatchObject({ ok: true, index })
    await all.records.settled()
    expect((await all.records.search({ resource }, 'acme')).records).toHaveLength(1)
    const pseudonym = before.record.subject!
    expect(await all.vault.knownPseudonym('acme', person)).toBe(pseudonym)

    const outcome = await erase(person)
    expect(outcome).toMatchObject({ pseudonym, records: 1 })
    expect(await all.records.disclosures(accepted.id, 'acme')).toMatchObject([
      { pointer: '/actor' },
    ])
    expect(await all.records.disclosures(records[2]!.id, 'acme')).toHaveLength(4)
    expect(await all.records.read(accepted.index, 'acme')).toEqual(before)
    expect(verdict()).toMatchObject({ ok: true, index })
    expect(await all.log.inclusionProof(accepted.index, head.size)).toEqual(proof)
    for (const query of [{ subject: person }, { resource }]) {
      expect((await all.records.search(query, 'acme')).records).toEqual([])
    }
    expect(await all.vault.person('acme', pseudonym)).toBeUndefined()

    // The record of it says who ordered it, on what grounds, and names nobody.
    const { record } = await all.records.read(outcome.erasure.index, 'acme')
    expect(record).toMatchObject({ type: 'erasure', action: 'erase', subject: pseudonym })
    const disclosures = await all.records.disclosures(record.id, 'acme')
    expect(rebuildSubmission(record, disclosures as never)).toEqual({
      type: 'erasure',
      action: 'erase',
      subject: pseudonym,
      actor: 'privacy-officer',
      extra: { basis: 'GDPR Art. 17(1)(b)', pseudonym },
    })
    const found = await all.records.search({ type: 'erasure' }, 'acme')
    expect(found.records.map(({ id }) => id)).toEqual([outcome.erasure.id])

    await all.close()
    for (const secret of [person, prompt, resource]) {
      expect(await whereStored(place.directory, Buffer.from(secret))).toEqual([])
    }
    all = await openRecordsAt(place)
    expect(await all.records.read(accepted.index, 'acme')).toEqual(before)
    const problems: string[] = []
    for await (const problem of all.vault.inspect()) problems.push(problem)
    expect(problems).toEqual([])
  })

  it('is one of nobody when the name is not known, or was erased before', async () => {
    const notFound = { code: 'NOT_FOUND', message: expect.not.stringContaining('person') }
    await expect(erase('person-1@example.com')).rejects.toMatchObject(notFound)
    await all.records.submit([request(1)], acme)
    await erase('person-1@example.com')
    await expect(erase('person-1@example.com')).rejects.toMatchObject(notFound)
    await expect(erase('person-1@example.com', { basis: ' ' })).rejects.toMatchObject({
      code: 'MALFORMED',
    })
    expect(all.log.head().size).toBe(2)
  })

  it('asked for twice at once is done once', async () => {
    await all.records.submit([request(1)], acme)
    const outcomes = await Promise.allSettled([
      erase('person-1@example.com'),
      erase('person-1@example.com'),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(all.log.head().size).toBe(2)
  })

  it('of whoever orders it, and of whoever acted, takes their name out of all records', async () => {
    const name = `bob-${canary()}`
    const bob = caller('acme', name)
    const { records } = await all.records.submit([request(1, { actor: name })], acme)
    await erase('person-1@example.com', { by: bob })
    const { erasure, records: count } = await erase(name, { by: bob })
    // The request, the erasure that he ordered, and his own.
    expect(count).toBe(3)
    expect(await all.records.disclosures(records[0]!.id, 'acme')).toBe('erased')
    const { record } = await all.records.read(erasure.index, 'acme')
    expect(record.actor).toBe(record.subject)
    expect((await all.records.search({ actor: name }, 'acme')).records).toEqual([])
    await all.close()
    expect(await whereStored(place.directory, Buffer.from(name))).toEqual([])
    all = await openRecordsAt(place)
  })

  it('gives the person another pseudonym, which leads to nothing before', async () => {
    const subject = 'person-1@example.com'
    await all.records.submit([request(1)], acme)
    const { pseudonym } = await erase(subject)
    const { records } = await all.records.submit([request(8)], acme)
    const { record } = await all.records.read(records[0]!.index, 'acme')
    expect(record.subject).not.toBe(pseudonym)
    await all.records.settled()
    const found = await all.records.search({ subject }, 'acme')
    expect(found.records.map(({ id }) => id)).toEqual([record.id])
  })

  it('lets nothing of the person come after it, while their records pour in', async () => {
    const subject = 'person-1@example.com'
    const accepted: AcceptedRecord[] = []
    let isOver = false
    const lanes = Array.from({ length: 12 }, async (_, lane) => {
      for (let n = 0; !isOver; n++) {
        const person = n % 3 === 0 ? { subject: 'other', actor: subject } : { subject }
        const batch = Array.from({ length: 1 + (lane % 4) }, () => request(lane, person))
        accepted.push(...(await all.records.submit(batch, acme)).records)
      }
    })
    const outcomes: ErasureOutcome[] = []
    try {
      while (outcomes.length < 4) {
        // Each lane has submitted something since, so the person is known again.
        const enough = accepted.length + 48
        while (accepted.length < enough) await new Promise((resume) => setTimeout(resume, 5))
        outcomes.push(await erase(subject))
      }
    } finally {
      isOver = true
    }
    await Promise.all(lanes)
    const erasedAt = new Map(outcomes.map((one) => [one.pseudonym, one.erasure.index]))
    expect(erasedAt.size).toBe(4)
    let count = 0
    for (const { index, id } of accepted) {
      const { record } = await all.records.read(index, 'acme')
      for (const person of [record.subject, record.actor]) {
        const at = person === undefined ? undefined : erasedAt.get(person)
        if (at === undefined) continue
        count++
        expect(index).toBeLessThan(at)
        if (person === record.subject) {
          expect(await all.records.disclosures(id, 'acme')).toBe('erased')
        }
      }
    }
    expect(count).toBeGreaterThan(10)
  })

  it('outside of the records is noticed, and the person has another pseudonym from then on', async () => {
    await all.records.submit(
      [1, 2, 3, 4].map((n) => request(n)),
      acme,
    )
    const pseudonym = (await all.vault.knownPseudonym('acme', 'person-1@example.com'))!
    await all.vault.eraseSubject('acme', pseudonym)
    // Those of others that come with it are no worse for it.
    const [{ records }] = await Promise.all([
      all.records.submit([request(8)], acme),
      ...[2, 3, 4].map((n) => all.records.submit([request(n)], acme)),
    ])
    const { record } = await all.records.read(records[0]!.index, 'acme')
    expect(record.subject).not.toBe(pseudonym)
    expect(await all.vault.person('acme', record.subject!)).toBe('person-1@example.com')
  })

  it('holds although the index has failed, which makes up for it at the next start', async () => {
    await all.close()
    let failing = false
    all = await openRecordsAt(place, {
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
    const resource = canary()
    const { records } = await all.records.submit([request(1, { resource })], acme)
    await all.records.settled()
    failing = true
    await expect(erase('person-1@example.com')).rejects.toThrow('broken')
    expect(await all.records.disclosures(records[0]!.id, 'acme')).toBe('erased')
    await all.records.submit([request(8)], acme)
    await all.close()
    all = await openRecordsAt(place)
    expect((await all.records.search({ resource }, 'acme')).records).toEqual([])
    const { records: found } = await all.records.search({ subject: 'person-1@example.com' }, 'acme')
    expect(found.map(({ request_id }) => request_id)).toEqual(['req-8'])
  })

  it('that was interrupted after it was logged is finished at the next start', async () => {
    const { records } = await all.records.submit([request(1)], acme)
    await all.close()
    const failure = new CairnError('DISK_FULL', 'no power')
    all = await openRecordsAt(place, {
      wrapVault: (vault) =>
        new Proxy(vault, {
          get: (target, name) => {
            if (name === 'eraseSubject') return () => Promise.reject(failure)
            const member: unknown = Reflect.get(target, name, target)
            return typeof member === 'function' ? member.bind(target) : member
          },
        }),
    })
    await expect(erase('person-1@example.com')).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: 'the log has recorded the erasure, and the next start finishes it: no power',
    })
    // Who is about to be erased gets no further records under the old pseudonym.
    await expect(all.records.submit([request(8)], acme)).rejects.toThrow('no power')
    expect(all.log.head().size).toBe(2)
    expect(await all.records.disclosures(records[0]!.id, 'acme')).toHaveLength(4)
    await all.close()
    all = await openRecordsAt(place)
    expect(await all.records.disclosures(records[0]!.id, 'acme')).toBe('erased')
    const leaf = (await all.log.entry(records[0]!.index))!
    expect(await all.vault.person('acme', parseRecord(leaf).subject!)).toBeUndefined()
    expect((await all.records.search({ subject: 'person-1@example.com' }, 'acme')).records).toEqual(
      [],
    )
  })
})
