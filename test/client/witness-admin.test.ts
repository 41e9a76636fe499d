import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifySplitView } from '../../src/client/verify-split-view.ts'
import { createWitnessAdmin } from '../../src/client/witness-admin.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { type RunningWitness, serveWitness } from '../../src/server/witness.ts'
import { loadWitnessConfig } from '../../src/server/witness-config.ts'
import { WitnessedLog } from '../witness/witnessed-log.ts'

const LOG = new WitnessedLog('log.example')
const FORK = new WitnessedLog('log.example', 'other leaf')
const VKEYS = [LOG.key, LOG.mlDsaKey].map(({ vkey }) => formatVkey(vkey))

let directory: string
let running: RunningWitness
let token: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-witness-admin-'))
  const flags = { data: join(directory, 'w'), port: 0, 'ml-dsa': false }
  running = await serveWitness(await loadWitnessConfig({ flags, env: {} }))
  token = (await readFile(join(directory, 'w', 'admin.token'), 'utf8')).trim()
})
afterAll(async () => {
  await running.close()
  await rm(directory, { recursive: true, force: true })
})

const admin = (given = token) => createWitnessAdmin({ url: running.url, token: given, retries: 0 })
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('the operator of a witness', () => {
  it('says which logs it watches, and sees how far it is', async () => {
    expect(await admin().logs()).toEqual([])
    const watched = { origin: 'log.example', originHash: originHash('log.example'), vkeys: VKEYS }
    expect(await admin().watch(VKEYS)).toEqual(watched)
    expect(await admin().logs()).toEqual([watched])
    await running.witness.addCheckpoint(LOG.request(0, 5))
    const [log] = await admin().logs()
    expect(log).toMatchObject({ ...watched, head: { size: 5 } })
    expect(Math.abs(Date.now() - log!.head!.cosignedAt.getTime())).toBeLessThan(5_000)
  })

  it('finds a split view, and takes its evidence away', async () => {
    await running.witness.addCheckpoint(FORK.request(0, 5))
    await running.witness.addCheckpoint(FORK.request(5, 8))
    // Both are of one millisecond on a quick machine.
    const conflicts = [...(await admin().conflicts())].sort(
      (a, b) => a.refused.size - b.refused.size,
    )
    expect(conflicts).toMatchObject([
      { origin: 'log.example', kind: 'split-view', cosigned: { size: 5 }, refused: { size: 5 } },
      { origin: 'log.example', kind: 'unproven', cosigned: { size: 5 }, refused: { size: 8 } },
    ])
    const [split, unproven] = conflicts
    const verdict = verifySplitView(await admin().evidence(split!.id), { logKeys: [LOG.key.vkey] })
    expect(verdict.ok).toBe(true)
    expect(await admin().notes(unproven!.id)).toEqual({
      cosigned: LOG.head(5),
      refused: FORK.head(8),
    })
    await expect(admin().evidence(unproven!.id)).rejects.toEqual(
      refusal('NOT_FOUND', /no evidence by themselves/),
    )
    await expect(admin().notes('0'.repeat(32))).rejects.toEqual(refusal('NOT_FOUND', /no conflict/))
  })

  it('stops watching a log, whose head is kept', async () => {
    expect(await admin().unwatch('log.example')).toBe(true)
    expect(await admin().unwatch('log.example')).toBe(false)
    expect(await admin().logs()).toEqual([])
    expect(await admin().watch(VKEYS)).toMatchObject({ head: { size: 5 } })
  })

  it('is told what is wrong', async () => {
    for (const ask of [
      () => admin('wrong').logs(),
      () => admin('wrong').watch(VKEYS),
      () => admin('wrong').unwatch('log.example'),
    ]) {
      await expect(ask()).rejects.toEqual(refusal('UNAUTHORIZED', /token/))
    }
    await expect(admin().watch(['x'])).rejects.toEqual(refusal('MALFORMED', /vkey is not/))
    const other = formatVkey(new WitnessedLog('other.example').key.vkey)
    await expect(admin().watch([...VKEYS, other])).rejects.toEqual(refusal('MALFORMED', /./))
    expect(() => createWitnessAdmin({ url: 'witness.example' })).toThrow(
      refusal('USAGE', /address of a witness/),
    )
  })
})

describe('an answer that no witness gives', () => {
  let server: Server
  let said = ''
  const url = () => `http://127.0.0.1:${(server.address() as { port: number }).port}`
  beforeAll(async () => {
    server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(said)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => void server.close())

  const log = { origin: 'a', origin_hash: 'b', vkeys: [] }
  const head = { tree_size: 1, root_hash: 'r' }
  const conflict = { id: 'a'.repeat(32), origin: 'o', kind: 'unproven', seen_at: '2026-01-01' }
  const bad: readonly unknown[] = [
    'hello',
    null,
    [],
    {},
    { logs: {} },
    { logs: [1] },
    { logs: [{ ...log, origin: 1 }] },
    { logs: [{ ...log, vkeys: 'x' }] },
    { logs: [{ ...log, tree_size: -1, root_hash: '', cosigned_at: '2026-01-01' }] },
    { logs: [{ ...log, tree_size: 1, root_hash: '', cosigned_at: 'noon' }] },
    { conflicts: [{ ...conflict, cosigned: head, refused: 1 }] },
    { conflicts: [{ ...conflict, cosigned: head, refused: head, kind: 'other' }] },
    { conflicts: [{ ...conflict, cosigned: head, refused: head, id: '../../etc/passwd' }] },
  ]
  it.each(bad.map((value) => [JSON.stringify(value), value]))('is refused: %s', async (text) => {
    said = text as string
    const witness = createWitnessAdmin({ url: url(), retries: 0 })
    const ask = said.includes('conflicts') ? witness.conflicts() : witness.logs()
    await expect(ask).rejects.toEqual(refusal('IO', /what answers there is not a witness/))
  })

  it('is told from a good one', async () => {
    said = JSON.stringify({ conflicts: [{ ...conflict, cosigned: head, refused: head }] })
    expect(await createWitnessAdmin({ url: url() }).conflicts()).toHaveLength(1)
  })
})
