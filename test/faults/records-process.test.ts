/** What happens to the records of a log when its process meets a wrong clock, or dies while the index is built again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRecordsClient, type RecordsClient } from '../../src/client/records-client.ts'
import { addToken } from '../../src/server/change-tokens.ts'
import { CLI, freePort, type ServeProcess, startServe } from '../support/cairn-process.ts'

const DAY_MS = 86_400_000
const RECORDS = 1_200

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-records-process-'))
})
afterAll(() => rm(folder, { recursive: true }))

interface Running {
  readonly server: ServeProcess
  readonly admin: RecordsClient
  as(token: string): RecordsClient
}

/** A server while something is done with it. */
async function running<T>(
  data: string,
  clockMs: number,
  work: (running: Running) => Promise<T>,
): Promise<T> {
  const server = await startServe(data, await freePort(), [], { clockMs })
  try {
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
    const as = (one: string) => createRecordsClient({ url: server.url, token: one })
    const result = await work({ server, admin: as(token), as })
    expect(await server.stop()).toBe(0)
    return result
  } finally {
    await server.kill()
  }
}

function submission(n: number) {
  return {
    type: 'llm_request',
    request_id: `req-${n}`,
    subject: `person-${n % 5}`,
    resource: `case ${n % 7}`,
    input: { prompt: `prompt ${n}` },
  } as const
}

it('a clock that is a year ahead and then a day behind takes no time back, and gives no grant another hour', async () => {
  const data = join(folder, 'clock')
  const grant = await running(data, 0, async ({ admin, as }) => {
    const { index } = await admin.submit(submission(0))
    const added = { name: 'approver', roles: ['approver'] as const }
    const approver = as((await addToken(join(data, 'tokens'), added)).token)
    const scope = { request_id: 'req-0' }
    const { id } = await admin.requestGrant({ purpose: 'looking', ticket: 'T-1', scope })
    // The server looks for new tokens now and then.
    while (
      await approver.decideGrant(id, 'approve').then(
        () => false,
        () => true,
      )
    ) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(await admin.read(index, { grant: id })).toMatchObject({ payload: { state: 'shown' } })
    return id
  })
  for (const clockMs of [DAY_MS * 365, -DAY_MS]) {
    await running(data, clockMs, async ({ server, admin }) => {
      expect(await admin.grant(grant)).toMatchObject({ state: 'expired' })
      await expect(admin.read(0, { grant })).rejects.toMatchObject({ code: 'FORBIDDEN' })
      await admin.submit(submission(clockMs))
      const { records } = await admin.search({ order: 'oldest' })
      const times = records.map(({ time }) => time)
      expect([...times].sort()).toEqual(times)
      expect(new Set(records.map(({ id }) => id)).size).toBe(records.length)
      expect(server.output().includes('"event":"clock-behind"')).toBe(clockMs < 0)
      expect(server.output()).not.toContain('"event":"error"')
    })
  }
})

it('an index that is being built again when the process dies is whole after the next start', async () => {
  const data = join(folder, 'reindex')
  const ids = await running(data, 0, async ({ admin }) => {
    const records = Array.from({ length: RECORDS }, (_, n) => submission(n))
    const placed: string[] = []
    for await (const some of admin.submitForPlaces(records))
      placed.push(...some.map(({ id }) => id))
    await admin.erase({ subject: 'person-1', basis: 'Art. 17' })
    return placed
  })
  const index = join(data, 'index')
  let deaths = 0
  for (const [i, wait] of [0, 20, 5, 60].entries()) {
    const former = join(index, 'former')
    await mkdir(index, { recursive: true })
    await writeFile(former, '')
    const child = spawn(process.execPath, [CLI, 'fsck', data, '--reindex'], { stdio: 'ignore' })
    const closed = once(child, 'close')
    // It removes the former index first.
    while (existsSync(former) && child.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await new Promise((resolve) => setTimeout(resolve, wait))
    child.kill('SIGKILL')
    await closed
    if (child.signalCode === 'SIGKILL') deaths++
    if (i % 2 === 0) continue
    await running(data, 0, async ({ admin }) => {
      const found: string[] = []
      for await (const { id, type } of admin.searchAll({ order: 'oldest', limit: 1_000 })) {
        if (type === 'llm_request') found.push(id)
      }
      expect(found).toEqual(ids)
      expect((await admin.search({ subject: 'person-1' })).records).toEqual([])
      expect((await admin.search({ subject: 'person-2', limit: 1_000 })).records).toHaveLength(
        RECORDS / 5,
      )
      // Of an erased person nothing is found by its resource.
      const byResource = (await admin.search({ resource: 'case 3', limit: 1_000 })).records
      const expected = Array.from({ length: RECORDS }, (_, n) => n).filter(
        (n) => n % 7 === 3 && n % 5 !== 1,
      )
      expect(byResource).toHaveLength(expected.length)
    })
  }
  expect(deaths).toBeGreaterThan(1)
})
