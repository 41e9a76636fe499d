/**
 * kill -9 at any moment while records come in, people are erased, payloads are read under grants and others expire:
 * what was acknowledged holds, and what was begun is finished at the next start. TEST_KILL_ROUNDS sets how often.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { auditLog } from '../../src/client/audit-log.ts'
import { httpTileSource } from '../../src/client/http-tile-source.ts'
import { createRequester } from '../../src/client/request.ts'
import { receiptVerifier } from '../../src/client/verify-receipt.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseRecord, type RecordLeaf } from '../../src/formats/record.ts'
import { bundlePath } from '../../src/formats/tile.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { addToken } from '../../src/server/change-tokens.ts'
import { openLevelVaultStore } from '../../src/storage/level-vault.ts'
import { openMasterKeyFile } from '../../src/vault/master-key-file.ts'
import { openVault } from '../../src/vault/vault.ts'
import { freePort, type ServeProcess, startServe } from '../support/cairn-process.ts'
import { storedFiles } from '../support/stored-bytes.ts'

const ROUNDS = Number(process.env.TEST_KILL_ROUNDS ?? 2)
const DAY_MS = 86_400_000
/** People who are about at a time; one who is erased is followed by another. */
const PEOPLE = 8
const TYPE = 'llm_request'

/** What brief records lose within two days. */
const RETENTION = `
version: cairn-retention/v1
regimes: {}
classes:
  brief: { about: 'gone the day after', keep: P1D }
  long: { about: 'kept', keep: P10Y }
jurisdictions:
  none: { about: 'nothing applies but what the class says', class: long }
`

interface Placed {
  readonly id: string
  readonly index: number
  readonly receipt?: object
}

/** One submission, repeated with its key until it is answered, and now and then after that. */
interface Job {
  readonly key: string
  readonly requests: readonly string[]
  readonly body: string
  readonly type: string
  readonly path: string
  placed?: readonly Placed[]
}

/** Somebody answered with what they were not asked for; that fails the test, and a server that is gone does not. */
class Unexpected extends Error {}

it(`keeps records, and loses what was erased, through ${ROUNDS} kills`, {
  timeout: 60_000 + ROUNDS * 30_000,
}, async () => {
  const place = await mkdtemp(join(tmpdir(), 'cairn-records-kill-'))
  const data = join(place, 'log')
  const table = join(place, 'retention.yaml')
  await writeFile(table, RETENTION)

  const jobs: Job[] = []
  const canaries: string[] = []
  const names: string[] = []
  const erased = new Set<string>()
  const begun = new Set<string>()
  let unanswered: Job[] = []
  let serial = 0
  let reads = 0
  let acknowledged = 0
  let admin = ''
  let approver = ''

  const newPerson = (): string => {
    const name = `${randomBytes(12).toString('hex')}@example.com`
    names.push(name)
    return name
  }
  const people = Array.from({ length: PEOPLE }, newPerson)

  /** Asks as somebody; undefined when the server has gone away meanwhile. */
  async function ask(
    { url }: ServeProcess,
    token: string,
    path: string,
    { body, type = 'application/json', key }: { body?: string; type?: string; key?: string } = {},
  ) {
    try {
      const answer = await fetch(url + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': type }),
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        ...(body !== undefined && { body }),
      })
      // biome-ignore lint/suspicious/noExplicitAny: what it holds is what this test is about
      return { status: answer.status, json: (await answer.json()) as any }
    } catch {
      return undefined
    }
  }

  function newJob(count: number): Job {
    const records = Array.from({ length: count }, () => {
      const canary = randomBytes(18).toString('hex')
      if (canaries.length < 50) canaries.push(canary)
      return {
        type: TYPE,
        request_id: `req-${serial++}`,
        subject: people[Math.floor(Math.random() * people.length)],
        actor: 'agent-7',
        resource: `case ${canary}`,
        retention_class: serial % 3 === 0 ? 'brief' : 'long',
        model: { name: 'm' },
        input: { prompt: canary },
      }
    })
    const job = {
      key: `key-${jobs.length}`,
      requests: records.map(({ request_id }) => request_id),
      body: records.map((record) => JSON.stringify(record)).join('\n'),
      type: count === 1 ? 'application/json' : 'application/x-ndjson',
      path: '/v1/records',
    }
    jobs.push(job)
    return job
  }

  /** Whether the server is still there. */
  async function submit(server: ServeProcess, job: Job): Promise<boolean> {
    const { path, body, type, key } = job
    const answer = await ask(server, admin, path, { body, type, key })
    if (answer === undefined || answer.status === 503) {
      if (job.placed === undefined) unanswered.push(job)
      return answer !== undefined
    }
    if (answer.status !== 201) throw new Unexpected(JSON.stringify(answer))
    const placed: Placed[] = answer.json.records ?? [answer.json]
    const ids = placed.map(({ id, index }) => ({ id, index }))
    if (job.placed !== undefined) {
      expect(ids, 'a retry').toEqual(job.placed.map(({ id, index }) => ({ id, index })))
    } else job.placed = placed
    acknowledged++
    return true
  }

  async function submitter(server: ServeProcess, count: () => number): Promise<void> {
    for (let turn = 1; ; turn++) {
      const again = jobs[Math.floor(Math.random() * jobs.length)]
      const isAgain = turn % 8 === 0 && again?.placed !== undefined
      if (!(await submit(server, isAgain ? again : newJob(count())))) return
    }
  }

  async function eraser(server: ServeProcess): Promise<void> {
    for (let turn = 0; ; turn++) {
      const one = turn % people.length
      const subject = people[one]!
      begun.add(subject)
      people[one] = newPerson()
      const answer = await ask(server, admin, '/v1/erasures', {
        body: JSON.stringify({ subject, basis: 'Art. 17(1) GDPR' }),
      })
      if (answer === undefined) return
      // Nobody may have recorded anything of them yet.
      if (answer.status === 201) erased.add(answer.json.pseudonym)
      else if (answer.status !== 404) throw new Unexpected(JSON.stringify(answer))
    }
  }

  async function grantOf(server: ServeProcess): Promise<string | undefined> {
    const request = { purpose: 'looking', ticket: 'T-1', scope: { type: TYPE } }
    const asked = await ask(server, admin, '/v1/grants', { body: JSON.stringify(request) })
    const id = asked?.json.id
    const approved = id && (await ask(server, approver, `/v1/grants/${id}/approve`, { body: '' }))
    return approved?.status === 200 ? id : undefined
  }

  async function reader(server: ServeProcess): Promise<void> {
    const grant = await grantOf(server)
    if (grant === undefined) return
    for (;;) {
      const job = jobs[Math.floor(Math.random() * jobs.length)]
      const placed = job?.placed?.[0]
      if (placed === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      const read = await ask(server, admin, `/v1/records/${placed.index}?grant=${grant}`)
      if (read === undefined) return
      if (read.status !== 200) throw new Unexpected(JSON.stringify(read))
      expect(read.json.record.id).toBe(placed.id)
      reads++
    }
  }

  async function start(clockMs: number): Promise<ServeProcess> {
    const flags = ['--origin', 'kill.example/log', '--retention-table', table]
    const started = await startServe(data, await freePort(), flags, { clockMs })
    admin = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
    return started
  }

  /** Resolves when a server has done some of everything, or has had time enough for it. */
  async function enough(submissions: number, reading: boolean): Promise<void> {
    const before = { acknowledged, erased: erased.size, reads }
    const end = Date.now() + 4_000
    const isEnough = (): boolean =>
      acknowledged >= before.acknowledged + submissions &&
      erased.size > before.erased &&
      (!reading || reads > before.reads)
    while (!isEnough() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
  }

  let server: ServeProcess | undefined
  try {
    for (let round = 0; round < ROUNDS; round++) {
      // Two days pass from one start to the next, so that there is something to expire at each.
      server = await start((round - ROUNDS) * 2 * DAY_MS)
      const running = server
      const again = unanswered
      unanswered = []
      expect(await submit(server, newJob(3))).toBe(true)
      const load = Promise.all([
        ...Array.from({ length: 6 }, () => submitter(running, () => 1)),
        ...Array.from({ length: 3 }, () =>
          submitter(running, () => 2 + Math.floor(Math.random() * 30)),
        ),
        ...again.map((job) => submit(running, job)),
        eraser(running),
        ...(approver === '' ? [] : [reader(running), reader(running)]),
      ])
      const approverKnown = approver !== ''
      if (!approverKnown) {
        const added = { name: 'approver', roles: ['approver'] as const }
        approver = (await addToken(join(data, 'tokens'), added)).token
      }
      await Promise.race([load, enough(Math.random() * 150, approverKnown)])
      await server.kill()
      await load
    }

    server = await start(0)
    const { url } = server
    for (const job of unanswered) expect(await submit(server, job)).toBe(true)
    const grant = (await grantOf(server))!
    expect(grant, server.output()).toBeDefined()
    // Expiry runs by itself; the newest of its records says how far it has come.
    for (let tries = 0; ; tries++) {
      const page = await ask(server, admin, '/v1/records?type=retention&action=expire&limit=1')
      const newest = page?.json.records[0]
      if (Date.parse(newest?.time) > Date.now() - DAY_MS) break
      if (tries > 200) throw new Error(`nothing expires: ${server.output()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }

    const vkeys = (await readFile(join(data, 'log.vkey'), 'utf8')).trim().split('\n')
    const trust = { logKeys: vkeys.map(parseVkey) }
    const size = await settledSize(url)
    const leaves: Uint8Array[] = []
    for (let bundle = 0; bundle * 256 < size; bundle++) {
      const width = Math.min(256, size - bundle * 256)
      const framed = await (await fetch(`${url}/${bundlePath(bundle, width)}`)).arrayBuffer()
      leaves.push(...decodeBundle(new Uint8Array(framed), width))
    }
    const log = leaves.map((leaf) => parseRecord(leaf))

    // Each record is in the log once, in the order of time; no request is there twice, whatever was repeated.
    expect(new Set(log.map(({ id }) => id)).size).toBe(log.length)
    const times = log.map(({ time }) => time)
    expect([...times].sort()).toEqual(times)
    const submitted = log.filter(({ type }) => type === TYPE)
    expect(new Set(submitted.map(({ request_id }) => request_id)).size).toBe(submitted.length)
    const verify = receiptVerifier(trust)
    let receipts = 0
    for (const { requests, placed } of jobs) {
      expect(placed).toHaveLength(requests.length)
      for (const [i, { id, index, receipt }] of placed!.entries()) {
        expect(log[index]).toMatchObject({ id, request_id: requests[i] })
        if (receipt === undefined) continue
        receipts++
        const { ok, checks } = verify(leaves[index]!, utf8(JSON.stringify(receipt)))
        expect(ok, JSON.stringify(checks)).toBe(true)
      }
    }

    // All of them are found, and by the name of whoever they are about for as long as there is one. Expiry may go on.
    expect((await idsFound(server, '')).slice(0, log.length)).toEqual(log.map(({ id }) => id))
    const ordered = new Set<string>()
    for (const { type, subject } of log) if (type === 'erasure') ordered.add(subject!)
    for (const pseudonym of erased) expect(ordered.has(pseudonym)).toBe(true)
    let byName = 0
    for (const name of names) {
      const ids = new Set(await idsFound(server, `subject=${name}&`))
      byName += ids.size
      for (const { id, subject } of log) if (ids.has(id)) expect(ordered.has(subject!)).toBe(false)
    }
    expect(byName).toBe(submitted.filter(({ subject }) => !ordered.has(subject!)).length)

    const audited = await auditLog({
      source: httpTileSource(createRequester({ url })),
      checkpoint: new Uint8Array(await (await fetch(`${url}/checkpoint`)).arrayBuffer()),
      trust,
    })
    expect(audited.checks.filter(({ status }) => status === 'failed')).toEqual([])
    expect(await server.stop()).toBe(0)
    server = undefined

    // In the vault is what was not erased and has not expired, of what is in the log, and of nothing else.
    const store = await openLevelVaultStore(join(data, 'vault'))
    const { masterKey } = await openMasterKeyFile(join(data, 'keys', 'vault.key'))
    const vault = await openVault({ store, masterKey, now: Date.now })
    try {
      const problems: string[] = []
      for await (const problem of vault.inspect()) problems.push(problem)
      expect(problems).toEqual([])
      expect(await vault.staged()).toEqual([])
      const isGone = ({ subject, retention_class }: RecordLeaf): boolean =>
        ordered.has(subject!) || retention_class === 'brief'
      const today = new Date().toISOString().slice(0, 10)
      let shown = 0
      for (const record of submitted) {
        const left = await vault.get('default', record.id)
        // What was submitted again today is kept for a day.
        if (record.retention_class === 'brief' && record.time.startsWith(today)) continue
        const pointers = typeof left === 'object' ? left.map(({ pointer }) => pointer) : left
        if (isGone(record)) {
          // Who acted goes with an erasure of theirs, or with the record.
          const rest = record.retention_class === 'brief' ? 'erased' : ['/actor']
          expect([rest, 'erased'], record.id).toContainEqual(pointers)
        } else {
          expect(pointers, record.id).toEqual(
            expect.arrayContaining(['/input/prompt', '/resource', '/subject']),
          )
          shown++
        }
      }
      for (const pseudonym of ordered) {
        expect(await vault.person('default', pseudonym)).toBeUndefined()
      }
      console.log(
        `${submitted.length} records (${shown} payloads left), ${receipts} receipts, ${reads} read, ${ordered.size} people erased, ${ROUNDS} kills`,
      )
    } finally {
      await vault.close()
    }
    // Nobody's name and nothing that was submitted is anywhere in the clear; files may cut it in two.
    for (const { name, bytes } of await storedFiles(place)) {
      const found = [...canaries, ...begun].filter(
        (text) => bytes.includes(text.slice(0, 12)) || bytes.includes(text.slice(12, 24)),
      )
      expect(found, name).toEqual([])
    }
  } finally {
    await server?.kill()
    await rm(place, { recursive: true, force: true })
  }

  /** The size of the published head, once it has all that was acknowledged. */
  async function settledSize(url: string): Promise<number> {
    const newest = Math.max(...jobs.flatMap(({ placed }) => placed!.map(({ index }) => index)))
    const vkeys = (await readFile(join(data, 'log.vkey'), 'utf8')).trim().split('\n').map(parseVkey)
    for (;;) {
      const note = utf8(await (await fetch(`${url}/checkpoint`)).text())
      const { size } = openCheckpoint(note, vkeys).checkpoint
      if (size > newest) return size
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** The ids of all records that a search finds, the oldest first. */
  async function idsFound(running: ServeProcess, query: string): Promise<string[]> {
    const ids: string[] = []
    for (let cursor = ''; ; ) {
      const path = `/v1/records?${query}order=oldest&limit=1000${cursor}`
      const page = (await ask(running, admin, path))!.json
      ids.push(...page.records.map(({ id }: Placed) => id))
      if (page.cursor === undefined) return ids
      cursor = `&cursor=${page.cursor}`
    }
  }
})
