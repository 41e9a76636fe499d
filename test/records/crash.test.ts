/** What is left after a process that was killed, and after a log that did not answer. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CairnError } from '../../src/errors.ts'
import { parseRecord, type RecordLeaf } from '../../src/formats/record.ts'
import { leafIndex } from '../../src/merkle/position.ts'
import { formatRecordId } from '../../src/vault/names.ts'
import { parsePayloadKey } from '../../src/vault/row-keys.ts'
import { bundles } from '../support/bundled.ts'
import { isInFiles, openVaultStore } from '../support/stores.ts'
import { discard, newPlace, type TestLogPlace } from '../support/test-log.ts'
import { caller, type OpenedRecords, openRecordsAt, request } from './records-place.ts'
import { keysAsJson, type Said, TENANTS } from './submitter.ts'

const submitter = bundles({
  submitter: `
    import { submitUntilKilled } from ${JSON.stringify(fileURLToPath(new URL('submitter.ts', import.meta.url)))}
    const [, , directory, run, erasing] = process.argv
    await submitUntilKilled(directory, run, erasing === 'erase')`,
})

let place: TestLogPlace
beforeEach(async () => {
  place = await newPlace()
  await writeFile(join(place.directory, 'keys.json'), keysAsJson(place.keys))
})
afterEach(() => discard(place))

/** Lets a process submit, kills it so long after its first acknowledgement, and gives what it said. */
async function killed(run: string, wait: number, ...more: string[]): Promise<Said[]> {
  const args = [join(await submitter(), 'submitter.mjs'), place.directory, run, ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = new Promise((exit) => child.once('exit', exit))
  const said: Said[] = []
  let isDying = false
  for await (const line of createInterface(child.stdout)) {
    try {
      said.push(JSON.parse(line) as Said)
    } catch {
      // The last line may be cut short.
      expect(isDying).toBe(true)
    }
    if (said.at(-1)?.said === 'accepted' && !isDying) {
      isDying = true
      setTimeout(() => child.kill('SIGKILL'), wait)
    }
  }
  await gone
  expect(child.signalCode).toBe('SIGKILL')
  return said
}

/** Every record in the log. */
async function recordsOf({ log }: OpenedRecords): Promise<RecordLeaf[]> {
  const records: RecordLeaf[] = []
  for (let i = 0; i < log.head().size; i++) {
    records.push(parseRecord((await log.entry(leafIndex(i)))!))
  }
  return records
}

/** The ids of all that the vault has rows of, read from its files. */
async function idsInVault(): Promise<string[]> {
  const store = await openVaultStore(join(place.directory, 'vault'))
  const ids = new Set<string>()
  for await (const { key } of store.payloads.list(new Uint8Array())) {
    if (key[0] === 'p'.charCodeAt(0)) ids.add(formatRecordId(parsePayloadKey(key).record))
  }
  await store.close()
  return [...ids].sort()
}

async function foundInIndex({ records }: OpenedRecords): Promise<string[]> {
  const ids: string[] = []
  for (const tenant of TENANTS) {
    for (let cursor: string | undefined; ; ) {
      const page = await records.search({ limit: 1000, ...(cursor && { cursor }) }, tenant)
      ids.push(...page.records.map(({ id }) => id))
      cursor = page.cursor
      if (cursor === undefined) break
    }
  }
  return ids.sort()
}

// The process that is killed has its stores in a directory.
describe.runIf(isInFiles)('a process killed while it submits', () => {
  it('has each acknowledged record once in log, vault and index, and nothing that is not in the log', async () => {
    const accepted: Extract<Said, { said: 'accepted' }>[] = []
    let withdrawn = 0
    for (const [run, wait] of [150, 35, 0, 80, 10].entries()) {
      const said = await killed(`run${run}`, wait)
      for (const one of said) {
        if (one.said === 'open') withdrawn += one.withdrawn
        if (one.said === 'accepted') accepted.push(one)
      }
    }
    const all = await openRecordsAt(place)
    for (const event of all.events) if (event.event === 'withdrawn') withdrawn += event.batches
    const records = await recordsOf(all)
    const ids = records.map(({ id }) => id)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
    const times = records.map(({ time }) => time)
    expect([...times].sort()).toEqual(times)
    expect(accepted.length).toBeGreaterThan(15)
    for (const { tenant, records: some, requests } of accepted) {
      for (const [i, { id, index }] of some.entries()) {
        expect(records[index]).toMatchObject({ id, tenant, request_id: requests[i] })
      }
    }
    // No batch is there in part.
    const requests = records.map((record) => record.request_id!)
    expect(new Set(requests).size).toBe(requests.length)
    expect(await foundInIndex(all)).toEqual(ids)
    for (const { id, tenant } of records) {
      expect(await all.records.disclosures(id, tenant)).toHaveLength(4)
    }
    const problems: string[] = []
    for await (const problem of all.vault.inspect()) problems.push(problem)
    expect(problems).toEqual([])
    await all.close()
    expect(await idsInVault()).toEqual(ids)
    // With that many lanes it would be strange if none was between vault and log.
    expect(withdrawn).toBeGreaterThan(0)
  }, 120_000)

  it('and erases, has erased all that it said, and what it had begun once it is started again', async () => {
    const erasing = new Set<string>()
    const erased = new Set<string>()
    for (const [run, wait] of [400, 130, 60, 260].entries()) {
      for (const one of await killed(`run${run}`, wait, 'erase')) {
        if (one.said === 'erasing') erasing.add(one.pseudonym)
        if (one.said === 'erased') erased.add(one.pseudonym)
      }
    }
    expect(erasing.size).toBeGreaterThan(0)
    const all = await openRecordsAt(place)
    const records = await recordsOf(all)
    const ordered = new Map<string, number>()
    for (const [i, { type, subject }] of records.entries()) {
      if (type === 'erasure') ordered.set(subject!, i)
    }
    for (const pseudonym of erased) expect(ordered.has(pseudonym)).toBe(true)
    for (const pseudonym of ordered.keys()) {
      expect(await all.vault.person('acme', pseudonym)).toBeUndefined()
    }
    for (const [i, { id, tenant, type, subject }] of records.entries()) {
      const isErased = type !== 'erasure' && subject !== undefined && ordered.has(subject)
      const disclosures = await all.records.disclosures(id, tenant)
      expect(disclosures === 'erased', `${i} ${type}`).toBe(isErased)
      // Nobody who was erased is in the log again after that.
      if (isErased) expect(i).toBeLessThan(ordered.get(subject)!)
    }
    expect(await foundInIndex(all)).toEqual(records.map(({ id }) => id).sort())
    const problems: string[] = []
    for await (const problem of all.vault.inspect()) problems.push(problem)
    expect(problems).toEqual([])
    await all.close()
    expect(await idsInVault()).toEqual(records.map(({ id }) => id).sort())
  }, 120_000)
})

describe('a log that does not say what became of a submission', () => {
  const failure = new CairnError('IO', 'the disk is gone')

  it('and has not stored it: at the next start it is out of the vault', async () => {
    const all = await openRecordsAt(place, {
      wrapLog: (log) => ({ ...log, submit: () => Promise.reject(failure) }),
    })
    await expect(all.records.submit([request(1), request(2)], caller())).rejects.toBe(failure)
    expect(await all.vault.staged()).toHaveLength(1)
    await all.close()
    expect(await idsInVault()).toHaveLength(2)
    const again = await openRecordsAt(place)
    expect(again.events).toEqual([{ event: 'withdrawn', batches: 1 }])
    expect(await again.vault.staged()).toEqual([])
    await again.close()
    expect(await idsInVault()).toEqual([])
  })

  it('and has stored it: it is a record all the same', async () => {
    const all = await openRecordsAt(place, {
      wrapLog: (log) => ({
        ...log,
        submit: async (leaves, options) => {
          await log.submit(leaves, options)
          throw failure
        },
      }),
    })
    await expect(all.records.submit([request(1), request(2)], caller())).rejects.toBe(failure)
    await all.close()
    const again = await openRecordsAt(place)
    expect(again.events).toEqual([])
    const { records } = await again.records.search({}, 'acme')
    expect(records.map(({ request_id }) => request_id)).toEqual(['req-2', 'req-1'])
    expect(await again.records.disclosures(records[0]!.id, 'acme')).toHaveLength(4)
    await again.close()
  })

  it('is left alone while it must not be written to', async () => {
    const all = await openRecordsAt(place, {
      wrapLog: (log) => ({ ...log, submit: () => Promise.reject(failure) }),
    })
    await expect(all.records.submit([request(1)], caller())).rejects.toBe(failure)
    await all.close()
    const again = await openRecordsAt(place, {
      wrapLog: (log) => ({ ...log, mode: () => ({ mode: 'read-only', reason: 'rolled back' }) }),
    })
    await expect(again.records.submit([request(1)], caller())).rejects.toMatchObject({
      code: 'READ_ONLY',
    })
    expect(await again.vault.staged()).toHaveLength(1)
    await again.close()
  })
})
